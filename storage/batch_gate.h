// Purpose: lets the journal thread close a group when no producer is in the middle of a batch. After each
// group, every producer that is at work owes the batch in its hands; the next group waits for all that is
// owed, so that under load fewer flushes carry more records, and without load none waits. A producer that
// does not get on, without a processor, is waited for until forgive(). Also knows who
// sleeps, so that whoever has something for a thread wakes it exactly once. Owner: awake, settle and rest of
// producer i: its thread; close and forgive: the journal thread; the rest: any thread. Lifetime: that of the
// journal. Errors: none. A producer that was never awake owes nothing.
#pragma once

#include <atomic>
#include <vector>

#include "storage/record_ring.h"

namespace recharge {

class BatchGate {
 public:
  explicit BatchGate(unsigned producers) : producers_(producers) {}

  // The producer begins a batch, by an event that nobody's wake() told of.
  void awake(unsigned producer) noexcept {
    auto& asleep = producers_[producer].asleep;
    if (asleep.load(std::memory_order_relaxed)) asleep.store(false, std::memory_order_seq_cst);
  }
  // The producer has something to do from now on. True where it slept: then the caller has to rouse it.
  bool wake(unsigned producer) noexcept {
    return producers_[producer].asleep.exchange(false, std::memory_order_seq_cst);
  }
  // The producer has published its batch. True where it was the last that the journal waits for.
  bool settle(unsigned producer) noexcept {
    auto& owes = producers_[producer].owes;
    if (!owes.load(std::memory_order_seq_cst) || !owes.exchange(false, std::memory_order_seq_cst))
      return false;
    return owed_.fetch_sub(1, std::memory_order_seq_cst) == 1;
  }
  // The producer sleeps until wake() or awake(). Result as of settle().
  bool rest(unsigned producer) noexcept {
    producers_[producer].asleep.store(true, std::memory_order_seq_cst);
    return settle(producer);
  }

  // A group has been written: everybody at work owes a batch.
  void close() noexcept {
    owed_.store(static_cast<unsigned>(producers_.size()), std::memory_order_seq_cst);
    for (auto& producer : producers_) {
      producer.owes.store(true, std::memory_order_seq_cst);
      if (producer.asleep.load(std::memory_order_seq_cst) &&
          producer.owes.exchange(false, std::memory_order_seq_cst)) {
        owed_.fetch_sub(1, std::memory_order_seq_cst);
      }
    }
  }
  // The journal waits for nobody any longer: what is owed comes with a later group.
  void forgive() noexcept {
    for (auto& producer : producers_) {
      if (producer.owes.exchange(false, std::memory_order_seq_cst))
        owed_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }
  bool is_open() const noexcept { return owed_.load(std::memory_order_seq_cst) == 0; }

 private:
  struct alignas(kCacheLineBytes) Producer {
    std::atomic<bool> asleep{true};
    std::atomic<bool> owes{false};
  };
  std::vector<Producer> producers_;
  alignas(kCacheLineBytes) std::atomic<unsigned> owed_{0};
};

}  // namespace recharge
