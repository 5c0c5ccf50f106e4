#include "core/qr_code.h"

#include <qrencode.h>

#include <memory>

namespace recharge {
namespace {

constexpr int kAnyVersion = 0;
constexpr std::size_t kMaxBytes = 2331;  // of version 40 with level M

struct QrDeleter {
  void operator()(QRcode* code) const noexcept { QRcode_free(code); }
};

}  // namespace

Result<QrCode> QrCode::make(std::string_view text) {
  if (text.empty() || text.size() > kMaxBytes) return Errc::out_of_range;
  std::vector<unsigned char> bytes(text.begin(), text.end());
  const std::unique_ptr<QRcode, QrDeleter> made(
      QRcode_encodeData(static_cast<int>(bytes.size()), bytes.data(), kAnyVersion, QR_ECLEVEL_M));
  if (!made) return Errc::out_of_range;
  QrCode code;
  code.width_ = static_cast<unsigned>(made->width);
  const std::size_t modules = std::size_t{code.width_} * code.width_;
  code.dark_.resize(modules);
  for (std::size_t i = 0; i < modules; ++i) code.dark_[i] = (made->data[i] & 1) != 0;
  return code;
}

std::string QrCode::to_svg() const {
  const std::string size = std::to_string(width_ + 2 * kQuietZone);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size + " " + size +
                    "\" role=\"img\" shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h" + size +
                    "v" + size + "H0z\"/><path d=\"";
  for (unsigned row = 0; row < width_; ++row) {
    for (unsigned column = 0; column < width_; ++column) {
      if (!is_dark(row, column)) continue;
      const unsigned from = column;
      while (is_dark(row, column + 1)) ++column;
      const std::string run = std::to_string(column + 1 - from);
      svg.append("M").append(std::to_string(from + kQuietZone));
      svg.append(" ").append(std::to_string(row + kQuietZone));
      svg.append("h").append(run).append("v1h-").append(run).append("z");
    }
  }
  return svg.append("\"/></svg>");
}

std::vector<std::string> QrCode::to_lines() const {
  constexpr std::string_view kDrawn[] = {" ", "\u2584", "\u2580", "\u2588"};  // none, lower, upper, both
  const unsigned size = width_ + 2 * kQuietZone;
  std::vector<std::string> lines;
  for (unsigned row = 0; row < size; row += 2) {
    std::string& line = lines.emplace_back();
    for (unsigned column = 0; column < size; ++column) {
      // What lies before the code wraps to a number beyond it.
      const bool upper = is_dark(row - kQuietZone, column - kQuietZone);
      const bool lower = is_dark(row + 1 - kQuietZone, column - kQuietZone);
      line.append(kDrawn[(upper ? 2 : 0) + (lower ? 1 : 0)]);
    }
  }
  return lines;
}

}  // namespace recharge
