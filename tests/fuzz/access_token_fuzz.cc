// A token is accepted only where its last part is the right signature over the first two, made here by
// OpenSSL from the key that its header names; and what is signed is still read with care.
#include "core/access_token.h"
#include "core/base64.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_keys.h"

namespace recharge {
namespace {

const std::string kKey(32, 'k');

std::shared_ptr<const TokenKeys> fuzz_keys() {
  auto keys = std::make_shared<TokenKeys>();
  keys->issuer = keys->audience = "a";
  keys->keys.push_back(TokenKey::from_text("k", TokenAlgorithm::hs256, kKey).value());
  return keys;
}

std::string signature_of(const std::string& message) {
  const auto mac = hmac_of(kKey, message);
  return encode_base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

// A mark of 1 stands for the right signature over what is before the last dot.
void fuzz_text(const std::string& text, TokenVerifier& verifier) {
  const std::string message = text.substr(0, text.rfind('.'));
  const std::string right = signature_of(message);
  const std::string token = with_marks_replaced(text, std::array{right});
  const auto claims = verifier.verify(token, 1'700'000'000);
  if (!claims) {
    RECHARGE_CHECK(!verifier.fault().empty());
    return;
  }
  RECHARGE_CHECK(token == message + "." + right && token.size() <= kMaxTokenBytes);
}

}  // namespace

void fuzz(FuzzBytes bytes) {
  static TokenVerifier verifier(fuzz_keys());
  if (bytes.empty()) return;
  if (bytes[0] == 'J') {
    static_cast<void>(parse_jwk_set(text_of(bytes.subspan(1))));
  } else if (bytes[0] == 'C') {  // what stands in a token that is signed
    const std::string claims(text_of(bytes.subspan(1)));
    fuzz_text("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ." + encode_base64url(claims) + ".\x01", verifier);
  } else if (bytes[0] == 'H') {
    fuzz_text(encode_base64url(text_of(bytes.subspan(1))) + ".e30.\x01", verifier);
  } else {
    fuzz_text(std::string(text_of(bytes)), verifier);
  }
}

}  // namespace recharge
