#include "core/json_object.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <vector>

namespace recharge {
namespace {

namespace ondemand = simdjson::ondemand;
static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

constexpr Errc kNoError{};
constexpr std::size_t kFirstCapacity = 4096;

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view without_trailing_space(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// RFC 8259, section 6: -? (0|[1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)?
bool is_number(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digits = [&at, end] {
    const char* const first = at;
    while (at != end && is_digit(*at)) ++at;
    return at != first;
  };
  if (at != end && *at == '-') ++at;
  if (at != end && *at == '0') {
    ++at;
  } else if (!digits()) {
    return false;
  }
  if (at != end && *at == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    if (!digits()) return false;
  }
  return at == end;
}

// The body is valid UTF-8, which has no surrogates: one in unescaped text comes from a lone escape.
bool has_surrogate(std::string_view text) noexcept {
  for (std::size_t at = text.find('\xed'); at != text.npos; at = text.find('\xed', at + 1)) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xa0) return true;
  }
  return false;
}

}  // namespace

const JsonMember* JsonObject::find(std::string_view name) const noexcept {
  for (const JsonMember& member : members_) {
    if (member.name == name) return &member;
  }
  return nullptr;
}

std::optional<JsonObject> JsonObject::object(std::string_view name) const noexcept {
  const JsonMember* member = find(name);
  if (member == nullptr || member->type != JsonType::nested || !member->text.starts_with('{')) return {};
  return JsonObject(inner_.subspan(member->first, member->count), inner_);
}

class JsonReader::Impl {
 public:
  Result<JsonObject> read(std::string_view body, Nested nested) {
    count_ = 0;
    error_member_ = {};
    open_.clear();
    inner_.clear();
    if (!prepare(body)) return Errc::invalid_text;

    ondemand::document document;
    ondemand::object object;
    const simdjson::padded_string_view padded(body.data(), body.size(), body.size() + kJsonPadding);
    if (parser_.iterate(padded).get(document) != simdjson::SUCCESS) return Errc::invalid_text;
    if (document.get_object().get(object) != simdjson::SUCCESS) return Errc::invalid_text;
    for (auto field : object) {
      const Errc error = read_member(field, nested);
      if (error != kNoError) return error;
    }
    error_member_ = {};
    // Nothing may follow: every token of the body was used.
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) return Errc::invalid_text;
    return JsonObject({members_.data(), count_}, inner_);
  }

  Result<JsonObject> read_copy(std::string_view body, Nested nested) {
    copy_.reserve(body.size() + kJsonPadding);
    copy_.assign(body);
    copy_.append(kJsonPadding, '\0');
    return read(std::string_view(copy_).substr(0, body.size()), nested);
  }

  std::string_view error_member() const noexcept { return error_member_; }

 private:
  using Field = simdjson::simdjson_result<ondemand::field>;

  // Room for every string of the body, unescaped; false where the body cannot be an object.
  bool prepare(std::string_view body) {
    const char* at = body.data();
    body_end_ = at + body.size();
    while (at != body_end_ && is_space(*at)) ++at;
    if (at == body_end_ || *at != '{') return false;

    if (body.size() > capacity_) {
      const std::size_t capacity = std::max(kFirstCapacity, std::bit_ceil(body.size()));
      if (parser_.allocate(capacity) != simdjson::SUCCESS) return false;
      unescaped_ = std::make_unique<std::uint8_t[]>(capacity + kJsonPadding);
      capacity_ = capacity;
    }
    unescaped_at_ = unescaped_.get();
    return true;
  }

  Errc read_member(Field& field, Nested nested) {
    JsonMember member;
    ondemand::value value;
    const Errc error = read_name(field, member.name, value);
    if (error != kNoError) return error;

    // Kept sorted as they come: there are few, and senders often sort them.
    std::size_t place = count_;
    while (place > 0 && member.name < members_[place - 1].name) --place;
    error_member_ = member.name;
    if (place > 0 && members_[place - 1].name == member.name) return Errc::duplicate_name;
    if (count_ == kMaxMembers) return Errc::too_long;

    const Errc value_error = read_value(value, 1, nested, member);
    if (value_error != kNoError) return value_error;
    std::move_backward(&members_[place], &members_[count_], &members_[count_] + 1);
    members_[place] = member;
    ++count_;
    return kNoError;
  }

  Errc read_name(Field& field, std::string_view& name, ondemand::value& value) {
    ondemand::raw_json_string raw;
    if (field.key().get(raw) != simdjson::SUCCESS) return Errc::invalid_text;
    if (!unescape(raw, name)) return Errc::invalid_text;
    if (field.value().get(value) != simdjson::SUCCESS) return Errc::invalid_text;
    return kNoError;
  }

  // depth: of the object or array that the value stands in.
  Errc read_value(ondemand::value& value, unsigned depth, Nested nested, JsonMember& member) {
    const std::string_view token = without_trailing_space(value.raw_json_token());
    if (token.empty()) return Errc::invalid_text;
    switch (token.front()) {
      case '"': {
        ondemand::raw_json_string raw;
        if (value.get_raw_json_string().get(raw) != simdjson::SUCCESS) return Errc::invalid_text;
        member.type = JsonType::string;
        return unescape(raw, member.text) ? kNoError : Errc::invalid_text;
      }
      case '{':
      case '[': {
        if (nested == Nested::refuse) return Errc::nested_value;
        if (depth == kMaxDepth) return Errc::too_long;
        const Errc error =
            token.front() == '{' ? read_object(value, depth + 1, member) : skip_array(value, depth + 1);
        if (error != kNoError) return error;
        member.type = JsonType::nested;
        member.text = {token.data(), nested_end_};
        return kNoError;
      }
      case 't':
        member.type = JsonType::boolean_true;
        return token == "true" ? kNoError : Errc::invalid_text;
      case 'f':
        member.type = JsonType::boolean_false;
        return token == "false" ? kNoError : Errc::invalid_text;
      case 'n':
        member.type = JsonType::null;
        return token == "null" ? kNoError : Errc::invalid_text;
      default:
        member.type = JsonType::number;
        member.text = token;
        return is_number(token) ? kNoError : Errc::invalid_text;
    }
  }

  Errc read_object(ondemand::value& value, unsigned depth, JsonMember& member) {
    ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return Errc::invalid_text;
    const std::size_t first_open = open_.size();
    for (auto field : object) {
      JsonMember inner;
      ondemand::value inner_value;
      Errc error = read_name(field, inner.name, inner_value);
      if (error != kNoError) return error;
      error = read_value(inner_value, depth, Nested::allow, inner);
      if (error != kNoError) return error;
      open_.push_back(inner);
    }
    const auto first = open_.begin() + static_cast<std::ptrdiff_t>(first_open);
    std::sort(first, open_.end(), [](const JsonMember& a, const JsonMember& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(
        first, open_.end(), [](const JsonMember& a, const JsonMember& b) { return a.name == b.name; });
    if (twice != open_.end()) {
      error_member_ = twice->name;
      return Errc::duplicate_name;
    }
    member.first = static_cast<std::uint32_t>(inner_.size());
    member.count = static_cast<std::uint32_t>(open_.end() - first);
    inner_.insert(inner_.end(), first, open_.end());
    open_.erase(first, open_.end());
    return find_nested_end(value);
  }

  Errc skip_array(ondemand::value& value, unsigned depth) {
    ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return Errc::invalid_text;
    const std::size_t kept = inner_.size();
    for (auto element : array) {
      JsonMember ignored;
      ondemand::value inner;
      if (element.get(inner) != simdjson::SUCCESS) return Errc::invalid_text;
      const Errc error = read_value(inner, depth, Nested::allow, ignored);
      if (error != kNoError) return error;
      inner_.resize(kept);  // nobody can ask for it
    }
    return find_nested_end(value);
  }

  // The next token is known; before it, but for space, stands the bracket that closes the value.
  Errc find_nested_end(ondemand::value& value) {
    const char* next = nullptr;
    if (value.current_location().get(next) != simdjson::SUCCESS) return Errc::invalid_text;
    while (is_space(next[-1])) --next;
    nested_end_ = next;
    return kNoError;
  }

  bool unescape(ondemand::raw_json_string raw, std::string_view& text) {
    const char* const first = raw.raw();
    const auto* const quote =
        static_cast<const char*>(std::memchr(first, '"', static_cast<std::size_t>(body_end_ - first)));
    if (quote == nullptr) return false;
    const auto size = static_cast<std::size_t>(quote - first);
    if (std::memchr(first, '\\', size) == nullptr) {
      text = {first, size};
      return true;
    }
    if (parser_.unescape(raw, unescaped_at_).get(text) != simdjson::SUCCESS) return false;
    return !has_surrogate(text);
  }

  ondemand::parser parser_;
  std::unique_ptr<std::uint8_t[]> unescaped_;
  std::uint8_t* unescaped_at_ = nullptr;
  std::size_t capacity_ = 0;
  const char* body_end_ = nullptr;
  const char* nested_end_ = nullptr;
  std::array<JsonMember, kMaxMembers> members_;
  std::size_t count_ = 0;
  std::vector<JsonMember> open_;   // of the nested objects that are being read, innermost last
  std::vector<JsonMember> inner_;  // of those that were read, each object's side by side
  std::string copy_;
  std::string_view error_member_;
};

JsonReader::JsonReader() : impl_(std::make_unique<Impl>()) {}
JsonReader::~JsonReader() = default;
JsonReader::JsonReader(JsonReader&&) noexcept = default;
JsonReader& JsonReader::operator=(JsonReader&&) noexcept = default;

Result<JsonObject> JsonReader::read(std::string_view body, Nested nested) {
  return impl_->read(body, nested);
}

Result<JsonObject> JsonReader::read_copy(std::string_view body, Nested nested) {
  return impl_->read_copy(body, nested);
}

std::string_view JsonReader::error_member() const noexcept { return impl_->error_member(); }

}  // namespace recharge
