// The verb that prints the trial balance of a day.
#include <sodium.h>

#include <iomanip>
#include <iostream>
#include <map>
#include <memory>

#include "core/trial_balance.h"
#include "storage/books_view.h"
#include "storage/real_file.h"
#include "tools/calendar_day.h"
#include "tools/csv_text.h"
#include "tools/json_text.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr ExitCode kStoreUnusable{4};  // as recharged's own

enum class Output : std::uint8_t { text, json, csv };

struct Options {
  std::string date;
  std::string zone = "Asia/Shanghai";
  std::string data_dir = "data";
  Output output = Output::text;
  bool flows = false;
};

struct DayReport {
  std::string date;
  std::string zone;
  TimeSpan day;
  Time complete_until;
  std::string currency;
  TrialBalance balance;
};

std::string account_text(const TrialBalance::Line& line) {
  if (line.kind == LedgerAccountKind::user) return "users";
  std::string text(to_text(line.kind));
  if (!line.gateway.empty()) text.append("/").append(line.gateway.view());
  return text;
}

StorageResult<DayReport> read_day(const Options& options, const TimeSpan& day) {
  RealFileSystem files;
  auto view = BooksView::open(files, options.data_dir);
  if (!view) return view.error();
  DayReport report{options.date,
                   options.zone,
                   day,
                   view->complete_until(),
                   std::string(currency_code(view->currency())),
                   {}};
  bool begun = false;
  const auto add = [&](const Transfer& transfer) -> StorageResult<void> {
    if (!begun && transfer.id.time() >= day.from) {
      report.balance.begin_period();
      begun = true;
    }
    report.balance.add(transfer);
    return {};
  };
  if (const auto done = view->transfers(Time{}, day.until, add); !done) return done.error();
  if (!begun) report.balance.begin_period();
  return report;
}

void print_line(const std::string& name, const TrialBalance::Line& line) {
  constexpr int kNameWidth = 34;
  constexpr int kAmountWidth = 18;
  std::cout << std::left << std::setw(kNameWidth) << name << std::right;
  for (const Money amount : {line.opening, line.debits, line.credits, line.closing})
    std::cout << std::setw(kAmountWidth) << to_text(amount);
  std::cout << '\n';
}

void print_text(const DayReport& report) {
  constexpr int kFlowWidth = 22;
  std::cout << "trial balance of " << report.date << ' ' << report.zone << ", " << report.currency
            << ": from " << to_rfc3339(report.day.from) << " until " << to_rfc3339(report.day.until)
            << "\n\n";
  std::cout << "account                                      opening            debits           credits"
               "           closing\n";
  for (const auto& line : report.balance.lines()) print_line(account_text(line), line);
  print_line("sum", report.balance.total());
  std::cout << "\ngateway                           moved                  transfers            amount\n";
  for (const auto& flow : report.balance.flows()) {
    std::cout << std::left << std::setw(34) << (flow.gateway.empty() ? "-" : flow.gateway.view())
              << std::setw(kFlowWidth) << to_text(flow.kind) << std::right << std::setw(10) << flow.transfers
              << std::setw(18) << to_text(flow.amount) << '\n';
  }
}

void print_csv(const DayReport& report, bool flows) {
  if (flows) {
    std::cout << csv_line({"date", "gateway", "moved", "transfers", "amount"}) << "\r\n";
    for (const auto& flow : report.balance.flows()) {
      std::cout << csv_line({report.date, flow.gateway.view(), to_text(flow.kind),
                             std::to_string(flow.transfers), to_text(flow.amount)})
                << "\r\n";
    }
    return;
  }
  std::cout << csv_line({"date", "account", "gateway", "opening", "debits", "credits", "closing"}) << "\r\n";
  for (const auto& line : report.balance.lines()) {
    std::cout << csv_line({report.date, line.kind == LedgerAccountKind::user ? "users" : to_text(line.kind),
                           line.gateway.view(), to_text(line.opening), to_text(line.debits),
                           to_text(line.credits), to_text(line.closing)})
              << "\r\n";
  }
}

std::string line_json(const TrialBalance::Line& line, std::string_view account) {
  JsonWriter writer;
  writer.text("account", account)
      .raw("gateway", line.gateway.empty() ? "null" : json_string(line.gateway.view()))
      .raw("opening", to_text(line.opening))
      .raw("debits", to_text(line.debits))
      .raw("credits", to_text(line.credits))
      .raw("closing", to_text(line.closing));
  return writer.finish();
}

void print_json(const DayReport& report) {
  std::string accounts, flows, faults;
  const auto join = [](std::string& list, const std::string& item) {
    list += (list.empty() ? "" : ",") + item;
  };
  for (const auto& line : report.balance.lines())
    join(accounts, line_json(line, line.kind == LedgerAccountKind::user ? "users" : to_text(line.kind)));
  for (const auto& flow : report.balance.flows()) {
    JsonWriter writer;
    writer.raw("gateway", flow.gateway.empty() ? "null" : json_string(flow.gateway.view()))
        .text("moved", to_text(flow.kind))
        .count("transfers", flow.transfers)
        .raw("amount", to_text(flow.amount));
    join(flows, writer.finish());
  }
  for (const auto& fault : report.balance.faults()) join(faults, json_string(fault));
  JsonWriter writer;
  writer.text("date", report.date)
      .text("tz", report.zone)
      .text("from", to_rfc3339(report.day.from))
      .text("until", to_rfc3339(report.day.until))
      .text("books_complete_until", to_rfc3339(report.complete_until))
      .raw("complete", report.complete_until >= report.day.until ? "true" : "false")
      .text("currency", report.currency)
      .raw("accounts", "[" + accounts + "]")
      .raw("sum", line_json(report.balance.total(), "sum"))
      .raw("flows", "[" + flows + "]")
      .raw("faults", "[" + faults + "]");
  std::cout << writer.finish() << '\n';
}

ExitCode run(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  const auto day = calendar_day(options.date, options.zone);
  if (!day) return report(day.error());
  const auto read = read_day(options, *day);
  if (!read) return report({kStoreUnusable, read.error().to_text()});
  if (tool.json || options.output == Output::json) {
    print_json(*read);
  } else if (options.output == Output::csv) {
    print_csv(*read, options.flows);
  } else {
    print_text(*read);
  }
  if (read->complete_until < day->until) {
    std::cerr << "recharge: the day is not complete: the books are until " << to_rfc3339(read->complete_until)
              << '\n';
  }
  const auto faults = read->balance.faults();
  for (const auto& fault : faults) std::cerr << "recharge: " << fault << '\n';
  return faults.empty() ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_report_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("report", "The trial balance of a day: every account, every gateway");
  verb->add_option("--date", options->date, "The day, like 2026-11-25")->required();
  verb->add_option("--tz", options->zone, "Its time zone")->capture_default_str();
  verb->add_option("--data-dir", options->data_dir, "The data folder; its recharged may be running")
      ->capture_default_str();
  const std::map<std::string, Output> outputs = {
      {"text", Output::text}, {"json", Output::json}, {"csv", Output::csv}};
  verb->add_option("--output", options->output, "text, json or csv")
      ->transform(CLI::CheckedTransformer(outputs, CLI::ignore_case).description("text|json|csv"));
  verb->add_flag("--flows", options->flows, "In CSV, what moved by gateway instead of the accounts");
  verb->footer(
      "A balance is what was credited less what was debited; the sum over all accounts is zero. Exit codes: "
      "0 it\n"
      "balances, 1 it does not, 2 usage, 4 the books cannot be read.");
  verb->callback([&tool, options] { tool.action = [&tool, options] { return run(tool, *options); }; });
}

}  // namespace recharge
