#include "server/gateway_accounts.h"

#include <algorithm>

#include "core/aes_gcm.h"
#include "core/check.h"
#include "server/secret_file.h"

namespace recharge {
namespace {

constexpr std::size_t kMinStandardKeyBytes = 24;
constexpr std::size_t kMaxStandardKeyBytes = 64;

RsaPublicKey load_public_key(const SecretSource& source) {
  auto key = RsaPublicKey::parse(read_secret_file(source).reveal());
  if (!key) refuse_file(source, "holds no RSA public key of 2048 to 8192 bits");
  return std::move(*key);
}

RsaPrivateKey load_private_key(const SecretSource& source) {
  auto key = RsaPrivateKey::parse(read_secret_file(source));
  if (!key) refuse_file(source, "holds no RSA private key of 2048 to 8192 bits");
  return std::move(*key);
}

AlipayAccount load_alipay(const GatewaySettings& gateway) {
  AlipayAccount account;
  account.app_id = gateway.app_id;
  account.seller_id = gateway.seller_id;
  for (const SecretSource& source : gateway.public_keys) account.keys.push_back(load_public_key(source));
  return account;
}

WechatAccount load_wechat(const GatewaySettings& gateway) {
  WechatAccount account;
  account.mchid = gateway.mchid;
  account.appid = gateway.app_id;
  for (const SecretSource& source : gateway.public_keys)
    account.keys.push_back({source.id, load_public_key(source)});
  for (const SecretSource& source : gateway.secrets) {
    account.api_v3_keys.push_back(read_secret_file(source));
    if (account.api_v3_keys.back().reveal().size() != kAes256KeyBytes)
      refuse_file(source, "an APIv3 key has 32 bytes");
  }
  return account;
}

StripeAccount load_stripe(const GatewaySettings& gateway, Currency currency) {
  const Secret secret_key = read_secret_file(gateway.private_key);
  if (!secret_key.reveal().starts_with("sk_") && !secret_key.reveal().starts_with("rk_"))
    refuse_file(gateway.private_key, "holds no secret key (sk_… or rk_…)");
  StripeAccount account;
  account.livemode = gateway.livemode;
  account.currency = currency;
  for (const SecretSource& source : gateway.secrets) {
    account.secrets.push_back({source.id, read_secret_file(source)});
    if (!account.secrets.back().secret.reveal().starts_with("whsec_"))
      refuse_file(source, "holds no webhook secret (whsec_…)");
  }
  return account;
}

void check_standard_secret(const SecretSource& source, const CallbackSecret& secret) {
  if (is_public_key(secret.secret)) {
    if (!public_key(secret.secret)) refuse_file(source, "what follows whpk_ is no public key");
    return;
  }
  if (!secret.secret.reveal().starts_with("whsec_"))
    refuse_file(source, "each line is a secret whsec_… or a public key whpk_…");
  const auto key = standard_webhooks_key(secret.secret);
  if (!key || key->reveal().size() < kMinStandardKeyBytes || key->reveal().size() > kMaxStandardKeyBytes)
    refuse_file(source, "what follows whsec_ is base64 of 24 to 64 bytes");
}

// One secret a line; an id is FILE.LINE, both counted from 1.
StandardAccount load_standard(const GatewaySettings& gateway, Currency currency) {
  std::vector<CallbackSecret> secrets;
  for (const SecretSource& source : gateway.secrets) {
    const Secret file = read_secret_file(source);
    std::string_view lines = file.reveal();
    for (unsigned number = 1; !lines.empty(); ++number) {
      const std::size_t end = std::min(lines.find('\n'), lines.size());
      std::string_view line = lines.substr(0, end);
      lines.remove_prefix(std::min(end + 1, lines.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      secrets.push_back({source.id + "." + std::to_string(number), *Secret::from_text(line)});
      check_standard_secret(source, secrets.back());
    }
  }
  auto ring = KeyRing::make(std::move(secrets));
  if (!ring) throw SettingsError("gateway." + gateway.name + ".secret_files: " + ring.error().message());
  if (ring->secrets().empty())
    throw SettingsError("gateway." + gateway.name + ".secret_files: hold no secret");
  return {currency, std::move(*ring)};
}

struct MakeAdapter {
  std::unique_ptr<GatewayAdapter> operator()(const AlipayAccount& account) const {
    return std::make_unique<AlipayCallbacks>(account);
  }
  std::unique_ptr<GatewayAdapter> operator()(const WechatAccount& account) const {
    return std::make_unique<WechatCallbacks>(account);
  }
  std::unique_ptr<GatewayAdapter> operator()(const StripeAccount& account) const {
    return std::make_unique<StripeCallbacks>(account);
  }
  std::unique_ptr<GatewayAdapter> operator()(const StandardAccount& account) const {
    return std::make_unique<StandardCallbacks>(account);
  }
};

}  // namespace

GatewayAccount load_gateway_account(const GatewaySettings& gateway, Currency currency) {
  switch (gateway.kind) {
    case GatewayKind::alipay:
      return load_alipay(gateway);
    case GatewayKind::wechat:
      return load_wechat(gateway);
    case GatewayKind::stripe:
      return load_stripe(gateway, currency);
    case GatewayKind::standard:
      return load_standard(gateway, currency);
    case GatewayKind::simulated:
    case GatewayKind::native:
      break;
  }
  RECHARGE_CHECK(!"this kind of gateway has no account");
  return StandardAccount{};
}

std::optional<GatewayCallAccount> load_call_account(const GatewaySettings& gateway, Currency currency) {
  switch (gateway.kind) {
    case GatewayKind::alipay: {
      AlipayCaller caller;
      caller.app_id = gateway.app_id;
      caller.seller_id = gateway.seller_id;
      caller.base_url = gateway.base_url;
      caller.notify_url = gateway.notify_url;
      caller.key = load_private_key(gateway.private_key);
      for (const SecretSource& source : gateway.public_keys)
        caller.alipay_keys.push_back(load_public_key(source));
      return caller;
    }
    case GatewayKind::wechat: {
      WechatCaller caller;
      caller.mchid = gateway.mchid;
      caller.appid = gateway.app_id;
      caller.serial_no = gateway.serial_no;
      caller.base_url = gateway.base_url;
      caller.notify_url = gateway.notify_url;
      caller.key = load_private_key(gateway.private_key);
      for (const SecretSource& source : gateway.public_keys)
        caller.wechat_keys.push_back({source.id, load_public_key(source)});
      return caller;
    }
    case GatewayKind::stripe:
      return StripeCaller{gateway.base_url, read_secret_file(gateway.private_key), gateway.livemode,
                          currency};
    case GatewayKind::standard:
    case GatewayKind::simulated:
    case GatewayKind::native:
      break;
  }
  return std::nullopt;
}

std::unique_ptr<GatewayAdapter> make_adapter(const GatewayAccount& account) {
  return std::visit(MakeAdapter(), account);
}

}  // namespace recharge
