// Purpose: the broker that is told of events. Lifetime: as Settings. Units: in the names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "server/secret_source.h"

namespace recharge {

class SettingsReader;

struct AmqpSettings {
  bool tls = false;
  std::string host;
  int port = 5672;
  std::string user = "guest";
  std::string virtual_host = "/";
  SecretSource password;          // no file: "guest"
  std::filesystem::path ca_file;  // PEM; empty: the system's
  std::string exchange = "recharge";
  int heartbeat_s = 10;
};

// None where there is no [amqp].
std::optional<AmqpSettings> read_amqp(SettingsReader& reader);

}  // namespace recharge
