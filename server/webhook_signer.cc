#include "server/webhook_signer.h"

#include <sodium.h>

#include <array>

#include "core/base64.h"
#include "core/sign_callback.h"
#include "server/secret_file.h"

namespace recharge {
namespace {

constexpr std::string_view kPrivatePrefix = "whsk_";
using PrivateKey = std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES>;

Secret private_key(const SecretSource& source, std::string_view line) {
  PrivateKey decoded{};
  PrivateKey key{};
  std::array<std::uint8_t, crypto_sign_PUBLICKEYBYTES> public_part{};
  const auto size = decode_base64(line.substr(kPrivatePrefix.size()), decoded);
  const bool fits = size && (*size == crypto_sign_SEEDBYTES || *size == crypto_sign_SECRETKEYBYTES);
  if (!fits) refuse_file(source, "what follows whsk_ is base64 of a seed, or of seed and public key");
  crypto_sign_seed_keypair(public_part.data(), key.data(), decoded.data());
  if (*size == key.size() && sodium_memcmp(key.data(), decoded.data(), key.size()) != 0)
    refuse_file(source, "what follows whsk_ is no key pair");
  auto secret = Secret::from_text({reinterpret_cast<const char*>(key.data()), key.size()});
  sodium_memzero(decoded.data(), decoded.size());
  sodium_memzero(key.data(), key.size());
  return std::move(*secret);
}

}  // namespace

WebhookSigner::WebhookSigner(const SecretSource& source) {
  const Secret file = read_secret_file(source);
  std::string_view lines = file.reveal();
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (line.starts_with(kPrivatePrefix)) {
      private_.push_back(private_key(source, line));
      continue;
    }
    auto secret = Secret::from_text(line);
    if (!secret || !line.starts_with("whsec_") || !sign_standard(*secret, "id", "0", ""))
      refuse_file(source, "each line is a secret whsec_… or a private key whsk_…");
    shared_.push_back(std::move(*secret));
  }
  if (shared_.empty() && private_.empty()) refuse_file(source, "holds no secret");
}

std::string WebhookSigner::sign(std::string_view id, std::string_view timestamp,
                                std::string_view body) const {
  std::string all;
  const auto add = [&all](std::string_view one) { all.append(all.empty() ? "" : " ").append(one); };
  for (const Secret& secret : shared_) add(*sign_standard(secret, id, timestamp, body));
  std::string signed_text;
  signed_text.append(id).append(".").append(timestamp).append(".").append(body);
  for (const Secret& key : private_) {
    std::array<std::uint8_t, crypto_sign_BYTES> signature{};
    crypto_sign_detached(signature.data(), nullptr,
                         reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(),
                         reinterpret_cast<const unsigned char*>(key.reveal().data()));
    add("v1a," + encode_base64(signature));
  }
  return all;
}

}  // namespace recharge
