// Purpose: the body of a callback as a gateway sends it, unsigned or signed with its fields in the order of
//   their names, which is also the canonical text's. Lifetime: pure functions over values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/callback_signer.h"

namespace recharge {

struct CallbackFields {
  std::string_view order_id;
  std::string_view transaction_id;
  std::string_view amount;  // as a JSON number
  std::string_view status = "success";
  std::int64_t timestamp = 0;  // unix seconds
  std::int64_t paid_at = 0;    // unix seconds; 0: left out
};

// REQUIRES: no field holds a quote, a backslash or '&'.
std::string callback_body(const CallbackFields& fields);
std::string callback_canonical_text(const CallbackFields& fields);
// The body with its signature, or with `signature` where that is not empty.
std::string signed_callback_body(const CallbackFields& fields, CallbackSigner& signer,
                                 std::string_view signature = {});

}  // namespace recharge
