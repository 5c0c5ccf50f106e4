#include "server/secret_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

namespace recharge {

void refuse_file(const SecretSource& source, const std::string& what) {
  throw SettingsError(source.where + source.file.string() + ": " + what);
}

Secret read_secret_file(const SecretSource& source) {
  std::ifstream in(source.file, std::ios::binary);
  if (!in) refuse_file(source, std::string("cannot be read: ") + std::strerror(errno));
  std::vector<char> bytes(kMaxSecretFileBytes + 1);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto size = static_cast<std::size_t>(in.gcount());
  Result<Secret> secret = Errc::too_long;
  if (size <= kMaxSecretFileBytes) secret = parse_secret_file_text({bytes.data(), size});
  sodium_memzero(bytes.data(), bytes.size());
  if (!secret) refuse_file(source, "holds no usable secret: " + secret.error().message());
  return std::move(*secret);
}

}  // namespace recharge
