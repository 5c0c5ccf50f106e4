// Purpose: what could not be delivered to an endpoint at once: events that wait to be tried again, and those
// that were given up, each with its bytes, so that neither the journal nor another event waits for it. Apart
// from the journal: it says what became of the telling, never what happened. Owner: any thread; writers take
// turns. Lifetime: opened once in a process. Errors: StorageError names the file. Units: milliseconds since
// 1970 (_ms). Source of the layout: storage/README.md.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/event.h"
#include "storage/storage_error.h"

namespace recharge {

enum class DeliveryState : std::uint8_t { waiting = 0, dead = 1 };

struct Delivery {
  EventId id;
  DeliveryState state = DeliveryState::waiting;
  std::string key;   // events of the same are told one after the other
  std::string type;  // "order.recharged"
  std::string body;
  std::uint32_t attempts = 0;
  std::int64_t first_ms = 0;      // when the first attempt began; 0: none yet
  std::int64_t next_ms = 0;       // when to try again
  std::uint32_t last_status = 0;  // HTTP; 0: no answer
  std::string last_error;
  std::string url;  // of an order that has its own address; empty: the endpoint's
};

class DeliveryStore {
 public:
  static StorageResult<std::unique_ptr<DeliveryStore>> open(const std::string& directory);
  ~DeliveryStore();

  // All or nothing, on the disk when it returns.
  StorageResult<void> write(const std::string& endpoint, const std::vector<Delivery>& kept,
                            const std::vector<EventId>& done);
  // In the order of the events.
  StorageResult<std::vector<Delivery>> read(const std::string& endpoint);

  // Orders whose own address wants no more. All or nothing, on the disk when it returns.
  StorageResult<void> switch_off(const std::string& endpoint, const std::set<std::string>& keys);
  StorageResult<void> switch_on(const std::string& endpoint, const std::string& key);
  StorageResult<bool> is_off(const std::string& endpoint, const std::string& key);

 private:
  struct Environment;
  explicit DeliveryStore(std::unique_ptr<Environment> environment);
  StorageResult<void> switch_all(const std::string& endpoint, const std::set<std::string>& keys, bool off);
  std::unique_ptr<Environment> environment_;
};

}  // namespace recharge
