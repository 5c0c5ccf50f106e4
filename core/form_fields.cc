#include "core/form_fields.h"

#include <algorithm>

#include "core/check.h"
#include "core/percent_text.h"

namespace recharge {
namespace {

// The first eight bytes, such that numbers are ordered as texts are, where they differ.
std::uint64_t head_of(std::string_view name) noexcept {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < std::min(name.size(), sizeof head); ++i)
    head |= std::uint64_t{static_cast<unsigned char>(name[i])} << (56 - 8 * i);
  return head;
}

bool is_before(const FormField& a, const FormField& b) noexcept {
  return a.head != b.head ? a.head < b.head : a.name < b.name;
}

}  // namespace

void append_form_field(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.push_back('&');
  append_percent_encoded(out, name);
  out.push_back('=');
  append_percent_encoded(out, value);
}

Result<void> FormFields::read(std::string_view body) {
  fields_.clear();
  decoded_.clear();
  // Decoding makes nothing longer, but for an '=' that was not there: the views stay where they are.
  decoded_.reserve(body.size() + kMaxFields);
  std::size_t percent = 0, plus = 0;  // the next ones, from `at` on
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t end = std::min(body.find('&', at), body.size());
    const std::string_view part = body.substr(at, end - at);
    if (percent <= at) percent = body.find('%', at);
    if (plus <= at) plus = body.find('+', at);
    at = end + 1;
    if (part.empty()) continue;
    if (fields_.size() == kMaxFields) return Errc::too_long;
    const auto field = decode(part, part.find('='), percent >= end && plus >= end);
    if (!field) return field.error();
    fields_.push_back(*field);
  }
  std::sort(fields_.begin(), fields_.end(), is_before);
  const auto twice = std::adjacent_find(fields_.begin(), fields_.end(),
                                        [](const auto& a, const auto& b) { return !is_before(a, b); });
  if (twice != fields_.end()) return Errc::duplicate_name;
  return {};
}

// plain: there is nothing to decode.
Result<FormField> FormFields::decode(std::string_view part, std::size_t equals, bool plain) {
  const std::size_t start = decoded_.size();
  RECHARGE_CHECK(decoded_.capacity() - start > part.size());
  std::size_t name_size = equals;
  if (plain && equals != part.npos) {
    decoded_.append(part);
  } else {
    if (!append_percent_decoded(decoded_, part.substr(0, equals), true)) return Errc::invalid_text;
    name_size = decoded_.size() - start;
    decoded_.push_back('=');
    if (equals != part.npos && !append_percent_decoded(decoded_, part.substr(equals + 1), true))
      return Errc::invalid_text;
  }
  const std::string_view text = std::string_view(decoded_).substr(start);
  const std::string_view name = text.substr(0, name_size);
  return FormField{name, text.substr(name_size + 1), text, head_of(name)};
}

const FormField* FormFields::find(std::string_view name) const noexcept {
  const auto at =
      std::lower_bound(fields_.begin(), fields_.end(), FormField{name, {}, {}, head_of(name)}, is_before);
  return at != fields_.end() && at->name == name ? &*at : nullptr;
}

std::string_view FormFields::value(std::string_view name) const noexcept {
  const FormField* field = find(name);
  return field == nullptr ? std::string_view() : field->value;
}

bool FormFields::splits_alike() const noexcept {
  return decoded_.find('&') == decoded_.npos &&
         std::none_of(fields_.begin(), fields_.end(),
                      [](const auto& field) { return field.name.find('=') != field.name.npos; });
}

}  // namespace recharge
