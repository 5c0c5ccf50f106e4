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

}  // namespace

std::optional<AmqpSettings> read_amqp(SettingsReader& reader) {
  const auto url = reader.text("amqp.url");
  if (!url && reader.section("amqp") == nullptr) return std::nullopt;
  if (!url) reader.refuse("amqp", "url is missing");
  AmqpSettings amqp;
  const UrlParts parts(*url);
  const std::string scheme = parts.get(CURLUPART_SCHEME, 0);
  amqp.host = parts.get(CURLUPART_HOST, 0);
  if ((scheme != "amqp" && scheme != "amqps") || amqp.host.empty())
    reader.refuse("amqp.url", "must be amqp[s]://USER@HOST[:PORT][/VIRTUAL_HOST]");
  if (!parts.get(CURLUPART_PASSWORD, 0).empty())
    reader.refuse("amqp.url", "must hold no password: give amqp.password_file");
  amqp.tls = scheme == "amqps";
  const std::string port = parts.get(CURLUPART_PORT, 0);
  amqp.port = port.empty() ? (amqp.tls ? 5671 : 5672) : std::stoi(port);
  if (const auto user = parts.get(CURLUPART_USER, CURLU_URLDECODE); !user.empty()) amqp.user = user;
  if (const auto path = parts.get(CURLUPART_PATH, CURLU_URLDECODE); path.size() > 1)
    amqp.virtual_host = path.substr(1);
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
