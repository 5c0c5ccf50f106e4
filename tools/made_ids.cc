#include "tools/made_ids.h"

#include <sodium.h>

#include <vector>

namespace recharge {

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> random(bytes);
  randombytes_buf(random.data(), random.size());
  std::string hex(bytes * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), random.data(), random.size());
  hex.pop_back();
  return hex;
}

std::string made_id(std::string_view prefix) { return std::string(prefix) + '-' + random_hex(12); }

}  // namespace recharge
