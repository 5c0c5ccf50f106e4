#include "server/key_rings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "server/secret_file.h"

namespace recharge {
namespace {

constexpr std::string_view kGeneratedKeyId = "generated";

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw SettingsError(file.string() + ": " + what);
}

KeyRing make_ring(const std::vector<SecretSource>& sources, const std::string& where) {
  std::vector<CallbackSecret> secrets;
  for (const SecretSource& source : sources) {
    if (!source.file.empty()) {
      secrets.push_back({source.id, read_secret_file(source)});
      continue;
    }
    auto secret = Secret::from_text(source.text.reveal());
    if (!secret) throw SettingsError(where + ": secret " + source.id + ": " + secret.error().message());
    secrets.push_back({source.id, std::move(*secret)});
  }
  for (const CallbackSecret& secret : secrets) {
    if (const auto checked = check_callback_secret(secret); !checked) {
      throw SettingsError(where + ": secret " + secret.id + ": " + checked.error().message());
    }
  }
  auto ring = KeyRing::make(std::move(secrets));
  if (!ring) throw SettingsError(where + ": " + ring.error().message());
  return std::move(*ring);
}

void write_all(int fd, std::string_view text, const std::filesystem::path& file) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) fail(file, std::string("cannot be written: ") + std::strerror(errno));
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void flush_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

std::filesystem::path callback_secret_file(const Settings& settings) {
  return settings.store.data_dir / "callback.secret";
}

bool make_callback_secret(const Settings& settings) {
  const std::filesystem::path file = callback_secret_file(settings);
  if (!settings.needs_generated_secret() || std::filesystem::exists(file)) return false;
  std::array<unsigned char, 32> random;
  randombytes_buf(random.data(), random.size());
  std::array<char, 2 * random.size() + 2> text;
  sodium_bin2hex(text.data(), text.size(), random.data(), random.size());
  text[2 * random.size()] = '\n';
  const std::filesystem::path draft = file.string() + ".tmp";
  ::unlink(draft.c_str());
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail(draft, std::string("cannot be made: ") + std::strerror(errno));
  write_all(fd, {text.data(), 2 * random.size() + 1}, draft);
  const bool flushed = ::fsync(fd) == 0;
  ::close(fd);
  sodium_memzero(random.data(), random.size());
  sodium_memzero(text.data(), text.size());
  if (!flushed || ::rename(draft.c_str(), file.c_str()) != 0) {
    fail(file, std::string("cannot be made: ") + std::strerror(errno));
  }
  flush_folder(settings.store.data_dir);
  return true;
}

KeyRings load_key_rings(const Settings& settings) {
  KeyRings rings;
  std::vector<SecretSource> native = settings.callback.secrets;
  if (settings.needs_generated_secret()) {
    native.push_back({std::string(kGeneratedKeyId), SecretText(), callback_secret_file(settings), {}});
  }
  rings.gateways.push_back(
      {std::string(kNativeGatewayName), make_ring(native, "callback.secrets"), std::nullopt, std::nullopt});
  for (const GatewaySettings& gateway : settings.gateways) {
    if (gateway.kind == GatewayKind::simulated) continue;
    if (gateway.kind == GatewayKind::native) {
      rings.gateways.push_back({gateway.name,
                                make_ring(gateway.secrets, "gateway." + gateway.name + ".secrets"),
                                std::nullopt, std::nullopt});
    } else {
      rings.gateways.push_back({gateway.name, KeyRing(),
                                load_gateway_account(gateway, settings.orders.currency),
                                load_call_account(gateway, settings.orders.currency)});
    }
  }
  for (const SupplierSettings& supplier : settings.fulfilment.suppliers)
    rings.suppliers.push_back(load_supplier_keys(supplier));
  return rings;
}

std::vector<CallbackGate> make_gates(const KeyRings& rings) {
  std::vector<CallbackGate> gates;
  for (const GatewayKeys& keys : rings.gateways) {
    GatewayName name;
    if (!name.assign(keys.gateway)) throw SettingsError("gateway name too long");
    gates.push_back(
        {name, SignatureVerifier(keys.ring), keys.account ? make_adapter(*keys.account) : nullptr});
  }
  return gates;
}

}  // namespace recharge
