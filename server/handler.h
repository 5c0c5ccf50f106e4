// Purpose: what stands between HTTP and the engine: plain functions from a request to a command or a reply,
// and from an outcome to a reply. None of them knows a socket. Owner: an io thread; a context is its own.
// Lifetime: of the thread.
#pragma once

#include <re2/re2.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_object.h"
#include "server/audit.h"
#include "server/engine.h"
#include "server/key_rings.h"
#include "server/metrics.h"
#include "server/operation.h"
#include "server/random_source.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/settings.h"
#include "server/trace_parent.h"

namespace recharge {

class GatewayDesk;
class EventPages;
class LiveFeed;
struct Webhooks;
struct WatchMessage;
class OperatorDesk;

// What all io threads share, and read only.
struct ServiceState {
  std::function<std::string()> metrics_page;
  std::function<bool()> is_ready;  // not draining
  std::function<bool()> ledger_balanced;
  OperatorDesk* desk = nullptr;               // there where operators are listened to
  EventPages* event_pages = nullptr;          // there once the server is started
  Webhooks* webhooks = nullptr;               // there where the settings have any
  LiveFeed* live_feed = nullptr;              // likewise
  std::function<void(const OrderId&)> hurry;  // its open work at gateways is looked at now; on any thread
};

struct HandlerContext {
  const Settings& settings;
  const RE2& account_pattern;
  Engine& engine;
  unsigned thread;
  ThreadMetrics& metrics;
  const ServiceState& service;
  std::vector<CallbackGate> gates;  // the first is that of /api/payment_callback; replaced by a reload
  JsonReader json;
  RandomSource random;
  std::string scratch;
  OrderPolicy policy = OrderPolicy(settings);                                   // replaced by a reload
  std::vector<AddressRange> trusted_proxies = settings.server.trusted_proxies;  // replaced by a reload
  // Of the request that is begun:
  std::string_view token_subject = {};  // empty: none
  std::string_view request_id = {};
  NetAddress client = {};  // the peer, or who stands behind it by the PROXY protocol
  TraceParent trace = {};
  GatewayDesk* gateways = nullptr;  // there where a gateway has calls
  RefusalLines refusal_lines = {};
};

enum class Step { reply, submit, later };

// Fills operation.command and answers submit, or fills the reply, or has given the operation to another
// thread, which hands it back to this one (later). `parameter` is the decoded part of the path.
using Begin = Step (*)(const Request& request, std::string_view parameter, HandlerContext& context,
                       Operation& operation, Reply& reply);
// Fills the reply from operation.outcome.
using Finish = void (*)(const Operation& operation, HandlerContext& context, Reply& reply);
// After the outcome: true where the operation was filled with a command that is to follow, with the reply
// already made.
using FollowUp = bool (*)(Operation& operation, HandlerContext& context, Reply& reply);

// After each outcome: true where the operation goes on, and will be completed again.
using Pursue = bool (*)(Operation& operation, HandlerContext& context);

// Empty, or one that callbacks are taken from.
bool is_known_gateway(const Settings& settings, std::string_view name) noexcept;

Step place_order(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_placed_order(const Operation&, HandlerContext&, Reply&);

Step pay(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_payment(const Operation&, HandlerContext&, Reply&);
bool report_simulated_payment(Operation&, HandlerContext&, Reply&);
bool pursue_payment(Operation&, HandlerContext&);

Step payment_callback(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step gateway_callback(const Request&, std::string_view gateway, HandlerContext&, Operation&, Reply&);
void acknowledge_callback(const Operation&, HandlerContext&, Reply&);

Step open_cashier(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_cashier(const Operation&, HandlerContext&, Reply&);
void show_cashier_status(const Operation&, HandlerContext&, Reply&);
Step read_code(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_code(const Operation&, HandlerContext&, Reply&);

Step check_balance(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_balance(const Operation&, HandlerContext&, Reply&);
Step list_entries(const Request&, std::string_view account, HandlerContext&, Operation&, Reply&);
void show_entries(const Operation&, HandlerContext&, Reply&);
Step debit(const Request&, std::string_view account, HandlerContext&, Operation&, Reply&);
void show_debit(const Operation&, HandlerContext&, Reply&);

Step read_order(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_order(const Operation&, HandlerContext&, Reply&);
Step list_orders(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_orders(const Operation&, HandlerContext&, Reply&);
Step list_stuck_orders(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_stuck_orders(const Operation&, HandlerContext&, Reply&);
Step explain_order(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_explanation(const Operation&, HandlerContext&, Reply&);
Step close_order(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_closed_order(const Operation&, HandlerContext&, Reply&);
Step refund(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
void show_refund(const Operation&, HandlerContext&, Reply&);

Step read_bill(const Request&, std::string_view gateway, HandlerContext&, Operation&, Reply&);
void show_bill(const Operation&, HandlerContext&, Reply&);
Step ask_gateway(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
bool pursue_question(Operation&, HandlerContext&);
void show_answer(const Operation&, HandlerContext&, Reply&);

Step list_exceptions(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_exceptions(const Operation&, HandlerContext&, Reply&);
Step resolve_exception(const Request&, std::string_view exception, HandlerContext&, Operation&, Reply&);
void show_exception(const Operation&, HandlerContext&, Reply&);

Step list_events(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
void show_events(const Operation&, HandlerContext&, Reply&);

Step list_webhooks(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step show_webhook(const Request&, std::string_view webhook, HandlerContext&, Operation&, Reply&);
Step change_webhook(const Request&, std::string_view webhook, HandlerContext&, Operation&, Reply&);

Step watch_order(const Request&, std::string_view order, HandlerContext&, Operation&, Reply&);
Step watch_account(const Request&, std::string_view account, HandlerContext&, Operation&, Reply&);
Step open_web_socket(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step begin_watch(const WatchMessage&, HandlerContext&, Operation&, Reply&);
void show_watched(const Operation&, HandlerContext&, Reply&);

Step show_status(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step change_log_level(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step checkpoint_now(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step begin_backup(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step show_backup(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);

Step livez(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step readyz(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step metrics_page(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);
Step openapi_page(const Request&, std::string_view, HandlerContext&, Operation&, Reply&);

}  // namespace recharge
