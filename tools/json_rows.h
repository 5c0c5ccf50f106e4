// Purpose: splits JSON text into the objects that are rows, without holding all of it: those of a list's
// array "data", those of an array, and objects that stand alone, one behind the other. What an object holds
// is its reader's to check. Owner: one thread. Errors: false from add() where an object is larger than
// kMaxObjectBytes or something stands between objects that does not belong there.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace recharge {

class JsonRows {
 public:
  static constexpr std::size_t kMaxObjectBytes = std::size_t{1} << 20;
  using Visit = std::function<bool(std::string_view object)>;  // false ends

  explicit JsonRows(Visit visit) : visit_(std::move(visit)) {}

  bool add(std::string_view text);
  // Whether the text ended where an object or a list ends.
  bool complete() const noexcept { return stack_.empty() && !in_string_; }

 private:
  bool step(char c);
  bool open(char c);
  bool close(char c);
  bool in_rows() const noexcept { return rows_depth_ > 0 && stack_.size() == rows_depth_; }

  Visit visit_;
  std::string stack_;             // the brackets that are open
  std::string object_;            // what was read of the row, or of what may be one
  std::string name_;              // the last string at the depth of a list's members
  std::size_t rows_depth_ = 0;    // within which objects are rows; 0: not in such an array
  std::size_t object_depth_ = 0;  // at which the row began
  bool recording_ = false;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace recharge
