// Purpose: writes JSON replies into a string that is used again and again: names, texts, exact amounts,
// times. Owner: one thread. Lifetime: for the writing of one body.
#pragma once

#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "core/money.h"
#include "core/time.h"

namespace recharge {

// What rapidjson writes to.
class StringOutput {
 public:
  using Ch = char;
  explicit StringOutput(std::string& text) noexcept : text_(text) {}
  void Put(char c) { text_.push_back(c); }
  void Flush() noexcept {}

 private:
  std::string& text_;
};

class JsonText {
 public:
  explicit JsonText(std::string& text) : output_(text), writer_(output_) {}

  JsonText& begin_object() { return writer_.StartObject(), *this; }
  JsonText& end_object() { return writer_.EndObject(), *this; }
  JsonText& begin_array() { return writer_.StartArray(), *this; }
  JsonText& end_array() { return writer_.EndArray(), *this; }
  JsonText& name(std::string_view text) { return key(text), *this; }

  JsonText& text(std::string_view value) { return string(value), *this; }
  JsonText& null() { return writer_.Null(), *this; }
  JsonText& integer(std::int64_t value) { return writer_.Int64(value), *this; }
  JsonText& boolean(bool value) { return writer_.Bool(value), *this; }
  // A number with two fraction digits.
  JsonText& money(Money value) {
    const std::string digits = to_text(value);
    writer_.RawValue(digits.data(), digits.size(), rapidjson::kNumberType);
    return *this;
  }
  // Null where not reached.
  JsonText& time(Time value) { return value.reached() ? text(to_rfc3339(value)) : null(); }
  // An array in JSON that was read as one; null where empty.
  JsonText& array_or_null(std::string_view array) {
    if (array.empty()) return null();
    writer_.RawValue(array.data(), array.size(), rapidjson::kArrayType);
    return *this;
  }
  // Null where empty.
  JsonText& text_or_null(std::string_view value) { return value.empty() ? null() : text(value); }

 private:
  void key(std::string_view value) {
    writer_.Key(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  void string(std::string_view value) {
    writer_.String(value.data() == nullptr ? "" : value.data(),
                   static_cast<rapidjson::SizeType>(value.size()));
  }

  StringOutput output_;
  rapidjson::Writer<StringOutput> writer_;
};

}  // namespace recharge
