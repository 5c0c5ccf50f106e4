#include "server/gateway_settings.h"

#include <algorithm>
#include <array>

namespace recharge {
namespace {

constexpr std::array<std::string_view, 6> kKinds = {"simulated", "native", "alipay",
                                                    "wechat",    "stripe", "standard"};

bool is_gateway_name(std::string_view name) {
  return !name.empty() && name.size() <= GatewayName::kCapacity &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

// One gateway's section.
class Section {
 public:
  Section(SettingsReader& reader, std::string path) : reader_(reader), path_(std::move(path)) {}

  std::string needed_text(const char* key) {
    auto text = reader_.text(at(key));
    if (!text || text->empty()) reader_.refuse(at(key), "is needed");
    return *text;
  }
  SecretSource needed_file(const char* key) {
    auto file = reader_.file(at(key));
    if (!file) reader_.refuse(at(key), "is needed: a file");
    return *file;
  }
  std::vector<SecretSource> needed(const char* key, std::vector<SecretSource> sources) {
    if (sources.empty()) reader_.refuse(at(key), "is needed: at least one file");
    return sources;
  }
  std::vector<SecretSource> needed_files(const char* key) { return needed(key, reader_.files(at(key))); }
  std::vector<SecretSource> needed_named_files(const char* key) {
    return needed(key, reader_.named_files(at(key)));
  }
  std::string url(const char* key, std::string fallback) {
    auto text = reader_.text(at(key));
    if (!text) return fallback;
    const bool known = text->starts_with("https://") || text->starts_with("http://");
    if (!known || text->find_first_of(" \t\"'<>\\") != std::string::npos)
      reader_.refuse(at(key), "must be a URL of http or https");
    while (text->ends_with('/')) text->pop_back();
    return *text;
  }
  std::string at(const char* key) const { return path_ + "." + key; }

 private:
  SettingsReader& reader_;
  std::string path_;
};

void read_simulated(SettingsReader& reader, const std::string& path, GatewaySettings& gateway) {
  if (gateway.name != kSimulatedGatewayName) reader.refuse(path, "a simulated gateway is named simulated");
  if (auto rate = reader.fraction(path + ".success_rate")) gateway.success_rate = *rate;
  if (auto automatic = reader.boolean(path + ".auto_callback")) gateway.auto_callback = *automatic;
  if (auto allow = reader.boolean(path + ".allow_simulated")) gateway.allow_simulated = *allow;
}

void read_alipay(Section section, GatewaySettings& gateway) {
  gateway.app_id = section.needed_text("app_id");
  gateway.seller_id = section.needed_text("seller_id");
  gateway.private_key = section.needed_file("private_key_file");
  gateway.public_keys = section.needed_files("alipay_public_key_files");
  gateway.notify_url = section.url("notify_url", "");
  gateway.base_url = section.url("base_url", "https://openapi.alipay.com/gateway.do");
}

void read_wechat(SettingsReader& reader, Section section, GatewaySettings& gateway) {
  gateway.mchid = section.needed_text("mchid");
  gateway.app_id = section.needed_text("appid");
  gateway.serial_no = section.needed_text("serial_no");
  gateway.private_key = section.needed_file("private_key_file");
  gateway.public_keys = section.needed_named_files("public_keys");
  gateway.secrets.push_back(section.needed_file("api_v3_key_file"));
  // The one before, while what it sealed is still sent again.
  if (auto previous = reader.file(section.at("previous_api_v3_key_file")))
    gateway.secrets.push_back(*previous);
  gateway.notify_url = section.url("notify_url", "");
  gateway.base_url = section.url("base_url", "https://api.mch.weixin.qq.com");
}

void read_stripe(SettingsReader& reader, Section section, GatewaySettings& gateway) {
  gateway.private_key = section.needed_file("secret_key_file");
  gateway.secrets = section.needed_files("webhook_secret_files");
  if (auto live = reader.boolean(section.at("livemode"))) gateway.livemode = *live;
  gateway.base_url = section.url("base_url", "https://api.stripe.com");
}

}  // namespace

std::string_view to_text(GatewayKind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }

GatewaySettings read_gateway(SettingsReader& reader, const std::string& name) {
  const std::string path = "gateway." + name;
  if (reader.section(path) == nullptr) reader.refuse(path, "must be a section");
  if (!is_gateway_name(name)) reader.refuse(path, "a gateway's name is 1 to 32 of a-z, 0-9, _ and -");
  GatewaySettings gateway;
  gateway.name = name;
  std::string kind = name == kSimulatedGatewayName ? "simulated" : "";
  if (auto text = reader.text(path + ".kind")) kind = *text;
  const auto known = std::find(kKinds.begin(), kKinds.end(), kind);
  if (known == kKinds.end()) {
    reader.refuse(path + ".kind", "must be simulated, native, alipay, wechat, stripe or standard");
  }
  gateway.kind = static_cast<GatewayKind>(known - kKinds.begin());
  if (gateway.kind != GatewayKind::simulated &&
      (name == kNativeGatewayName || name == kSimulatedGatewayName)) {
    reader.refuse(path, "this name is taken");
  }
  Section section(reader, path);
  switch (gateway.kind) {
    case GatewayKind::simulated:
      read_simulated(reader, path, gateway);
      break;
    case GatewayKind::native:
      gateway.secrets = reader.secrets(path + ".secrets");
      if (gateway.secrets.empty()) reader.refuse(path, "needs secrets");
      break;
    case GatewayKind::alipay:
      read_alipay(section, gateway);
      break;
    case GatewayKind::wechat:
      read_wechat(reader, section, gateway);
      break;
    case GatewayKind::stripe:
      read_stripe(reader, section, gateway);
      break;
    case GatewayKind::standard:
      gateway.secrets = section.needed_files("secret_files");
      break;
  }
  gateway.allow_from = reader.ranges(path + ".allow_from");
  return gateway;
}

}  // namespace recharge
