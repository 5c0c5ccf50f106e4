#include "tools/simulated_customers.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <thread>

#include "tools/http_client.h"
#include "tools/json_text.h"
#include "tools/made_ids.h"
#include "tools/storm_plan.h"

namespace recharge {
namespace {

constexpr std::size_t kAtOnce = 32;
constexpr int kTries = 12;  // of what a gateway did not answer
constexpr std::chrono::milliseconds kBetweenLooks{50};
constexpr std::uint64_t kMaxAmount = 50'000;  // fen
constexpr std::uint64_t kNumbers = 100'000'000;

struct Customer {
  enum class Fate : std::uint8_t { right, wrong_amount, unpaid, closed };
  Fate fate = Fate::right;
  SimulatedGateway gateway = SimulatedGateway::alipay;
  std::string account;
  Money amount;
  bool phone = false;   // pays on a page instead of by a code
  bool silent = false;  // no callback tells of the payment
  std::optional<Money> refund;
  OrderId order_id;
  std::string transaction_id;

  Money left() const {
    if (fate != Fate::right) return Money();
    return Money::from_minor_units(amount.minor_units() - (refund ? refund->minor_units() : 0));
  }
  std::string path(std::string_view what = "") const {
    return "/api/orders/" + order_id.to_text() + std::string(what);
  }
};

class CustomerRun {
 public:
  CustomerRun(const CustomerOptions& options, GatewaySimulator& simulator)
      : simulator_(simulator),
        client_(options.server, options.token),
        gateways_(simulator.url(), ""),
        settle_(options.settle_ms) {
    draw(options);
  }

  ToolResult<CustomerReport> run() {
    for (const auto step : {&CustomerRun::order, &CustomerRun::start, &CustomerRun::pay, &CustomerRun::ask,
                            &CustomerRun::wait_for_credits, &CustomerRun::send_back, &CustomerRun::close,
                            &CustomerRun::judge}) {
      if (auto done = (this->*step)(); !done) return done.error();
    }
    return report_;
  }

 private:
  using Chosen = std::function<bool(const Customer& customer)>;
  using Asks = std::function<HttpRequest(const Customer& customer)>;
  using Takes = std::function<void(Customer& customer, const HttpReply& reply)>;

  void draw(const CustomerOptions& options) {
    StormDraws draws(options.seed);
    const std::uint64_t first = std::stoull(random_hex(4), nullptr, 16) % kNumbers;  // others have the rest
    for (std::uint64_t i = 0; i < options.count; ++i) {
      Customer one;
      one.gateway = static_cast<SimulatedGateway>(draws.below(kSimulatedGateways));
      one.account = std::to_string(13'600'000'000 + (first + i) % kNumbers);
      one.amount = Money::from_minor_units(static_cast<std::int64_t>(2 + draws.below(kMaxAmount)));
      one.phone = draws.chance(30);
      one.silent = draws.chance(25) && one.gateway != SimulatedGateway::standard;
      const std::uint64_t roll = draws.below(100);
      one.fate = roll < 65   ? Customer::Fate::right
                 : roll < 80 ? Customer::Fate::wrong_amount
                 : roll < 90 ? Customer::Fate::unpaid
                             : Customer::Fate::closed;
      const bool back = draws.chance(40) && one.gateway != SimulatedGateway::standard;
      if (one.fate == Customer::Fate::right && back)
        one.refund = Money::from_minor_units((one.amount.minor_units() + 1) / 2);
      customers_.push_back(std::move(one));
    }
    report_.customers = customers_.size();
  }

  // Whoever the gateway did not answer (503) asks again.
  ToolResult<void> each(const Chosen& chosen, const Asks& asks, const Takes& takes) {
    std::vector<Customer*> left;
    for (Customer& customer : customers_) {
      if (chosen(customer)) left.push_back(&customer);
    }
    for (int turn = 0; !left.empty(); ++turn) {
      std::vector<Customer*> again;
      for (std::size_t first = 0; first < left.size(); first += kAtOnce) {
        const std::size_t end = std::min(first + kAtOnce, left.size());
        std::vector<HttpRequest> requests;
        for (std::size_t i = first; i < end; ++i) requests.push_back(asks(*left[i]));
        const auto replies = client_.send_concurrently(requests);
        for (std::size_t i = first; i < end; ++i) {
          const auto& reply = replies[i - first];
          if (!reply) return reply.error();
          if (reply->status == 503 && turn < kTries) {
            ++report_.tries_again;
            again.push_back(left[i]);
          } else if (reply->status != 200) {
            wrong(*left[i], requests[i - first].path + ": " + reply->body);
          } else {
            takes(*left[i], *reply);
          }
        }
      }
      left = std::move(again);
    }
    return {};
  }

  void wrong(const Customer& customer, const std::string& what) {
    report_.wrong.push_back(std::string(to_text(customer.gateway)) + " order " + customer.order_id.to_text() +
                            ": " + what);
  }

  static bool is_called(const Customer& customer) { return customer.gateway != SimulatedGateway::standard; }
  static bool pays(const Customer& customer) {
    return customer.fate == Customer::Fate::right || customer.fate == Customer::Fate::wrong_amount;
  }

  ToolResult<void> order() {
    return each([](const Customer&) { return true; },
                [](const Customer& customer) {
                  JsonWriter body;
                  body.text("account", customer.account)
                      .raw("amount", to_text(customer.amount))
                      .text("gateway", to_text(customer.gateway));
                  return HttpRequest{"POST", "/api/place_order", body.finish(), {}};
                },
                [this](Customer& customer, const HttpReply& reply) {
                  const auto id = OrderId::parse(json_member(reply.body, "order_id").value_or(""));
                  if (id) customer.order_id = *id;
                });
  }

  ToolResult<void> start() {
    return each(
        &CustomerRun::is_called,
        [](const Customer& customer) {
          const bool page = customer.phone && customer.gateway != SimulatedGateway::stripe;
          JsonWriter body;
          body.text("order_id", customer.order_id.to_text()).text("gateway", to_text(customer.gateway));
          if (page) body.text("method", "h5").text("client_ip", "192.0.2.1");
          return HttpRequest{"POST", "/api/pay", body.finish(), {}};
        },
        [this](Customer& customer, const HttpReply& reply) { open_page(customer, reply); });
  }

  // Alipay's page is an address that the server signed: the payment begins where the browser goes there.
  void open_page(Customer& customer, const HttpReply& reply) {
    const std::string url = json_member(reply.body, "pay_url").value_or("");
    if (customer.gateway != SimulatedGateway::alipay || !url.starts_with(simulator_.url())) return;
    for (int turn = 0; turn < kTries; ++turn) {
      const auto page = gateways_.get(url.substr(simulator_.url().size()));
      if (page && page->status == 302) return;
    }
    wrong(customer, "the page is refused: " + url);
  }

  ToolResult<void> pay() {
    for (Customer& customer : customers_) {
      if (!pays(customer)) continue;
      const std::int64_t more = customer.fate == Customer::Fate::wrong_amount ? 1 : 0;
      const Money amount = Money::from_minor_units(customer.amount.minor_units() + more);
      customer.transaction_id = simulator_.pay(customer.gateway, customer.order_id, amount, customer.silent);
      if (customer.transaction_id.empty()) wrong(customer, "nothing can be paid");
    }
    return {};
  }

  ToolResult<void> ask() {
    return each([](const Customer& customer) { return pays(customer) && customer.silent; },
                [](const Customer& customer) {
                  JsonWriter body;
                  if (customer.gateway == SimulatedGateway::stripe)
                    body.text("transaction_id", customer.transaction_id);
                  return HttpRequest{"POST", customer.path("/query"), body.finish(), {}};
                },
                [this](Customer& customer, const HttpReply& reply) {
                  ++report_.asked;
                  if (json_member(reply.body, "state") != "paid")
                    wrong(customer, "paid, and is said to be " + reply.body);
                });
  }

  ToolResult<void> send_back() {
    return each([](const Customer& customer) { return customer.refund.has_value(); },
                [](const Customer& customer) {
                  JsonWriter body;
                  body.text("refund_id", "r-1").raw("amount", to_text(*customer.refund));
                  return HttpRequest{"POST", customer.path("/refund"), body.finish(), {}};
                },
                [this](Customer&, const HttpReply&) { ++report_.refunds; });
  }

  ToolResult<void> close() {
    return each([](const Customer& customer) { return customer.fate == Customer::Fate::closed; },
                [](const Customer& customer) {
                  return HttpRequest{"POST", customer.path("/close"), "", {}};
                },
                [this](Customer&, const HttpReply&) { ++report_.closed; });
  }

  // Looks until nothing differs, or the time is over.
  ToolResult<void> until(
      const Chosen& chosen, const Asks& asks,
      const std::function<std::string(const Customer& customer, const HttpReply& reply)>& differs) {
    const auto end = std::chrono::steady_clock::now() + settle_;
    std::vector<const Customer*> left;
    for (const Customer& customer : customers_) {
      if (chosen(customer)) left.push_back(&customer);
    }
    while (!left.empty()) {
      const bool last = std::chrono::steady_clock::now() >= end;
      std::vector<const Customer*> again;
      const std::set<const Customer*> now(left.begin(), left.end());
      ToolResult<void> looked = each([&](const Customer& customer) { return now.contains(&customer); }, asks,
                                     [&](Customer& customer, const HttpReply& reply) {
                                       const std::string difference = differs(customer, reply);
                                       if (difference.empty()) return;
                                       if (last) return wrong(customer, difference);
                                       again.push_back(&customer);
                                     });
      if (!looked) return looked;
      left = std::move(again);
      if (!left.empty()) std::this_thread::sleep_for(kBetweenLooks);
    }
    return {};
  }

  static HttpRequest look(const Customer& customer) { return {"GET", customer.path(), {}, {}}; }

  ToolResult<void> wait_for_credits() {
    return until([](const Customer& customer) { return customer.fate == Customer::Fate::right; }, look,
                 [](const Customer&, const HttpReply& reply) {
                   const std::string order = json_member(reply.body, "order").value_or("");
                   const std::string status = json_member(order, "status").value_or("");
                   return status == "recharged" ? "" : "paid, and " + status;
                 });
  }

  static std::string expected_status(const Customer& customer) {
    if (customer.fate == Customer::Fate::closed) return "closed";
    if (customer.fate != Customer::Fate::right) return "pending";
    if (!customer.refund) return "recharged";
    return customer.left().is_positive() ? "partially_refunded" : "refunded";
  }

  ToolResult<void> judge() {
    const auto everybody = [](const Customer&) { return true; };
    auto done = until(everybody, look, [](const Customer& customer, const HttpReply& reply) {
      const std::string order = json_member(reply.body, "order").value_or("");
      const std::string status = json_member(order, "status").value_or("");
      return status == expected_status(customer) ? "" : status + " instead of " + expected_status(customer);
    });
    if (!done) return done;
    return until(
        everybody,
        [](const Customer& customer) {
          return HttpRequest{"GET", "/api/check_balance?account=" + customer.account, {}, {}};
        },
        [](const Customer& customer, const HttpReply& reply) {
          const auto balance = parse_money(json_member(reply.body, "balance").value_or(""));
          return balance && *balance == customer.left() ? "" : "a balance of " + reply.body;
        });
  }

  GatewaySimulator& simulator_;
  HttpClient client_;
  HttpClient gateways_;
  const std::chrono::milliseconds settle_;
  std::vector<Customer> customers_;
  CustomerReport report_;
};

}  // namespace

ToolResult<CustomerReport> run_customers(const CustomerOptions& options, GatewaySimulator& simulator) {
  return CustomerRun(options, simulator).run();
}

}  // namespace recharge
