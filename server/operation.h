// Purpose: one request on its way through the engine: its command, the bytes that the command points to, and
// its outcome. Owner: the io thread that made it, but for the time between submit() and complete(). Lifetime:
// its owner keeps it until complete() was called; then it may be used again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/command.h"
#include "core/event.h"
#include "core/outcome.h"

namespace recharge {

// What a request says of a payment that is started at a gateway, and what came of it beside the outcome.
struct PaymentDetails {
  std::optional<PayMethod> method;
  std::string return_url;
  std::string client_ip;
  std::string traceparent;  // of the call that it causes; empty: the request belongs to no trace
  std::string page;         // what the payer is shown, where it is made here
  std::string problem;      // why the request cannot be carried out; empty: the outcome says
};

struct Operation {
  Command command;
  Outcome outcome;
  std::string evidence;          // ReportPayment::evidence points here
  std::string evidence_headers;  // ReportPayment::evidence_headers points here
  // The answer of another thread, where a request waits for one (Step::later).
  unsigned later_status = 0;
  std::string later_body;
  // Of a request that turns its connection into a stream: what it listens to, and what it has seen.
  std::string watch_topic;
  EventId watch_after;
  std::unique_ptr<PaymentDetails> payment;  // of a request to pay at a gateway
  // Called on the owner's thread, never from within submit(), once the outcome may be shown.
  void (*complete)(Operation& operation) noexcept = nullptr;
  void* context = nullptr;  // the owner's, for complete()

  // The engine's own: where the operation came from, and what its outcome waits for.
  unsigned origin = 0;
  unsigned waits_for_thread = 0;
  std::uint64_t waits_for_number = 0;
  unsigned pending_parts = 0;  // of a command over all shards
};

}  // namespace recharge
