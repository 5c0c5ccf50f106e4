#include "core/gateway_event.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "core/names.h"

namespace recharge {

std::string_view to_text(GatewayRefusal refusal) noexcept {
  constexpr std::array<std::string_view, 9> texts = {"no_signature", "signature_probe",   "stale",
                                                     "unknown_key",  "invalid_signature", "undecryptable",
                                                     "malformed",    "wrong_account",     "wrong_currency"};
  static_assert(texts.size() == static_cast<std::size_t>(GatewayRefusal::wrong_currency) + 1);
  return texts[static_cast<std::size_t>(refusal)];
}

bool is_verified(GatewayRefusal refusal) noexcept { return refusal >= GatewayRefusal::undecryptable; }

std::optional<std::int64_t> read_unix_seconds(std::string_view text) noexcept {
  constexpr std::size_t kMaxDigits = 12;
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > kMaxDigits || !digits) return std::nullopt;
  std::int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

std::int64_t seconds_between(std::int64_t sent_s, Time now) noexcept {
  return std::abs(now.ms / 1000 - sent_s);
}

bool is_order_reference(std::string_view text) noexcept {
  return !text.empty() && text.size() <= OrderReference::kCapacity &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::optional<Money> read_minor_units(const JsonObject& object, std::string_view name) noexcept {
  const JsonMember* member = object.find(name);
  if (member == nullptr || member->type != JsonType::number) return std::nullopt;
  std::int64_t units = 0;
  const char* const end = member->text.data() + member->text.size();
  const auto [at, error] = std::from_chars(member->text.data(), end, units);
  if (error != std::errc() || at != end || units <= 0 || units > kMaxBalance.minor_units())
    return std::nullopt;
  return Money::from_minor_units(units);
}

std::string_view read_text(const JsonObject& object, std::string_view name) noexcept {
  const JsonMember* member = object.find(name);
  return member != nullptr && member->type == JsonType::string ? member->text : std::string_view();
}

std::optional<Currency> read_currency(std::string_view code) noexcept {
  constexpr std::size_t kCodeSize = 3;
  if (code.size() != kCodeSize) return std::nullopt;
  std::array<char, kCodeSize> upper{};
  std::transform(code.begin(), code.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto currency = currency_from_code({upper.data(), upper.size()});
  return currency ? std::optional(*currency) : std::nullopt;
}

}  // namespace recharge
