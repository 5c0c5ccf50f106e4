// GET /api/exceptions, POST /api/exceptions/{exception_id}/resolve
#include "server/audit.h"
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/outcome_reply.h"
#include "server/query_fields.h"
#include "server/record_json.h"

namespace recharge {

Step list_exceptions(const Request& request, std::string_view, HandlerContext&, Operation& operation,
                     Reply& reply) {
  const auto limit = read_limit(request.query, reply);
  if (!limit) return Step::reply;
  const auto before = read_cursor<ExceptionId>(request.query, reply);
  if (!before) return Step::reply;
  ListExceptions& command = operation.command.emplace<ListExceptions>();
  if (const QueryValue state = query_value(request.query, "state"); state.found) {
    if (state.malformed || state.text != "open") {
      reply.invalid_request("state: must be open");
      return Step::reply;
    }
    command.only_open = true;
  }
  command.limit = *limit;
  command.before = *before;
  return Step::submit;
}

void show_exceptions(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  const ExceptionPage& page = std::get<ExceptionPage>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  for (const PaymentException& exception : page.exceptions) write_exception(json, exception);
  json.end_array().name("has_more").boolean(!page.next.is_nil()).name("next_cursor");
  json.text_or_null(page.next.is_nil() ? std::string() : page.next.to_text()).end_object();
}

Step resolve_exception(const Request& request, std::string_view exception, HandlerContext& context,
                       Operation& operation, Reply& reply) {
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  if (!fields.ok()) return Step::reply;
  const std::string_view action_text = fields.text("action", true);
  const auto action = parse_exception_action(action_text);
  if (!action) fields.fail("action", "must be credit, refund or dismiss");
  const auto note = make_printable<Note>(fields.text("note", false));
  if (!note) fields.fail("note", "must be at most 200 bytes without control characters");
  if (!fields.ok()) return Step::reply;
  const auto id = ExceptionId::parse(exception);
  if (!id) {
    reply.fail(404, "exception_not_found", "Exception not found");
    return Step::reply;
  }
  ResolveException& command = operation.command.emplace<ResolveException>();
  command.exception_id = *id;
  command.action = *action;
  command.note = *note;
  audit_operator(context, std::string("resolve_").append(action_text), exception);
  return Step::submit;
}

void show_exception(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("exception");
  write_exception(json, std::get<PaymentException>(operation.outcome.shown));
  json.end_object();
}

}  // namespace recharge
