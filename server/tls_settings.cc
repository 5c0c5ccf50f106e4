#include "server/tls_settings.h"

#include "server/settings_reader.h"

namespace recharge {

TlsSettings read_tls(SettingsReader& reader) {
  TlsSettings tls;
  if (auto file = reader.file("tls.certificate_file")) tls.certificate = std::move(*file);
  if (auto file = reader.file("tls.key_file")) tls.key = std::move(*file);
  if (auto file = reader.file("tls.client_ca_file")) tls.client_ca = std::move(*file);
  if (tls.enabled() && tls.key.file.empty()) {
    reader.refuse("tls.certificate_file", "needs tls.key_file beside it");
  }
  if (!tls.enabled() && !tls.key.file.empty()) {
    reader.refuse("tls.key_file", "needs tls.certificate_file beside it");
  }
  if (!tls.enabled() && !tls.client_ca.file.empty()) {
    reader.refuse("tls.client_ca_file", "needs tls.certificate_file and tls.key_file");
  }
  return tls;
}

}  // namespace recharge
