#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "server/metrics.h"
#include "server/routes.h"
#include "server/version.h"

namespace recharge {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kResultNames[kCallbackResults] = {"recharge_succeeded",
                                                             "already_processed",
                                                             "payment_failure_recorded",
                                                             "stale_signature",
                                                             "order_not_found",
                                                             "unavailable",
                                                             "invalid_signature",
                                                             "invalid_request",
                                                             "refund_notice",
                                                             "unused",
                                                             "wrong_account",
                                                             "held",
                                                             "signature_probe",
                                                             "late_payment",
                                                             "duplicate_payment",
                                                             "amount_mismatch",
                                                             "gateway_mismatch",
                                                             "unknown_order",
                                                             "stale_callback",
                                                             "balance_limit"};

class Page {
 public:
  void family(std::string name, std::string help, MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }
  void value(std::vector<ClientMetric::Label> labels, double number) {
    ClientMetric& metric = add(std::move(labels));
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = number;
    } else {
      metric.gauge.value = number;
    }
  }
  void histogram(std::vector<ClientMetric::Label> labels, const HistogramSnapshot& snapshot) {
    ClientMetric& metric = add(std::move(labels));
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < snapshot.counts.size(); ++i) {
      count += snapshot.counts[i];
      if (i < snapshot.bounds.size()) metric.histogram.bucket.push_back({count, snapshot.bounds[i]});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = snapshot.sum;
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  ClientMetric& add(std::vector<ClientMetric::Label> labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }
  std::vector<MetricFamily> families_;
};

std::string route_name(std::size_t index) {
  return index < routes().size() ? std::string(routes()[index].path) : "unknown";
}

template <class Get>
std::uint64_t sum(const MetricsSources& sources, Get get) {
  std::uint64_t total = 0;
  for (const ThreadMetrics* thread : sources.threads) total += get(*thread).get();
  return total;
}

bool was_used(const MetricsSources& sources, std::size_t route) {
  for (std::size_t code = 0; code <= kStatusCodes.size(); ++code) {
    if (sum(sources, [&](const auto& t) -> const Counter& { return t.routes[route].by_code[code]; }) > 0)
      return true;
  }
  return false;
}

void write_requests(Page& page, const MetricsSources& sources) {
  page.family("recharge_http_requests_total", "Requests answered, by route and status.", MetricType::Counter);
  for (std::size_t route = 0; route < kMaxRoutes; ++route) {
    for (std::size_t code = 0; code <= kStatusCodes.size(); ++code) {
      const auto count =
          sum(sources, [&](const auto& t) -> const Counter& { return t.routes[route].by_code[code]; });
      if (count == 0) continue;
      const std::string status = code < kStatusCodes.size() ? std::to_string(kStatusCodes[code]) : "other";
      page.value({{"route", route_name(route)}, {"code", status}}, static_cast<double>(count));
    }
  }
  page.family("recharge_http_request_duration_seconds", "From the arrival of a request to its reply.",
              MetricType::Histogram);
  for (std::size_t route = 0; route < kMaxRoutes; ++route) {
    if (!was_used(sources, route)) continue;
    HistogramSnapshot snapshot;
    for (std::size_t i = 0; i <= kDurationBounds_us.size(); ++i) {
      if (i < kDurationBounds_us.size()) snapshot.bounds.push_back(kDurationBounds_us[i] / 1e6);
      snapshot.counts.push_back(
          sum(sources, [&](const auto& t) -> const Counter& { return t.routes[route].by_duration[i]; }));
    }
    snapshot.sum =
        static_cast<double>(
            sum(sources, [&](const auto& t) -> const Counter& { return t.routes[route].duration_us; })) /
        1e6;
    page.histogram({{"route", route_name(route)}}, snapshot);
  }
}

void write_callbacks(Page& page, const MetricsSources& sources) {
  page.family("recharge_callbacks_total", "Callbacks, by gateway and what became of them.",
              MetricType::Counter);
  for (std::size_t gate = 0; gate < std::min(sources.gateways.size(), kMaxGateways); ++gate) {
    for (std::size_t result = 0; result < kCallbackResults; ++result) {
      const auto count =
          sum(sources, [&](const auto& t) -> const Counter& { return t.callbacks[gate][result]; });
      page.value({{"gateway", sources.gateways[gate]}, {"outcome", std::string(kResultNames[result])}},
                 static_cast<double>(count));
    }
  }
}

constexpr std::string_view kCallNames[kGatewayCalls] = {"start",  "query",        "close",
                                                        "refund", "query_refund", "bill"};
constexpr std::string_view kCallResultNames[kGatewayCallResults] = {"done", "refused", "unknown",
                                                                    "no_answer"};

template <class Visit>
void for_each_call(const MetricsSources& sources, Visit visit) {
  for (std::size_t gate = 0; gate < std::min(sources.gateways.size(), kMaxGateways); ++gate) {
    for (std::size_t call = 0; call < kGatewayCalls; ++call) visit(gate, call);
  }
}

void write_gateway_calls(Page& page, const MetricsSources& sources) {
  page.family("recharge_gateway_calls_total",
              "Calls to gateways, by what their verified answer proved; unknown: nothing.",
              MetricType::Counter);
  for_each_call(sources, [&](std::size_t gate, std::size_t call) {
    for (std::size_t result = 0; result < kGatewayCallResults; ++result) {
      const auto count = sum(sources, [&](const ThreadMetrics& t) -> const Counter& {
        return t.gateway_calls[gate][call].by_result[result];
      });
      if (count == 0) continue;
      page.value({{"gateway", sources.gateways[gate]},
                  {"call", std::string(kCallNames[call])},
                  {"outcome", std::string(kCallResultNames[result])}},
                 static_cast<double>(count));
    }
  });
  page.family("recharge_gateway_call_duration_seconds", "From a call to a gateway to its answer.",
              MetricType::Histogram);
  for_each_call(sources, [&](std::size_t gate, std::size_t call) {
    HistogramSnapshot snapshot;
    for (std::size_t i = 0; i <= kDurationBounds_us.size(); ++i) {
      if (i < kDurationBounds_us.size()) snapshot.bounds.push_back(kDurationBounds_us[i] / 1e6);
      snapshot.counts.push_back(sum(sources, [&](const ThreadMetrics& t) -> const Counter& {
        return t.gateway_calls[gate][call].by_duration[i];
      }));
    }
    if (snapshot.count() == 0) return;
    snapshot.sum = static_cast<double>(sum(sources,
                                           [&](const ThreadMetrics& t) -> const Counter& {
                                             return t.gateway_calls[gate][call].duration_us;
                                           })) /
                   1e6;
    page.histogram({{"gateway", sources.gateways[gate]}, {"call", std::string(kCallNames[call])}}, snapshot);
  });
  const auto number = [&](auto get) { return static_cast<double>(sum(sources, get)); };
  page.family("recharge_gateway_calls_under_way", "Calls to gateways that wait for their answer.",
              MetricType::Gauge);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.gateway_calls_under_way; }));
  page.family("recharge_gateway_work_stuck",
              "Payments and refunds at gateways that are not called from here.", MetricType::Gauge);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.gateway_work_stuck; }));
}

void write_suppliers(Page& page, const MetricsSources& sources) {
  if (sources.suppliers.empty()) return;
  constexpr std::array<std::string_view, kSupplierAnswers> names = {
      "succeeded", "failed", "rejected", "processing", "not_found", "unknown", "not_sent"};
  page.family("recharge_supplier_answers_total", "Calls to suppliers, by what was answered.",
              MetricType::Counter);
  for (std::size_t i = 0; i < sources.suppliers.size(); ++i) {
    for (std::size_t kind = 0; kind < kSupplierAnswers; ++kind) {
      const auto count =
          sum(sources, [&](const auto& t) -> const Counter& { return t.supplier_answers[i][kind]; });
      page.value({{"supplier", sources.suppliers[i]}, {"answer", std::string(names[kind])}},
                 static_cast<double>(count));
    }
  }
  page.family("recharge_supplier_left_alone",
              "Threads that leave the supplier alone, for it failed too often.", MetricType::Gauge);
  for (std::size_t i = 0; i < sources.suppliers.size(); ++i) {
    const auto count =
        sum(sources, [&](const auto& t) -> const Counter& { return t.supplier_left_alone[i]; });
    page.value({{"supplier", sources.suppliers[i]}}, static_cast<double>(count));
  }
}

void write_storage(Page& page, const StorageMetrics& storage) {
  page.family("recharge_orders", "Orders, by status.", MetricType::Gauge);
  for (std::size_t i = 0; i < kOrderStatuses; ++i) {
    page.value({{"status", std::string(to_text(static_cast<OrderStatus>(i)))}},
               static_cast<double>(storage.orders[i]));
  }
  page.family("recharge_exceptions_open", "Payments kept for review, by kind.", MetricType::Gauge);
  for (std::size_t i = 0; i < kExceptionKinds; ++i) {
    page.value({{"kind", std::string(to_text(static_cast<ExceptionKind>(i)))}},
               static_cast<double>(storage.open_exceptions[i]));
  }
  page.family("recharge_ledger_sum_minor_units", "Sum over all accounts of the ledger: zero.",
              MetricType::Gauge);
  page.value({}, static_cast<double>(storage.ledger_sum_minor_units));
  page.family("recharge_journal_flush_seconds", "Flushes of the journal.", MetricType::Histogram);
  page.histogram({}, storage.journal_flush_seconds);
  page.family("recharge_journal_group_records", "Records that share one flush.", MetricType::Histogram);
  page.histogram({}, storage.journal_group_records);
  page.family("recharge_checkpoint_seconds", "Checkpoints.", MetricType::Histogram);
  page.histogram({}, storage.checkpoint_seconds);
  page.family("recharge_disk_free_bytes", "Free space where the data folder is.", MetricType::Gauge);
  page.value({}, static_cast<double>(storage.disk_free_bytes));
  page.family("recharge_journal_bytes_total", "Bytes written to the journal.", MetricType::Counter);
  page.value({}, static_cast<double>(storage.journal_bytes));
  page.family("recharge_scrub_last_success_timestamp_seconds",
              "When a pass over journal and books last ended without damage; 0: not since the start.",
              MetricType::Gauge);
  page.value({}, static_cast<double>(storage.scrub_last_success_ms) / 1000);
  page.family("recharge_scrub_bytes_total", "Bytes that passes over journal and books have read.",
              MetricType::Counter);
  page.value({}, static_cast<double>(storage.scrub_bytes));
  page.family("recharge_scrub_damage_total", "Places found damaged; the log names file and offset.",
              MetricType::Counter);
  page.value({}, static_cast<double>(storage.scrub_damage));
}

void write_connections(Page& page, const MetricsSources& sources) {
  const auto number = [&](auto get) { return static_cast<double>(sum(sources, get)); };
  page.family("recharge_connections", "Open connections.", MetricType::Gauge);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.connections; }));
  page.family("recharge_connections_total", "Connections accepted.", MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.accepted; }));
  page.family("recharge_accept_pauses_total", "Pauses of accepting: no descriptors, or the limit.",
              MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.accept_pauses; }));
  page.family("recharge_connections_timed_out_total", "Connections closed at a deadline.",
              MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.timed_out; }));
  page.family("recharge_listeners", "Connections that listen to live updates.", MetricType::Gauge);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.streams; }));
  page.family("recharge_listeners_total", "Listeners ever.", MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.streams_opened; }));
  page.family("recharge_listeners_dropped_total", "Listeners that read too slowly.", MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.streams_dropped; }));
  page.family("recharge_connections_turned_away_total", "Connections of an address that had too many.",
              MetricType::Counter);
  page.value({}, number([](const ThreadMetrics& t) -> const Counter& { return t.turned_away; }));
}

// What runs out. The names that begin with process_ are Prometheus's own.
void write_limits_of_the_machine(Page& page, const MetricsSources& sources) {
  page.family("recharge_connections_limit", "Connections that are taken at a time.", MetricType::Gauge);
  page.value({}, static_cast<double>(sources.max_connections));
  page.family("process_max_fds", "Descriptors that the process may have open.", MetricType::Gauge);
  page.value({}, static_cast<double>(sources.max_descriptors));
  page.family("recharge_books_bytes", "Size of the books.", MetricType::Gauge);
  page.value({}, static_cast<double>(sources.books_bytes));
  page.family("recharge_books_limit_bytes", "Size that the books cannot exceed.", MetricType::Gauge);
  page.value({}, static_cast<double>(sources.max_books_bytes));
  page.family("recharge_time_seconds", "The wall clock.", MetricType::Gauge);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  page.value({},
             static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1e3);
}

void write_tls(Page& page, const MetricsSources& sources) {
  if (sources.certificate_end_s == 0) return;
  const auto number = [&](auto get) { return static_cast<double>(sum(sources, get)); };
  page.family("recharge_tls_handshakes_total", "Handshakes, by how they ended.", MetricType::Counter);
  page.value({{"result", "full"}},
             number([](const ThreadMetrics& t) -> const Counter& { return t.tls_full; }));
  page.value({{"result", "resumed"}},
             number([](const ThreadMetrics& t) -> const Counter& { return t.tls_resumed; }));
  page.value({{"result", "failed"}},
             number([](const ThreadMetrics& t) -> const Counter& { return t.tls_failed; }));
  page.family("recharge_tls_certificate_not_after_timestamp_seconds", "When the certificate ends.",
              MetricType::Gauge);
  page.value({}, static_cast<double>(sources.certificate_end_s));
}

void write_limits(Page& page, const MetricsSources& sources) {
  page.family("recharge_rate_limited_total", "Requests refused with 429, by class.", MetricType::Counter);
  constexpr std::string_view kBy[] = {"address", "account"};
  for (std::size_t limit = 1; limit < kLimitClasses; ++limit) {
    for (std::size_t by = 0; by < std::size(kBy); ++by) {
      const auto count =
          sum(sources, [&](const ThreadMetrics& t) -> const Counter& { return t.limited[limit][by]; });
      if (count == 0) continue;
      page.value({{"class", std::string(kLimitClassNames[limit])}, {"by", std::string(kBy[by])}},
                 static_cast<double>(count));
    }
  }
}

void write_subscribers(Page& page, const std::vector<SubscriberMetrics>& subscribers) {
  if (subscribers.empty()) return;
  const auto family = [&](const char* name, const char* help, MetricType type, auto get) {
    page.family(name, help, type);
    for (const SubscriberMetrics& one : subscribers) {
      page.value({{"subscriber", one.name}}, static_cast<double>(get(one)));
    }
  };
  page.family("recharge_subscriber_state", "One for the state that it is in; lost: events were not told.",
              MetricType::Gauge);
  for (const SubscriberMetrics& one : subscribers) {
    page.value({{"subscriber", one.name}, {"state", std::string(one.state)}}, 1);
  }
  family("recharge_subscriber_lag_bytes", "Of the journal, not yet told.", MetricType::Gauge,
         [](const auto& one) { return one.lag_bytes; });
  family("recharge_subscriber_lag_seconds", "Age of the oldest event not yet told.", MetricType::Gauge,
         [](const auto& one) { return one.lag_seconds; });
  family("recharge_subscriber_delivered_total", "Events told.", MetricType::Counter,
         [](const auto& one) { return one.delivered; });
  family("recharge_subscriber_failures_total", "Attempts that failed.", MetricType::Counter,
         [](const auto& one) { return one.failed; });
  family("recharge_subscriber_waiting", "Events that wait to be tried again.", MetricType::Gauge,
         [](const auto& one) { return one.waiting; });
}

}  // namespace

std::string metrics_text(const MetricsSources& sources) {
  Page page;
  page.family("recharge_build_info", "The version of this build.", MetricType::Gauge);
  page.value({{"version", std::string(kVersion)}}, 1);
  write_requests(page, sources);
  write_callbacks(page, sources);
  write_gateway_calls(page, sources);
  write_suppliers(page, sources);
  write_storage(page, sources.storage);
  write_connections(page, sources);
  write_tls(page, sources);
  write_limits_of_the_machine(page, sources);
  write_limits(page, sources);
  write_subscribers(page, sources.subscribers);
  page.family("recharge_log_dropped_total", "Log lines dropped because the queue was full.",
              MetricType::Counter);
  page.value({}, static_cast<double>(sources.dropped_log_lines));
  return page.text();
}

}  // namespace recharge
