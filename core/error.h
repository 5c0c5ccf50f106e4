// Purpose: the errors of expected failures, and Result<T>, in which every fallible function returns them.
// Lifetime: error codes are values; the category lives for the whole process.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace recharge {

enum class Errc {
  invalid_text = 1,   // does not follow the form that its type demands
  out_of_range,       // follows the form, but the value is not allowed
  overflow,           // checked arithmetic does not fit
  too_long,           // exceeds a named limit
  duplicate_name,     // a JSON object has a name twice
  nested_value,       // an object or array where only plain values are allowed
  invalid_signature,  // absent, wrong, or not by an active secret
  truncated,          // the bytes end too early
  damaged,            // a checksum, hash or magic number does not fit
  newer_format,       // written by a newer version of this program
  full,               // no room; nothing was changed
  not_found,          // the thing does not exist
  in_use,             // another process owns it
};

const boost::system::error_category& error_category() noexcept;
boost::system::error_code make_error_code(Errc code) noexcept;

template <class T>
using Result = boost::system::result<T>;

}  // namespace recharge

template <>
struct boost::system::is_error_code_enum<recharge::Errc> : std::true_type {};
