// SPDX-License-Identifier: BSD-2-Clause
// What the kernel's base layer needs of its surroundings, on the host: messages go to standard error, a broken
// invariant ends the test program.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/assert.h"
#include "base/log.h"
#include "mem/buffer.h"
#include "random_on_host.h"

namespace tine {

void panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fputs("panic: ", stderr);
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
  va_end(arguments);
  std::abort();
}

void assertion_failed(const char* expression, const char* file, int line) {
  panic("%s:%d: assertion failed: %s", file, line, expression);
}

void log(LogLevel, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
  va_end(arguments);
}

static std::mt19937_64 generator;
void seed_random(uint64_t seed) { generator.seed(seed); }
uint64_t random_u64() { return generator(); }
uint64_t random_below(uint64_t bound) { return std::uniform_int_distribution<uint64_t>(0, bound - 1)(generator); }

void* mem::allocate_bytes(size_t size) { return std::malloc(size); }
void mem::free_bytes(void* memory, size_t) { std::free(memory); }

}  // namespace tine
