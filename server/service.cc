// GET /livez, /readyz, /metrics, /openapi.json
#include "server/handler.h"
#include "server/openapi.h"
#include "server/outcome_reply.h"

namespace recharge {

Step livez(const Request&, std::string_view, HandlerContext&, Operation&, Reply& reply) {
  reply.fixed_body = R"({"code":200,"msg":"Alive"})";
  return Step::reply;
}

Step readyz(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  if (context.service.is_ready && !context.service.is_ready()) {
    reply.fail(503, "draining", "Shutting down");
  } else if (context.service.ledger_balanced && !context.service.ledger_balanced()) {
    const OutcomeReply why = reply_for(OutcomeCode::ledger_unbalanced);
    reply.fail(why.status, why.error, why.message);
  } else {
    reply.fixed_body = R"({"code":200,"msg":"Ready"})";
  }
  return Step::reply;
}

Step metrics_page(const Request&, std::string_view, HandlerContext& context, Operation&, Reply& reply) {
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (context.service.metrics_page) reply.body = context.service.metrics_page();
  return Step::reply;
}

Step openapi_page(const Request&, std::string_view, HandlerContext&, Operation&, Reply& reply) {
  reply.fixed_body = openapi_document();
  return Step::reply;
}

}  // namespace recharge
