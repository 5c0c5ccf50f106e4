// Purpose: what a token may allow its bearer to do, by the names that stand in its claim "scope".
// Lifetime: values. Source: RFC 6749, section 3.3.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace recharge {

enum class Scope : std::uint8_t {
  none,       // needs nothing
  signature,  // proves itself by the signature of a gateway, never by a token
  orders_write,
  pay_write,
  orders_read,
  balance_read,
  balance_write,
  refund_write,
  admin,  // includes all the others
};
constexpr std::size_t kScopes = static_cast<std::size_t>(Scope::admin) + 1;

std::string_view to_text(Scope scope) noexcept;
// Of those that a token can carry.
std::optional<Scope> parse_scope(std::string_view text) noexcept;

class ScopeSet {
 public:
  void add(Scope scope) noexcept { bits_ |= bit(scope); }
  bool allows(Scope scope) const noexcept { return (bits_ & (bit(scope) | bit(Scope::admin))) != 0; }
  bool empty() const noexcept { return bits_ == 0; }

 private:
  static std::uint32_t bit(Scope scope) noexcept { return 1U << static_cast<unsigned>(scope); }
  std::uint32_t bits_ = 0;
};

}  // namespace recharge
