#include "server/query_fields.h"

#include <charconv>

namespace recharge {

std::optional<unsigned> read_limit(std::string_view query, Reply& reply) {
  const QueryValue value = query_value(query, "limit");
  if (!value.found) return kDefaultPage;
  unsigned limit = 0;
  const char* end = value.text.data() + value.text.size();
  const auto parsed = std::from_chars(value.text.data(), end, limit);
  if (!value.malformed && parsed.ec == std::errc() && parsed.ptr == end && limit >= 1 && limit <= kMaxPage)
    return limit;
  reply.invalid_request("limit: must be from 1 to 100");
  return std::nullopt;
}

}  // namespace recharge
