#include "core/signature_verifier.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "core/base64.h"
#include "core/signature_match.h"

namespace recharge {
namespace {

using Ed25519Signature = std::array<std::uint8_t, crypto_sign_BYTES>;

template <std::size_t Size>
bool decode_exactly(std::string_view text, std::array<std::uint8_t, Size>& bytes) noexcept {
  const auto size = decode_base64(text, bytes);
  return size && *size == bytes.size();
}

bool is_unix_time(std::string_view text) noexcept {
  constexpr std::size_t kMaxDigits = 12;
  return !text.empty() && text.size() <= kMaxDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

// What a webhook-signature header holds of known versions, decoded.
struct SignatureVerifier::SignatureList {
  std::array<Hmac, kMaxSignatures> hmacs;
  std::array<Ed25519Signature, kMaxEd25519Signatures> ed25519;
  std::size_t hmac_count = 0;
  std::size_t ed25519_count = 0;

  // False where there are more than allowed.
  bool parse(std::string_view text) noexcept {
    std::size_t entries = 0;
    while (!text.empty()) {
      const std::size_t size = std::min(text.find(' '), text.size());
      const std::string_view entry = text.substr(0, size);
      text.remove_prefix(std::min(size + 1, text.size()));
      if (entry.empty()) continue;
      if (++entries > kMaxSignatures || !add(entry)) return false;
    }
    return true;
  }

 private:
  bool add(std::string_view entry) noexcept {
    if (entry.starts_with("v1,")) {
      if (decode_exactly(entry.substr(3), hmacs[hmac_count])) ++hmac_count;
    } else if (entry.starts_with("v1a,")) {
      if (ed25519_count == kMaxEd25519Signatures) return false;
      if (decode_exactly(entry.substr(4), ed25519[ed25519_count])) ++ed25519_count;
    }
    return true;
  }
};

SignatureVerifier::SignatureVerifier(const KeyRing& ring) {
  for (const CallbackSecret& secret : ring.secrets()) {
    if (is_public_key(secret.secret)) {
      public_keys_.push_back({secret.id, public_key(secret.secret).value()});
    } else {
      const Secret standard = standard_webhooks_key(secret.secret).value();
      hmac_keys_.push_back({secret.id, HmacSha256Key(secret.secret), HmacSha256Key(standard)});
    }
  }
}

Result<std::string_view> SignatureVerifier::verify_fields(std::string_view canonical,
                                                          std::string_view signature_hex) noexcept {
  Hmac signature;
  if (!decode_lower_hex(signature_hex, signature)) return Errc::invalid_signature;
  FirstMatch match;
  for (std::size_t i = 0; i < hmac_keys_.size(); ++i) {
    match.note(i, equal(hmac_keys_[i].fields.sign({canonical}), signature));
  }
  if (match.place() == 0) return Errc::invalid_signature;
  return std::string_view(hmac_keys_[match.place() - 1].id);
}

Result<std::string_view> SignatureVerifier::verify_standard(std::string_view id, std::string_view timestamp,
                                                            std::string_view body,
                                                            std::string_view signatures) noexcept {
  if (id.empty() || !is_unix_time(timestamp)) return Errc::invalid_signature;
  SignatureList list;
  if (!list.parse(signatures)) return Errc::invalid_signature;

  FirstMatch match;
  if (list.hmac_count > 0) {
    for (std::size_t i = 0; i < hmac_keys_.size(); ++i) {
      const Hmac hmac = hmac_keys_[i].standard.sign({id, ".", timestamp, ".", body});
      for (std::size_t s = 0; s < list.hmac_count; ++s) match.note(i, equal(hmac, list.hmacs[s]));
    }
  }
  if (match.place() != 0) return std::string_view(hmac_keys_[match.place() - 1].id);

  const PublicKey* key = find_ed25519(list, id, timestamp, body);
  if (key == nullptr) return Errc::invalid_signature;
  return std::string_view(key->id);
}

// Nothing here is secret, so that the first one that fits may end it.
const SignatureVerifier::PublicKey* SignatureVerifier::find_ed25519(const SignatureList& list,
                                                                    std::string_view id,
                                                                    std::string_view timestamp,
                                                                    std::string_view body) const noexcept {
  if (list.ed25519_count == 0 || public_keys_.empty()) return nullptr;
  std::string message;  // libsodium wants it in one piece
  message.reserve(id.size() + timestamp.size() + body.size() + 2);
  message.append(id).append(".").append(timestamp).append(".").append(body);
  for (const PublicKey& key : public_keys_) {
    for (std::size_t s = 0; s < list.ed25519_count; ++s) {
      if (crypto_sign_verify_detached(list.ed25519[s].data(),
                                      reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                                      key.key.data()) == 0) {
        return &key;
      }
    }
  }
  return nullptr;
}

}  // namespace recharge
