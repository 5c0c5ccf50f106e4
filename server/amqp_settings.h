// Purpose: the brokers that are told of events. Lifetime: as Settings. Units: in the names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "server/secret_source.h"

namespace recharge {

class SettingsReader;

struct AmqpBroker {
  std::string host;
  int port = 5672;
  std::string to_text() const { return host + ":" + std::to_string(port); }
};

struct AmqpSettings {
  static constexpr std::size_t kMaxBrokers = 16;

  std::vector<AmqpBroker>
      brokers;  // one at least; several: of one cluster, in the order in which they are tried
  bool tls = false;
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
