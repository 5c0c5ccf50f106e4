#include "core/access_scope.h"

#include <array>

namespace recharge {
namespace {

constexpr std::array<std::string_view, kScopes> kNames = {"none",          "signature",    "orders:write",
                                                          "pay:write",     "orders:read",  "balance:read",
                                                          "balance:write", "refund:write", "admin"};

}  // namespace

std::string_view to_text(Scope scope) noexcept { return kNames[static_cast<std::size_t>(scope)]; }

std::optional<Scope> parse_scope(std::string_view text) noexcept {
  for (auto i = static_cast<std::size_t>(Scope::orders_write); i < kScopes; ++i) {
    if (kNames[i] == text) return static_cast<Scope>(i);
  }
  return std::nullopt;
}

}  // namespace recharge
