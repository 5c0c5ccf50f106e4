// Purpose: the JSON form of an event: in replies, live updates, webhooks and messages alike. Lifetime: calls.
#pragma once

#include <string>

#include "core/event.h"
#include "server/json_text.h"

namespace recharge {

// {id, type, time, account, order, and refund, exception or entry where it is about one}
void write_event(JsonText& json, const Event& event);
std::string event_json(const Event& event);

}  // namespace recharge
