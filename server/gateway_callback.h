// Purpose: notifications of gateways that have a protocol of their own: from the adapter's event to a
// command, and from the outcome to just the reply that the gateway knows. Owner: an io thread.
#pragma once

#include "server/handler.h"

namespace recharge {

// gate: the place in context.gates; it has an adapter.
Step take_notification(const Request& request, std::size_t gate, HandlerContext& context,
                       Operation& operation, Reply& reply);
// False: this gateway takes the reply of the native callback.
bool acknowledge_notification(const Operation& operation, const GatewayAdapter& adapter, Reply& reply);
// Whoever refused it, in the gateway's words; as it is where the gateway has none of its own.
void word_gateway_refusal(std::string_view gateway, const HandlerContext& context, Reply& reply);

}  // namespace recharge
