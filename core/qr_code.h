// Purpose: a text as a QR code, drawn as SVG or in characters. Lifetime: values. Units: modules.
// Errors: Errc::out_of_range where the text is empty or too long for a code.
// Source: ISO/IEC 18004, by libqrencode.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace recharge {

class QrCode {
 public:
  static constexpr unsigned kQuietZone = 4;  // light modules that belong around it

  // With error correction of level M.
  static Result<QrCode> make(std::string_view text);

  unsigned width() const noexcept { return width_; }
  // False beyond the code, too.
  bool is_dark(unsigned row, unsigned column) const noexcept {
    return row < width_ && column < width_ && dark_[row * width_ + column];
  }

  // One image with its quiet zone: a whole document, that can stand within HTML as well.
  std::string to_svg() const;
  // Lines of UTF-8, two rows of modules in each, the quiet zone included: what is dark is drawn.
  std::vector<std::string> to_lines() const;

 private:
  unsigned width_ = 0;
  std::vector<bool> dark_;
};

}  // namespace recharge
