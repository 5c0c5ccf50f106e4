// The verb that makes bearer tokens: token.
#include <sodium.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "core/access_token.h"
#include "tools/json_text.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr std::int64_t kMaxTtlS = 10 * 365 * 86'400LL;

struct TokenOptions {
  std::string key_file, kid, algorithm = "HS256";
  std::vector<std::string> scopes;
  std::string account, subject, issuer = "recharge", audience = "recharge";
  std::int64_t ttl_s = 3600;
};

ToolResult<TokenKey> read_key(const TokenOptions& options) {
  std::ifstream in(options.key_file, std::ios::binary);
  if (!in) return ToolError{ExitCode::bad_configuration, options.key_file + " cannot be read"};
  std::string text{std::istreambuf_iterator<char>(in), {}};
  auto key = TokenKey::from_text(options.kid, *parse_token_algorithm(options.algorithm), text);
  sodium_memzero(text.data(), text.size());
  if (key) return std::move(*key);
  return ToolError{ExitCode::bad_configuration, options.key_file + ": no usable key for " +
                                                    options.algorithm + ": " + key.error().message()};
}

ExitCode make(const Tool& tool, const TokenOptions& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  TokenRequest request{options.issuer, options.audience, options.subject, options.account, {}, 0, 0};
  for (const std::string& scope : options.scopes) {
    if (!parse_scope(scope)) return report({ExitCode::usage, "no such scope: " + scope});
    request.scopes.append(request.scopes.empty() ? "" : " ").append(scope);
  }
  request.issued_at_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  request.expires_at_s = request.issued_at_s + options.ttl_s;
  const auto key = read_key(options);
  if (!key) return report(key.error());
  const auto token = make_token(*key, request);
  if (!token) return report({ExitCode::bad_configuration, options.key_file + " has no private key"});
  if (tool.json) {
    JsonWriter writer;
    writer.text("token", *token).count("expires_at", static_cast<std::uint64_t>(request.expires_at_s));
    std::cout << writer.finish() << '\n';
  } else {
    std::cout << *token << '\n';
  }
  return ExitCode::ok;
}

}  // namespace

void add_token_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<TokenOptions>();
  CLI::App* token = app.add_subcommand("token", "Make a bearer token for a server with auth.mode = \"jwt\"");
  token->add_option("--key-file", options->key_file, "HS256: the secret as text; else a private key in PEM")
      ->required();
  token->add_option("--kid", options->kid, "The key's id in the settings of the server")->required();
  token->add_option("--algorithm", options->algorithm, "What the key is for")
      ->check(CLI::IsMember({"HS256", "RS256", "ES256", "EdDSA"}))
      ->capture_default_str();
  token
      ->add_option("--scope", options->scopes,
                   "What it allows: orders:write, pay:write, orders:read, "
                   "balance:read, balance:write, refund:write, admin")
      ->required()
      ->delimiter(',');
  token->add_option("--account", options->account, "Bind it to this account");
  token->add_option("--subject", options->subject, "Whose it is");
  token->add_option("--ttl", options->ttl_s, "Seconds that it lasts")
      ->check(CLI::Range(std::int64_t{1}, kMaxTtlS))
      ->capture_default_str();
  token->add_option("--issuer", options->issuer, "auth.issuer of the server")->capture_default_str();
  token->add_option("--audience", options->audience, "auth.audience of the server")->capture_default_str();
  token->callback([&tool, options] { tool.action = [&tool, options] { return make(tool, *options); }; });
}

}  // namespace recharge
