// GET /api/events
#include "server/event_pages.h"
#include "server/handler.h"
#include "server/query_fields.h"

namespace recharge {
namespace {

constexpr std::string_view kLatest = "latest";

// Every member of the query is one of these.
bool has_only(std::string_view query, std::initializer_list<std::string_view> known, Reply& reply) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view name = query.substr(0, std::min(query.find('='), end));
    query.remove_prefix(std::min(end + 1, query.size()));
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    reply.invalid_request("Unknown parameter in the query");
    return false;
  }
  return true;
}

}  // namespace

Step list_events(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
                 Reply& reply) {
  if (!has_only(request.query, {"after", "limit"}, reply)) return Step::reply;
  const auto limit = read_limit(request.query, reply);
  if (!limit) return Step::reply;
  EventQuestion question;
  if (const QueryValue after = query_value(request.query, "after"); after.found) {
    const auto id = EventId::parse(after.text);
    question.latest = after.text == kLatest;
    if (after.malformed || (!id && !question.latest)) {
      reply.invalid_request("after: must be the id of an event, or latest");
      return Step::reply;
    }
    if (id) question.after = *id;
  }
  question.limit = *limit;
  question.thread = context.thread;
  question.operation = &operation;
  EventPages* pages = context.service.event_pages;
  if (pages != nullptr && pages->ask(question)) return Step::later;
  reply.fail(503, "overloaded", "Too many requests, try again");
  return Step::reply;
}

void show_events(const Operation& operation, HandlerContext&, Reply& reply) {
  switch (operation.later_status) {
    case 200:
      reply.body = operation.later_body;
      return;
    case 400:
      return reply.invalid_request("after: no event of this journal");
    case 410:
      return reply.fail(410, "events_gone", "The events after this one are not kept any more");
    default:
      return reply.fail(500, "internal_error", "The events cannot be read");
  }
}

}  // namespace recharge
