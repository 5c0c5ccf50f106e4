// Stripe's balance transactions, their source expanded (expand[]=data.source): what says which payment intent
// and order a charge is of. Source: docs.stripe.com/api/balance_transactions.
#include "core/bill_table.h"
#include "core/gateway_event.h"
#include "core/json_object.h"

namespace recharge {
namespace {

class StripeBill final : public BillReader {
 public:
  explicit StripeBill(Currency currency) : currency_(currency) {}

  BillResult<std::optional<BillRow>> read(std::string_view text) override {
    const auto object = transaction_.read_copy(text, Nested::allow);
    if (!object) return bill_error("not a JSON object");
    if (read_text(*object, "object") != "balance_transaction")
      return bill_error("not a balance transaction", read_text(*object, "object"));
    recognised_ = true;
    const std::string_view type = read_text(*object, "type");
    const bool payment = type == "charge" || type == "payment";
    if (!payment && type != "refund" && type != "payment_refund") return std::nullopt;  // fees, payouts
    const auto currency = read_currency(read_text(*object, "currency"));
    if (!currency || *currency != currency_)
      return bill_error("another currency than that of the books", read_text(*object, "currency"));
    BillRow row;
    row.kind = payment ? BillRow::Kind::payment : BillRow::Kind::refund;
    if (auto done = read_amount(*object, row); !done) return done.error();
    const JsonMember* created = object->find("created");
    const auto at = created != nullptr && created->type == JsonType::number ? read_unix_seconds(created->text)
                                                                            : std::nullopt;
    if (!at) return bill_error("no time");
    row.at = from_unix_seconds(*at);
    if (auto done = read_source(*object, row); !done) return done.error();
    return row;
  }

  BillResult<void> finish() override { return {}; }  // a day without payments is an empty list
  bool recognised() const noexcept override { return recognised_; }

 private:
  // An integer of minor units, negative for refunds.
  static BillResult<void> read_amount(const JsonObject& object, BillRow& row) {
    const JsonMember* member = object.find("amount");
    if (member == nullptr || member->type != JsonType::number) return bill_error("no amount");
    std::string_view text = member->text;
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto units = read_unix_seconds(text);  // digits alone, few enough
    if (!units) return bill_error("no amount", member->text);
    row.amount = Money::from_minor_units(*units);
    return {};
  }

  BillResult<void> read_source(const JsonObject& object, BillRow& row) {
    const auto source = object.object("source");
    if (!source) return bill_error("the source is not expanded: ask for the list with expand[]=data.source");
    if (auto done = set_transaction(row, read_text(*source, "payment_intent")); !done) return done.error();
    const auto named = source->object("metadata");
    if (!named) return bill_error("no metadata");
    const std::string_view id = read_text(*source, "id");
    if (row.kind == BillRow::Kind::payment) return set_order(row, read_text(*named, "order_id"));
    const std::string_view number = read_text(*named, "refund");  // ours; else Stripe's own id
    return set_refund(row, number.empty() ? id : number);
  }

  Currency currency_;
  JsonReader transaction_;
  bool recognised_ = false;
};

}  // namespace

std::unique_ptr<BillReader> make_stripe_bill(Currency currency) {
  return std::make_unique<StripeBill>(currency);
}

}  // namespace recharge
