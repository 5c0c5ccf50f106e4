// Any configuration file and any environment are settings or a SettingsError that says where.
#include <sys/mman.h>
#include <unistd.h>

#include "server/settings.h"
#include "tests/fuzz/fuzz_input.h"

namespace recharge {
namespace {

// A file in memory that is written anew for each input.
std::string write_file(std::string_view text) {
  static const int file = ::memfd_create("recharged.toml", 0);
  RECHARGE_CHECK(file >= 0 && ::ftruncate(file, 0) == 0);
  RECHARGE_CHECK(::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return "/proc/self/fd/" + std::to_string(file);
}

}  // namespace

// The file, and after a byte 1 lines of the environment: NAME=VALUE.
void fuzz(FuzzBytes bytes) {
  std::string_view rest = text_of(bytes);
  const std::size_t mark = rest.find('\1');
  FlagSettings flags;
  flags.config = write_file(rest.substr(0, mark));
  Environment environment;
  rest.remove_prefix(mark == rest.npos ? rest.size() : mark + 1);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t equals = line.find('=');
    if (equals != line.npos) environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  try {
    const Settings settings = load_settings(flags, environment);
    RECHARGE_CHECK(settings.server.max_body_bytes > 0 && settings.orders.max_amount.is_positive());
    RECHARGE_CHECK(!settings.gateways.empty());
  } catch (const SettingsError& error) {
    RECHARGE_CHECK(error.what()[0] != '\0');
  }
}

}  // namespace recharge
