// SPDX-License-Identifier: BSD-2-Clause
// Random numbers that repeat when their seed does (xorshift64), for tests that print the seed.
#pragma once

#include <stdint.h>
#include <stdlib.h>

#include "check.h"

namespace check {

class Random {
 public:
  explicit Random(uint64_t seed) : state_((seed + 1) * 0x9e3779b97f4a7c15) {
    if (state_ == 0) state_ = 1;
  }
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  uint64_t below(uint64_t limit) { return (next() >> 11) % limit; }
  bool one_in(uint64_t odds) { return below(odds) == 0; }

  template <class T, size_t kSize>
  T of(const T (&choices)[kSize]) {
    return choices[below(kSize)];
  }

 private:
  uint64_t state_;
};

// A parameter of a test from the environment.
inline uint64_t parameter(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text ? strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace check
