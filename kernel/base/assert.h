// SPDX-License-Identifier: BSD-2-Clause
// Invariants. A broken one is a bug in the kernel and panics; bad input from a program must never reach one.
#pragma once

namespace tine {

// Prints the message with the caller's registers and backtrace and stops the machine. printf-style.
[[noreturn]] [[gnu::format(printf, 1, 2)]] void panic(const char* format, ...);

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace tine

#define ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::tine::assertion_failed(#expression, __FILE__, __LINE__))

// For checks too slow for a release kernel (walking a list, counting references).
#if TINE_DEBUG
#define DEBUG_ASSERT(expression) ASSERT(expression)
#else
#define DEBUG_ASSERT(expression) static_cast<void>(sizeof(!(expression)))
#endif
