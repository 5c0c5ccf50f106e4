#include "core/json_members.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace recharge {
namespace {

void append_text(std::string& out, std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.empty() ? "" : text.data(), static_cast<rapidjson::SizeType>(text.size()));
  out.append(buffer.GetString(), buffer.GetSize());
}

}  // namespace

void JsonMembers::begin(std::string_view name) {
  if (text_.size() > 1) text_.push_back(',');
  append_text(text_, name);
  text_.push_back(':');
}

JsonMembers& JsonMembers::text(std::string_view name, std::string_view value) {
  begin(name);
  append_text(text_, value);
  return *this;
}

JsonMembers& JsonMembers::number(std::string_view name, std::int64_t value) {
  begin(name);
  text_.append(std::to_string(value));
  return *this;
}

JsonMembers& JsonMembers::object(std::string_view name, const JsonMembers& members) {
  begin(name);
  text_.append(members.str());
  return *this;
}

}  // namespace recharge
