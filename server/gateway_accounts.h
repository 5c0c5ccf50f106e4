// Purpose: the keys and identity of a configured gateway that has a protocol of its own, read from its files.
// Lifetime: immutable once loaded; each io thread makes an adapter of its own from it. Errors: SettingsError,
// which never holds a key.
#pragma once

#include <memory>
#include <variant>

#include "core/alipay_callback.h"
#include "core/standard_callback.h"
#include "core/stripe_callback.h"
#include "core/wechat_callback.h"
#include "server/gateway_caller.h"
#include "server/settings.h"

namespace recharge {

using GatewayAccount = std::variant<AlipayAccount, WechatAccount, StripeAccount, StandardAccount>;

// REQUIRES: a kind that has an account.
GatewayAccount load_gateway_account(const GatewaySettings& gateway, Currency currency);

// What its calls are made with. None: a kind without calls.
std::optional<GatewayCallAccount> load_call_account(const GatewaySettings& gateway, Currency currency);

std::unique_ptr<GatewayAdapter> make_adapter(const GatewayAccount& account);

}  // namespace recharge
