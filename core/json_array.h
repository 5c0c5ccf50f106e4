// Purpose: the objects of a JSON array that was read as a nested member, and so is valid. Lifetime: views of
// the text. Errors: none; what is no object is left out.
#pragma once

#include <string_view>
#include <vector>

namespace recharge {

std::vector<std::string_view> json_array_objects(std::string_view array);

}  // namespace recharge
