// Purpose: bytes that nobody may see: never empty, not printable, copied only by name, wiped when they go.
// Lifetime: a movable value; what was moved from holds nothing and may only be assigned to or destroyed.
// Errors: Errc::out_of_range where the bytes are empty.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string_view>

#include "core/error.h"

namespace recharge {

class Secret {
 public:
  static Result<Secret> from_text(std::string_view text);

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret clone() const;
  // For computing with it alone: never to a log, a reply or an error.
  std::string_view reveal() const noexcept { return {bytes_.get(), size_}; }

  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;
  friend bool operator==(const Secret&, const Secret&) = delete;  // would not take constant time

 private:
  explicit Secret(std::string_view text);
  void wipe() noexcept;

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

// A secret as a file holds it: its text, of which one final newline (LF or CRLF) is no part.
Result<Secret> parse_secret_file_text(std::string_view text);

}  // namespace recharge
