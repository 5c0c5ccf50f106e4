#include "tools/tool_error.h"

#include <stdexcept>

namespace recharge {

void throw_exception_from_error(const ToolError& error, const boost::source_location&) {
  throw std::logic_error(error.message);
}

}  // namespace recharge
