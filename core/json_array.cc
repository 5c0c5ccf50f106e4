#include "core/json_array.h"

namespace recharge {

std::vector<std::string_view> json_array_objects(std::string_view array) {
  std::vector<std::string_view> objects;
  unsigned depth = 0;  // the array's own is 1
  std::size_t begin = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const char c = array[i];
    if (in_text) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_text = false;
      }
    } else if (c == '"') {
      in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth == 2 && c == '{') begin = i;
    } else if (c == ']' || c == '}') {
      if (depth-- == 2 && c == '}') objects.push_back(array.substr(begin, i + 1 - begin));
    }
  }
  return objects;
}

}  // namespace recharge
