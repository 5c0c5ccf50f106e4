#include "storage/notify_urls.h"

#include <algorithm>

#include "storage/event_reader.h"

namespace recharge {
namespace {

constexpr std::uint64_t kLookUpsOfOneView = 1000;

}  // namespace

StorageResult<EventId> NotifyUrls::books_place() const {
  const auto position = books_.position();
  if (!position) return StorageError{position.error(), name_, 0, "position of the books"};
  return place_in(position->journal);
}

StorageResult<EventId> NotifyUrls::begin(const EventId& after) {
  fresh_.clear();
  const auto place = books_place();
  if (!place) return place.error();
  return std::min(after, *place);
}

void NotifyUrls::remember(const NotifyAddress& address, const EventId& place) {
  fresh_.insert_or_assign(address.order_id, Fresh{address.url, place});
}

StorageResult<std::optional<NotifyUrl>> NotifyUrls::find(const OrderId& order_id) {
  if (const auto found = fresh_.find(order_id); found != fresh_.end())
    return std::optional<NotifyUrl>(found->second.url);
  if (++looked_up_ % kLookUpsOfOneView == 0) snapshot_->release();
  const StoredKey key = order_key(order_id);
  const auto row = snapshot_->get(Table::notify_urls, key);
  if (!row) return StorageError{row.error(), name_, 0, "the address of an order"};
  if (!row->has_value()) return std::optional<NotifyUrl>();
  NotifyAddress address;
  if (const auto decoded = codec_.decode(key, **row, address); !decoded)
    return StorageError{decoded.error(), name_, 0, "the address of an order"};
  return std::optional<NotifyUrl>(address.url);
}

StorageResult<void> NotifyUrls::rest() {
  snapshot_->release();
  if (fresh_.empty()) return {};
  const auto place = books_place();
  if (!place) return place.error();
  std::erase_if(fresh_, [&](const auto& entry) { return entry.second.place < *place; });
  return {};
}

}  // namespace recharge
