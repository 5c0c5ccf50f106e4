// Purpose: the lines of the log that tell who was refused by signature, and who changed what as an operator:
// one for each, whatever the level of the log. Any thread that has the request. Never holds a secret or a
// body.
#pragma once

#include <string_view>

#include "server/handler.h"

namespace recharge {

// what: the gateway whose signature it was to be.
void audit_refused_signature(const HandlerContext& context, const Request& request, std::string_view gateway);
// action: what was asked for; on: what it is about, perhaps empty.
void audit_operator(const HandlerContext& context, std::string_view action, std::string_view on);
// Asked for by a signal, or on the command line.
void audit_process(std::string_view action);

}  // namespace recharge
