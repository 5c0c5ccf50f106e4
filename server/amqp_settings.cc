#include "server/amqp_settings.h"

#include <curl/curl.h>

#include "server/settings_reader.h"

namespace recharge {
namespace {

class UrlParts {
 public:
  explicit UrlParts(const std::string& text) : url_(curl_url()) {
    sound_ = url_ != nullptr &&
             curl_url_set(url_, CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
  }
  ~UrlParts() { curl_url_cleanup(url_); }
  UrlParts(const UrlParts&) = delete;
  UrlParts& operator=(const UrlParts&) = delete;

  // Empty where the URL does not have it.
  std::string get(CURLUPart part, unsigned flags) const {
    char* text = nullptr;
    if (!sound_ || curl_url_get(url_, part, &text, flags) != CURLUE_OK) return {};
    std::string found(text);
    curl_free(text);
    return found;
  }

 private:
  CURLU* url_;
  bool sound_ = false;
};

struct BrokerUrl {
  AmqpBroker broker;
  bool tls = false;
  std::string user = "guest";
  std::string virtual_host = "/";
};

BrokerUrl read_url(const SettingsReader& reader, const std::string& path, const std::string& text) {
  const UrlParts parts(text);
  const std::string scheme = parts.get(CURLUPART_SCHEME, 0);
  BrokerUrl url;
  url.broker.host = parts.get(CURLUPART_HOST, 0);
  if ((scheme != "amqp" && scheme != "amqps") || url.broker.host.empty())
    reader.refuse(path, "must be amqp[s]://USER@HOST[:PORT][/VIRTUAL_HOST]");
  if (!parts.get(CURLUPART_PASSWORD, 0).empty())
    reader.refuse(path, "must hold no password: give amqp.password_file");
  url.tls = scheme == "amqps";
  const std::string port = parts.get(CURLUPART_PORT, 0);
  url.broker.port = port.empty() ? (url.tls ? 5671 : 5672) : std::stoi(port);
  if (const auto user = parts.get(CURLUPART_USER, CURLU_URLDECODE); !user.empty()) url.user = user;
  if (const auto part = parts.get(CURLUPART_PATH, CURLU_URLDECODE); part.size() > 1)
    url.virtual_host = part.substr(1);
  return url;
}

}  // namespace

std::optional<AmqpSettings> read_amqp(SettingsReader& reader) {
  const auto one = reader.text("amqp.url");
  const auto several = reader.texts("amqp.urls");
  if (!one && !several && reader.section("amqp") == nullptr) return std::nullopt;
  if (one && several) reader.refuse("amqp.urls", "stands in the place of amqp.url: give one of the two");
  const std::string path = several ? "amqp.urls" : "amqp.url";
  std::vector<std::string> urls = several.value_or(std::vector<std::string>());
  if (one) urls.push_back(*one);
  if (urls.empty()) reader.refuse("amqp", "url is missing");
  if (urls.size() > AmqpSettings::kMaxBrokers)
    reader.refuse(path, "must be at most " + std::to_string(AmqpSettings::kMaxBrokers));
  AmqpSettings amqp;
  for (const std::string& text : urls) {
    BrokerUrl url = read_url(reader, path, text);
    if (amqp.brokers.empty()) {
      amqp.tls = url.tls;
      amqp.user = url.user;
      amqp.virtual_host = url.virtual_host;
    }
    if (url.tls != amqp.tls || url.user != amqp.user || url.virtual_host != amqp.virtual_host)
      reader.refuse(path, "must be of one cluster: nothing but host and port may differ");
    amqp.brokers.push_back(std::move(url.broker));
  }
  if (auto file = reader.file("amqp.password_file")) amqp.password = std::move(*file);
  if (auto file = reader.text("amqp.ca_file")) amqp.ca_file = reader.file_path(*file);
  if (auto exchange = reader.text("amqp.exchange")) amqp.exchange = *exchange;
  if (amqp.exchange.empty() || amqp.exchange.size() > 127)
    reader.refuse("amqp.exchange", "must be 1 to 127 bytes");
  if (auto seconds = reader.integer("amqp.heartbeat_s", 1, 600))
    amqp.heartbeat_s = static_cast<int>(*seconds);
  return amqp;
}

}  // namespace recharge
