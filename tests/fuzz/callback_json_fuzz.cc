// The JSON reader accepts exactly what another parser accepts and the contract allows; what it reads, and the
// text that a signature covers, is what the other one reads. RapidJSON is the other one.
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/canonical_text.h"
#include "core/json_object.h"
#include "core/native_callback.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {
namespace {

// What the contract asks of a body, beside being JSON.
class Judge : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Judge> {
 public:
  bool object_at_top = false, unique = true, nested = false, surrogates = false;
  unsigned deepest = 0;
  std::map<std::string, std::string> members;  // of the object itself; numbers as sent
  std::size_t member_count = 0;

  bool Null() { return value(""); }
  bool Bool(bool b) { return value(b ? "true" : "false"); }
  bool RawNumber(const char* text, unsigned size, bool) { return value({text, size}); }
  bool String(const char* text, unsigned size, bool) {
    look_at({text, size});
    return value({text, size});
  }
  bool Key(const char* text, unsigned size, bool) {
    const std::string key(text, size);
    look_at(key);
    unique = names_.back().insert(key).second && unique;
    if (names_.size() == 1) {
      name_ = key;
      ++member_count;
    }
    return true;
  }
  bool StartObject() { return open(true); }
  bool EndObject(unsigned) { return close(); }
  bool StartArray() { return open(false); }
  bool EndArray(unsigned) { return close(); }

 private:
  void look_at(std::string_view text) {
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
      const auto second = static_cast<unsigned char>(text[at + 1]);
      if (text[at] == '\xed' && second >= 0xa0) surrogates = true;
    }
  }
  bool value(std::string text) {
    if (names_.size() == 1) members.emplace(name_, std::move(text));
    return true;
  }
  bool open(bool object) {
    if (names_.empty()) {
      object_at_top = object;
    } else {
      nested = true;
      value("");
    }
    names_.emplace_back();
    deepest = std::max(deepest, static_cast<unsigned>(names_.size()));
    return true;
  }
  bool close() {
    names_.pop_back();
    return true;
  }
  std::vector<std::set<std::string>> names_;
  std::string name_;
};

enum class Verdict { accept, refuse, unknown };

Verdict judge(std::string_view body, Nested nested, Judge& judge) {
  if (body.find('\0') != body.npos) return Verdict::refuse;  // for the other parser it ends the text
  rapidjson::MemoryStream memory(body.data(), body.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(memory, judge);
  if (parsed.Code() == rapidjson::kParseErrorNumberTooBig) return Verdict::unknown;
  const bool good = !parsed.IsError() && judge.object_at_top && judge.unique && !judge.surrogates &&
                    judge.member_count <= JsonReader::kMaxMembers && judge.deepest <= JsonReader::kMaxDepth &&
                    (nested == Nested::allow || !judge.nested);
  return good ? Verdict::accept : Verdict::refuse;
}

std::string_view text_of(const JsonMember& member) {
  if (member.type == JsonType::boolean_true) return "true";
  if (member.type == JsonType::boolean_false) return "false";
  return member.type == JsonType::nested ? std::string_view() : member.text;
}

void check_canonical_text(const JsonObject& object, const Judge& other) {
  std::string canonical;
  std::string_view bad;
  const auto made = append_canonical_text(object, canonical, bad);
  bool allowed = true;
  std::string expected;
  for (const auto& [name, value] : other.members) {
    if (name == kSignatureMember) continue;
    if (name.find_first_of("&=") != name.npos || value.find('&') != value.npos) allowed = false;
    if (!value.empty()) expected.append(expected.empty() ? "" : "&").append(name).append("=").append(value);
  }
  RECHARGE_CHECK(made.has_value() == allowed);
  RECHARGE_CHECK(canonical == (allowed ? expected : ""));
}

// What stands in an object within reads as it does alone.
void check_objects(const JsonObject& object) {
  static JsonReader alone;
  for (const JsonMember& member : object) {
    const auto within = object.object(member.name);
    RECHARGE_CHECK(within.has_value() == (member.type == JsonType::nested && member.text.starts_with('{')));
    if (!within) continue;
    const auto expected = alone.read_copy(member.text, Nested::allow);
    RECHARGE_CHECK(expected.has_value() == (within->size() <= JsonReader::kMaxMembers));
    if (expected) {
      RECHARGE_CHECK(std::equal(within->begin(), within->end(), expected->begin(), expected->end(),
                                [](const JsonMember& a, const JsonMember& b) {
                                  return a.name == b.name && a.type == b.type && a.text == b.text;
                                }));
    }
    check_objects(*within);
  }
}

void check_body(std::string_view body, Nested nested, JsonReader& reader, char padding) {
  const auto exact = std::make_unique<char[]>(body.size() + kJsonPadding);
  std::copy(body.begin(), body.end(), exact.get());
  std::fill_n(exact.get() + body.size(), kJsonPadding, padding);
  Judge other;
  const Verdict verdict = judge(body, nested, other);
  const auto object = reader.read({exact.get(), body.size()}, nested);
  if (verdict == Verdict::unknown) return;
  RECHARGE_CHECK(object.has_value() == (verdict == Verdict::accept));
  if (!object) return;
  RECHARGE_CHECK(object->size() == other.members.size());
  auto expected = other.members.begin();
  for (const JsonMember& member : *object) {
    RECHARGE_CHECK(member.name == expected->first && text_of(member) == expected->second);
    ++expected;
  }
  if (nested == Nested::allow) return check_objects(*object);
  check_canonical_text(*object, other);
  const std::string required[] = {"order_id", "amount"};
  const auto callback = parse_native_callback(*object, required, TimestampMember::as_required);
  if (callback) RECHARGE_CHECK(callback->amount.is_positive() && !callback->order_id.empty());
  static_cast<void>(find_signature(*object));
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static JsonReader reader;  // used again for every body, as an io thread does
  const std::string_view body = recharge::text_of(bytes);
  for (const char padding : {'\0', '"', '}', ' '}) {
    check_body(body, Nested::refuse, reader, padding);
    check_body(body, Nested::allow, reader, padding);
  }
}

}  // namespace recharge
