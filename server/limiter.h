// Purpose: lets a client address, and an account, make so many requests of a class and no more.
// Owner: a limiter belongs to one io thread; the allowances are shared by all of them.
// Source: RFC 6585 (429), draft-ietf-httpapi-ratelimit-headers-10.
#pragma once

#include <sodium.h>

#include <array>
#include <memory>
#include <string_view>

#include "server/limit_settings.h"
#include "server/net_address.h"
#include "server/rate_table.h"
#include "server/reply.h"

namespace recharge {

// What all io threads count in. Immutable but for the table.
class Allowances {
 public:
  explicit Allowances(std::int64_t clients);
  RateTable table;
  // Keyed anew at each start, so that nobody outside knows where a client stands.
  std::uint64_t key(char kind, LimitClass limit, std::string_view name) const noexcept;

 private:
  std::array<unsigned char, crypto_shorthash_KEYBYTES> secret_;
};

class Limiter {
 public:
  // Without allowances nothing is limited.
  void take_over(std::shared_ptr<Allowances> allowances, const RateLimitSettings& settings);
  bool limits() const noexcept { return allowances_ != nullptr; }

  // False: the reply is 429. now_us: of the steady clock.
  bool admit_address(LimitClass limit, const NetAddress& client, std::uint64_t now_us, Reply& reply);
  bool admit_account(LimitClass limit, std::string_view account, std::uint64_t now_us, Reply& reply);

 private:
  using Rates = std::array<Rate, kLimitClasses>;
  static Rates rates_of(const RateLimitSettings::PerClass& per_minute, std::int64_t burst_s) noexcept;
  bool admit(const Rates& rates, char kind, LimitClass limit, std::string_view name, std::uint64_t now_us,
             Reply& reply);

  std::shared_ptr<Allowances> allowances_;
  Rates address_{};
  Rates account_{};
};

}  // namespace recharge
