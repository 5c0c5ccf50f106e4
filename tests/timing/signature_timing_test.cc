// A signature that is wrong in its last byte takes as long as one that is wrong in every byte: else a forger
// finds the right one byte by byte. The broken versions, with a compare that ends at the first difference,
// are measured in the same way and must be told apart.
#include <gtest/gtest.h>
#include <sodium.h>

#include <cstring>
#include <functional>
#include <random>
#include <string>

#include "core/base64.h"
#include "core/signature_verifier.h"
#include "tests/timing/welch.h"

namespace recharge {
namespace {

constexpr std::size_t kMeasurements = 200'000;
constexpr int kAttempts = 10;  // noise of the machine must not fail a test; a leak shows in every attempt
constexpr double kConstant = 5;
constexpr double kBroken = 50;
constexpr std::string_view kText = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr std::string_view kCanonical =
    "amount=50.0&order_id=0190a1b2-c3d4-7e5f-8a6b-0123456789ab&status=success&timestamp=1700000000"
    "&transaction_id=txn_1";

Secret secret() { return Secret::from_text(kText).value(); }

// Both compares must stay calls: else the compiler measures something else.
[[gnu::noinline]] bool equal_until_different(const char* a, const char* b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

Hmac wrong_in_last(const Hmac& right, std::mt19937_64& random) {
  Hmac wrong = right;
  wrong.back() = static_cast<std::uint8_t>(wrong.back() ^ (1 + random() % 255));
  return wrong;
}
Hmac wrong_in_all(const Hmac& right, std::mt19937_64& random) {
  Hmac wrong = right;
  for (auto& byte : wrong) byte = static_cast<std::uint8_t>(byte ^ (1 + random() % 255));
  return wrong;
}

// How a candidate is sent, and what checks it. The answer is used, so that the check is not left out.
using Send = std::function<std::string(const Hmac&)>;
using Check = std::function<bool(std::size_t message, const std::string&)>;

// Several messages in turn: so that the texts of both classes are equally random, and only their likeness to
// the right signature differs. rights: of each message.
double measure(const std::vector<Hmac>& rights, const Send& send, const Check& check,
               std::mt19937_64& random) {
  std::vector<Measurement> measurements(kMeasurements);
  std::string candidate = send(rights[0]);  // one place in memory for both classes
  const std::size_t size = candidate.size();
  for (Measurement& measurement : measurements) {
    measurement.of_class = static_cast<int>(random() & 1);
    const std::size_t message = random() % rights.size();
    const Hmac& right = rights[message];
    // Both are made, so that what comes before the clock is the same for both classes.
    const Hmac wrong[] = {wrong_in_last(right, random), wrong_in_all(right, random)};
    const std::string sent = send(wrong[measurement.of_class]);
    std::memcpy(candidate.data(), sent.data(), size);
    const std::uint64_t start = ticks();
    const bool accepted = check(message, candidate);
    measurement.ticks = ticks() - start;
    if (accepted) ADD_FAILURE() << "a wrong signature was accepted";
  }
  measurements.erase(measurements.begin(), measurements.begin() + kMeasurements / 20);  // caches get warm
  return largest_t(measurements);
}

void expect_constant(const char* name, const std::vector<Hmac>& rights, const Send& send,
                     const Check& check) {
  const unsigned seed = std::random_device()();
  std::mt19937_64 random(seed);
  double least = INFINITY;
  int attempt = 0;
  while (attempt < kAttempts && least >= kConstant) {
    least = std::min(least, measure(rights, send, check, random));
    ++attempt;
  }
  std::printf("%s: |t| = %.1f after %d attempts (seed %u)\n", name, least, attempt, seed);
  EXPECT_LT(least, kConstant) << name;
}

void expect_broken(const char* name, const std::vector<Hmac>& rights, const Send& send, const Check& check) {
  std::mt19937_64 random(1);
  double most = 0;
  for (int attempt = 0; attempt < kAttempts && most <= kBroken; ++attempt) {
    most = std::max(most, measure(rights, send, check, random));
  }
  std::printf("%s: |t| = %.1f\n", name, most);
  EXPECT_GT(most, kBroken) << name;
}

std::string raw(const Hmac& hmac) { return {reinterpret_cast<const char*>(hmac.data()), hmac.size()}; }
std::string hex(const Hmac& hmac) {
  std::string text(2 * hmac.size() + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), hmac.data(), hmac.size());
  text.pop_back();
  return text;
}
std::string webhook(const Hmac& hmac) { return "v1," + encode_base64(hmac); }

std::vector<std::string> messages() {
  std::vector<std::string> all;
  for (int i = 100; i < 356; ++i) all.push_back(std::string(kCanonical) + std::to_string(i));
  return all;
}

TEST(SignatureTiming, TheCompare) {
  HmacSha256Key key(secret());
  std::vector<Hmac> rights;
  std::vector<std::string> right_bytes;
  for (const std::string& message : messages()) {
    rights.push_back(key.sign({message}));
    right_bytes.push_back(raw(rights.back()));
  }
  Hmac candidate;
  const auto load = [&](const std::string& bytes) {
    std::memcpy(candidate.data(), bytes.data(), bytes.size());
  };
  expect_constant("the compare", rights, raw, [&](std::size_t message, const std::string& bytes) {
    load(bytes);
    return equal(rights[message], candidate) != 0;
  });
  expect_broken("the broken compare", rights, raw, [&](std::size_t message, const std::string& bytes) {
    load(bytes);
    return equal_until_different(right_bytes[message].data(), bytes.data(), bytes.size());
  });
}

TEST(SignatureTiming, TheWholeCheckOfAFieldSignature) {
  HmacSha256Key key(secret());
  const std::vector<std::string> texts = messages();
  std::vector<Hmac> rights;
  for (const std::string& text : texts) rights.push_back(key.sign({text}));
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"main", secret()});
  SignatureVerifier verifier(KeyRing::make(std::move(secrets)).value());
  ASSERT_TRUE(verifier.verify_fields(texts[0], hex(rights[0])));
  expect_constant("field signature", rights, hex, [&](std::size_t message, const std::string& text) {
    return verifier.verify_fields(texts[message], text).has_value();
  });
  expect_broken("the broken field signature", rights, hex, [&](std::size_t message, const std::string& text) {
    return equal_until_different(hex(key.sign({texts[message]})).data(), text.data(), text.size());
  });
}

TEST(SignatureTiming, TheWholeCheckOfStandardWebhooks) {
  HmacSha256Key key(secret());
  const std::vector<std::string> texts = messages();
  std::vector<Hmac> rights;
  for (const std::string& text : texts) rights.push_back(key.sign({"msg_1", ".", "1700000000", ".", text}));
  std::vector<CallbackSecret> secrets;
  secrets.push_back({"main", secret()});
  SignatureVerifier verifier(KeyRing::make(std::move(secrets)).value());
  ASSERT_TRUE(verifier.verify_standard("msg_1", "1700000000", texts[0], webhook(rights[0])));
  expect_constant("webhook signature", rights, webhook, [&](std::size_t message, const std::string& text) {
    return verifier.verify_standard("msg_1", "1700000000", texts[message], text).has_value();
  });
  expect_broken("the broken webhook signature", rights, webhook,
                [&](std::size_t message, const std::string& text) {
                  const Hmac made = key.sign({"msg_1", ".", "1700000000", ".", texts[message]});
                  return equal_until_different(webhook(made).data(), text.data(), text.size());
                });
}

}  // namespace
}  // namespace recharge
