// Purpose: a supplier that performs recharges, with the faults of real ones out of a seed: it does what it is
// asked and its answer is lost, it answers late, it fails, it is slow; and it does it twice where the same
// order comes under a second request id, since it knows request ids alone. Its books say what it did. Pure
// but for what it keeps: no socket, no clock. Owner: one thread at a time. Units: _ms. Source: README.md,
// "Let somebody else recharge".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.h"
#include "core/signature_verifier.h"
#include "core/time.h"
#include "tools/simulated_apis.h"
#include "tools/storm_plan.h"
#include "tools/tool_error.h"

namespace recharge {

enum class SupplierFault : std::uint8_t {
  none,
  done_and_silent,  // it does it, and never answers
  done_and_closed,  // it does it, and the connection breaks
  done_late,        // in process at first
  lost,             // the request never reached it
  failed,           // it does not do it
  rejected,         // nor should another
  unsigned_error,   // it does it, and something in between answers 502
};
constexpr std::size_t kSupplierFaults = 8;
std::string_view to_text(SupplierFault fault) noexcept;

struct SupplierOptions {
  std::uint64_t seed = 1;
  unsigned fault_percent = 0;        // of the requests
  unsigned fail_percent = 0;         // of them: failed; of these each tenth: rejected
  std::int64_t silence_ms = 60'000;  // before a silent answer's connection is closed
  std::int64_t late_ms = 300;
};

class SimulatedSupplier {
 public:
  // secret: whsec_…
  static ToolResult<SimulatedSupplier> make(std::string_view secret, const SupplierOptions& options);

  // POST: perform; GET /REQUEST_ID: what became of it; GET /books: everything, without a signature.
  ApiReply answer(const ApiRequest& request, Time now);

  std::string books() const;  // JSON
  // One line for what the last answer() did; empty: nothing was performed or refused by it.
  std::string_view happened() const noexcept { return happened_; }

 private:
  enum class State : std::uint8_t { succeeded, failed, rejected };
  struct Asked {
    std::string order_id, account, amount;
    State state = State::succeeded;
    Time ready;  // in process before
    std::uint64_t reference = 0;
    unsigned repeats = 0;
  };

  SimulatedSupplier(Secret secret, SignatureVerifier verifier, const SupplierOptions& options)
      : secret_(std::move(secret)), verifier_(std::move(verifier)), options_(options), draws_(options.seed) {}

  ApiReply ask(const std::string& request_id, const ApiRequest& request, Time now);
  ApiReply tell(const std::string& request_id, const Asked& asked, Time now) const;
  ApiReply signed_reply(const std::string& request_id, unsigned status, std::string body, Time now) const;
  SupplierFault draw();

  Secret secret_;
  SignatureVerifier verifier_;
  SupplierOptions options_;
  StormDraws draws_;
  std::map<std::string, Asked> asked_;  // by request id
  std::array<std::uint64_t, kSupplierFaults> drawn_{};
  std::uint64_t refused_ = 0;  // requests without a signature that fits
  std::uint64_t performed_ = 0;
  std::string happened_;
};

}  // namespace recharge
