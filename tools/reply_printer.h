// Purpose: shows replies of the API to people: aligned "name value" lines, or a table for a list.
// With Tool::json the reply's own bytes go to stdout instead. Errors of the API go to stderr: msg and slug.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/http_client.h"
#include "tools/tool.h"

namespace recharge {

// The lines for one object: names without those of the envelope (code, msg), values; null shows as "-".
std::string describe_object(std::string_view object);
// A table of the named columns over the objects of a JSON array; "(none)" where it is empty.
std::string describe_list(std::string_view array, const std::vector<std::string>& columns);
// "msg (error)" of an error reply, or its status where the body is not JSON.
std::string describe_error(const HttpReply& reply);

// Prints the reply, by `show` where it is a success, and returns the exit code it means.
ExitCode print_reply(const Tool& tool, const ToolResult<HttpReply>& reply,
                     const std::function<std::string(const std::string& body)>& show);

}  // namespace recharge
