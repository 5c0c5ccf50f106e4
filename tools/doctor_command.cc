// The verb that looks for what is wrong between here and the server, and says what to do about it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tools/doctor_checks.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr int kLatencyRequests = 20;

void print_check(const Check& check) {
  std::cout << (check.good ? "ok    " : "FAIL  ") << check.name << std::string(12 - check.name.size(), ' ')
            << check.finding << '\n';
  if (!check.good) std::cout << "      fix: " << check.fix << '\n';
}

Check check_path(HttpClient& client, const std::string& name, const std::string& path,
                 const std::string& fix) {
  const auto reply = client.get(path);
  if (!reply) return {name, false, reply.error().message, fix};
  const bool good = reply->status == 200;
  return {name, good,
          good ? path + " answers 200"
               : path + " answers " + std::to_string(reply->status) + ": " + describe_error(*reply),
          fix};
}

Check check_version(HttpClient& client) {
  const auto reply = client.get("/openapi.json");
  const std::string fix = "is another program listening at --server? recharged serves /openapi.json";
  if (!reply) return {"version", false, reply.error().message, fix};
  const auto info = json_member(reply->body, "info");
  const auto version = info ? json_member(*info, "version") : std::nullopt;
  if (!version) return {"version", false, "/openapi.json names no version", fix};
  const bool same = *version == RECHARGE_VERSION;
  return {"version", same, "server " + *version + ", tool " RECHARGE_VERSION,
          "install the same release of recharge and recharged"};
}

Check check_latency(HttpClient& client) {
  constexpr double kSlowMs = 50;
  std::vector<double> times_ms;
  for (int i = 0; i < kLatencyRequests; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto reply = client.get("/livez");
    if (!reply) return {"latency", false, reply.error().message, "the server went away: look at its log"};
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times_ms.push_back(took.count());
  }
  std::sort(times_ms.begin(), times_ms.end());
  char text[96];
  std::snprintf(text, sizeof text, "%d requests: median %.2f ms, worst %.2f ms", kLatencyRequests,
                times_ms[times_ms.size() / 2], times_ms.back());
  return {"latency", times_ms[times_ms.size() / 2] < kSlowMs, text,
          "look for a busy machine or a slow network between here and the server"};
}

// Those of the server itself. The page of the operators' listener needs no token.
void check_server(HttpClient& client, std::vector<Check>& checks) {
  using Seconds = std::chrono::duration<double>;
  const auto before = std::chrono::system_clock::now().time_since_epoch();
  const auto page = client.get("/metrics");
  const auto after = std::chrono::system_clock::now().time_since_epoch();
  const std::string fix =
      "give --token one with the scope admin, or name the operators' listener by --server";
  if (!page || page->status != 200) {
    checks.push_back(
        {"metrics", false, page ? "/metrics: " + describe_error(*page) : page.error().message, fix});
    return;
  }
  const double middle_s = (Seconds(before).count() + Seconds(after).count()) / 2;
  for (Check& check : check_metrics(ServerMetrics(page->body), middle_s)) checks.push_back(std::move(check));
}

// By the metrics, where they may be read: of each that follows the events, its state, and how far it is
// behind.
std::optional<Check> check_subscribers(HttpClient& client) {
  constexpr std::string_view kState = "recharge_subscriber_state{subscriber=\"";
  constexpr std::string_view kLag = "recharge_subscriber_lag_seconds{subscriber=\"";
  constexpr double kSlowSeconds = 300;
  const auto reply = client.get("/metrics");
  if (!reply || reply->status != 200) return std::nullopt;
  Check check{"subscribers", true, "",
              "look at recharge_subscriber_* of /metrics and at the log of recharged"};
  std::istringstream lines(reply->body);
  for (std::string line; std::getline(lines, line);) {
    const bool state = line.starts_with(kState);
    if (!state && !line.starts_with(kLag)) continue;
    const std::size_t from = state ? kState.size() : kLag.size();
    const std::string name = line.substr(from, line.find('"', from) - from);
    if (state) {
      constexpr std::string_view kMember = "state=\"";
      const std::size_t at = line.find(kMember) + kMember.size();
      const std::string word = line.substr(at, line.find('"', at) - at);
      check.finding += (check.finding.empty() ? "" : ", ") + name + " " + word;
      if (word == "lost" || word == "off") check.good = false;
    } else {
      const double seconds = std::strtod(line.c_str() + line.rfind(' '), nullptr);
      if (seconds < 1) continue;
      check.good = check.good && seconds < kSlowSeconds;
      check.finding += ", " + name + " is " + std::to_string(static_cast<long long>(seconds)) + " s behind";
    }
  }
  if (check.finding.empty()) return std::nullopt;
  return check;
}

std::string describe_as_json(const std::vector<Check>& checks) {
  std::string elements;
  for (const Check& check : checks) {
    JsonWriter element;
    element.text("check", check.name).raw("ok", check.good ? "true" : "false").text("finding", check.finding);
    if (!check.good) element.text("fix", check.fix);
    elements += (elements.empty() ? "" : ",") + element.finish();
  }
  return JsonWriter{}.raw("checks", "[" + elements + "]").finish();
}

ExitCode run_doctor(const Tool& tool) {
  HttpClient client(tool.server, tool.token);
  std::vector<Check> checks;
  const auto first = client.get("/livez");
  if (!first && first.error().code == ExitCode::usage) return report(first.error());
  checks.push_back({"reachable", first.has_value(), first ? tool.server : first.error().message,
                    "start recharged, or name its address by --server or RECHARGE_URL"});
  if (first) {
    checks.push_back(check_path(client, "live", "/livez", "look at the log of recharged; restart it"));
    checks.push_back(
        check_path(client, "ready", "/readyz",
                   "it is starting, draining, or its disk is full: look at the log of recharged"));
    checks.push_back(check_version(client));
    checks.push_back(check_latency(client));
    check_server(client, checks);
    if (auto subscribers = check_subscribers(client)) checks.push_back(std::move(*subscribers));
  }
  if (tool.json) {
    std::cout << describe_as_json(checks) << '\n';
  } else {
    for (const Check& check : checks) print_check(check);
  }
  if (!first) return ExitCode::unreachable;
  const bool good = std::ranges::all_of(checks, &Check::good);
  return good ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_doctor_verb(CLI::App& app, Tool& tool) {
  CLI::App* verb = app.add_subcommand("doctor", "Check the server, and say how to fix what is wrong");
  verb->callback([&tool] { tool.action = [&tool] { return run_doctor(tool); }; });
}

}  // namespace recharge
