// Purpose: reads the members of a JSON reply with their numbers as sent (50.00 stays 50.00), and writes JSON
//   strings for requests. Lifetime: values. Errors: what is no JSON of the expected kind reads as absent or
//   empty.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace recharge {

struct ReplyMember {
  std::string name;
  std::string
      text;  // a string unescaped; numbers, true and false as sent; "" for null; objects and arrays as JSON
  bool null = false;
};

std::vector<ReplyMember> json_members(std::string_view object);
std::vector<std::string> json_elements(std::string_view array);  // each element as JSON
std::optional<std::string> json_member(std::string_view object, std::string_view name);

std::string json_string(std::string_view text);  // quoted and escaped

// Builds one flat object in the order of the calls.
class JsonWriter {
 public:
  JsonWriter& text(std::string_view name, std::string_view value);
  JsonWriter& raw(std::string_view name, std::string_view json);  // a number or a nested value, as it is
  JsonWriter& number(std::string_view name, double value, int digits);
  JsonWriter& count(std::string_view name, unsigned long long value);
  std::string finish() const { return "{" + members_ + "}"; }

 private:
  void name(std::string_view name);
  std::string members_;
};

}  // namespace recharge
