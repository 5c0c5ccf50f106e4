#include "tools/json_rows.h"

namespace recharge {

bool JsonRows::add(std::string_view text) {
  for (const char c : text) {
    if (!step(c)) return false;
  }
  return true;
}

bool JsonRows::step(char c) {
  if (recording_) {
    if (object_.size() == kMaxObjectBytes) return false;
    object_.push_back(c);
  }
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      return true;
    }
    if (stack_.size() == 1 && name_.size() < 8) name_.push_back(c);
    return true;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      if (stack_.size() == 1) name_.clear();
      return !stack_.empty();
    case '{':
    case '[':
      return open(c);
    case '}':
    case ']':
      return close(c);
    default:
      return !stack_.empty() || c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',';
  }
}

bool JsonRows::open(char c) {
  const bool row_begins = c == '{' && (stack_.empty() || in_rows());
  const bool rows_begin = c == '[' && (stack_.empty() || (stack_ == "{" && name_ == "data"));
  stack_.push_back(c);
  if (rows_begin) {
    rows_depth_ = stack_.size();
    recording_ = false;  // what looked like a row is the list around them
  } else if (row_begins) {
    object_.clear();
    object_.push_back('{');
    object_depth_ = stack_.size();
    recording_ = true;
  }
  return true;
}

bool JsonRows::close(char c) {
  if (stack_.empty() || (stack_.back() == '{') != (c == '}')) return false;
  if (stack_.size() == rows_depth_) rows_depth_ = 0;
  const bool row_ends = recording_ && stack_.size() == object_depth_;
  stack_.pop_back();
  if (!row_ends) return true;
  recording_ = false;
  return visit_(object_);
}

}  // namespace recharge
