// Purpose: compares and shows records, facts and commands field by field, so that a field forgotten by a
// codec or by apply() cannot hide. Works on plain structs, however deeply nested. For tests only.
#pragma once

#include <boost/pfr/core.hpp>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/digest.h"
#include "core/fixed_text.h"
#include "core/ledger.h"
#include "core/money.h"
#include "core/time.h"
#include "core/uuid.h"

namespace recharge::testing {

template <class T>
struct IsVariant : std::false_type {};
template <class... T>
struct IsVariant<std::variant<T...>> : std::true_type {};

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (IsVariant<T>::value) {
    if (a.index() != b.index()) return false;
    return std::visit([&](const auto& x) { return same(x, std::get<std::remove_cvref_t<decltype(x)>>(b)); },
                      a);
  } else if constexpr (std::equality_comparable<T>) {
    return a == b;
  } else {
    const auto left = boost::pfr::structure_tie(a);
    const auto right = boost::pfr::structure_tie(b);
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return (same(std::get<I>(left), std::get<I>(right)) && ...);
    }
    (std::make_index_sequence<boost::pfr::tuple_size_v<T>>());
  }
}

template <class Key, class Value>
bool same(const std::map<Key, Value>& a, const std::map<Key, Value>& b) {
  if (a.size() != b.size()) return false;
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    if (!(x->first == y->first) || !same(x->second, y->second)) return false;
  }
  return true;
}

inline void show(std::ostream& out, Money money) { out << to_text(money); }
inline void show(std::ostream& out, Time time) { out << time.ms; }
inline void show(std::ostream& out, const EntryId& id) { out << id.to_text(); }
inline void show(std::ostream& out, std::string_view text) { out << '"' << text << '"'; }
template <class Tag>
void show(std::ostream& out, const Uuid<Tag>& id) {
  out << id.to_text();
}
template <std::size_t N, class Tag>
void show(std::ostream& out, const FixedText<N, Tag>& text) {
  out << '"' << text.view() << '"';
}

template <class T>
void show(std::ostream& out, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    out << static_cast<int>(value);
  } else if constexpr (std::is_integral_v<T>) {
    out << +value;
  } else if constexpr (IsVariant<T>::value) {
    out << '#' << value.index() << ' ';
    std::visit([&](const auto& x) { show(out, x); }, value);
  } else if constexpr (requires { value.has_value(); }) {
    if (value) {
      show(out, *value);
    } else {
      out << '-';
    }
  } else if constexpr (requires { value.begin(); }) {
    out << '[';
    for (const auto& x : value) show(out, x), out << ' ';
    out << ']';
  } else {
    out << '{';
    boost::pfr::for_each_field(value, [&](const auto& x) { show(out, x), out << ' '; });
    out << '}';
  }
}

template <class T>
std::string shown(const T& value) {
  std::ostringstream out;
  show(out, value);
  return out.str();
}

}  // namespace recharge::testing
