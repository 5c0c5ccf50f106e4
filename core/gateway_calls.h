// Purpose: calls to a gateway in one form for every gateway: what to send, and what an answer proves. Pure:
// the time and a nonce come in with each call; connections are the caller's. An answer that cannot be
// verified, or that the gateway itself does not know, is `unknown`: whoever called asks again, and assumes
// nothing. Lifetime: requests and answers are values. Owner: one thread. Units: Money in minor units; Time in
// milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/gateway_work.h"
#include "core/money.h"
#include "core/names.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge {

struct GatewayRequest {
  std::string method;  // GET or POST
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct GatewayReply {
  unsigned status = 0;
  std::string header_lines;
  std::string body;
};

struct PaymentStart {
  OrderId order_id;
  Money amount;
  std::string_view subject;
  Time expires_at;
  std::string_view return_url;  // h5: where the payer comes back to; empty: nowhere
  std::string_view client_ip;   // h5 of WeChat
};

struct RefundStart {
  OrderId order_id;                 // nil: the payment is named by its transaction alone
  std::string_view transaction_id;  // the gateway's
  RefundId refund_id;               // the same for every try: never refunded twice
  Money amount;
  Money total;  // of the payment
};

struct CallAnswer {
  enum class Kind : std::uint8_t {
    done,
    refused,  // the gateway says why: nothing was changed by this call
    unknown
  };
  Kind kind = Kind::unknown;
  std::string reason;  // the gateway's own name of it, or what could not be verified
};

struct StartAnswer : CallAnswer {
  std::string pay_text;  // done: of the code, or the address of the page
};

struct QueryAnswer : CallAnswer {
  enum class State : std::uint8_t { not_found, waiting, paid, closed, refunded };
  State state = State::waiting;  // with done
  TransactionId transaction_id;  // from paid on
  Money amount;                  // paid
  std::optional<Time> paid_at;
};

struct RefundAnswer : CallAnswer {
  enum class State : std::uint8_t { pending, succeeded, failed, not_found };
  State state = State::pending;  // with done
};

// The payments and refunds of one day.
struct BillQuestion {
  std::string date;   // YYYY-MM-DD, of the gateway's own day: Alipay, WeChat
  Time from;          // Stripe, which has pages instead
  Time until;         // not in it any more
  std::string after;  // Stripe: `next` of the page before; empty: the first
};

struct BillAnswer : CallAnswer {
  // Alipay, WeChat: where the file can be fetched, for half a minute.
  std::string url;
  std::string authorization;  // the header that this needs, good once; empty: none
  std::string sha1;           // hex, of the unpacked file; empty: the gateway does not say
  // Stripe: an array of objects, and what the next question begins after; empty: it was the last page.
  std::string page;
  std::string next;
};

// What a gateway signs or is given must name just one refund: its order's hex digits and a digest of its id.
std::string refund_number(const OrderId& order_id, const RefundId& refund_id);

}  // namespace recharge
