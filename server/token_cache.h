// Purpose: tokens whose signature was verified already, by a keyed hash of 128 bits of their text: who does
// not know the key cannot make another token that is taken for one of them. Bounded: each place holds the
// last token that fell to it. Owner: an io thread. Lifetime: cleared when keys change.
// Source: SipHash-2-4-128 as in libsodium.
#pragma once

#include <sodium.h>

#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/access_token.h"

namespace recharge {

class TokenCache {
 public:
  static constexpr std::size_t kPlaces = 4096;

  TokenCache() : places_(std::make_unique<Place[]>(kPlaces)) { randombytes_buf(key_.data(), key_.size()); }

  struct Place {
    std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> hash{};
    bool used = false;
    AccessClaims claims;
  };

  // Where the token is or would be. Holds it where `found`.
  Place& place(std::string_view token, bool& found) noexcept {
    std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> hash;
    crypto_shorthash_siphashx24(hash.data(), reinterpret_cast<const unsigned char*>(token.data()),
                                token.size(), key_.data());
    std::uint32_t number = 0;
    std::memcpy(&number, hash.data(), sizeof number);
    Place& place = places_[number % kPlaces];
    found = place.used && place.hash == hash;
    if (!found) next_hash_ = hash;
    return place;
  }
  // REQUIRES: `place` is of the last call of place(), which did not find the token.
  void keep(Place& place, AccessClaims claims) noexcept {
    place.hash = next_hash_;
    place.claims = std::move(claims);
    place.used = true;
  }
  void clear() noexcept {
    for (std::size_t i = 0; i < kPlaces; ++i) places_[i].used = false;
  }

 private:
  std::array<unsigned char, crypto_shorthash_siphashx24_KEYBYTES> key_{};
  std::array<unsigned char, crypto_shorthash_siphashx24_BYTES> next_hash_{};
  std::unique_ptr<Place[]> places_;
};

}  // namespace recharge
