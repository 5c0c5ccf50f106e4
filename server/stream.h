// Purpose: a connection that listens: what it is told, and until when. Part of a Session, which writes it.
// Owner: the io thread. Lifetime: from the request until the connection ends. Units: bytes, seconds since
// 1970 (_s), milliseconds of the steady clock (_ms). Source: WHATWG HTML, 9.2 (server-sent events).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/event.h"
#include "server/live_feed.h"

namespace recharge {

constexpr std::size_t kMaxStreamBytes = 64 << 10;  // unsent, before the listener is too slow
constexpr std::size_t kMaxStreamQueue = 256;       // events that wait for what comes before them
constexpr std::int64_t kStreamPingMs = 15'000;

struct Stream {
  std::string topic;
  EventId after;               // nothing up to here is told
  bool open = false;           // the head was written
  bool replaying = false;      // what the listener missed is still being read
  bool ending = false;         // no more is told
  std::int64_t expires_s = 0;  // of the token; 0: never
  std::int64_t written_ms = 0;
  std::string snapshot;  // of a listener that came back: told where what it missed cannot be
  LiveEvents queue;      // what waits for all that
};

// One event in the form of the stream.
void append_event(std::string& out, std::string_view name, std::string_view id, std::string_view json);

}  // namespace recharge
