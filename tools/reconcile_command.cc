// The verb that compares a gateway's bill with the books.
#include <sodium.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <memory>

#include "tools/bill_download.h"
#include "tools/calendar_day.h"
#include "tools/query_back.h"
#include "tools/reconciliation_report.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

struct Options {
  std::string gateway;
  std::string bill;
  std::string bill_format;
  std::string sha1;
  std::string date;
  std::string zone = "Asia/Shanghai";
  std::string data_dir = "data";
  std::string scratch_dir;
  bool fix = false;
  ReportFormat output = ReportFormat::text;
};

// On a terminal only, on a line that the next print takes.
class ProgressBar {
 public:
  ProgressBar() : shown_(::isatty(STDERR_FILENO) == 1) {}
  ~ProgressBar() {
    if (shown_) std::cerr << "\r\x1b[K" << std::flush;
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::uint64_t bytes, std::uint64_t of_bytes) {
    constexpr std::uint64_t kWidth = 40;
    const std::uint64_t percent = of_bytes == 0 ? 100 : std::min<std::uint64_t>(100, bytes * 100 / of_bytes);
    if (!shown_ || percent == percent_) return;
    percent_ = percent;
    const auto filled = static_cast<std::size_t>(percent * kWidth / 100);
    std::cerr << "\rreading the bill [" << std::string(filled, '=') << std::string(kWidth - filled, ' ')
              << "] " << percent << " %" << std::flush;
  }

 private:
  bool shown_;
  std::uint64_t percent_ = 101;
};

ToolResult<ReconciliationTask> task_of(const Options& options) {
  ReconciliationTask task;
  task.data_dir = options.data_dir;
  task.scratch_dir = options.scratch_dir.empty() ? scratch_default() : options.scratch_dir;
  task.bill.path = options.bill;
  task.bill.sha1 = options.sha1;
  if (options.gateway.empty() || !task.gateway.assign(options.gateway))
    return ToolError{ExitCode::usage, "the name of a gateway has 1 to 32 characters"};
  const std::string& format = options.bill_format.empty() ? options.gateway : options.bill_format;
  const auto known = parse_bill_format(format);
  if (!known)
    return ToolError{ExitCode::usage, "--bill-format is needed: how bills of '" + options.gateway + "' look"};
  task.bill.format = *known;
  if (!options.date.empty()) {
    const auto day = calendar_day(options.date, options.zone);
    if (!day) return day.error();
    task.period = BillPeriod{day->from, day->until};
  }
  return task;
}

ToolResult<DownloadedBill> fetch_bill(const Tool& tool, const Options& options) {
  const auto day = calendar_day(options.date, options.zone);
  if (!day) return day.error();
  return download_bill(tool, {options.gateway, options.date, day->from, day->until,
                              options.scratch_dir.empty() ? scratch_default() : options.scratch_dir});
}

// With the file and what the gateway said of it.
Options with_bill(Options options, const DownloadedBill& bill) {
  options.bill = bill.path();
  options.bill_format = bill.format();
  options.sha1 = bill.sha1();
  return options;
}

ExitCode compare(const Tool& tool, const Options& options) {
  auto task = task_of(options);
  if (!task) return report(task.error());
  ReconciliationReport out(std::cout, tool.json ? ReportFormat::json : options.output, options.gateway);
  QueryBack query_back(tool);
  const auto totals = [&] {
    ProgressBar bar;
    task->progress = [&bar](std::uint64_t bytes, std::uint64_t of_bytes) { bar.show(bytes, of_bytes); };
    return reconcile(*task, [&](const Difference& difference) {
      out.add(difference);
      if (options.fix) query_back.note(difference);
    });
  }();
  if (!totals) return report(totals.error());
  out.finish(*totals, std::cerr);
  std::cout.flush();
  if (options.fix) query_back.run(std::cerr);
  return totals->differences_total() == 0 ? ExitCode::ok : ExitCode::failure;
}

ExitCode run(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  if (!options.bill.empty()) return compare(tool, options);
  if (options.date.empty())
    return report({ExitCode::usage, "--bill FILE, or --date to fetch the bill of a day, is needed"});
  const auto bill = fetch_bill(tool, options);
  if (!bill) return report(bill.error());
  return compare(tool, with_bill(options, *bill));
}

}  // namespace

void add_reconcile_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("reconcile", "Compare a gateway's bill with the books");
  verb->add_option("--gateway", options->gateway, "The gateway's name in the settings")->required();
  verb->add_option("--bill", options->bill,
                   "The bill as the gateway made it; zip and gzip are unpacked (default: --date is fetched)")
      ->check(CLI::ExistingFile);
  verb->add_option("--bill-format", options->bill_format, "What it looks like (default: the gateway's name)")
      ->check(CLI::IsMember({"alipay", "wechat", "stripe", "plain"}));
  verb->add_option("--sha1", options->sha1, "SHA-1 of the unpacked bill, as WeChat Pay says it")
      ->check(CLI::Validator(
          [](std::string& text) {
            CLI::detail::to_lower(text).swap(text);
            const bool good =
                text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
            return good ? std::string() : std::string("40 hex digits are needed");
          },
          "HEX"));
  verb->add_option("--date", options->date,
                   "The day of the bill (default: what it says, or its rows); without --bill it is fetched "
                   "by way of --server");
  verb->add_flag(
      "--fix", options->fix,
      "Have --server ask the gateway for payments that are missing here; nothing is credited by the bill");
  verb->add_option("--tz", options->zone, "The time zone of --date")->capture_default_str();
  verb->add_option("--data-dir", options->data_dir, "The data folder; its recharged may be running")
      ->capture_default_str();
  verb->add_option("--scratch-dir", options->scratch_dir, "Where temporary files go (TMPDIR, else /tmp)");
  const std::map<std::string, ReportFormat> formats = {
      {"text", ReportFormat::text}, {"json", ReportFormat::json}, {"csv", ReportFormat::csv}};
  verb->add_option("--output", options->output, "text, json or csv")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case).description("text|json|csv"));
  verb->footer(
      "Changes nothing without --fix, after which the books are compared by the next run. Exit codes: 0 bill "
      "and books agree, 1 they do not, 2 usage, 3 the bill cannot be "
      "used, 4 the\n"
      "books cannot be read.");
  verb->callback([&tool, options] { tool.action = [&tool, options] { return run(tool, *options); }; });
}

}  // namespace recharge
