// Purpose: the OpenAPI document of this server, as a part of the program.
// Lifetime: static. Made from server/openapi.json.
#pragma once

#include <string_view>

namespace recharge {

std::string_view openapi_document() noexcept;

}  // namespace recharge
