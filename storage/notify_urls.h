// Purpose: the address of an order for a subscriber that meets one of its events: in the books, or, while the
// books do not have the order yet, remembered from the event of its placing. Takes nothing from the threads
// that serve. To miss none, a subscriber reads the events from begin() on, those that it is done with, too.
// Owner: one thread. Lifetime: within the books and the codec. Errors: StorageError, Errc::damaged where a
// row cannot be read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/event.h"
#include "core/notify_url.h"
#include "storage/books.h"
#include "storage/storage_error.h"
#include "storage/stored_record.h"

namespace recharge {

class NotifyUrls {
 public:
  // name: of the books, in errors.
  NotifyUrls(Books& books, const RecordCodec& codec, std::string name)
      : books_(books), codec_(codec), name_(std::move(name)), snapshot_(books.snapshot()) {}

  // A place from which the events are to be read by who goes on behind `after`: what was placed before it is
  // in the books. Forgets what was remembered.
  StorageResult<EventId> begin(const EventId& after);
  // Of an order that the event at `place` placed.
  void remember(const NotifyAddress& address, const EventId& place);
  // None: the order has no address. Valid as long as the caller likes.
  StorageResult<std::optional<NotifyUrl>> find(const OrderId& order_id);
  // The end of a batch: the view of the books is given back, and what they have by now is forgotten.
  StorageResult<void> rest();

  std::size_t remembered() const noexcept { return fresh_.size(); }

 private:
  struct Fresh {
    NotifyUrl url;
    EventId place;
  };
  StorageResult<EventId> books_place() const;

  Books& books_;
  const RecordCodec& codec_;
  const std::string name_;
  std::unique_ptr<BooksSnapshot> snapshot_;
  std::map<OrderId, Fresh> fresh_;
  std::uint64_t looked_up_ = 0;
};

}  // namespace recharge
