#include "storage/storage_error.h"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace recharge {

std::string StorageError::to_text() const {
  return file + ": offset " + std::to_string(offset) + ": " + what + ": " + code.message();
}

bool is_disk_full(const boost::system::error_code& code) noexcept {
  namespace errc = boost::system::errc;
  return code == errc::no_space_on_device ||
         code == boost::system::error_code(EDQUOT, boost::system::generic_category());
}

bool is_out_of_descriptors(const boost::system::error_code& code) noexcept {
  namespace errc = boost::system::errc;
  return code == errc::too_many_files_open || code == errc::too_many_files_open_in_system;
}

void invariant_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: invariant does not hold: %s\n", file, line, condition);
  std::abort();
}

void throw_exception_from_error(const StorageError& error, const boost::source_location&) {
  throw std::runtime_error(error.to_text());
}

}  // namespace recharge
