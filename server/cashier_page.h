// Purpose: what a payer sees of an order: its amount, its status, and how to pay it at the gateway: nothing
// of its account, its payment or its history. Pure: bytes from records. Lifetime: values; views in
// CashierView are those of its maker.
#pragma once

#include <string>
#include <string_view>

#include "core/order.h"

namespace recharge {

struct CashierView {
  OrderStatus status = OrderStatus::pending;
  Money amount;
  Currency currency;
  Time expires_at;
  std::string_view gateway;      // as payers know it; empty: none, or not to be named
  std::string_view qr_text;      // of the code to scan; empty: none can be shown now
  std::string_view h5_url;       // of the gateway's page; empty: likewise
  bool waits_elsewhere = false;  // it was started in a way that only the shop's own page goes on with
};

// How the page is written.
enum class CashierLanguage : std::uint8_t { english, chinese };

// The page, complete in itself. It asks for `status` beside it until nothing can change any more.
void write_cashier_page(const CashierView& view, CashierLanguage language, std::string& out);
// Header lines that go with the page: it may load nothing, run nothing but its own script, and stand in no
// frame; the gateway sees where it comes from, and not which order.
std::string_view cashier_headers();
// What the page asks for: a JSON object.
void write_cashier_status(const CashierView& view, std::string& out);

}  // namespace recharge
