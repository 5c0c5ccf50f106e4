// Purpose: the text that a field signature signs: every member but `signature`, in the order of the bytes of
// the names, as name=value joined by '&'. Strings stand unescaped, numbers as sent, booleans as true and
// false; null and empty strings are left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/json_object.h"

namespace recharge {

constexpr std::string_view kSignatureMember = "signature";

// Appends to out, which stays as it was on an error. bad_member is set to the member that an error is about.
// Errc::out_of_range: '&' or '=' in a name, '&' in a value; Errc::nested_value: an object or array.
Result<void> append_canonical_text(const JsonObject& object, std::string& out, std::string_view& bad_member);

// The signature that the body carries, none where it carries none. Errc::invalid_text where it is no string.
Result<std::optional<std::string_view>> find_signature(const JsonObject& object) noexcept;

}  // namespace recharge
