// SPDX-License-Identifier: BSD-2-Clause
// The ChaCha20 block function against the vector of RFC 8439, section 2.3.2.
#include "base/chacha20.h"

#include <gtest/gtest.h>

namespace tine {
namespace {

TEST(ChaCha20, ProducesTheBlockOfTheRfc) {
  std::array<uint32_t, 8> key;
  for (uint32_t i = 0; i < 8; i++) key[i] = 0x03020100 + i * 0x04040404;
  const ChaChaState block = chacha20_block(chacha20_state(key, {1, 0x09000000, 0x4a000000, 0}));
  const ChaChaState expected{0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
                             0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2};
  EXPECT_EQ(block, expected);
}

}  // namespace
}  // namespace tine
