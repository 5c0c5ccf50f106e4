#include "tools/simulated_apis.h"

#include <algorithm>

#include "core/beijing_time.h"
#include "core/form_fields.h"

namespace recharge {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::string_view state_text(const SimulatedTrade& trade) {
  if (trade.state == SimulatedTrade::State::waiting) return "waiting";
  return trade.state == SimulatedTrade::State::paid ? "paid" : "closed";
}

ApiReply page(const std::string& body, unsigned status = 200) {
  return {
      status,
      "text/html; charset=utf-8",
      {},
      "<!doctype html><meta name=viewport content=\"width=device-width\"><title>Simulated gateways</title>"
      "<style>body{font:16px sans-serif;max-width:40em;margin:2em auto;padding:0 1em}button{font:inherit;"
      "padding:.5em 2em}td,th{text-align:left;padding:.2em 1em .2em 0}</style>" +
          body};
}

// Takes "name/" off the front; empty where there is no '/'.
std::string_view take_segment(std::string_view& path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

}  // namespace

SimulatedApis::SimulatedApis(const SimulatedAccounts& accounts, SimulatedTrades& trades, std::string url,
                             OnPaid on_paid)
    : accounts_(accounts), trades_(trades), url_(std::move(url)), on_paid_(std::move(on_paid)) {}

ApiReply SimulatedApis::answer(const ApiRequest& request, Time now) {
  std::string_view path = request.target;
  const auto mark = std::min(path.find('?'), path.size());
  const std::string_view query = path.substr(std::min(mark + 1, path.size()));
  path = path.substr(0, mark);
  std::string_view rest = path;
  const auto gateway = parse_simulated_gateway(take_segment(rest));
  if (!gateway) return answer_page(request, path, query, now);
  const ApiCall call{accounts_, trades_, url_, request, rest, query, now};
  switch (*gateway) {
    case SimulatedGateway::alipay:
      return answer_alipay(call);
    case SimulatedGateway::wechat:
      return answer_wechat(call);
    case SimulatedGateway::stripe:
      return answer_stripe(call);
    case SimulatedGateway::standard:
      break;
  }
  return page("<p>This gateway has no interface: it only calls back.", 404);
}

// GET / lists; GET /cashier/GATEWAY/ORDER asks; POST there pays, with amount= also what no merchant started.
ApiReply SimulatedApis::answer_page(const ApiRequest& request, std::string_view path, std::string_view query,
                                    Time now) {
  if (path == "/") {
    std::string rows;
    for (const SimulatedTrade& trade : trades_.all()) {
      rows += "<tr><td>" + std::string(to_text(trade.gateway)) + "<td><a href=\"/cashier/" +
              std::string(to_text(trade.gateway)) + "/" + trade.order_id.to_text() + "\">" +
              trade.order_id.to_text() + "</a><td>" + to_text(trade.amount) + "<td>" +
              std::string(state_text(trade)) + "<td>" + trade.transaction_id;
    }
    return page("<h1>Trades</h1><table><tr><th>gateway<th>order<th>amount<th>state<th>transaction" + rows +
                "</table>");
  }
  if (take_segment(path) != "cashier") return page("<p>No such page.", 404);
  const auto gateway = parse_simulated_gateway(take_segment(path));
  const auto order_id = OrderId::parse(take_segment(path));
  if (!gateway || !order_id) return page("<p>No such trade.", 404);
  SimulatedTrade* trade = trades_.find(*gateway, *order_id);
  if (request.method == "POST") {
    FormFields form;
    const auto amount =
        form.read(query) ? parse_money(form.value("amount")) : Result<Money>(Errc::invalid_text);
    if (trade == nullptr && amount && amount->is_positive())
      trade = &trades_.start(*gateway, *order_id, *amount, now);
    if (trade != nullptr && trades_.pay(*trade, now)) on_paid_(*trade);
  }
  if (trade == nullptr) return page("<p>No such trade.", 404);
  std::string body = "<h1>" + to_text(trade->amount) + " CNY</h1><p>" + std::string(to_text(*gateway)) +
                     ", order " + trade->order_id.to_text() + ": " + std::string(state_text(*trade));
  if (trade->state == SimulatedTrade::State::waiting) body += "<form method=post><button>Pay</button></form>";
  return page(body);
}

std::string ApiCall::cashier(const SimulatedTrade& trade) const {
  return url + "/cashier/" + std::string(to_text(trade.gateway)) + "/" + trade.order_id.to_text();
}

BillPeriod ApiCall::beijing_day(std::string_view date) const {
  const auto from = parse_beijing_time(std::string(date) + " 00:00:00");
  return from ? BillPeriod{*from, Time{from->ms + kDayMs}} : BillPeriod{};
}

}  // namespace recharge
