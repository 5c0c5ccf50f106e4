#include "server/limiter.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace recharge {
namespace {

constexpr std::uint64_t kTicksPerMicrosecond = kTicksPerSecond / 1'000'000;
constexpr std::uint64_t kTicksPerMinute = 60 * kTicksPerSecond;
constexpr char kAddress = 'n';
constexpr char kAccount = 'a';
constexpr std::size_t kMaxNameBytes = 64;

std::uint64_t whole_seconds(std::uint64_t ticks) noexcept {
  return (ticks + kTicksPerSecond - 1) / kTicksPerSecond;
}

}  // namespace

Allowances::Allowances(std::int64_t clients) : table(static_cast<std::size_t>(clients) * 2) {
  crypto_shorthash_keygen(secret_.data());
}

std::uint64_t Allowances::key(char kind, LimitClass limit, std::string_view name) const noexcept {
  std::array<unsigned char, 2 + kMaxNameBytes> text;
  const std::size_t size = std::min(name.size(), kMaxNameBytes);
  text[0] = static_cast<unsigned char>(kind);
  text[1] = static_cast<unsigned char>(limit);
  std::memcpy(text.data() + 2, name.data(), size);
  std::array<unsigned char, crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), text.data(), 2 + size, secret_.data());
  std::uint64_t key = 0;
  static_assert(sizeof key == sizeof hash);
  std::memcpy(&key, hash.data(), sizeof key);
  return key;
}

Limiter::Rates Limiter::rates_of(const RateLimitSettings::PerClass& per_minute,
                                 std::int64_t burst_s) noexcept {
  Rates rates{};
  for (std::size_t i = 0; i < kLimitClasses; ++i) {
    if (per_minute[i] == 0) continue;
    const auto count = static_cast<std::uint64_t>(per_minute[i]);
    rates[i].interval_ticks = (kTicksPerMinute + count / 2) / count;
    const std::uint64_t tokens = std::max<std::uint64_t>(count * static_cast<std::uint64_t>(burst_s) / 60, 1);
    rates[i].burst_ticks = rates[i].interval_ticks * tokens;
  }
  return rates;
}

void Limiter::take_over(std::shared_ptr<Allowances> allowances, const RateLimitSettings& settings) {
  allowances_ = settings.enabled ? std::move(allowances) : nullptr;
  address_ = rates_of(settings.address, settings.burst_s);
  account_ = rates_of(settings.account, settings.burst_s);
}

bool Limiter::admit_address(LimitClass limit, const NetAddress& client, std::uint64_t now_us, Reply& reply) {
  if (!allowances_) return true;
  const NetAddress subscriber = client.subscriber();
  return admit(address_, kAddress, limit,
               {reinterpret_cast<const char*>(subscriber.bytes.data()), subscriber.bytes.size()}, now_us,
               reply);
}

bool Limiter::admit_account(LimitClass limit, std::string_view account, std::uint64_t now_us, Reply& reply) {
  return !allowances_ || admit(account_, kAccount, limit, account, now_us, reply);
}

bool Limiter::admit(const Rates& rates, char kind, LimitClass limit, std::string_view name,
                    std::uint64_t now_us, Reply& reply) {
  const Rate& rate = rates[static_cast<std::size_t>(limit)];
  if (rate.interval_ticks == 0) return true;
  const RateTable::Verdict verdict =
      allowances_->table.take(allowances_->key(kind, limit, name), rate, now_us * kTicksPerMicrosecond);
  if (verdict.allowed) return true;
  reply.fail(429, "rate_limited", "Too many requests, try again later");
  const std::string wait = std::to_string(whole_seconds(verdict.wait_ticks));
  const std::string policy = std::string(kind == kAddress ? "\"address-" : "\"account-")
                                 .append(kLimitClassNames[static_cast<std::size_t>(limit)])
                                 .append("\"");
  reply.retry_after_s = static_cast<unsigned>(whole_seconds(verdict.wait_ticks));
  reply.headers.append("RateLimit-Policy: ")
      .append(policy)
      .append(";q=")
      .append(std::to_string(rate.tokens()));
  reply.headers.append(";w=").append(std::to_string(whole_seconds(rate.burst_ticks)));
  reply.headers.append("\r\nRateLimit: ").append(policy).append(";r=0;t=").append(wait).append("\r\n");
  return false;
}

}  // namespace recharge
