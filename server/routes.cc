#include "server/routes.h"

#include "server/percent.h"

namespace recharge {
namespace {

constexpr Route kRoutes[] = {
    {Method::post, "/api/payment_callback", Scope::signature, true, payment_callback, acknowledge_callback},
    {Method::post, "/api/place_order", Scope::orders_write, false, place_order, show_placed_order},
    {Method::post, "/api/pay", Scope::orders_write, false, pay, show_payment, report_simulated_payment},
    {Method::get, "/api/check_balance", Scope::accounts_read, false, check_balance, show_balance},
    {Method::get, "/api/orders", Scope::orders_read, false, list_orders, show_orders},
    {Method::get, "/api/orders/{order_id}", Scope::orders_read, false, read_order, show_order},
    {Method::get, "/api/orders/{order_id}/explain", Scope::orders_read, false, explain_order,
     show_explanation},
    {Method::post, "/api/orders/{order_id}/close", Scope::orders_write, false, close_order, show_order},
    {Method::post, "/api/orders/{order_id}/refund", Scope::operate, false, refund, show_refund},
    {Method::get, "/api/accounts/{account}/entries", Scope::accounts_read, false, list_entries, show_entries},
    {Method::post, "/api/accounts/{account}/debit", Scope::accounts_write, false, debit, show_debit},
    {Method::get, "/api/exceptions", Scope::operate, false, list_exceptions, show_exceptions},
    {Method::post, "/api/exceptions/{exception_id}/resolve", Scope::operate, false, resolve_exception,
     show_exception},
    {Method::post, "/api/callbacks/{gateway}", Scope::signature, true, gateway_callback,
     acknowledge_callback},
    {Method::get, "/livez", Scope::none, false, livez},
    {Method::get, "/readyz", Scope::none, false, readyz},
    {Method::get, "/metrics", Scope::none, false, metrics_page},
    {Method::get, "/openapi.json", Scope::none, false, openapi_page},
};

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

std::string_view to_text(Scope scope) noexcept {
  switch (scope) {
    case Scope::none:
      return "none";
    case Scope::signature:
      return "signature";
    case Scope::orders_write:
      return "orders:write";
    case Scope::orders_read:
      return "orders:read";
    case Scope::accounts_write:
      return "accounts:write";
    case Scope::accounts_read:
      return "accounts:read";
    case Scope::operate:
      return "operate";
  }
  return "none";
}

std::span<const Route> routes() noexcept { return kRoutes; }

RouteMatch match_route(Method method, std::string_view path, std::string& parameter) {
  RouteMatch match;
  const Method wanted = method == Method::head ? Method::get : method;
  for (const Route& route : kRoutes) {
    std::string_view encoded;
    if (!matches(route.path, path, encoded)) continue;
    if (route.method == wanted) {
      match.route = &route;
      parameter.clear();
      if (!encoded.empty()) match.bad_parameter = !percent_decode(encoded, false, parameter);
      return match;
    }
    match.allow = route.method == Method::get ? "GET, HEAD" : "POST";
  }
  return match;
}

}  // namespace recharge
