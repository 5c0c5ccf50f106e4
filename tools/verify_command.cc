// The verb that proves, offline, that the books and the journal of a data folder say the same.
#include <sodium.h>

#include <iostream>
#include <memory>

#include "core/digest.h"
#include "core/money.h"
#include "storage/real_file.h"
#include "storage/rebuild.h"
#include "storage/verify.h"
#include "tools/json_text.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr ExitCode kStoreUnusable{4};  // as recharged's own

struct Options {
  std::string data_dir = "data";
  std::string scratch_dir;
  bool decide = false;
  bool head = false;
  bool rebuild = false;
};

std::string report_json(const VerifyReport& report) {
  std::string findings;
  for (const auto& finding : report.findings)
    findings += (findings.empty() ? "" : ",") + json_string(finding);
  JsonWriter writer;
  writer.raw("clean", report.clean() ? "true" : "false")
      .count("groups", report.groups)
      .count("records", report.records)
      .count("orders", report.orders)
      .count("accounts", report.accounts)
      .count("transfers", report.transfers)
      .count("rows_compared", report.rows_compared)
      .raw("ledger_sum_minor_units", std::to_string(report.ledger_sum_minor_units))
      .raw("torn_tail", report.torn_tail ? "true" : "false")
      .count("base_segment", report.base ? report.base->segment : 0)
      .text("head", digest_hex(report.end.previous_hash))
      .count("findings_total", report.findings_total)
      .raw("findings", "[" + findings + "]");
  return writer.finish();
}

void print_report(const VerifyReport& report, bool decide) {
  std::cout << report.records << " records in " << report.groups << " groups, " << report.orders
            << " orders, " << report.accounts << " accounts, " << report.transfers
            << " transfers; ledger sum " << to_text(Money::from_minor_units(report.ledger_sum_minor_units))
            << '\n';
  if (report.base) {
    std::cout << "from a base at segment " << report.base->segment << ", offset " << report.base->offset
              << ": what was before it is not in the journal any more\n";
  }
  if (decide && !report.decided)
    std::cout << "nothing was decided again: the base is being carried forward\n";
  if (report.torn_tail) std::cout << "an unfinished group at the end: the next start cuts it off\n";
  for (const auto& finding : report.findings) std::cout << "DIFFERS " << finding << '\n';
  if (report.findings_total > report.findings.size()) {
    std::cout << "and " << report.findings_total - report.findings.size() << " more\n";
  }
  std::cout << (report.clean() ? "books and journal agree\n" : "books and journal DO NOT agree\n");
}

StorageResult<ReplayReport> rebuild(FileSystem& files, const std::string& data_dir) {
  auto folder = OfflineFolder::open(files, data_dir);
  if (!folder) return folder.error();
  return rebuild_books(files, *folder);
}

ExitCode verify(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  RealFileSystem files;
  if (options.rebuild) {
    if (auto done = rebuild(files, options.data_dir); !done) {
      std::cerr << "recharge: " << done.error().to_text() << '\n';
      return kStoreUnusable;
    }
  }
  const auto report = verify_data_folder(
      files, {options.data_dir, options.scratch_dir.empty() ? scratch_default() : options.scratch_dir,
              options.decide});
  if (!report) {
    std::cerr << "recharge: " << report.error().to_text() << '\n';
    return kStoreUnusable;
  }
  if (tool.json) {
    std::cout << report_json(*report) << '\n';
  } else if (options.head) {
    std::cout << digest_hex(report->end.previous_hash) << '\n';
  } else {
    print_report(*report, options.decide);
  }
  return report->clean() ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_verify_verb(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb =
      app.add_subcommand("verify", "Rebuild every order and balance from the journal, and compare");
  verb->add_option("--data-dir", options->data_dir, "The folder of a stopped recharged")
      ->capture_default_str();
  verb->add_option("--scratch-dir", options->scratch_dir, "Where the temporary books go (TMPDIR, else /tmp)");
  verb->add_flag("--decide", options->decide,
                 "Also decide every command again, and compare what it leads to");
  verb->add_flag("--rebuild", options->rebuild, "First make the books anew from the journal");
  verb->add_flag("--head", options->head, "Print the head of the journal's hash chain alone");
  verb->callback([&tool, options] { tool.action = [&tool, options] { return verify(tool, *options); }; });
}

}  // namespace recharge
