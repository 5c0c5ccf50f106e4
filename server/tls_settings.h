// Purpose: with what connections are encrypted, and whose certificates gateways show. Part of the settings.
#pragma once

#include <filesystem>
#include <string>

#include "server/secret_source.h"

namespace recharge {

class SettingsReader;

struct TlsSettings {
  SecretSource certificate;  // the server's, and behind it those that lead to the root
  SecretSource key;
  SecretSource client_ca;  // who signs the certificates of gateways; none: they need none
  bool enabled() const noexcept { return !certificate.file.empty(); }
};

// Throws SettingsError. The files are read by load_tls.
TlsSettings read_tls(SettingsReader& reader);

}  // namespace recharge
