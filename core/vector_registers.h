// Purpose: no part of a secret stays in the CPU's vector registers, where memcpy() leaves what it copied: a
// thread that is made then inherits them, and the dynamic linker's binding of a function, or a signal, writes
// them to the stack. Owner thread: any; clears those of the caller. A CPU other than x86-64 with AVX is left
// as it is.
#pragma once

namespace recharge {

// After the last copy of a secret: by Secret itself, and by whoever gives one to a library that copies it.
void clear_vector_registers() noexcept;

}  // namespace recharge
