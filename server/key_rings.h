// Purpose: the secrets of every place where callbacks arrive, read from their settings and files.
// Lifetime: a set is immutable; a reload makes another, from which each io thread builds its verifiers.
// Errors: SettingsError, which never holds a secret.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/key_ring.h"
#include "core/names.h"
#include "core/signature_verifier.h"
#include "server/gateway_accounts.h"
#include "server/settings.h"
#include "server/supplier_calls.h"

namespace recharge {

struct GatewayKeys {
  std::string gateway;  // "native": /api/payment_callback
  KeyRing ring;
  std::optional<GatewayAccount> account;    // of a gateway with a protocol of its own
  std::optional<GatewayCallAccount> calls;  // of one that is called
};

// The first is that of /api/payment_callback, whether or not it has secrets.
struct KeyRings {
  std::vector<GatewayKeys> gateways;
  std::vector<SupplierKeys> suppliers = {};
};

// Reads secrets and files. Where settings.needs_generated_secret(), the one in the data folder counts.
KeyRings load_key_rings(const Settings& settings);

// DATA_DIR/callback.secret: made where the settings need it and it is not there. True where it was made just
// now.
bool make_callback_secret(const Settings& settings);
std::filesystem::path callback_secret_file(const Settings& settings);

// One place where callbacks arrive, as an io thread uses it.
struct CallbackGate {
  GatewayName gateway;
  SignatureVerifier verifier;
  std::unique_ptr<GatewayAdapter> adapter;  // null: the native callback
};
std::vector<CallbackGate> make_gates(const KeyRings& rings);

}  // namespace recharge
