// GET /api/check_balance, GET /api/accounts/{account}/entries, POST /api/accounts/{account}/debit
#include "server/body_fields.h"
#include "server/handler.h"
#include "server/outcome_reply.h"
#include "server/query_fields.h"
#include "server/record_json.h"

namespace recharge {

Step check_balance(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
                   Reply& reply) {
  const QueryValue value = query_value(request.query, "account");
  const auto account = read_account(value.malformed ? std::string_view() : value.text, context, reply);
  if (!account) return Step::reply;
  operation.command.emplace<ReadBalance>().account = *account;
  return Step::submit;
}

void show_balance(const Operation& operation, HandlerContext& context, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200);
  json.name("account").text(std::get<ReadBalance>(operation.command).account.view());
  json.name("balance").money(std::get<Money>(operation.outcome.shown));
  json.name("currency").text(context.settings.orders.currency_code).end_object();
}

Step list_entries(const Request& request, std::string_view account_text, HandlerContext& context,
                  Operation& operation, Reply& reply) {
  const auto account = read_account(account_text, context, reply);
  if (!account) return Step::reply;
  const auto limit = read_limit(request.query, reply);
  if (!limit) return Step::reply;
  const auto from = read_cursor<EntryId>(request.query, reply);
  if (!from) return Step::reply;
  ListEntries& command = operation.command.emplace<ListEntries>();
  command.account = *account;
  command.limit = *limit;
  command.from = *from;
  return Step::submit;
}

void show_entries(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  const EntryPage& page = std::get<EntryPage>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  for (const Transfer& entry : page.entries) write_entry(json, entry);
  json.end_array().name("has_more").boolean(!page.next.is_nil()).name("next_cursor");
  json.text_or_null(page.next.is_nil() ? std::string() : page.next.to_text()).end_object();
}

Step debit(const Request& request, std::string_view account_text, HandlerContext& context,
           Operation& operation, Reply& reply) {
  const auto account = read_account(account_text, context, reply);
  if (!account) return Step::reply;
  BodyFields fields(request.body, BodyFields::Empty::refuse, context, reply);
  const std::string_view id = fields.ok() ? fields.text("debit_id", true) : std::string_view();
  const auto debit_id = make_debit_id(id);
  if (!debit_id) fields.fail("debit_id", "must be 1 to 64 of A-Z, a-z, 0-9, _ and -");
  if (!fields.ok()) return Step::reply;
  const auto amount = fields.amount("amount", true);
  const auto memo = make_printable<Memo>(fields.text("memo", false));
  if (!memo) fields.fail("memo", "must be at most 128 bytes without control characters");
  if (!fields.ok()) return Step::reply;
  SpendBalance& command = operation.command.emplace<SpendBalance>();
  command.account = *account;
  command.debit_id = *debit_id;
  command.amount = *amount;
  command.memo = *memo;
  command.currency = context.settings.orders.currency;
  command.shard = context.engine.shard_of(account->view());
  return Step::submit;
}

void show_debit(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("entry");
  write_entry(json, std::get<Transfer>(operation.outcome.shown));
  json.end_object();
}

}  // namespace recharge
