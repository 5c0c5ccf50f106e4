// What runs once per request allocates nothing once it is warm, and secrets are wiped before their memory
// goes. The allocator of the whole test program is replaced here, to count.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "core/canonical_text.h"
#include "core/json_object.h"
#include "core/money.h"
#include "core/native_callback.h"
#include "core/sign_callback.h"
#include "core/signature_verifier.h"
#include "core/time.h"
#include "core/uuid.h"

namespace {

thread_local std::size_t allocations = 0;
// Set to a block of memory: when it is freed, the deleter notes whether it held only zeros.
thread_local const char* watched = nullptr;
thread_local std::size_t watched_size = 0;
thread_local bool watched_was_zero = false;

void* allocate(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}

void* allocate(std::size_t size) {
  void* block = allocate(size, std::nothrow);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void release(void* block) noexcept {
  if (block != nullptr && block == watched) {
    watched_was_zero = std::all_of(watched, watched + watched_size, [](char c) { return c == '\0'; });
    watched = nullptr;
  }
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t& tag) noexcept { return allocate(size, tag); }
void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return allocate(size, tag); }
void operator delete(void* block) noexcept { release(block); }
void operator delete[](void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete[](void* block, std::size_t) noexcept { release(block); }

namespace recharge {
namespace {

Secret secret(std::string_view text) { return std::move(Secret::from_text(text).value()); }

TEST(Allocation, IsCounted) {
  const std::size_t before = allocations;
  const std::string text(100, 'x');
  EXPECT_EQ(allocations, before + 1);
}

TEST(Allocation, OfACallbackIsNoneOnceWarm) {
  const std::string fields =
      R"("order_id":"0190a1b2-c3d4-7e5f-8a6b-0123456789ab","amount":50.0,"status":"success",)"
      R"("timestamp":1700000000,"transaction_id":"txn\u005f1","paid_at":"2023-11-14T22:13:20Z")";
  JsonReader reader;
  std::string canonical;
  std::string_view bad_member;
  ASSERT_TRUE(append_canonical_text(reader.read_copy("{" + fields + "}", Nested::refuse).value(), canonical,
                                    bad_member));
  std::string body = "{" + fields + R"(,"signature":")" + sign_fields(secret("s"), canonical).value() + "\"}";
  const std::size_t body_size = body.size();
  body.append(kJsonPadding, '\0');

  std::vector<CallbackSecret> secrets;
  secrets.push_back({"old", secret("gone")});
  secrets.push_back({"main", secret("s")});
  SignatureVerifier verifier(KeyRing::make(std::move(secrets)).value());
  const std::string standard = sign_standard(secret("s"), "msg_1", "1700000000", body).value();
  const std::vector<std::string> required = {"order_id", "transaction_id", "amount", "status", "timestamp"};

  const auto handle = [&] {
    canonical.clear();
    const auto object = reader.read(std::string_view(body).substr(0, body_size), Nested::refuse);
    const bool written = append_canonical_text(*object, canonical, bad_member).has_value();
    const auto by_fields = verifier.verify_fields(canonical, object->find("signature")->text);
    const auto by_header = verifier.verify_standard("msg_1", "1700000000", body, standard);
    const auto callback = parse_native_callback(*object, required, TimestampMember::as_required);
    return written && by_fields && by_header && callback && callback->amount == Money::from_minor_units(5000);
  };
  ASSERT_TRUE(handle());
  const std::size_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    if (!handle()) FAIL();
  }
  EXPECT_EQ(allocations, before);
}

TEST(Allocation, ParsingTextAllocatesNothing) {
  const std::size_t before = allocations;
  const bool good = parse_money("92233720368547758.07") && !parse_money("1.000") &&
                    parse_rfc3339("2023-11-14T22:13:20.123+08:00") &&
                    parse_uuid_v7("0190a1b2-c3d4-7e5f-8a6b-0123456789ab");
  EXPECT_EQ(allocations, before);
  EXPECT_TRUE(good);
}

TEST(Allocation, SecretIsWipedBeforeItsMemoryGoes) {
  const auto watch = [](const Secret& watched_secret) {
    watched = watched_secret.reveal().data();
    watched_size = watched_secret.reveal().size();
    watched_was_zero = false;
  };
  {
    const Secret gone = secret("a secret that must go");
    watch(gone);
  }
  EXPECT_EQ(watched, nullptr);
  EXPECT_TRUE(watched_was_zero);

  Secret assigned = secret("the one before");
  watch(assigned);
  assigned = secret("the one after");
  EXPECT_EQ(watched, nullptr);
  EXPECT_TRUE(watched_was_zero);
  EXPECT_EQ(assigned.reveal(), "the one after");
}

}  // namespace
}  // namespace recharge
