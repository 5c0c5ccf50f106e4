// The reads of ShardRecords over many records: each merges what changed, what is frozen and the books.
#include <algorithm>
#include <cstring>
#include <set>

#include "storage/shard_records.h"

namespace recharge {

Result<void> ShardRecords::visit_exceptions(const ExceptionId& before,
                                            const std::function<bool(const PaymentException&)>& visit) {
  // Three sources in descending order; the newer source wins where two hold the same exception.
  ExceptionId last = before;
  if (last.is_nil()) last.bytes.fill(0xff);
  const auto newest_below = [](const auto& map, const ExceptionId& id) -> const Changed<PaymentException>* {
    auto at = map.lower_bound(id);
    return at == map.begin() ? nullptr : &std::prev(at)->second;
  };
  for (;;) {
    const auto* changed = newest_below(changed_->exceptions, last);
    const auto* frozen = frozen_ ? newest_below(frozen_->exceptions, last) : nullptr;
    auto row = books_->last_before(Table::exceptions, exception_row_key(shard_, last));
    if (!row) return row.error();
    PaymentException stored;
    const bool has_row = row->has_value() && (*row)->key[0] == std::byte{shard_};
    if (has_row) {
      if (auto done = codec_.decode((*row)->key, (*row)->value, stored); !done) return done.error();
    }
    const PaymentException* newest = has_row ? &stored : nullptr;
    for (const auto* entry : {frozen, changed}) {
      if (entry == nullptr || (newest != nullptr && entry->record.id < newest->id)) continue;
      newest = read(*entry);
    }
    if (newest == nullptr) return {};
    last = newest->id;
    if (!visit(*newest)) return {};
  }
}

Result<std::vector<PaymentException>> ShardRecords::exceptions_of(const OrderReference& reference) {
  const ExceptionKey first{reference, {}, {}, {}};
  std::set<ExceptionId> ids;  // they begin with the time
  StoredKey from = exception_key_key(shard_, first);
  const StoredKey prefix(from.begin(), from.begin() + 2 + static_cast<std::ptrdiff_t>(reference.size()));
  for (;;) {
    auto row = books_->first_from(Table::exception_keys, from);
    if (!row) return row.error();
    if (!row->has_value() || (*row)->key.size() < prefix.size() ||
        !std::ranges::equal((*row)->key.first(prefix.size()), prefix)) {
      break;
    }
    ExceptionKeyRow stored;
    if (auto done = codec_.decode((*row)->key, (*row)->value, stored); !done) return done.error();
    ids.insert(stored.exception_id);
    from.assign((*row)->key.begin(), (*row)->key.end());
    from.push_back(std::byte{0});
  }
  for (const auto* set : {frozen_.get(), static_cast<const ChangeSet*>(changed_.get())}) {
    if (set == nullptr) continue;
    for (auto at = set->exception_keys.lower_bound(first);
         at != set->exception_keys.end() && at->first.reference == reference; ++at) {
      ids.insert(at->second);
    }
  }
  std::vector<PaymentException> exceptions;
  for (const auto& id : ids) {
    auto found = exception(id);
    if (!found) return found.error();
    if (*found == nullptr) return Errc::damaged;
    exceptions.push_back(**found);
  }
  return exceptions;
}

Result<std::vector<Refund>> ShardRecords::refunds_of(const OrderId& order_id) {
  std::map<RefundKey, Refund> found;
  StoredKey from = order_key(order_id);
  for (;;) {
    auto row = books_->first_from(Table::refunds, from);
    if (!row) return row.error();
    if (!row->has_value() || (*row)->key.size() < order_id.bytes.size() ||
        std::memcmp((*row)->key.data(), order_id.bytes.data(), order_id.bytes.size()) != 0) {
      break;
    }
    Refund refund;
    if (auto done = codec_.decode((*row)->key, (*row)->value, refund); !done) return done.error();
    found.insert_or_assign(RefundKey{refund.order_id, refund.refund_id}, refund);
    from.assign((*row)->key.begin(), (*row)->key.end());
    from.push_back(std::byte{0});
  }
  for (const auto* set : {frozen_.get(), static_cast<const ChangeSet*>(changed_.get())}) {
    if (set == nullptr) continue;
    for (auto at = set->refunds.lower_bound(RefundKey{order_id, {}});
         at != set->refunds.end() && at->first.order_id == order_id; ++at) {
      found.insert_or_assign(at->first, *read(at->second));
    }
  }
  std::vector<Refund> refunds;
  for (const auto& [key, refund] : found) refunds.push_back(refund);
  std::stable_sort(refunds.begin(), refunds.end(),
                   [](const Refund& a, const Refund& b) { return a.created_at < b.created_at; });
  return refunds;
}

Result<std::vector<RechargeAttempt>> ShardRecords::attempts_of(const OrderId& order_id) {
  std::vector<RechargeAttempt> attempts;  // numbered from 1 without a gap
  for (std::uint16_t number = 1; number != 0; ++number) {
    const auto found = attempt(order_id, number);
    if (!found) return found.error();
    if (*found == nullptr) break;
    attempts.push_back(**found);
  }
  return attempts;
}

Result<std::vector<GatewayWorkKey>> ShardRecords::open_gateway_work() {
  std::set<GatewayWorkKey> open;
  StoredKey from;
  from.push_back(std::byte{shard_});
  for (;;) {
    auto row = books_->first_from(Table::gateway_work, from);
    if (!row) return row.error();
    if (!row->has_value() || (*row)->key[0] != std::byte{shard_}) break;
    GatewayWork work;
    if (auto done = codec_.decode((*row)->key, (*row)->value, work); !done) return done.error();
    open.insert(work.key);
    from.assign((*row)->key.begin(), (*row)->key.end());
    from.push_back(std::byte{0});
  }
  for (const auto* set : {frozen_.get(), static_cast<const ChangeSet*>(changed_.get())}) {
    if (set == nullptr) continue;
    for (const auto& [key, entry] : set->gateway_work) {
      if (entry.record.ended) {
        open.erase(key);
      } else {
        open.insert(key);
      }
    }
  }
  return std::vector<GatewayWorkKey>(open.begin(), open.end());
}

}  // namespace recharge
