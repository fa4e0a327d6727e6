// SPDX-License-Identifier: BSD-2-Clause
// What compiled C++ expects from a runtime library that the kernel does not have. Each is the end of a bug.
#include "base/assert.h"

extern "C" void __cxa_pure_virtual() { tine::panic("pure virtual function called"); }

#if TINE_DEBUG
// Boost's containers check themselves in debug kernels.
namespace boost {
void assertion_failed(const char* expression, const char*, const char* file, long line) {
  tine::assertion_failed(expression, file, static_cast<int>(line));
}
void assertion_failed_msg(const char* expression, const char*, const char*, const char* file, long line) {
  tine::assertion_failed(expression, file, static_cast<int>(line));
}
}  // namespace boost
#endif

namespace std {

// libstdc++'s headers call these where a hosted program would throw.
[[noreturn]] void __throw_out_of_range_fmt(const char* format, ...) {
  tine::panic("out of range: %s", format);
}
[[noreturn]] void __throw_length_error(const char* what) { tine::panic("length error: %s", what); }
[[noreturn]] void __throw_logic_error(const char* what) { tine::panic("logic error: %s", what); }
[[noreturn]] void __throw_bad_optional_access() { tine::panic("empty optional accessed"); }

}  // namespace std
