// Purpose: how a verb of the tool fails: the exit code it ends with and the sentence for stderr.
// Lifetime: values.
#pragma once

#include <boost/system/result.hpp>
#include <string>

namespace recharge {

enum class ExitCode : int {
  ok = 0,
  failure = 1,            // the server refused, or a check did not hold
  usage = 2,              // the command line makes no sense
  bad_configuration = 3,  // a file that the tool was told to use cannot be used
  unreachable = 4,        // no server answers
};

struct ToolError {
  ExitCode code = ExitCode::failure;
  std::string message;
};

template <class T>
using ToolResult = boost::system::result<T, ToolError>;

// boost::system::result<>::value() needs to know what to throw; the tool never calls it on an error.
[[noreturn]] void throw_exception_from_error(const ToolError& error, const boost::source_location& where);

}  // namespace recharge
