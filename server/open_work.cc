// GET /api/orders/stuck: recharges and refunds that are not ended, and what they wait for.
#include <array>

#include "core/lower_hex.h"
#include "server/handler.h"
#include "server/outcome_reply.h"
#include "server/query_fields.h"
#include "server/record_json.h"

namespace recharge {
namespace {

// A key as the cursor of the list: kind, id and refund id.
struct Cursor {
  GatewayWorkKey key;

  std::string to_text() const {
    std::string text = std::to_string(static_cast<unsigned>(key.kind)) + ".";
    for (const std::uint8_t byte : key.id) {
      text.push_back(kLowerHexDigits[byte >> 4]);
      text.push_back(kLowerHexDigits[byte & 15]);
    }
    return text.append(".").append(key.refund_id.view());
  }

  static Result<Cursor> parse(std::string_view text) noexcept {
    constexpr std::size_t id_end = 2 + 2 * sizeof(GatewayWorkKey::id);
    Cursor cursor;
    if (text.size() <= id_end || text[1] != '.' || text[id_end] != '.') return Errc::invalid_text;
    const auto kind = static_cast<unsigned>(text[0] - '0');
    if (kind > static_cast<unsigned>(kLastGatewayWorkKind)) return Errc::invalid_text;
    cursor.key.kind = static_cast<GatewayWorkKind>(kind);
    for (std::size_t i = 0; i < cursor.key.id.size(); ++i) {
      const auto high = lower_hex_value(text[2 + 2 * i]);
      const auto low = lower_hex_value(text[3 + 2 * i]);
      if (high == kNoHexDigit || low == kNoHexDigit) return Errc::invalid_text;
      cursor.key.id[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    if (text.size() > id_end + 1) {
      const auto refund_id = make_refund_id(text.substr(id_end + 1));
      if (!refund_id) return refund_id.error();
      cursor.key.refund_id = *refund_id;
    }
    return cursor;
  }
};

}  // namespace

Step list_stuck_orders(const Request& request, std::string_view, HandlerContext&, Operation& operation,
                       Reply& reply) {
  const auto limit = read_limit(request.query, reply);
  if (!limit) return Step::reply;
  const auto after = read_cursor<Cursor>(request.query, reply);
  if (!after) return Step::reply;
  ListGatewayWork& command = operation.command.emplace<ListGatewayWork>();
  command.limit = *limit;
  command.after = after->key;
  return Step::submit;
}

void show_stuck_orders(const Operation& operation, HandlerContext&, Reply& reply) {
  if (refuse(operation.outcome, reply)) return;
  const GatewayWorkPage& page = std::get<GatewayWorkPage>(operation.outcome.shown);
  JsonText json(reply.body);
  json.begin_object().name("code").integer(200).name("data").begin_array();
  for (const GatewayWorkAndOrder& open : page.works) write_open_work(json, open);
  json.end_array().name("has_more").boolean(page.more).name("next_cursor");
  json.text_or_null(page.more ? Cursor{page.works.back().work.key}.to_text() : std::string()).end_object();
}

}  // namespace recharge
