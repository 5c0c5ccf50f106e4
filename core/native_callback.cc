#include "core/native_callback.h"

#include <algorithm>
#include <charconv>

#include "core/names.h"

namespace recharge {
namespace {

using Slug = NativeCallbackError::Slug;
using Failure = std::optional<NativeCallbackError>;

constexpr std::string_view kOrderId = "order_id";
constexpr std::string_view kTransactionId = "transaction_id";
constexpr std::string_view kAmount = "amount";
constexpr std::string_view kStatus = "status";
constexpr std::string_view kTimestamp = "timestamp";
constexpr std::string_view kPaidAt = "paid_at";

constexpr std::size_t kMaxOrderIdSize = OrderReference::kCapacity;
constexpr std::int64_t kMaxUnixSeconds = 253'402'300'799;  // the last second of the year 9999

// null and the empty string say nothing, and signatures leave them out: as good as absent.
bool is_present(const JsonMember* member) noexcept {
  return member != nullptr && member->type != JsonType::null &&
         !(member->type == JsonType::string && member->text.empty());
}

bool is_string(const JsonMember& member) noexcept { return member.type == JsonType::string; }

Failure fail(std::string_view field, std::string_view message, Slug slug = Slug::invalid_request) noexcept {
  return NativeCallbackError{slug, field, message};
}

// Digits alone: a fraction, an exponent or a sign is no integer of seconds.
std::optional<std::int64_t> unix_seconds(const JsonMember& member) noexcept {
  if (member.type != JsonType::number) return std::nullopt;
  std::int64_t seconds = 0;
  const char* const end = member.text.data() + member.text.size();
  const auto [at, error] = std::from_chars(member.text.data(), end, seconds);
  if (error != std::errc{} || at != end || member.text.front() == '-' || seconds > kMaxUnixSeconds) {
    return std::nullopt;
  }
  return seconds;
}

class Parser {
 public:
  Parser(const JsonObject& object, TimestampMember timestamp) noexcept
      : object_(object), timestamp_(timestamp) {}

  Failure parse(std::span<const std::string> required, NativeCallback& callback) const noexcept {
    if (Failure failure = require(required)) return failure;
    if (Failure failure = parse_order_id(callback)) return failure;
    if (Failure failure = parse_status(callback)) return failure;
    if (Failure failure = parse_transaction_id(callback)) return failure;
    if (Failure failure = parse_timestamp(callback)) return failure;
    if (Failure failure = parse_paid_at(callback)) return failure;
    return parse_amount(callback);
  }

 private:
  Failure require(std::span<const std::string> required) const noexcept {
    for (const std::string& name : required) {
      if (name == kTimestamp && timestamp_ == TimestampMember::optional) continue;
      if (!is_present(object_.find(name))) return missing(name);
    }
    return std::nullopt;
  }

  static Failure missing(std::string_view field) noexcept {
    return fail(field, "is required, and may be neither null nor empty");
  }

  Failure parse_order_id(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kOrderId);
    if (!is_present(member)) return missing(kOrderId);
    const bool good =
        is_string(*member) && member->text.size() <= kMaxOrderIdSize &&
        std::all_of(member->text.begin(), member->text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
    if (!good) return fail(kOrderId, "must be a string of 1 to 64 printable ASCII characters");
    callback.order_id = member->text;
    return std::nullopt;
  }

  Failure parse_status(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kStatus);
    if (!is_present(member)) return missing(kStatus);
    callback.success = is_string(*member) && member->text == "success";
    if (!callback.success && !(is_string(*member) && member->text == "fail")) {
      return fail(kStatus, "must be \"success\" or \"fail\"");
    }
    return std::nullopt;
  }

  Failure parse_transaction_id(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kTransactionId);
    if (!is_present(member)) return callback.success ? missing(kTransactionId) : std::nullopt;
    if (!is_string(*member) || !make_transaction_id(member->text)) {
      return fail(kTransactionId, "must be a string of 1 to 64 printable ASCII characters without '&'");
    }
    callback.transaction_id = member->text;
    return std::nullopt;
  }

  Failure parse_timestamp(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kTimestamp);
    if (member == nullptr || member->type == JsonType::null) return std::nullopt;
    callback.timestamp_s = unix_seconds(*member);
    if (!callback.timestamp_s) return fail(kTimestamp, "must be an integer of unix seconds");
    return std::nullopt;
  }

  Failure parse_paid_at(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kPaidAt);
    if (!is_present(member)) return std::nullopt;
    if (const auto seconds = unix_seconds(*member)) {
      callback.paid_at = from_unix_seconds(*seconds);
    } else if (is_string(*member)) {
      if (const auto time = parse_rfc3339(member->text)) callback.paid_at = *time;
    }
    if (!callback.paid_at) return fail(kPaidAt, "must be an RFC 3339 time or an integer of unix seconds");
    return std::nullopt;
  }

  Failure parse_amount(NativeCallback& callback) const noexcept {
    const JsonMember* member = object_.find(kAmount);
    if (!is_present(member)) return callback.success ? missing(kAmount) : std::nullopt;
    if (is_string(*member) || member->type == JsonType::number) {
      if (const auto amount = parse_money(member->text)) callback.amount = *amount;
    }
    if (!callback.amount.is_positive()) {
      return fail(kAmount, "must be more than zero, with at most two fraction digits", Slug::invalid_amount);
    }
    return std::nullopt;
  }

  const JsonObject& object_;
  TimestampMember timestamp_;
};

}  // namespace

std::string_view to_text(NativeCallbackError::Slug slug) noexcept {
  return slug == Slug::invalid_amount ? "invalid_amount" : "invalid_request";
}

boost::system::result<NativeCallback, NativeCallbackError> parse_native_callback(
    const JsonObject& object, std::span<const std::string> required, TimestampMember timestamp) noexcept {
  NativeCallback callback;
  if (const Failure failure = Parser(object, timestamp).parse(required, callback)) return *failure;
  return callback;
}

}  // namespace recharge
