#include "tools/csv_text.h"

namespace recharge {

std::string csv_line(std::initializer_list<std::string_view> cells) {
  std::string line;
  bool first = true;
  for (const std::string_view cell : cells) {
    if (!first) line.push_back(',');
    first = false;
    if (cell.find_first_of(",\"\r\n") == std::string_view::npos) {
      line.append(cell);
      continue;
    }
    line.push_back('"');
    for (const char c : cell) {
      if (c == '"') line.push_back('"');
      line.push_back(c);
    }
    line.push_back('"');
  }
  return line;
}

}  // namespace recharge
