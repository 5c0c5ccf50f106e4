// Purpose: writes lines of CSV. Source: RFC 4180. Lifetime: values.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace recharge {

// Without the line's end. Cells that hold a comma, quote or line end are quoted.
std::string csv_line(std::initializer_list<std::string_view> cells);

}  // namespace recharge
