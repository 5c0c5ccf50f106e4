// Purpose: reads one JSON object strictly, into its members in the order of the bytes of their names.
// The whole body must be valid: RFC 8259 and UTF-8 throughout, also inside values that are skipped; no byte
// order mark, no trailing bytes, no lone surrogate escapes, and no name twice in one object, however it is
// escaped. Source: RFC 8259; parsed by simdjson On-Demand, which is lazy, so that every value is looked at
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace recharge {

enum class JsonType : std::uint8_t { string, number, boolean_true, boolean_false, null, nested };

struct JsonMember {
  std::string_view name;  // unescaped
  std::string_view text;  // string: unescaped; number and nested: exactly as sent; else empty
  JsonType type = JsonType::null;
  std::uint32_t first = 0;  // of an object: where its own members are, for JsonObject
  std::uint32_t count = 0;
};

// Lifetime: a view of its reader and of the body, valid until the reader reads again or the body goes.
class JsonObject {
 public:
  JsonObject() noexcept = default;
  explicit JsonObject(std::span<const JsonMember> members, std::span<const JsonMember> inner = {}) noexcept
      : members_(members), inner_(inner) {}

  const JsonMember* begin() const noexcept { return members_.data(); }
  const JsonMember* end() const noexcept { return members_.data() + members_.size(); }
  std::size_t size() const noexcept { return members_.size(); }
  const JsonMember* find(std::string_view name) const noexcept;  // null where there is none
  // The object that is the value of that member, unless it lies in an array; none where there is no such.
  std::optional<JsonObject> object(std::string_view name) const noexcept;

 private:
  std::span<const JsonMember> members_;
  std::span<const JsonMember> inner_;  // those of all objects within
};

constexpr std::size_t kJsonPadding = 64;  // readable bytes that have to follow a body

// What becomes of a member whose value is an object or an array.
enum class Nested { refuse, allow };

// Owner: one thread, which uses it again for every body; once warm it allocates nothing.
// Errors: invalid_text, duplicate_name, nested_value, too_long (members or depth).
class JsonReader {
 public:
  static constexpr std::size_t kMaxMembers = 64;  // of the object itself
  static constexpr unsigned kMaxDepth = 32;       // of objects and arrays, the object itself included

  JsonReader();
  ~JsonReader();
  JsonReader(JsonReader&&) noexcept;
  JsonReader& operator=(JsonReader&&) noexcept;

  // REQUIRES: kJsonPadding readable bytes follow the body; what they hold does not matter.
  Result<JsonObject> read(std::string_view body, Nested nested);
  // The same for a body without padding, which is copied first.
  Result<JsonObject> read_copy(std::string_view body, Nested nested);

  // The member that the last error is about, where it is known; valid as long as an object would be.
  std::string_view error_member() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace recharge
