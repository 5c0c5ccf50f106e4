#include "core/ledger.h"

namespace recharge {

std::string_view to_text(LedgerAccountKind kind) noexcept {
  constexpr std::array<std::string_view, kLedgerAccountKinds> texts = {
      "user", "clearing", "suspense", "in_transit", "spending", "fulfilment", "supplied"};
  return texts[static_cast<std::size_t>(kind)];
}

std::string_view to_text(TransferKind kind) noexcept {
  constexpr std::array<std::string_view, 13> texts = {
      "recharge",     "refund_reserved",    "refund_settled",     "refund_released",     "debit",
      "payment_kept", "exception_credited", "exception_returned", "exception_dismissed", "payment_held",
      "supplied",     "recharge_failed",    "refund_refused"};
  static_assert(texts.size() == static_cast<std::size_t>(kLastTransferKind) + 1);
  return texts[static_cast<std::size_t>(kind)];
}

LedgerAccount LedgerAccount::of_user(const Account& account) noexcept {
  LedgerAccount result;
  result.kind = LedgerAccountKind::user;
  result.user = account;
  return result;
}

LedgerAccount LedgerAccount::of_house(LedgerAccountKind kind, const GatewayName& gateway) noexcept {
  LedgerAccount result;
  result.kind = kind;
  result.gateway = gateway;
  return result;
}

EntryId EntryId::make(Time time, std::uint8_t shard, std::uint64_t sequence) noexcept {
  EntryId id;
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(time.ms >> (40 - 8 * i));
  id.bytes[6] = shard;
  for (std::size_t i = 0; i < 5; ++i) id.bytes[7 + i] = static_cast<std::uint8_t>(sequence >> (32 - 8 * i));
  return id;
}

Result<EntryId> EntryId::parse(std::string_view hex) noexcept {
  EntryId id;
  if (hex.size() != id.bytes.size() * 2) return Errc::invalid_text;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else {
      return Errc::invalid_text;
    }
    id.bytes[i / 2] = static_cast<std::uint8_t>(id.bytes[i / 2] << 4 | digit);
  }
  return id;
}

std::string EntryId::to_text() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

Time EntryId::time() const noexcept {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms << 8 | bytes[i];
  return Time{ms};
}

const Account* Transfer::user() const noexcept {
  if (debit.kind == LedgerAccountKind::user) return &debit.user;
  if (credit.kind == LedgerAccountKind::user) return &credit.user;
  return nullptr;
}

Money Transfer::signed_amount() const noexcept {
  return credit.kind == LedgerAccountKind::user ? amount : Money::from_minor_units(-amount.minor_units());
}

Money Transfer::balance_after() const noexcept {
  return credit.kind == LedgerAccountKind::user ? credit_balance_after : debit_balance_after;
}

}  // namespace recharge
