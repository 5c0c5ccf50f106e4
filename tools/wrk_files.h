// Purpose: writes prepared callbacks where wrk can replay them: DIR/callbacks.txt, one signed body a line,
// and
//   DIR/callback.lua. Errors: ExitCode::bad_configuration where the folder cannot be written.
#pragma once

#include <string>
#include <vector>

#include "tools/load_options.h"
#include "tools/load_workloads.h"

namespace recharge {

// The number of bodies written. The folder is made when it is not there.
ToolResult<std::size_t> write_wrk_files(const std::string& folder,
                                        const std::vector<PreparedCallbacks>& prepared);

// How to run wrk over them.
std::string wrk_command(const std::string& server, const LoadOptions& options);

}  // namespace recharge
