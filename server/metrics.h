// Purpose: what the server counts, and its page for Prometheus.
// Owner: a ThreadMetrics is written by its io thread alone, without locks, and read by whoever makes the
// page. Lifetime: of the process. Units: seconds and bytes on the page. No label holds an account or an
// order. Source: Prometheus text format 0.0.4.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/outcome.h"
#include "server/limit_class.h"

namespace recharge {

constexpr std::size_t kMaxRoutes = 40;  // of the table, and one for unknown paths
constexpr std::size_t kMaxSuppliers = 16;
constexpr std::size_t kSupplierAnswers = 7;
constexpr std::size_t kMaxGateways = 32;  // with a series of their own; further ones share the last
constexpr std::array<unsigned, 20> kStatusCodes = {101, 200, 400, 401, 403, 404, 405, 408, 409, 410,
                                                   411, 413, 414, 415, 422, 426, 429, 431, 500, 503};
// Upper bounds of the request durations, in microseconds.
constexpr std::array<std::uint32_t, 15> kDurationBounds_us = {
    250,     500,     1'000,   2'500,     5'000,     10'000,    25'000,    50'000,
    100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

// What became of a callback.
enum class CallbackResult : std::uint8_t {
  recharged,
  already_processed,
  failure_recorded,
  stale,
  not_found,
  refused_by_machine,
  invalid_signature,
  invalid_request,
  refund_notice,    // of a gateway: verified, acknowledged, never a credit
  unused,           // verified, acknowledged, and nothing that concerns an order
  wrong_account,    // verified, but of another account, mode or currency: an alarm
  held,             // for a supplier, which is to recharge
  signature_probe,  // a gateway's test whether signatures are checked
  first_exception,  // and one for each kind
};
constexpr std::size_t kCallbackResults =
    static_cast<std::size_t>(CallbackResult::first_exception) + kExceptionKinds;
CallbackResult callback_result(const Outcome& outcome) noexcept;

// What was asked of a gateway, and what its answer proved.
enum class GatewayCall : std::uint8_t { start, query, close, refund, query_refund, bill };
constexpr std::size_t kGatewayCalls = 6;
enum class GatewayCallResult : std::uint8_t { done, refused, unknown, no_answer };
constexpr std::size_t kGatewayCallResults = 4;

// Written by one thread: no read-modify-write is needed.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.store(get() + n, std::memory_order_relaxed); }
  void subtract(std::uint64_t n = 1) noexcept { value_.store(get() - n, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class ThreadMetrics {
 public:
  void count_request(std::size_t route, unsigned status, std::uint64_t duration_us) noexcept;
  void count_callback(std::size_t gate, CallbackResult result) noexcept;

  struct RouteCounters {
    std::array<Counter, kStatusCodes.size() + 1> by_code;
    std::array<Counter, kDurationBounds_us.size() + 1> by_duration;
    Counter duration_us;
  };
  std::array<RouteCounters, kMaxRoutes> routes;
  std::array<std::array<Counter, kCallbackResults>, kMaxGateways> callbacks;
  struct GatewayCallCounters {
    void count(GatewayCallResult result, std::uint64_t took_us) noexcept;
    std::array<Counter, kGatewayCallResults> by_result;
    std::array<Counter, kDurationBounds_us.size() + 1> by_duration;
    Counter duration_us;
  };
  std::array<std::array<GatewayCallCounters, kGatewayCalls>, kMaxGateways> gateway_calls;
  Counter gateway_calls_under_way;  // now
  Counter gateway_work_stuck;       // payments and refunds at gateways that are not called from here, now
  // Requests refused with 429: by class, for their address and for their account.
  std::array<std::array<Counter, 2>, kLimitClasses> limited;
  // What calls to suppliers led to, in the order of their settings, by SupplierAnswer::Kind; and who is left
  // alone now.
  std::array<std::array<Counter, kSupplierAnswers>, kMaxSuppliers> supplier_answers;
  std::array<Counter, kMaxSuppliers> supplier_left_alone;
  Counter connections;      // open now
  Counter accepted;         // ever
  Counter accept_pauses;    // for want of descriptors, or at the limit of connections
  Counter timed_out;        // connections closed at a deadline
  Counter turned_away;      // connections of an address that had too many
  Counter streams;          // connections that listen now
  Counter streams_opened;   // ever
  Counter streams_dropped;  // that read too slowly
  Counter tls_full;         // handshakes
  Counter tls_resumed;      // those that went on with an earlier session
  Counter tls_failed;
};

struct HistogramSnapshot {
  std::vector<double> bounds;         // upper, rising
  std::vector<std::uint64_t> counts;  // of each bucket by itself, and one more for what lies above
  double sum = 0;

  std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t bucket : counts) all += bucket;
    return all;
  }
};

// What the store and the engine tell; whoever provides it fills all of it.
struct StorageMetrics {
  std::array<std::uint64_t, kOrderStatuses> orders{};
  std::array<std::uint64_t, kExceptionKinds> open_exceptions{};
  std::int64_t ledger_sum_minor_units = 0;  // zero at any moment
  HistogramSnapshot journal_flush_seconds;
  HistogramSnapshot journal_group_records;
  HistogramSnapshot checkpoint_seconds;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t journal_bytes = 0;         // written since the start
  std::int64_t scrub_last_success_ms = 0;  // 0: not since the start
  std::uint64_t scrub_bytes = 0;
  std::uint64_t scrub_damage = 0;
};

// One of those who follow the events.
struct SubscriberMetrics {
  std::string name;
  std::string_view state;
  std::uint64_t lag_bytes = 0;  // of the journal
  double lag_seconds = 0;       // 0: it has seen everything
  std::uint64_t delivered = 0;  // since the start
  std::uint64_t failed = 0;     // attempts
  std::uint64_t waiting = 0;    // to be tried again
};

struct MetricsSources {
  std::vector<const ThreadMetrics*> threads;
  std::vector<std::string> gateways;   // in the order of the gates
  std::vector<std::string> suppliers;  // that are called, in the order of the settings
  StorageMetrics storage;
  std::vector<SubscriberMetrics> subscribers;
  std::uint64_t dropped_log_lines = 0;
  std::int64_t certificate_end_s = 0;  // of the wall clock; zero: no TLS
  std::uint64_t max_connections = 0;
  std::uint64_t max_descriptors = 0;
  std::uint64_t books_bytes = 0;
  std::uint64_t max_books_bytes = 0;
};
std::string metrics_text(const MetricsSources& sources);

}  // namespace recharge
