#include "server/openapi.h"

// The assembler takes the file in; RECHARGE_OPENAPI_FILE is its path, given by the build.
__asm__(
    ".section .rodata\n"
    ".global recharge_openapi_begin\n"
    "recharge_openapi_begin:\n"
    ".incbin \"" RECHARGE_OPENAPI_FILE
    "\"\n"
    ".global recharge_openapi_end\n"
    "recharge_openapi_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char recharge_openapi_begin[];
extern const char recharge_openapi_end[];
}

namespace recharge {

std::string_view openapi_document() noexcept {
  return {recharge_openapi_begin, static_cast<std::size_t>(recharge_openapi_end - recharge_openapi_begin)};
}

}  // namespace recharge
