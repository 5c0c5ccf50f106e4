// The columns of the route table fit each other.
#include "server/routes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace recharge {
namespace {

TEST(Routes, EachIsThereOnce) {
  std::set<std::pair<Method, std::string_view>> seen;
  for (const Route& route : routes())
    EXPECT_TRUE(seen.insert({route.method, route.path}).second) << route.path;
}

TEST(Routes, GatewaysProveThemselvesAndHaveAClassOfTheirOwn) {
  for (const Route& route : routes()) {
    EXPECT_EQ(route.scope == Scope::signature, route.limit == LimitClass::callback) << route.path;
  }
}

TEST(Routes, WhatIsNobodysShowsNoAccount) {
  for (const Route& route : routes()) {
    const bool open = route.scope == Scope::none || route.scope == Scope::signature;
    EXPECT_EQ(open, route.binding == Binding::none) << route.path;
  }
}

TEST(Routes, WhatBelongsToManyNeedsAdmin) {
  for (const Route& route : routes()) {
    if (route.binding != Binding::all_accounts) continue;
    EXPECT_EQ(route.scope, Scope::admin) << route.path;
  }
}

TEST(Routes, ReadingScopesChangeNothing) {
  for (const Route& route : routes()) {
    if (to_text(route.scope).ends_with(":read")) {
      EXPECT_EQ(route.method, Method::get) << route.path;
      EXPECT_EQ(route.limit, LimitClass::read) << route.path;
    }
    if (to_text(route.scope).ends_with(":write")) {
      EXPECT_EQ(route.limit, LimitClass::write) << route.path;
    }
  }
}

TEST(Routes, OperatorsAndClientsShareNoOperation) {
  std::string parameter;
  for (const Route& route : routes()) {
    EXPECT_EQ(route.path.starts_with("/admin/"), route.doors == Doors::operators) << route.path;
    EXPECT_EQ(is_at(route.doors, Door::operators) && route.limit == LimitClass::callback, false)
        << route.path;
  }
  EXPECT_EQ(match_route(Method::get, "/admin/status", Door::clients, parameter).route, nullptr);
  EXPECT_TRUE(match_route(Method::get, "/admin/status", Door::clients, parameter).allow.empty());
  EXPECT_EQ(match_route(Method::post, "/api/place_order", Door::operators, parameter).route, nullptr);
  EXPECT_NE(match_route(Method::get, "/api/exceptions", Door::operators, parameter).route, nullptr);
  EXPECT_EQ(match_route(Method::other, "/admin/backup", Door::operators, parameter).allow, "GET, HEAD, POST");
}

TEST(Scopes, HaveTheirNamesAndAdminIncludesAll) {
  for (std::size_t i = static_cast<std::size_t>(Scope::orders_write); i < kScopes; ++i) {
    const auto scope = static_cast<Scope>(i);
    EXPECT_EQ(parse_scope(to_text(scope)), scope);
    ScopeSet own, admin;
    own.add(scope);
    admin.add(Scope::admin);
    EXPECT_TRUE(own.allows(scope) && admin.allows(scope));
    EXPECT_EQ(own.allows(Scope::admin), scope == Scope::admin);
    EXPECT_FALSE(ScopeSet().allows(scope));
  }
  EXPECT_FALSE(parse_scope("none") || parse_scope("signature") || parse_scope("") || parse_scope("Admin"));
}

}  // namespace
}  // namespace recharge
