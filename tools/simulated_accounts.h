// Purpose: the accounts that a merchant has with the simulated gateways: keys of both sides, made once and
// kept in a folder, with the settings that recharged needs for them. Owner: one thread. Lifetime: values.
// Errors: ExitCode::bad_configuration names the file. Keys are files of mode 0600.
#pragma once

#include <string>

#include "core/rsa_key.h"
#include "tools/tool_error.h"

namespace recharge {

struct SimulatedAccounts {
  std::string app_id = "2021000000000001";  // Alipay's
  std::string seller_id = "2088000000000001";
  std::string mchid = "1900000001";  // WeChat Pay's
  std::string appid = "wx0000000000000001";
  std::string serial_no = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";
  std::string wechat_key_id = "PUB_KEY_ID_0119000000012026010100000000000001";
  RsaPrivateKey merchant;  // ours, which requests are signed with
  RsaPrivateKey alipay;    // theirs
  RsaPrivateKey wechat;
  RsaPrivateKey stranger;  // of nobody: for forgeries
  std::string api_v3_key;
  std::string stripe_key;      // sk_test_…
  std::string stripe_webhook;  // whsec_…
  std::string standard_webhook;

  // Makes what is missing in the folder.
  static ToolResult<SimulatedAccounts> open(const std::string& folder);
};

// Writes FOLDER/recharged.toml: the gateways alipay, wechat, stripe and standard, with keys beside it, calls
// to `gateways` and callbacks to `server`, both like http://127.0.0.1:8080. The file's name.
ToolResult<std::string> write_gateway_settings(const std::string& folder, const SimulatedAccounts& accounts,
                                               const std::string& gateways, const std::string& server);

}  // namespace recharge
