// Purpose: what the load sends: orders to place, prepared callbacks, balance and order look-ups. Each covers
// one
//   share of the whole: items share.first, share.first + share.step, ... so that loops on several threads
//   never touch the same order. Owner: one loop each; the orders and accounts they write to outlive them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/ack_log.h"
#include "tools/callback_signer.h"
#include "tools/gateway_messages.h"
#include "tools/load_loop.h"
#include "tools/load_orders.h"
#include "tools/request_bytes.h"

namespace recharge {

struct Share {
  std::uint32_t first = 0;
  std::uint32_t step = 1;
};

// Keeps the first reply that was not the expected one, to show why a load fails.
class ExpectingWorkload : public Workload {
 public:
  explicit ExpectingWorkload(int expected_status) noexcept : expected_status_(expected_status) {}
  const std::string& first_unexpected() const noexcept { return first_unexpected_; }

 protected:
  bool check(const ParsedReply& reply);

 private:
  int expected_status_;
  std::string first_unexpected_;
};

class PlaceWorkload final : public ExpectingWorkload {
 public:
  // How long an overloaded server may refuse all orders, and the pause after each refusal.
  static constexpr std::uint64_t kPatienceNs = 30'000'000'000;
  static constexpr std::chrono::milliseconds kPause{1};

  // gateway: that the orders are bound to; empty: none yet.
  PlaceWorkload(LoadOrders& orders, Share share, const RequestBytes& requests, bool retry_refused,
                std::string_view gateway = {});
  bool next(std::uint32_t& token, std::string_view& bytes) override;
  void on_reply(std::uint32_t token, const ParsedReply& reply) override;

 private:
  LoadOrders& orders_;
  std::uint64_t next_;
  std::uint32_t step_;
  const RequestBytes& requests_;
  bool retry_refused_;
  std::string members_;                 // of every body, behind the amount
  std::uint64_t refused_since_ns_ = 0;  // zero: the last one was placed
  std::deque<std::uint32_t> refused_;
  std::string body_, bytes_;
};

// Whole requests, ready to send, one for each placed order of a share.
class PreparedCallbacks {
 public:
  // Appends the request for an order.
  using Make = std::function<void(std::string& out, std::uint32_t token)>;
  PreparedCallbacks(const LoadOrders& orders, Share share, const Make& make);
  std::size_t size() const noexcept { return tokens_.size(); }
  std::uint32_t token(std::size_t i) const noexcept { return tokens_[i]; }
  std::string_view request(std::size_t i) const noexcept {
    return std::string_view(bytes_).substr(starts_[i], starts_[i + 1] - starts_[i]);
  }
  std::string_view body(std::size_t i) const noexcept;

 private:
  std::string bytes_;
  std::vector<std::size_t> starts_;
  std::vector<std::uint32_t> tokens_;
};

class CallbackWorkload final : public ExpectingWorkload {
 public:
  // Sends `limit` callbacks, beginning again where the prepared ones are used up.
  CallbackWorkload(LoadOrders& orders, const PreparedCallbacks& prepared, std::uint64_t limit,
                   int expected_status, const AckLog& log);
  bool next(std::uint32_t& token, std::string_view& bytes) override;
  void on_reply(std::uint32_t token, const ParsedReply& reply) override;
  bool log_failed() const noexcept { return log_failed_; }

 private:
  LoadOrders& orders_;
  const PreparedCallbacks& prepared_;
  std::size_t at_ = 0;
  std::uint64_t left_;
  const AckLog& log_;
  bool log_failed_ = false;
};

// forged_signature: stands in every body instead of the right one, where it is not empty.
PreparedCallbacks::Make native_callbacks(const LoadOrders& orders, const RequestBytes& requests,
                                         CallbackSigner& signer, std::int64_t timestamp,
                                         std::string forged_signature);
// As that gateway sends them.
PreparedCallbacks::Make gateway_callbacks(const LoadOrders& orders, const RequestBytes& requests,
                                          const SimulatedAccounts& accounts, SimulatedGateway gateway,
                                          Time now);

// The same callbacks over and over to a server that keeps no books.
class ReplayWorkload final : public ExpectingWorkload {
 public:
  ReplayWorkload(const PreparedCallbacks& prepared, std::uint64_t limit)
      : ExpectingWorkload(200), prepared_(prepared), left_(prepared.size() == 0 ? 0 : limit) {}
  bool next(std::uint32_t& token, std::string_view& bytes) override;
  void on_reply(std::uint32_t /*token*/, const ParsedReply& reply) override { check(reply); }

 private:
  const PreparedCallbacks& prepared_;
  std::size_t at_ = 0;
  std::uint64_t left_;
};

class BalanceWorkload final : public ExpectingWorkload {
 public:
  static constexpr std::int64_t kUnread = -1;
  // Reads `limit` balances into balances[account], in minor units, going round the share.
  BalanceWorkload(std::vector<std::int64_t>& balances, Share share, const RequestBytes& requests,
                  std::uint64_t limit);
  bool next(std::uint32_t& token, std::string_view& bytes) override;
  void on_reply(std::uint32_t token, const ParsedReply& reply) override;

 private:
  std::vector<std::int64_t>& balances_;
  Share share_;
  std::uint64_t at_;
  std::uint64_t left_;
  const RequestBytes& requests_;
  std::string bytes_;
};

}  // namespace recharge
