#include "core/vector_registers.h"

namespace recharge {

void clear_vector_registers() noexcept {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx")) return;
  asm volatile("vzeroall" ::
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                     "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  if (!__builtin_cpu_supports("avx512f")) return;
  // The C library copies by these too, and code that is not compiled for AVX-512 holds nothing in them.
  asm volatile(
      ".irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "vpxorq %zmm\\n,%zmm\\n,%zmm\\n\n"
      ".endr");
#endif
}

}  // namespace recharge
