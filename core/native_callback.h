// Purpose: what the native callback's body says, checked for form. Whether it is signed was checked before;
// whether it fits an order is decided later.
// Lifetime: views of the object that it was read from. Units: unix seconds; Money; Time in milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/json_object.h"
#include "core/money.h"
#include "core/time.h"

namespace recharge {

struct NativeCallback {
  std::string_view order_id;        // 1 to 64 printable ASCII characters; not yet known to be an id
  std::string_view transaction_id;  // empty only in a failure that brings none
  Money amount;                     // more than zero; zero only in a failure that brings none
  bool success = false;
  std::optional<std::int64_t> timestamp_s;  // of this sending
  std::optional<Time> paid_at;
};

struct NativeCallbackError {
  enum class Slug : std::uint8_t { invalid_request, invalid_amount };
  Slug slug = Slug::invalid_request;
  std::string_view field;    // points into the arguments, or to a literal
  std::string_view message;  // a literal: what the field has to be
};

// The slug as a reply shows it.
std::string_view to_text(NativeCallbackError::Slug slug) noexcept;

// Whether the body must say when it was sent. Standard Webhooks says it in a header.
enum class TimestampMember : std::uint8_t { as_required, optional };

// required: the fields that have to be there, neither null nor empty. order_id and status are needed in any
// case, transaction_id and amount of every success. The first failure answers: required fields, then forms,
// the amount's last.
boost::system::result<NativeCallback, NativeCallbackError> parse_native_callback(
    const JsonObject& object, std::span<const std::string> required, TimestampMember timestamp) noexcept;

}  // namespace recharge
