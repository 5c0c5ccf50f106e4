#include "tools/simulated_accounts.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tools/made_ids.h"
#include "tools/made_rsa_key.h"

namespace recharge {
namespace {

ToolError failed(const std::string& file) {
  return {ExitCode::bad_configuration, file + ": " + std::strerror(errno)};
}

ToolResult<std::string> read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return failed(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

ToolResult<void> write_private(const std::string& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed(file);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(fd) != 0 || !written) return failed(file);
  return {};
}

ToolResult<std::string> text_of(const std::string& file, const std::string& fresh) {
  if (std::filesystem::exists(file)) return read_text(file);
  if (auto done = write_private(file, fresh); !done) return done.error();
  return fresh;
}

ToolResult<RsaPrivateKey> key_of(const std::string& folder, const std::string& name) {
  const std::string file = folder + "/" + name + "_private.txt";
  if (!std::filesystem::exists(file)) {
    const RsaKeyText made = make_rsa_key_text();
    if (auto done = write_private(file, made.private_key); !done) return done.error();
    if (auto done = write_private(folder + "/" + name + "_public.txt", made.public_key); !done)
      return done.error();
  }
  const auto text = read_text(file);
  if (!text) return text.error();
  const auto secret = Secret::from_text(*text);
  auto key = secret ? RsaPrivateKey::parse(*secret) : Result<RsaPrivateKey>(secret.error());
  if (!key) return ToolError{ExitCode::bad_configuration, file + ": is no RSA key"};
  return *key;
}

}  // namespace

ToolResult<SimulatedAccounts> SimulatedAccounts::open(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ToolError{ExitCode::bad_configuration, folder + ": " + error.message()};
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  SimulatedAccounts accounts;
  const std::array<std::pair<const char*, RsaPrivateKey*>, 4> keys = {{{"merchant", &accounts.merchant},
                                                                       {"alipay", &accounts.alipay},
                                                                       {"wechat", &accounts.wechat},
                                                                       {"stranger", &accounts.stranger}}};
  for (const auto& [name, to] : keys) {
    const auto key = key_of(folder, name);
    if (!key) return key.error();
    *to = *key;
  }
  const std::string random = random_hex(32);
  const auto base64 = encode_base64({reinterpret_cast<const std::uint8_t*>(random.data()), 32});
  const std::array<std::tuple<const char*, std::string, std::string*>, 4> secrets = {
      {{"api_v3_key.txt", random_hex(16), &accounts.api_v3_key},
       {"stripe_key.txt", "sk_test_" + random_hex(16), &accounts.stripe_key},
       {"stripe_webhook.txt", "whsec_" + random_hex(16), &accounts.stripe_webhook},
       {"standard_webhook.txt", "whsec_" + base64, &accounts.standard_webhook}}};
  for (const auto& [name, fresh, to] : secrets) {
    const auto text = text_of(folder + "/" + name, fresh);
    if (!text) return text.error();
    *to = *text;
  }
  return accounts;
}

ToolResult<std::string> write_gateway_settings(const std::string& folder, const SimulatedAccounts& accounts,
                                               const std::string& gateways, const std::string& server) {
  const auto notify = [&](const char* name) { return server + "/api/callbacks/" + name; };
  const std::string text =
      "# Made by recharge simulate: accounts with simulated gateways. Names of files are relative to this "
      "one.\n"
      "[gateway.alipay]\nkind = \"alipay\"\napp_id = \"" +
      accounts.app_id + "\"\nseller_id = \"" + accounts.seller_id +
      "\"\nprivate_key_file = \"merchant_private.txt\"\nalipay_public_key_files = [\"alipay_public.txt\"]\n"
      "notify_url = \"" +
      notify("alipay") + "\"\nbase_url = \"" + gateways +
      "/alipay/gateway.do\"\n\n"
      "[gateway.wechat]\nkind = \"wechat\"\nmchid = \"" +
      accounts.mchid + "\"\nappid = \"" + accounts.appid + "\"\nserial_no = \"" + accounts.serial_no +
      "\"\nprivate_key_file = \"merchant_private.txt\"\napi_v3_key_file = \"api_v3_key.txt\"\n"
      "public_keys = [{id = \"" +
      accounts.wechat_key_id +
      "\", file = \"wechat_public.txt\"}]\n"
      "notify_url = \"" +
      notify("wechat") + "\"\nbase_url = \"" + gateways +
      "/wechat\"\n\n"
      "[gateway.stripe]\nkind = \"stripe\"\nsecret_key_file = \"stripe_key.txt\"\n"
      "webhook_secret_files = [\"stripe_webhook.txt\"]\nlivemode = false\nbase_url = \"" +
      gateways +
      "/stripe\"\n\n"
      "[gateway.standard]\nkind = \"standard\"\nsecret_files = [\"standard_webhook.txt\"]\n";
  const std::string file = folder + "/recharged.toml";
  if (auto done = write_private(file, text); !done) return done.error();
  return file;
}

}  // namespace recharge
