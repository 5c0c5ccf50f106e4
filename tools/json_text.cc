#include "tools/json_text.h"

#include <simdjson.h>

#include <cstdio>

namespace recharge {
namespace {

using simdjson::ondemand::json_type;

std::string_view trimmed(std::string_view token) {
  const std::size_t end = token.find_last_not_of(" \t\r\n");
  return end == std::string_view::npos ? std::string_view{} : token.substr(0, end + 1);
}

// False where the value is not valid JSON.
bool read_value(simdjson::ondemand::value value, ReplyMember& member) {
  json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return false;
  std::string_view text;
  if (type == json_type::string) {
    if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  } else if (type == json_type::object) {
    simdjson::ondemand::object object;
    if (value.get_object().get(object) != simdjson::SUCCESS) return false;
    if (object.raw_json().get(text) != simdjson::SUCCESS) return false;
  } else if (type == json_type::array) {
    simdjson::ondemand::array array;
    if (value.get_array().get(array) != simdjson::SUCCESS) return false;
    if (array.raw_json().get(text) != simdjson::SUCCESS) return false;
  } else if (type == json_type::null) {
    member.null = true;
  } else {
    text = value.raw_json_token();
  }
  member.text = std::string(trimmed(text));
  if (type == json_type::string) member.text = std::string(text);
  return true;
}

}  // namespace

std::vector<ReplyMember> json_members(std::string_view object) {
  std::vector<ReplyMember> members;
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(object);
  simdjson::ondemand::document document;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return {};
  simdjson::ondemand::object fields;
  if (document.get_object().get(fields) != simdjson::SUCCESS) return {};
  for (auto field : fields) {
    std::string_view name;
    simdjson::ondemand::value value;
    ReplyMember member;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) return {};
    member.name = std::string(name);
    if (field.value().get(value) != simdjson::SUCCESS || !read_value(value, member)) return {};
    members.push_back(std::move(member));
  }
  return members;
}

std::vector<std::string> json_elements(std::string_view array) {
  std::vector<std::string> elements;
  simdjson::ondemand::parser parser;
  const simdjson::padded_string padded(array);
  simdjson::ondemand::document document;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) return {};
  simdjson::ondemand::array values;
  if (document.get_array().get(values) != simdjson::SUCCESS) return {};
  for (auto element : values) {
    simdjson::ondemand::value value;
    ReplyMember member;
    if (element.get(value) != simdjson::SUCCESS || !read_value(value, member)) return {};
    elements.push_back(std::move(member.text));
  }
  return elements;
}

std::optional<std::string> json_member(std::string_view object, std::string_view name) {
  for (ReplyMember& member : json_members(object)) {
    if (member.name == name && !member.null) return std::move(member.text);
  }
  return std::nullopt;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

void JsonWriter::name(std::string_view name) {
  if (!members_.empty()) members_ += ',';
  members_ += json_string(name) + ':';
}

JsonWriter& JsonWriter::text(std::string_view name_text, std::string_view value) {
  return raw(name_text, json_string(value));
}

JsonWriter& JsonWriter::raw(std::string_view name_text, std::string_view json) {
  name(name_text);
  members_ += json;
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name_text, double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return raw(name_text, buffer);
}

JsonWriter& JsonWriter::count(std::string_view name_text, unsigned long long value) {
  return raw(name_text, std::to_string(value));
}

}  // namespace recharge
