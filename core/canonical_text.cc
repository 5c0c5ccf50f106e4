#include "core/canonical_text.h"

namespace recharge {
namespace {

// Errc{} where the member can be signed.
Errc check(const JsonMember& member) noexcept {
  if (member.type == JsonType::nested) return Errc::nested_value;
  for (const char c : member.name) {
    if (c == '&' || c == '=') return Errc::out_of_range;
  }
  if (member.type == JsonType::string && member.text.find('&') != member.text.npos) return Errc::out_of_range;
  return Errc{};
}

std::string_view value_text(const JsonMember& member) noexcept {
  switch (member.type) {
    case JsonType::boolean_true:
      return "true";
    case JsonType::boolean_false:
      return "false";
    case JsonType::string:
    case JsonType::number:
      return member.text;
    case JsonType::null:
    case JsonType::nested:
      break;
  }
  return {};
}

}  // namespace

Result<void> append_canonical_text(const JsonObject& object, std::string& out, std::string_view& bad_member) {
  const std::size_t size_before = out.size();
  for (const JsonMember& member : object) {
    if (member.name == kSignatureMember) continue;
    if (const Errc error = check(member); error != Errc{}) {
      bad_member = member.name;
      out.resize(size_before);
      return error;
    }
    const std::string_view value = value_text(member);
    if (value.empty()) continue;
    if (out.size() != size_before) out += '&';
    out += member.name;
    out += '=';
    out += value;
  }
  return {};
}

Result<std::optional<std::string_view>> find_signature(const JsonObject& object) noexcept {
  const JsonMember* member = object.find(kSignatureMember);
  if (member == nullptr) return std::optional<std::string_view>{};
  if (member->type != JsonType::string) return Errc::invalid_text;
  return std::optional<std::string_view>{member->text};
}

}  // namespace recharge
