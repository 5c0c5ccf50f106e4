// The document that is served and the route table say the same.
#include "server/openapi.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <string>

#include "server/routes.h"

namespace recharge {
namespace {

// "post /path" to the scope that it asks for; empty: none.
std::map<std::string, std::string> documented() {
  std::map<std::string, std::string> found;
  simdjson::dom::parser parser;
  const simdjson::dom::element document = parser.parse(std::string(openapi_document()));
  for (const auto [path, item] : document["paths"].get_object()) {
    for (const auto [method, operation] : item.get_object()) {
      std::string scope;
      for (const simdjson::dom::element needed : operation["security"].get_array()) {
        for (const simdjson::dom::element name : needed["bearer"].get_array()) {
          scope += std::string_view(name.get_string().value());
        }
      }
      found[std::string(method) + " " + std::string(path)] = scope;
    }
  }
  return found;
}

TEST(Openapi, NamesEachRouteAndItsScope) {
  std::map<std::string, std::string> table;
  for (const Route& route : routes()) {
    const bool open = route.scope == Scope::none || route.scope == Scope::signature;
    table[(route.method == Method::get ? "get " : "post ") + std::string(route.path)] =
        open ? "" : std::string(to_text(route.scope));
  }
  EXPECT_EQ(documented(), table);
}

}  // namespace
}  // namespace recharge
