#include "server/payment_report.h"

namespace recharge {
namespace {

constexpr std::uint8_t kShardMask = 63;  // of the 64 logical shards

}  // namespace

ReportPayment& begin_report(std::string_view reference, std::string_view transaction_id,
                            std::string_view key_id, HandlerContext& context, Operation& operation) {
  ReportPayment& report = operation.command.emplace<ReportPayment>();
  assign_checked(report.reference, reference);
  assign_checked(report.transaction_id, transaction_id);
  assign_checked(report.key_id, key_id);
  const auto id = OrderId::parse(reference);
  if (id) report.order_id = *id;
  report.policies = context.policy.policies;
  report.fulfilment = context.policy.fulfilment;
  report.currency = context.settings.orders.currency;
  const std::uint8_t shard =
      id ? static_cast<std::uint8_t>(id->shard() & kShardMask) : context.engine.shard_of(reference);
  report.exception_id = context.engine.fresh_exception_id(context.thread, shard);
  return report;
}

void attach_evidence(Operation& operation) {
  auto& report = std::get<ReportPayment>(operation.command);
  report.evidence = operation.evidence;
  report.evidence_headers = operation.evidence_headers;
}

}  // namespace recharge
