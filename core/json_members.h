// Purpose: writes the small JSON objects that gateways are sent. Texts are valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace recharge {

// Members one after the other, then str() closes the object.
class JsonMembers {
 public:
  JsonMembers& text(std::string_view name, std::string_view value);
  JsonMembers& number(std::string_view name, std::int64_t value);
  JsonMembers& object(std::string_view name, const JsonMembers& members);
  std::string str() const { return text_ + "}"; }

 private:
  void begin(std::string_view name);
  std::string text_ = "{";
};

}  // namespace recharge
