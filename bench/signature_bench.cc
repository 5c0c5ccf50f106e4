// What verifying one callback costs: HMAC-SHA256 of a canonical text of 220 bytes, and the ways not taken.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/hmac_sha256_key.h"
#include "core/key_ring.h"
#include "core/sign_callback.h"
#include "core/signature_verifier.h"

namespace recharge {
namespace {

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kMessage(220, 'm');

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Hmac hmac_of_libsodium() {
  Hmac hmac;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, octets(kKey), kKey.size());
  crypto_auth_hmacsha256_update(&state, octets(kMessage), kMessage.size());
  crypto_auth_hmacsha256_final(&state, hmac.data());
  return hmac;
}

Secret secret() { return std::move(Secret::from_text(kKey).value()); }

SignatureVerifier verifier(std::size_t secrets) {
  std::vector<CallbackSecret> list;
  for (std::size_t i = 1; i < secrets; ++i) {
    list.push_back({std::to_string(i), std::move(Secret::from_text(std::to_string(i)).value())});
  }
  list.push_back({"main", secret()});
  return SignatureVerifier(KeyRing::make(std::move(list)).value());
}

void hmac_keyed_once(benchmark::State& state) {
  HmacSha256Key key(secret());
  if (key.sign({kMessage}) != hmac_of_libsodium()) state.SkipWithError("wrong HMAC");
  for (auto _ : state) benchmark::DoNotOptimize(key.sign({kMessage}));
}
BENCHMARK(hmac_keyed_once);

void hmac_openssl_one_shot(benchmark::State& state) {
  const auto sign = [] {
    Hmac hmac;
    unsigned size = 0;
    HMAC(EVP_sha256(), kKey.data(), static_cast<int>(kKey.size()), octets(kMessage), kMessage.size(),
         hmac.data(), &size);
    return hmac;
  };
  if (sign() != hmac_of_libsodium()) state.SkipWithError("wrong HMAC");
  for (auto _ : state) benchmark::DoNotOptimize(sign());
}
BENCHMARK(hmac_openssl_one_shot);

void hmac_libsodium(benchmark::State& state) {
  if (hmac_of_libsodium() != HmacSha256Key(secret()).sign({kMessage})) state.SkipWithError("wrong HMAC");
  for (auto _ : state) benchmark::DoNotOptimize(hmac_of_libsodium());
}
BENCHMARK(hmac_libsodium);

void verify_fields(benchmark::State& state) {
  auto verify = verifier(static_cast<std::size_t>(state.range(0)));
  const std::string signature = sign_fields(secret(), kMessage).value();
  if (verify.verify_fields(kMessage, signature).value() != "main") state.SkipWithError("not verified");
  if (verify.verify_fields(kMessage + "x", signature)) state.SkipWithError("verified what was not signed");
  for (auto _ : state) benchmark::DoNotOptimize(verify.verify_fields(kMessage, signature));
}
BENCHMARK(verify_fields)->Arg(1)->Arg(2)->Arg(4);

void verify_standard(benchmark::State& state) {
  auto verify = verifier(static_cast<std::size_t>(state.range(0)));
  const std::string signature = sign_standard(secret(), "msg_1", "1700000000", kMessage).value();
  const auto run = [&] { return verify.verify_standard("msg_1", "1700000000", kMessage, signature); };
  if (run().value() != "main") state.SkipWithError("not verified");
  for (auto _ : state) benchmark::DoNotOptimize(run());
}
BENCHMARK(verify_standard)->Arg(1)->Arg(2);

}  // namespace
}  // namespace recharge
