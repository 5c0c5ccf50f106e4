#include "core/names.h"

#include <algorithm>

namespace recharge {
namespace {

bool is_identifier_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_transaction_character(char c) noexcept { return c >= 0x20 && c <= 0x7e && c != '&'; }

template <class Text>
Result<Text> make(std::string_view text, bool (*allowed)(char) noexcept) noexcept {
  if (text.empty()) return Errc::invalid_text;
  Text result;
  if (!result.assign(text)) return Errc::too_long;
  if (!std::all_of(text.begin(), text.end(), allowed)) return Errc::invalid_text;
  return result;
}

}  // namespace

Result<TransactionId> make_transaction_id(std::string_view text) noexcept {
  return make<TransactionId>(text, is_transaction_character);
}

Result<RefundId> make_refund_id(std::string_view text) noexcept {
  return make<RefundId>(text, is_identifier_character);
}

Result<DebitId> make_debit_id(std::string_view text) noexcept {
  return make<DebitId>(text, is_identifier_character);
}

}  // namespace recharge
