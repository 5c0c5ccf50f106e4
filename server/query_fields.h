// Purpose: the members that lists have in common in a query: limit and cursor.
#pragma once

#include <optional>
#include <string_view>

#include "server/percent.h"
#include "server/reply.h"

namespace recharge {

constexpr unsigned kDefaultPage = 20;
constexpr unsigned kMaxPage = 100;

// 1 to 100, 20 where it is not there; nothing where it is wrong, with the reply saying so.
std::optional<unsigned> read_limit(std::string_view query, Reply& reply);

// The id in `cursor`; nil where it is not there; nothing where it is wrong, with the reply saying so.
template <class Id>
std::optional<Id> read_cursor(std::string_view query, Reply& reply) {
  const QueryValue value = query_value(query, "cursor");
  if (!value.found) return Id{};
  if (!value.malformed) {
    if (const auto id = Id::parse(value.text)) return *id;
  }
  reply.invalid_request("cursor: not one of this list");
  return std::nullopt;
}

}  // namespace recharge
