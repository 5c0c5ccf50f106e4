// A field signature is accepted exactly where it is the lower-case hex of the HMAC under one of the secrets.
#include "core/signature_verifier.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"

namespace recharge {
namespace {

std::string hex_of(const std::array<unsigned char, 32>& bytes) {
  std::string text(65, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();
  return text;
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static SignatureVerifier verifier(fuzz_ring());
  FuzzedDataProvider input(bytes.data(), bytes.size());
  const std::string canonical = input.ConsumeRandomLengthString(300);
  const std::array<std::string, 2> right = {hex_of(hmac_of(kFuzzSecrets[0], canonical)),
                                            hex_of(hmac_of(kFuzzSecrets[1], canonical))};
  const std::string signature = with_marks_replaced(input.ConsumeRemainingBytesAsString(), right);
  const auto verified = verifier.verify_fields(canonical, signature);
  if (signature == right[0]) {
    RECHARGE_CHECK(verified && *verified == "hmac0");
  } else if (signature == right[1]) {
    RECHARGE_CHECK(verified && *verified == "hmac1");
  } else {
    RECHARGE_CHECK(!verified && verified.error() == make_error_code(Errc::invalid_signature));
  }
}

}  // namespace recharge
