// What a token costs a request: remembered, and verified for the first time.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string>

#include "core/access_token.h"
#include "server/token_cache.h"

namespace recharge {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;

std::string private_key(TokenAlgorithm algorithm) {
  if (algorithm == TokenAlgorithm::hs256) return std::string(32, 's');
  EVP_PKEY* key = algorithm == TokenAlgorithm::rs256
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                  : algorithm == TokenAlgorithm::es256 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  EVP_PKEY_free(key);
  return text;
}

struct Made {
  std::shared_ptr<TokenKeys> keys = std::make_shared<TokenKeys>();
  std::string token;

  explicit Made(TokenAlgorithm algorithm) {
    keys->issuer = keys->audience = "recharge";
    keys->keys.push_back(TokenKey::from_text("2026-1", algorithm, private_key(algorithm)).value());
    token = make_token(keys->keys.front(), {"recharge", "recharge", "shop", "13812345678",
                                            "orders:write pay:write orders:read", kNow, kNow + 3600})
                .value();
  }
};

void token_verified(benchmark::State& state) {
  const Made made(static_cast<TokenAlgorithm>(state.range(0)));
  TokenVerifier verifier(made.keys);
  for (auto _ : state) {
    auto claims = verifier.verify(made.token, kNow);
    if (!claims) state.SkipWithError("refused");
    benchmark::DoNotOptimize(claims);
  }
  state.SetLabel(std::string(to_text(made.keys->keys.front().algorithm())));
}
BENCHMARK(token_verified)->DenseRange(0, 3);

void token_remembered(benchmark::State& state) {
  const Made made(TokenAlgorithm::rs256);
  TokenCache cache;
  bool found = false;
  cache.keep(cache.place(made.token, found), TokenVerifier(made.keys).verify(made.token, kNow).value());
  for (auto _ : state) {
    const auto& place = cache.place(made.token, found);
    if (!found || place.claims.has_expired(kNow)) state.SkipWithError("forgotten");
    benchmark::DoNotOptimize(place.claims.scopes.allows(Scope::pay_write));
  }
  state.SetLabel(std::to_string(made.token.size()) + " bytes");
}
BENCHMARK(token_remembered);

}  // namespace
}  // namespace recharge
