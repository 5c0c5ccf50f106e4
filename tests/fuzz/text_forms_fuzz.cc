// Times, ids, base64 and percent-encoding: what was read, written again, reads as the same.
#include <algorithm>
#include <vector>

#include "core/base64.h"
#include "core/time.h"
#include "core/uuid.h"
#include "server/percent.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {

void fuzz(FuzzBytes bytes) {
  const std::string_view text = text_of(bytes);
  if (const auto time = parse_rfc3339(text))
    RECHARGE_CHECK(parse_rfc3339(to_rfc3339(*time)).value() == *time);
  if (const auto id = OrderId::parse(text)) {
    RECHARGE_CHECK(text == (text.size() == 36 ? id->to_text() : id->to_hex()));
  }
  std::vector<std::uint8_t> decoded(text.size()), public_decoded(text.size());
  const auto size = decode_base64(text, decoded);
  RECHARGE_CHECK(decode_public_base64(text, public_decoded) == size);
  if (size) {
    RECHARGE_CHECK(encode_base64(std::span(decoded).first(*size)) == text);
    RECHARGE_CHECK(encode_base64(std::span(public_decoded).first(*size)) == text);
  }
  std::string plain;
  if (percent_decode(text, false, plain)) {
    RECHARGE_CHECK(plain.size() + 2 * static_cast<std::size_t>(std::count(text.begin(), text.end(), '%')) ==
                   text.size());
  }
  static_cast<void>(query_value(text, "account"));
}

}  // namespace recharge
