// Purpose: reads a body of application/x-www-form-urlencoded strictly: decoded once, sorted by the bytes of
// the names, no name twice. Source: WHATWG URL, section 5 ('+' is a space). Owner: one thread, which uses it
// again for every body. Errors: invalid_text (an escape that is none), duplicate_name, too_long.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace recharge {

struct FormField {
  std::string_view name;
  std::string_view value;
  std::string_view text;   // name=value, decoded
  std::uint64_t head = 0;  // of the name: orders most names by itself
};

// Appends name=value, percent-encoded but for unreserved characters, behind an '&' where something stands
// there.
void append_form_field(std::string& out, std::string_view name, std::string_view value);

class FormFields {
 public:
  static constexpr std::size_t kMaxFields = 128;

  // What was read before is gone.
  Result<void> read(std::string_view body);

  // Lifetime: until the next read().
  std::span<const FormField> all() const noexcept { return fields_; }
  const FormField* find(std::string_view name) const noexcept;   // null where there is none
  std::string_view value(std::string_view name) const noexcept;  // empty where there is none
  // Whether texts that are joined by '&' could only be split into the same fields again: no '&' came out of
  // an escape, and no '=' in a name.
  bool splits_alike() const noexcept;

 private:
  Result<FormField> decode(std::string_view part, std::size_t equals, bool plain);

  std::string decoded_;
  std::vector<FormField> fields_;
};

}  // namespace recharge
