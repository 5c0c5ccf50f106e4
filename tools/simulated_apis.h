// Purpose: the gateways' own HTTP interfaces, as far as a merchant calls them: payments started, queried,
// closed and refunded, bills; requests are verified and answers signed as the gateways do it. And the page
// where a payer pays. Pure but for random ids: no socket, no clock. Owner: one thread at a time. Lifetime:
// within its accounts and trades. Source: as in core/*_calls.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/simulated_trades.h"

namespace recharge {

struct ApiRequest {
  std::string method;
  std::string target;        // with the query, as it was sent
  std::string header_lines;  // "Name: value" CRLF …
  std::string body;
};

struct ApiReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::string> headers;
  std::string body;
  std::int64_t delay_ms = 0;  // before it is sent, or the connection is closed
  bool hang_up = false;       // the connection is closed instead
};

class SimulatedApis {
 public:
  using OnPaid = std::function<void(const SimulatedTrade& trade)>;

  // url: where it is reached, like http://127.0.0.1:9090. on_paid: is to tell the merchant.
  SimulatedApis(const SimulatedAccounts& accounts, SimulatedTrades& trades, std::string url, OnPaid on_paid);

  ApiReply answer(const ApiRequest& request, Time now);

 private:
  ApiReply answer_page(const ApiRequest& request, std::string_view path, std::string_view query, Time now);

  const SimulatedAccounts& accounts_;
  SimulatedTrades& trades_;
  std::string url_;
  OnPaid on_paid_;
};

// One gateway each. path: behind /alipay and the like; query: what follows the '?'.
struct ApiCall {
  const SimulatedAccounts& accounts;
  SimulatedTrades& trades;
  const std::string& url;
  const ApiRequest& request;
  std::string_view path;
  std::string_view query;
  Time now;

  std::string cashier(const SimulatedTrade& trade) const;
  BillPeriod beijing_day(std::string_view date) const;
};
ApiReply answer_alipay(const ApiCall& call);
ApiReply answer_wechat(const ApiCall& call);
ApiReply answer_stripe(const ApiCall& call);

}  // namespace recharge
