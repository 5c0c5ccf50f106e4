// Purpose: reads the members of a JSON request body into domain values; the first that is wrong fills the
// reply, which names it. Lifetime: of one request; the texts point into the reader and the body.
#pragma once

#include <optional>
#include <string_view>

#include "core/json_object.h"
#include "core/money.h"
#include "core/names.h"
#include "server/handler.h"
#include "server/reply.h"

namespace recharge {

class BodyFields {
 public:
  // An empty body counts as {} where it may be empty.
  enum class Empty { refuse, allow };
  BodyFields(std::string_view body, Empty empty, HandlerContext& context, Reply& reply);
  explicit BodyFields(const JsonObject& object, Reply& reply) noexcept : object_(object), reply_(reply) {}

  bool ok() const noexcept { return ok_; }
  const JsonObject& object() const noexcept { return object_; }

  // Present, not null.
  bool has(std::string_view name) const noexcept;
  // A text. Absent or null: empty, or a failure where it is needed.
  std::string_view text(std::string_view name, bool needed);
  // A number or text in the form of an amount, more than zero.
  std::optional<Money> amount(std::string_view name, bool needed);
  // An integer number; nothing where absent or null.
  std::optional<std::int64_t> integer(std::string_view name);

  void fail(std::string_view name, std::string_view what);
  void fail_amount();

 private:
  JsonObject object_;
  Reply& reply_;
  bool ok_ = true;
};

// Why a body was refused, in words that name the member where it is known.
void refuse_json(boost::system::error_code error, std::string_view member, Reply& reply);

// The account, where it follows the pattern; else the reply says that it does not.
std::optional<Account> read_account(std::string_view text, const HandlerContext& context, Reply& reply);

}  // namespace recharge
