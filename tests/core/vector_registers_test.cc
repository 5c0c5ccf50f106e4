#include "core/vector_registers.h"

#include <gtest/gtest.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "core/aes_gcm.h"
#include "core/base64.h"
#include "core/hmac_sha256_key.h"
#include "core/rsa_key.h"
#include "core/secret.h"
#include "tools/made_rsa_key.h"

namespace recharge {
namespace {

// Every register of vectors, as XSAVE writes it; no CPU's area is larger.
struct alignas(64) RegisterArea {
  std::array<char, 16384> bytes{};

  bool holds_16_bytes_of(std::string_view text) const {
    for (; text.size() >= 16; text.remove_prefix(1)) {
      if (std::search(bytes.begin(), bytes.end(), text.begin(), text.begin() + 16) != bytes.end())
        return true;
    }
    return false;
  }
};

[[gnu::target("xsave")]] void save_registers(RegisterArea& area) { _xsave64(area.bytes.data(), ~0ull); }

class VectorRegisters : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !__builtin_cpu_supports("avx")) {
      GTEST_SKIP() << "this CPU has no AVX";
    }
    std::iota(text_.begin(), text_.end(), '\x01');
  }

  bool are_left() {
    RegisterArea area;
    save_registers(area);
    return area.holds_16_bytes_of(text_);
  }

  std::string text_ = std::string(GetParam(), '\0');
};

TEST_P(VectorRegisters, HoldWhatWasCopiedUntilTheyAreCleared) {
  std::string copy(text_.size(), '\0');
  RegisterArea copied, cleared;
  std::memcpy(copy.data(), text_.data(), text_.size());
  save_registers(copied);
  EXPECT_TRUE(copied.holds_16_bytes_of(text_));
  std::memcpy(copy.data(), text_.data(), text_.size());
  clear_vector_registers();
  save_registers(cleared);
  EXPECT_FALSE(cleared.holds_16_bytes_of(text_));
  EXPECT_EQ(copy, text_);
}

TEST_P(VectorRegisters, HoldNothingOfASecret) {
  const auto secret = Secret::from_text(text_);
  EXPECT_FALSE(are_left());
  const Secret clone = secret->clone();
  EXPECT_FALSE(are_left());
}

TEST_P(VectorRegisters, HoldNothingOfAKey) {
  const Secret secret = *Secret::from_text(text_);
  const HmacSha256Key hmac(secret);
  EXPECT_FALSE(are_left());
  const Aes256GcmOpener opener(secret);
  EXPECT_FALSE(are_left());
}

// Its numbers are kept with their lowest byte first.
TEST(VectorRegistersOfRsa, HoldNothingOfThePrivateKey) {
  const std::string text = make_rsa_key_text().private_key;
  std::vector<std::uint8_t> decoded(text.size());
  const std::size_t size = decode_base64(text, decoded).value();
  const std::string der(decoded.begin(), decoded.begin() + static_cast<std::ptrdiff_t>(size));
  const std::string reversed(der.rbegin(), der.rend());
  const Secret secret = *Secret::from_text(text);
  const auto key = RsaPrivateKey::parse(secret);
  RegisterArea area;
  save_registers(area);
  EXPECT_FALSE(area.holds_16_bytes_of(der));
  EXPECT_FALSE(area.holds_16_bytes_of(reversed));
  EXPECT_TRUE(key.has_value());
}

INSTANTIATE_TEST_SUITE_P(Sizes, VectorRegisters,
                         testing::Values(16, 32, 48, 64, 96, 128, 200, 256, 512, 4096));

}  // namespace
}  // namespace recharge
#endif
