// Purpose: reads a section [gateway.NAME]. Errors: SettingsError, naming the place.
#pragma once

#include <string>

#include "server/settings_reader.h"

namespace recharge {

GatewaySettings read_gateway(SettingsReader& reader, const std::string& name);

}  // namespace recharge
