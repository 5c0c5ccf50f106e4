// Purpose: ids for what a user of the tool does not name: "debit-" and 24 random hex digits, [A-Za-z0-9_-].
// Source of randomness: the kernel's, by libsodium.
#pragma once

#include <string>
#include <string_view>

namespace recharge {

std::string made_id(std::string_view prefix);
std::string random_hex(std::size_t bytes);

}  // namespace recharge
