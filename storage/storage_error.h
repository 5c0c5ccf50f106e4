// Purpose: what went wrong with stored bytes, and where: every error of storage names the file and the
// offset. Lifetime: plain values. Errors: the code tells kinds apart (Errc::damaged, Errc::newer_format,
// Errc::full, Errc::in_use, or the operating system's errno such as ENOSPC and EIO in its generic category).
// Units: offset in bytes from the start of the file.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>
#include <cstdint>
#include <string>

#include "core/error.h"

namespace recharge {

struct StorageError {
  boost::system::error_code code;
  std::string file;
  std::uint64_t offset = 0;
  std::string what;

  // "FILE: offset N: WHAT: MESSAGE OF THE CODE", on one line.
  std::string to_text() const;
  bool is(Errc errc) const noexcept { return code == errc; }
};

template <class T>
using StorageResult = boost::system::result<T, StorageError>;

// No room on the disk or in a quota: the one kind of write error after which the same write may succeed
// later.
bool is_disk_full(const boost::system::error_code& code) noexcept;
// No descriptor is left, in the process or in the system: nothing was opened, and later it may be.
bool is_out_of_descriptors(const boost::system::error_code& code) noexcept;

// Stops the process: an invariant of stored data does not hold, and going on could lose or double money.
[[noreturn]] void invariant_failed(const char* condition, const char* file, int line) noexcept;

// Found by name lookup when the value of a failed result is asked for.
[[noreturn]] void throw_exception_from_error(const StorageError& error, const boost::source_location& where);

}  // namespace recharge

// Asserted also in release builds.
#define RECHARGE_STORAGE_INVARIANT(condition) \
  ((condition) ? static_cast<void>(0) : ::recharge::invariant_failed(#condition, __FILE__, __LINE__))
