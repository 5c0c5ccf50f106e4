// Purpose: where a secret comes from: text in a setting, or a file that is read again at each reload.
// Lifetime: the text is wiped when it goes. Nothing here can be printed.
#pragma once

#include <sodium.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace recharge {

class SecretText {
 public:
  SecretText() = default;
  explicit SecretText(std::string text) noexcept : text_(std::move(text)) {}
  SecretText(const SecretText&) = default;
  SecretText(SecretText&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  SecretText& operator=(const SecretText&) = default;
  SecretText& operator=(SecretText&& other) noexcept {
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
    return *this;
  }
  ~SecretText() { wipe(); }

  std::string_view reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

 private:
  void wipe() noexcept {
    sodium_memzero(text_.data(), text_.size());
    text_.clear();
  }
  std::string text_;
};

struct SecretSource {
  std::string id;
  SecretText text;             // given in the settings
  std::filesystem::path file;  // used where it is not empty
  std::string where;           // in the settings, for errors about the file
};

}  // namespace recharge
