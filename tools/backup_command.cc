// The verbs that copy a data folder while its server runs, and make one from such a copy.
#include <sodium.h>

#include <iostream>
#include <memory>

#include "core/digest.h"
#include "storage/backup.h"
#include "storage/real_file.h"
#include "storage/verify.h"
#include "tools/json_text.h"
#include "tools/verbs.h"

namespace recharge {
namespace {

constexpr ExitCode kStoreUnusable{4};  // as recharged's own

struct Options {
  std::string data_dir;
  std::string folder;
};

ExitCode fail(const StorageError& error) {
  std::cerr << "recharge: " << error.to_text() << '\n';
  return kStoreUnusable;
}

void print_report(const Tool& tool, const BackupReport& report) {
  const std::string head = digest_hex(report.end.previous_hash);
  if (tool.json) {
    JsonWriter writer;
    writer.count("groups", report.groups)
        .count("records", report.records)
        .count("bytes", report.bytes)
        .count("segment", report.end.segment)
        .count("offset", report.end.offset)
        .count("sequence", report.end.sequence)
        .text("head", head);
    std::cout << writer.finish() << '\n';
    return;
  }
  std::cout << report.records << " records in " << report.groups << " groups, up to segment "
            << report.end.segment << ", offset " << report.end.offset << "\nhead " << head << '\n';
}

ExitCode backup(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  RealFileSystem files;
  const auto report = make_backup(files, options.data_dir, options.folder);
  if (!report) return fail(report.error());
  print_report(tool, *report);
  return ExitCode::ok;
}

ExitCode restore(const Tool& tool, const Options& options) {
  if (sodium_init() < 0) return ExitCode::failure;
  RealFileSystem files;
  const auto report = restore_backup(files, options.folder, options.data_dir);
  if (!report) return fail(report.error());
  const auto verified = verify_data_folder(files, {options.data_dir, scratch_default(), false});
  if (!verified) return fail(verified.error());
  print_report(tool, *report);
  for (const auto& finding : verified->findings) std::cerr << "recharge: DIFFERS " << finding << '\n';
  return verified->clean() && verified->end == report->end ? ExitCode::ok : ExitCode::failure;
}

}  // namespace

void add_backup_verbs(CLI::App& app, Tool& tool) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("backup", "Copy the journal of a data folder, whose recharged may run");
  verb->add_option("--data-dir", options->data_dir, "The data folder")->default_val("data");
  verb->add_option("--to", options->folder, "Where the backup goes: a new or empty folder")->required();
  verb->callback([&tool, options] { tool.action = [&tool, options] { return backup(tool, *options); }; });

  const auto back = std::make_shared<Options>();
  verb = app.add_subcommand("restore", "Make a data folder from a backup, and verify it");
  verb->add_option("--from", back->folder, "The backup")->required();
  verb->add_option("--data-dir", back->data_dir, "The data folder: new or empty")->required();
  verb->callback([&tool, back] { tool.action = [&tool, back] { return restore(tool, *back); }; });
}

}  // namespace recharge
