// Purpose: a gateway's own account of what was paid and refunded, read row by row in one form for every
// gateway. Pure: whoever reads the file unpacks it, makes it UTF-8 and hands over one line after the other
// (of a Stripe bill: one object). Owner: one thread. Lifetime: rows are values. Errors: BillError says what
// is wrong with the line; a bill that is cut short is one too, so that nothing is taken for missing there
// that was only not read. Units: Money in minor units, never negative.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/currency.h"
#include "core/money.h"
#include "core/names.h"
#include "core/time.h"

namespace recharge {

using RefundNumber = FixedText<64, struct RefundNumberTag>;  // as refund_number() makes it, where we did

struct BillRow {
  enum class Kind : std::uint8_t { payment, refund };
  enum class State : std::uint8_t { succeeded, pending, failed };
  Kind kind = Kind::payment;
  State state = State::succeeded;
  TransactionId transaction_id;  // of the payment; of a refund: that of its payment
  OrderReference order;          // empty where the bill does not say
  RefundNumber refund;           // of a refund
  Money amount;
  Time at;  // not reached: the bill does not say
};

struct BillError {
  std::string message;
};
template <class T>
using BillResult = boost::system::result<T, BillError>;
[[noreturn]] void throw_exception_from_error(const BillError& error, const boost::source_location& where);

// What the bill says of its own period.
struct BillPeriod {
  Time from;
  Time until;  // not in it any more
};

class BillReader {
 public:
  virtual ~BillReader() = default;
  // None: the line is no row.
  virtual BillResult<std::optional<BillRow>> read(std::string_view line) = 0;
  // After the last line: whether it was one, and whether the rows are what the bill says they are.
  virtual BillResult<void> finish() = 0;
  // Whether this file has been a bill so far; one without rows is one too.
  virtual bool recognised() const noexcept = 0;
  virtual std::optional<BillPeriod> period() const { return std::nullopt; }
};

enum class BillFormat : std::uint8_t { alipay, wechat, stripe, plain };
std::string_view to_text(BillFormat format) noexcept;
std::optional<BillFormat> parse_bill_format(std::string_view text) noexcept;

std::unique_ptr<BillReader> make_alipay_bill();
std::unique_ptr<BillReader> make_wechat_bill();
// Rows of another currency than that of the books are errors.
std::unique_ptr<BillReader> make_stripe_bill(Currency currency);
std::unique_ptr<BillReader> make_plain_bill();
std::unique_ptr<BillReader> make_bill_reader(BillFormat format, Currency currency);

}  // namespace recharge
