#include "tools/load_report.h"

#include <array>
#include <cstdarg>
#include <cstdio>

#include "tools/json_text.h"

namespace recharge {
namespace {

constexpr std::array<double, 4> kPercentiles{50, 90, 99, 99.9};
constexpr std::array<const char*, 4> kPercentileNames{"p50", "p90", "p99", "p99.9"};

[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...) {
  std::array<char, 256> text{};
  va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  return text.data();
}

double ms(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }
double per(double sum, std::uint64_t count) { return count == 0 ? 0 : sum / static_cast<double>(count); }
double rate_of(const PhaseResult& phase) {
  return phase.elapsed_s > 0 ? static_cast<double>(phase.loops.replies) / phase.elapsed_s : 0;
}
double own_share(const PhaseResult& phase) {
  return phase.elapsed_s > 0 ? static_cast<double>(phase.own_cpu_ns) / 1e9 / phase.elapsed_s * 100 : 0;
}
double us_per_reply(std::uint64_t cpu_ns, const PhaseResult& phase) {
  return per(static_cast<double>(cpu_ns) / 1e3, phase.loops.replies);
}
unsigned long long number(std::uint64_t value) { return value; }

std::string statuses(const LoopResult& loops) {
  std::string out;
  for (std::size_t status = 0; status < LoopResult::kStatuses; ++status) {
    const std::uint64_t count = loops.replies_by_status[status];
    if (count != 0) out += formatted("%s%zu: %llu", out.empty() ? "" : ", ", status, number(count));
  }
  return out.empty() ? "none" : out;
}

std::string statuses_as_json(const LoopResult& loops) {
  JsonWriter json;
  for (std::size_t status = 0; status < LoopResult::kStatuses; ++status) {
    if (loops.replies_by_status[status] != 0)
      json.count(std::to_string(status), loops.replies_by_status[status]);
  }
  return json.finish();
}

std::string latency_as_json(const LatencyHistogram& latency) {
  JsonWriter json;
  for (std::size_t i = 0; i < kPercentiles.size(); ++i) {
    json.number(kPercentileNames[i], ms(latency.percentile_ns(kPercentiles[i])), 4);
  }
  return json.number("max", ms(latency.max_ns()), 4).number("mean", ms(latency.mean_ns()), 4).finish();
}

std::string books_as_json(const BooksCheck& books) {
  std::string shown = "[";
  for (const std::string& what : books.shown) {
    shown.append(shown.size() == 1 ? "" : ",").append(json_string(what));
  }
  shown.push_back(']');
  JsonWriter json;
  json.raw("balanced", books.balanced() ? "true" : "false").count("orders", books.orders);
  json.count("accounts", books.accounts).count("credited_unacknowledged", books.credited_unacknowledged);
  return json.count("disagreements", books.disagreements).raw("shown", shown).finish();
}

JsonWriter& add_phase(JsonWriter& json, const PhaseResult& phase) {
  json.count("requests", phase.loops.requests).count("replies", phase.loops.replies);
  json.number("elapsed_s", phase.elapsed_s, 6).number("rate", rate_of(phase), 1);
  json.raw("latency_ms", latency_as_json(phase.loops.latency)).raw("status", statuses_as_json(phase.loops));
  json.count("bytes_sent", phase.loops.bytes_sent).count("bytes_received", phase.loops.bytes_received);
  json.count("lost", phase.loops.lost).count("disconnects", phase.loops.disconnects);
  json.count("malformed", phase.loops.malformed).number("generator_cpu_percent", own_share(phase), 1);
  json.number("generator_cpu_us_per_request", us_per_reply(phase.own_cpu_ns, phase), 3);
  if (phase.server_cpu_ns) {
    json.number("server_cpu_us_per_request", us_per_reply(*phase.server_cpu_ns, phase), 3);
  }
  return json;
}

}  // namespace

std::string describe_books(const BooksCheck& books) {
  if (books.balanced()) {
    std::string out = formatted("books: balanced (%llu orders, %llu accounts looked up)\n",
                                number(books.orders), number(books.accounts));
    if (books.credited_unacknowledged != 0) {
      out += formatted("       %llu credited though their replies did not arrive\n",
                       number(books.credited_unacknowledged));
    }
    return out;
  }
  std::string out = formatted("books: NOT balanced, %llu disagreements\n", number(books.disagreements));
  for (const std::string& what : books.shown) out.append("       ").append(what).append("\n");
  return out;
}

std::string describe_report(const LoadReport& report) {
  const LoadOptions& options = report.options;
  const PhaseResult& phase = report.phase;
  const LoopResult& loops = phase.loops;
  std::string out = formatted("load       %s, %llu connections, pipeline %llu, ", options.mix.c_str(),
                              number(options.connections), number(options.pipeline));
  out += options.rate > 0 ? formatted("open loop of %.0f/s\n", options.rate) : "closed loop\n";
  out += formatted("requests   %llu in %.3f s\n", number(loops.replies), phase.elapsed_s);
  out += formatted("rate       %.0f/s\n", rate_of(phase));
  out += "latency    ";
  for (std::size_t i = 0; i < kPercentiles.size(); ++i) {
    out += formatted("%s %.3f  ", kPercentileNames[i], ms(loops.latency.percentile_ns(kPercentiles[i])));
  }
  out += formatted("max %.3f ms%s\n", ms(loops.latency.max_ns()),
                   options.rate > 0 ? " from the intended time" : "");
  out.append("replies    ").append(statuses(loops)).append("\n");
  out += formatted("bytes      %llu sent, %llu received\n", number(loops.bytes_sent),
                   number(loops.bytes_received));
  out += formatted("generator  %.0f %% of a core, %.2f us of CPU per request\n", own_share(phase),
                   us_per_reply(phase.own_cpu_ns, phase));
  if (phase.server_cpu_ns) {
    out += formatted("server     %.2f us of CPU per request\n", us_per_reply(*phase.server_cpu_ns, phase));
  }
  if (loops.lost + loops.disconnects + loops.malformed != 0) {
    out += formatted("lost       %llu replies, %llu connections ended, %llu replies not readable\n",
                     number(loops.lost), number(loops.disconnects), number(loops.malformed));
  }
  if (report.beside) {
    const PhaseResult& beside = *report.beside;
    out += formatted("beside     %.0f/s, generator %.0f %% of a core; the server's rate is %.2f of it\n",
                     rate_of(beside), own_share(beside),
                     rate_of(beside) > 0 ? rate_of(phase) / rate_of(beside) : 0);
  }
  if (!report.first_unexpected.empty())
    out.append("unexpected ").append(report.first_unexpected).append("\n");
  if (report.books) out += describe_books(*report.books);
  return out;
}

std::string report_as_json(const LoadReport& report) {
  const LoadOptions& options = report.options;
  const PhaseResult& phase = report.phase;
  JsonWriter json;
  json.text("mix", options.mix).count("connections", options.connections).count("threads", options.threads);
  json.count("pipeline", options.pipeline).number("offered_rate", options.rate, 1);
  add_phase(json, phase);
  if (report.beside) {
    JsonWriter beside;
    json.raw("beside", add_phase(beside, *report.beside).finish());
  }
  if (!report.first_unexpected.empty()) json.text("first_unexpected", report.first_unexpected);
  json.raw("books", report.books ? books_as_json(*report.books) : "null");
  return json.finish().append("\n");
}

}  // namespace recharge
