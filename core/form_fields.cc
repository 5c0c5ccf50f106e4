#include "core/form_fields.h"

#include <algorithm>

#include "core/check.h"
#include "core/percent_text.h"

namespace recharge {

void append_form_field(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) out.push_back('&');
  append_percent_encoded(out, name);
  out.push_back('=');
  append_percent_encoded(out, value);
}

Result<void> FormFields::read(std::string_view body) {
  fields_.clear();
  decoded_.clear();
  decoded_.reserve(body.size());  // decoding makes nothing longer: the views stay where they are
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('&'), body.size());
    const std::string_view part = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (part.empty()) continue;
    if (fields_.size() == kMaxFields) return Errc::too_long;
    const std::size_t equals = std::min(part.find('='), part.size());
    const auto name = decode(part.substr(0, equals));
    if (!name) return name.error();
    const auto value = decode(part.substr(std::min(equals + 1, part.size())));
    if (!value) return value.error();
    fields_.push_back({*name, *value});
  }
  std::sort(fields_.begin(), fields_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(fields_.begin(), fields_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != fields_.end()) return Errc::duplicate_name;
  return {};
}

Result<std::string_view> FormFields::decode(std::string_view text) {
  const std::size_t start = decoded_.size();
  RECHARGE_CHECK(decoded_.capacity() - start >= text.size());
  if (!append_percent_decoded(decoded_, text, true)) return Errc::invalid_text;
  return std::string_view(decoded_).substr(start);
}

const FormField* FormFields::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(fields_.begin(), fields_.end(), name,
                                   [](const FormField& field, std::string_view n) { return field.name < n; });
  return at != fields_.end() && at->name == name ? &*at : nullptr;
}

std::string_view FormFields::value(std::string_view name) const noexcept {
  const FormField* field = find(name);
  return field == nullptr ? std::string_view() : field->value;
}

}  // namespace recharge
