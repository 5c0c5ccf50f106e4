#include "tools/query_back.h"

#include "core/uuid.h"
#include "tools/http_client.h"
#include "tools/json_text.h"
#include "tools/reply_printer.h"

namespace recharge {

void QueryBack::note(const Difference& difference) {
  const bool missing =
      difference.kind == DifferenceKind::missing_here && difference.of == BillRow::Kind::payment;
  if (!missing || !OrderId::parse(difference.order)) return;
  if (payments_.size() == kMax) {
    ++left_over_;
  } else {
    payments_.push_back({difference.order, difference.id});
  }
}

void QueryBack::run(std::ostream& out) {
  for (const Payment& payment : payments_) ask(payment, out);
  out << "asked the gateway for " << payments_.size() << " payments: " << credited_ << " credited, " << kept_
      << " kept for review, " << unpaid_ << " not paid there, " << failed_ << " without an answer";
  if (left_over_ > 0) out << "; " << left_over_ << " more: run this again";
  out << '\n';
}

void QueryBack::ask(const Payment& payment, std::ostream& out) {
  const std::string path = "/api/orders/" + percent_encode(payment.order) + "/query";
  const std::string body = JsonWriter().text("transaction_id", payment.transaction).finish();
  const auto reply = HttpClient(tool_.server, tool_.token).post(path, body);
  if (!reply || reply->status != 200) {
    ++failed_;
    out << payment.order << ": " << (reply ? describe_error(*reply) : reply.error().message) << '\n';
    return;
  }
  const std::string outcome = json_member(reply->body, "outcome").value_or("");
  if (outcome == "recharge_succeeded" || outcome == "already_processed") {
    ++credited_;
  } else {
    ++(outcome.empty() ? unpaid_ : kept_);
  }
  const std::string state = json_member(reply->body, "state").value_or("");
  out << payment.order << ": " << (outcome.empty() ? state + " there" : state + ", " + outcome) << '\n';
}

}  // namespace recharge
