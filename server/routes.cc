#include "server/routes.h"

#include "server/percent.h"

namespace recharge {
namespace {

constexpr Route kRoutes[] = {
    {Method::post, "/api/payment_callback", Scope::signature, Binding::none, LimitClass::callback,
     Doors::clients, payment_callback, acknowledge_callback},
    {Method::post, "/api/place_order", Scope::orders_write, Binding::account, LimitClass::write,
     Doors::clients, place_order, show_placed_order},
    {Method::post, "/api/pay", Scope::pay_write, Binding::order, LimitClass::write, Doors::clients, pay,
     show_payment, report_simulated_payment, false, pursue_payment},
    {Method::get, "/api/check_balance", Scope::balance_read, Binding::account, LimitClass::read,
     Doors::clients, check_balance, show_balance},
    {Method::get, "/api/orders", Scope::orders_read, Binding::account, LimitClass::read, Doors::clients,
     list_orders, show_orders},
    {Method::get, "/api/orders/stuck", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::both,
     list_stuck_orders, show_stuck_orders},
    {Method::get, "/api/orders/{order_id}", Scope::orders_read, Binding::order, LimitClass::read,
     Doors::clients, read_order, show_order},
    {Method::get, "/api/orders/{order_id}/explain", Scope::admin, Binding::order, LimitClass::admin,
     Doors::both, explain_order, show_explanation},
    {Method::get, "/api/orders/{order_id}/qr.svg", Scope::orders_read, Binding::order, LimitClass::read,
     Doors::clients, read_code, show_code},
    {Method::get, "/pay/{order_id}", Scope::none, Binding::none, LimitClass::read, Doors::clients,
     open_cashier, show_cashier},
    {Method::get, "/pay/{order_id}/status", Scope::none, Binding::none, LimitClass::read, Doors::clients,
     open_cashier, show_cashier_status},
    {Method::post, "/api/orders/{order_id}/close", Scope::orders_write, Binding::order, LimitClass::write,
     Doors::clients, close_order, show_closed_order},
    {Method::post, "/api/orders/{order_id}/refund", Scope::refund_write, Binding::order, LimitClass::write,
     Doors::clients, refund, show_refund},
    {Method::get, "/api/accounts/{account}/entries", Scope::balance_read, Binding::account, LimitClass::read,
     Doors::clients, list_entries, show_entries},
    {Method::post, "/api/accounts/{account}/debit", Scope::balance_write, Binding::account, LimitClass::write,
     Doors::clients, debit, show_debit},
    {Method::post, "/api/orders/{order_id}/query", Scope::admin, Binding::order, LimitClass::admin,
     Doors::both, ask_gateway, show_answer, nullptr, false, pursue_question},
    {Method::get, "/api/gateways/{gateway}/bill", Scope::admin, Binding::all_accounts, LimitClass::admin,
     Doors::both, read_bill, show_bill},
    {Method::get, "/api/exceptions", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::both,
     list_exceptions, show_exceptions},
    {Method::post, "/api/exceptions/{exception_id}/resolve", Scope::admin, Binding::all_accounts,
     LimitClass::admin, Doors::both, resolve_exception, show_exception},
    {Method::get, "/api/orders/{order_id}/events", Scope::orders_read, Binding::order, LimitClass::read,
     Doors::clients, watch_order, show_watched, nullptr, true},
    {Method::get, "/api/accounts/{account}/events", Scope::orders_read, Binding::account, LimitClass::read,
     Doors::clients, watch_account, show_watched, nullptr, true},
    {Method::get, "/api/ws", Scope::orders_read, Binding::account, LimitClass::read, Doors::clients,
     open_web_socket, nullptr, nullptr, false, nullptr, true},
    {Method::get, "/api/webhooks", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::both,
     list_webhooks},
    {Method::get, "/api/webhooks/{webhook}", Scope::admin, Binding::all_accounts, LimitClass::admin,
     Doors::both, show_webhook},
    {Method::post, "/api/webhooks/{webhook}", Scope::admin, Binding::all_accounts, LimitClass::admin,
     Doors::both, change_webhook},
    {Method::get, "/api/events", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::both,
     list_events, show_events},
    {Method::post, "/api/callbacks/{gateway}", Scope::signature, Binding::none, LimitClass::callback,
     Doors::clients, gateway_callback, acknowledge_callback},
    {Method::get, "/livez", Scope::none, Binding::none, LimitClass::none, Doors::both, livez},
    {Method::get, "/readyz", Scope::none, Binding::none, LimitClass::none, Doors::both, readyz},
    {Method::get, "/metrics", Scope::admin, Binding::all_accounts, LimitClass::none, Doors::both_free,
     metrics_page},
    {Method::get, "/openapi.json", Scope::none, Binding::none, LimitClass::read, Doors::both, openapi_page},
    {Method::get, "/admin/status", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::operators,
     show_status},
    {Method::get, "/admin/backup", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::operators,
     show_backup},
    {Method::post, "/admin/backup", Scope::admin, Binding::all_accounts, LimitClass::admin, Doors::operators,
     begin_backup},
    {Method::post, "/admin/checkpoint", Scope::admin, Binding::all_accounts, LimitClass::admin,
     Doors::operators, checkpoint_now},
    {Method::post, "/admin/log_level", Scope::admin, Binding::all_accounts, LimitClass::admin,
     Doors::operators, change_log_level},
};
static_assert(std::size(kRoutes) < kMaxRoutes, "each has its metrics");

// Whether the path is of the pattern's form; `parameter` is what stands for the part in braces.
bool matches(std::string_view pattern, std::string_view path, std::string_view& parameter) noexcept {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) return pattern == path;
  if (path.size() <= open || path.substr(0, open) != pattern.substr(0, open)) return false;
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  const std::size_t end = std::min(path.find('/', open), path.size());
  parameter = path.substr(open, end - open);
  return !parameter.empty() && path.substr(end) == after;
}

}  // namespace

std::span<const Route> routes() noexcept { return kRoutes; }

bool is_at(Doors doors, Door door) noexcept {
  return doors == Doors::both || doors == Doors::both_free ||
         (doors == Doors::operators) == (door == Door::operators);
}

RouteMatch match_route(Method method, std::string_view path, Door door, std::string& parameter) {
  RouteMatch match;
  const Method wanted = method == Method::head ? Method::get : method;
  for (const Route& route : kRoutes) {
    std::string_view encoded;
    if (!is_at(route.doors, door) || !matches(route.path, path, encoded)) continue;
    if (route.method == wanted) {
      match.route = &route;
      parameter.clear();
      if (!encoded.empty()) match.bad_parameter = !percent_decode(encoded, false, parameter);
      return match;
    }
    const std::string_view allowed = route.method == Method::get ? "GET, HEAD" : "POST";
    match.allow = match.allow.empty() || match.allow == allowed ? allowed : "GET, HEAD, POST";
  }
  return match;
}

}  // namespace recharge
