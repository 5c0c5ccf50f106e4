#include "core/secret.h"

#include <sodium.h>

#include <cstring>
#include <utility>

#include "core/vector_registers.h"

namespace recharge {

Result<Secret> Secret::from_text(std::string_view text) {
  if (text.empty()) return Errc::out_of_range;
  return Secret(text);
}

Secret::Secret(std::string_view text) : bytes_(std::make_unique<char[]>(text.size())), size_(text.size()) {
  std::memcpy(bytes_.get(), text.data(), text.size());
  clear_vector_registers();
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() { wipe(); }

Secret Secret::clone() const { return Secret(reveal()); }

void Secret::wipe() noexcept {
  if (bytes_) sodium_memzero(bytes_.get(), size_);
}

Result<Secret> parse_secret_file_text(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  return Secret::from_text(text);
}

}  // namespace recharge
