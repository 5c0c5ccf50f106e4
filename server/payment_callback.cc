// POST /api/payment_callback, POST /api/callbacks/{gateway} of a native gateway; others go to their adapters.
// Order of the checks: JSON, signature, required fields and forms; what is left is decided by the shard.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/canonical_text.h"
#include "core/native_callback.h"
#include "server/audit.h"
#include "server/body_fields.h"
#include "server/gateway_callback.h"
#include "server/handler.h"
#include "server/outcome_reply.h"
#include "server/payment_report.h"

namespace recharge {
namespace {

constexpr std::int64_t kMaxUnixSeconds = 253'402'300'799;

struct Proof {
  SignatureScheme scheme = SignatureScheme::fields;
  std::string_view key_id;
  std::optional<Time> header_time;  // of Standard Webhooks
};

std::nullopt_t refuse_signature(Reply& reply) {
  reply.fail(403, "invalid_signature", "Invalid signature");
  return std::nullopt;
}

std::optional<Time> read_webhook_time(std::string_view text) {
  std::int64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds);
  if (text.empty() || text.front() == '-' || parsed.ec != std::errc() || parsed.ptr != end)
    return std::nullopt;
  return seconds <= kMaxUnixSeconds ? std::optional(from_unix_seconds(seconds)) : std::nullopt;
}

// The field signature. False: the reply says why not.
bool verify_fields(const JsonObject& object, std::string_view signature, CallbackGate& gate,
                   std::string& scratch, Proof& proof, Reply& reply) {
  scratch.clear();
  std::string_view bad_member;
  if (const auto text = append_canonical_text(object, scratch, bad_member); !text) {
    std::string message(bad_member.substr(0, 64));
    reply.invalid_request(message.append(": cannot be part of a field signature"));
    return false;
  }
  const auto key = gate.verifier.verify_fields(scratch, signature);
  if (!key) return refuse_signature(reply), false;
  proof.key_id = *key;
  return true;
}

bool verify_standard(const Request& request, CallbackGate& gate, Proof& proof, Reply& reply) {
  const bool complete = !request.webhook_id.empty() && !request.webhook_timestamp.empty() &&
                        !request.webhook_signature.empty() && !request.webhook_header_repeated;
  proof.header_time = complete ? read_webhook_time(request.webhook_timestamp) : std::nullopt;
  if (!proof.header_time) return refuse_signature(reply), false;
  const auto key = gate.verifier.verify_standard(request.webhook_id, request.webhook_timestamp, request.body,
                                                 request.webhook_signature);
  if (!key) return refuse_signature(reply), false;
  proof.key_id = *key;
  return true;
}

std::optional<Proof> verify(const Request& request, const JsonObject& object, CallbackGate& gate,
                            std::string& scratch, Reply& reply) {
  const auto signature = find_signature(object);
  if (!signature) {
    reply.invalid_request("signature: must be a text");
    return std::nullopt;
  }
  const bool standard = request.has_webhook_header;
  if (!*signature && !standard) return refuse_signature(reply);
  Proof proof;
  if (*signature && !verify_fields(object, **signature, gate, scratch, proof, reply)) return std::nullopt;
  if (standard && !verify_standard(request, gate, proof, reply)) return std::nullopt;
  proof.scheme = !standard    ? SignatureScheme::fields
                 : *signature ? SignatureScheme::both
                              : SignatureScheme::standard_webhooks;
  return proof;
}

// The signed time of this sending: under both signatures the one that is further from now.
std::optional<Time> sent_at(const Proof& proof, const NativeCallback& callback, Time now) {
  std::optional<Time> body;
  if (callback.timestamp_s) body = from_unix_seconds(*callback.timestamp_s);
  if (proof.scheme == SignatureScheme::fields) return body;
  if (proof.scheme == SignatureScheme::standard_webhooks || !body) return proof.header_time;
  return std::abs(body->ms - now.ms) > std::abs(proof.header_time->ms - now.ms) ? body : proof.header_time;
}

void keep_evidence(const Request& request, Operation& operation) {
  operation.evidence.assign(request.body);
  operation.evidence_headers.clear();
  if (request.has_webhook_header) {
    operation.evidence_headers.append("webhook-id: ").append(request.webhook_id);
    operation.evidence_headers.append("\nwebhook-timestamp: ").append(request.webhook_timestamp);
    operation.evidence_headers.append("\nwebhook-signature: ").append(request.webhook_signature).append("\n");
  }
  attach_evidence(operation);
}

Step refused(std::size_t gate, CallbackResult result, HandlerContext& context) {
  context.metrics.count_callback(gate, result);
  return Step::reply;
}

Step take_callback(const Request& request, std::size_t gate_index, HandlerContext& context,
                   Operation& operation, Reply& reply) {
  CallbackGate& gate = context.gates[gate_index];
  if (request.chunked) {
    reply.fail(411, "length_required", "A callback needs a Content-Length");
    reply.close = true;
    return refused(gate_index, CallbackResult::invalid_request, context);
  }
  const auto object = context.json.read(request.body, Nested::refuse);
  if (!object) {
    refuse_json(object.error(), context.json.error_member(), reply);
    return refused(gate_index, CallbackResult::invalid_request, context);
  }
  const auto proof = verify(request, *object, gate, context.scratch, reply);
  if (!proof) {
    const bool forged = reply.status == 403;
    if (forged) audit_refused_signature(context, request, gate.gateway.view());
    return refused(gate_index, forged ? CallbackResult::invalid_signature : CallbackResult::invalid_request,
                   context);
  }
  const TimestampMember timestamp =
      proof->scheme == SignatureScheme::fields ? TimestampMember::as_required : TimestampMember::optional;
  const auto callback = parse_native_callback(*object, context.policy.required_fields, timestamp);
  if (!callback) {
    const NativeCallbackError& error = callback.error();
    const bool amount = error.slug == NativeCallbackError::Slug::invalid_amount;
    std::string message(amount ? "Invalid amount" : error.field);
    if (!amount) message.append(" ").append(error.message);
    reply.fail(400, to_text(error.slug), message);
    return refused(gate_index, CallbackResult::invalid_request, context);
  }
  if (callback->amount > kMaxBalance) {  // more than any account of the ledger can hold
    reply.fail(400, "invalid_amount", "Invalid amount");
    return refused(gate_index, CallbackResult::invalid_request, context);
  }
  ReportPayment& report =
      begin_report(callback->order_id, callback->transaction_id, proof->key_id, context, operation);
  report.gateway = gate.gateway;
  report.scheme = proof->scheme;
  report.amount = callback->amount;
  report.success = callback->success;
  report.paid_at = callback->paid_at;
  report.sent_at = sent_at(*proof, *callback, context.engine.now(context.thread));
  report.tolerance_ms = context.policy.tolerance_ms;
  keep_evidence(request, operation);
  return Step::submit;
}

constexpr std::string_view kReviewBodies[kExceptionKinds] = {
    R"({"code":200,"msg":"Payment recorded for review","exception":"late_payment"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"duplicate_payment"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"amount_mismatch"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"gateway_mismatch"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"unknown_order"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"stale_callback"})",
    R"({"code":200,"msg":"Payment recorded for review","exception":"balance_limit"})",
};

}  // namespace

Step payment_callback(const Request& request, std::string_view, HandlerContext& context, Operation& operation,
                      Reply& reply) {
  return take_callback(request, 0, context, operation, reply);
}

Step gateway_callback(const Request& request, std::string_view gateway, HandlerContext& context,
                      Operation& operation, Reply& reply) {
  for (std::size_t i = 1; i < context.gates.size(); ++i) {
    if (context.gates[i].gateway.view() != gateway) continue;
    return context.gates[i].adapter ? take_notification(request, i, context, operation, reply)
                                    : take_callback(request, i, context, operation, reply);
  }
  reply.fail(404, "not_found", "Not found");
  return Step::reply;
}

void acknowledge_callback(const Operation& operation, HandlerContext& context, Reply& reply) {
  const Outcome& outcome = operation.outcome;
  const auto& report = std::get<ReportPayment>(operation.command);
  for (std::size_t i = 0; i < context.gates.size(); ++i) {
    if (context.gates[i].gateway != report.gateway) continue;
    context.metrics.count_callback(i, callback_result(outcome));
    const auto& adapter = context.gates[i].adapter;
    if (adapter && acknowledge_notification(operation, *adapter, reply)) return;
  }
  switch (outcome.code) {
    case OutcomeCode::recharge_succeeded:
      reply.fixed_body = R"({"code":200,"msg":"Recharge succeeded"})";
      return;
    case OutcomeCode::payment_held:
      reply.fixed_body = R"({"code":200,"msg":"Payment recorded"})";
      return;
    case OutcomeCode::already_processed:
      reply.fixed_body = R"({"code":200,"msg":"Already processed"})";
      return;
    case OutcomeCode::payment_failure_recorded:
      reply.fixed_body = R"({"code":200,"msg":"Payment failure recorded"})";
      return;
    case OutcomeCode::kept_for_review:
      reply.fixed_body = kReviewBodies[static_cast<std::size_t>(outcome.exception_kind)];
      return;
    case OutcomeCode::stale_signature:
      // A gateway of its own is told, as of every payment that is kept, that it need not send it again.
      if (report.success && report.gateway != context.gates[0].gateway) {
        reply.fixed_body = kReviewBodies[static_cast<std::size_t>(ExceptionKind::stale_callback)];
        return;
      }
      break;
    default:
      break;
  }
  if (!refuse(outcome, reply)) reply.fail(500, "internal_error", "Internal error");
}

}  // namespace recharge
