#include "server/body_fields.h"

#include <charconv>

namespace recharge {

void refuse_json(boost::system::error_code error, std::string_view member, Reply& reply) {
  std::string text = "Malformed JSON";
  if (error == make_error_code(Errc::duplicate_name)) text = "Duplicate name in the JSON object";
  if (error == make_error_code(Errc::nested_value)) text = "Nested object or array";
  if (error == make_error_code(Errc::too_long)) text = "JSON too deep, or with too many members";
  if (!member.empty()) text.append(": ").append(member.substr(0, 64));
  reply.invalid_request(text);
}

BodyFields::BodyFields(std::string_view body, Empty empty, HandlerContext& context, Reply& reply)
    : reply_(reply) {
  if (body.empty() && empty == Empty::allow) return;
  const auto object = context.json.read_copy(body, Nested::allow);
  if (object) {
    object_ = *object;
  } else {
    ok_ = false;
    refuse_json(object.error(), context.json.error_member(), reply);
  }
}

void BodyFields::fail(std::string_view name, std::string_view what) {
  if (!ok_) return;
  ok_ = false;
  std::string text(name);
  reply_.invalid_request(text.append(": ").append(what));
}

void BodyFields::fail_amount() {
  if (!ok_) return;
  ok_ = false;
  reply_.fail(400, "invalid_amount", "Invalid amount");
}

bool BodyFields::has(std::string_view name) const noexcept {
  const JsonMember* member = object_.find(name);
  return member != nullptr && member->type != JsonType::null;
}

std::string_view BodyFields::text(std::string_view name, bool needed) {
  const JsonMember* member = object_.find(name);
  if (member == nullptr || (member->type == JsonType::null && !needed)) {
    if (needed) fail(name, "missing");
    return {};
  }
  if (member->type != JsonType::string) fail(name, "must be a text");
  return member->type == JsonType::string ? member->text : std::string_view();
}

std::optional<Money> BodyFields::amount(std::string_view name, bool needed) {
  const JsonMember* member = object_.find(name);
  if (member == nullptr || (member->type == JsonType::null && !needed)) {
    if (needed) fail(name, "missing");
    return std::nullopt;
  }
  if (member->type == JsonType::string || member->type == JsonType::number) {
    if (const auto money = parse_money(member->text); money && money->is_positive()) return *money;
  }
  fail_amount();
  return std::nullopt;
}

std::optional<std::int64_t> BodyFields::integer(std::string_view name) {
  const JsonMember* member = object_.find(name);
  if (member == nullptr || member->type == JsonType::null) return std::nullopt;
  std::int64_t value = 0;
  const char* end = member->text.data() + member->text.size();
  if (member->type == JsonType::number) {
    const auto parsed = std::from_chars(member->text.data(), end, value);
    if (parsed.ec == std::errc() && parsed.ptr == end) return value;
  }
  fail(name, "must be an integer");
  return std::nullopt;
}

std::optional<Account> read_account(std::string_view text, const HandlerContext& context, Reply& reply) {
  Account account;
  if (text.empty() || !account.assign(text) ||
      !RE2::FullMatch({text.data(), text.size()}, context.account_pattern)) {
    reply.fail(400, "invalid_account", "Invalid account");
    return std::nullopt;
  }
  return account;
}

}  // namespace recharge
