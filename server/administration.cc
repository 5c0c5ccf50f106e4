// GET /admin/status, GET and POST /admin/backup, POST /admin/checkpoint, POST /admin/log_level: at the
// listener for operators alone.
#include <algorithm>

#include "core/digest.h"
#include "server/audit.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/json_text.h"
#include "server/log.h"
#include "server/operator_desk.h"
#include "server/version.h"

namespace recharge {
namespace {

constexpr std::size_t kMaxBackupNameBytes = 64;

// A file's name, and no way out of the folder.
bool is_backup_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxBackupNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-';
         });
}

void write_backup(JsonText& json, const BackupState& backup) {
  json.begin_object().name("state").text(to_text(backup.phase));
  json.name("name").text_or_null(backup.name);
  json.name("began_at").time(backup.began_at).name("ended_at").time(backup.ended_at);
  json.name("records").integer(static_cast<std::int64_t>(backup.report.records));
  json.name("bytes").integer(static_cast<std::int64_t>(backup.report.bytes));
  const bool done = backup.phase == BackupState::Phase::done;
  json.name("head").text_or_null(done ? digest_hex(backup.report.end.previous_hash) : std::string());
  json.name("error").text_or_null(backup.error).end_object();
}

void accept(Reply& reply, std::string_view message) {
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("msg").text(message).end_object();
}

}  // namespace

Step show_status(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  const OperatorDesk& desk = *context.service.desk;
  const Readiness ready = desk.sources().readiness();
  const StorageMetrics storage = desk.sources().storage();
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("ready").boolean(ready.all());
  json.name("checks").begin_object().name("accepting").boolean(ready.accepting);
  json.name("ledger_balanced").boolean(ready.ledger_balanced);
  json.name("store_writable").boolean(ready.store_writable).end_object();
  json.name("version").text(kVersion).name("started_at").time(desk.started_at());
  json.name("threads").integer(static_cast<std::int64_t>(desk.sources().threads));
  json.name("connections").integer(static_cast<std::int64_t>(desk.sources().connections()));
  json.name("orders").begin_object();
  for (std::size_t i = 0; i < kOrderStatuses; ++i) {
    json.name(to_text(static_cast<OrderStatus>(i))).integer(static_cast<std::int64_t>(storage.orders[i]));
  }
  json.end_object().name("exceptions_open").begin_object();
  for (std::size_t i = 0; i < kExceptionKinds; ++i) {
    json.name(to_text(static_cast<ExceptionKind>(i)));
    json.integer(static_cast<std::int64_t>(storage.open_exceptions[i]));
  }
  json.end_object();
  json.name("disk_free_bytes").integer(static_cast<std::int64_t>(storage.disk_free_bytes));
  json.name("journal_bytes").integer(static_cast<std::int64_t>(storage.journal_bytes));
  json.name("checkpoints").integer(static_cast<std::int64_t>(storage.checkpoint_seconds.count()));
  json.name("backup");
  write_backup(json, desk.backup());
  json.end_object();
  return Step::reply;
}

Step change_log_level(const Request& request, std::string_view, HandlerContext& context, Operation&,
                      Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view level = fields.text("level", true);
  if (!fields.ok()) return Step::reply;
  if (std::find(std::begin(kLogLevels), std::end(kLogLevels), level) == std::end(kLogLevels)) {
    fields.fail("level", "must be one of trace, debug, info, warn, error");
    return Step::reply;
  }
  audit_operator(context, "log_level", level);
  set_log_level(level);
  reply.fixed_body = R"({"code":200,"msg":"Log level changed"})";
  return Step::reply;
}

Step checkpoint_now(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  audit_operator(context, "checkpoint", {});
  context.service.desk->sources().checkpoint();
  accept(reply, "Checkpoint begins");
  return Step::reply;
}

Step begin_backup(const Request& request, std::string_view, HandlerContext& context, Operation&,
                  Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view name = fields.text("name", true);
  if (fields.ok() && !is_backup_name(name)) fields.fail("name", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -");
  if (!fields.ok()) return Step::reply;
  OperatorDesk& desk = *context.service.desk;
  if (!desk.can_back_up()) {
    reply.fail(409, "invalid_state", "admin.backup_dir is not set");
  } else if (!desk.begin_backup(std::string(name))) {
    reply.fail(409, "invalid_state", "Another backup is going on");
  } else {
    audit_operator(context, "backup", name);
    accept(reply, "Backup begins");
  }
  return Step::reply;
}

Step show_backup(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("backup");
  write_backup(json, context.service.desk->backup());
  json.end_object();
  return Step::reply;
}

}  // namespace recharge
