// SPDX-License-Identifier: BSD-2-Clause
// The ChaCha20 block function: 64 bytes of key stream from a key, a counter and a nonce. Pure arithmetic, so it also
// runs on the host, where it is tested against the RFC's vectors. Source: RFC 8439, section 2.3.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace tine {

// Constants, key (8 words), counter and nonce (4 words), in the layout of the RFC.
using ChaChaState = std::array<uint32_t, 16>;

constexpr ChaChaState chacha20_state(const std::array<uint32_t, 8>& key, const std::array<uint32_t, 4>& counter_and_nonce) {
  ChaChaState state{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"
  for (unsigned i = 0; i < 8; i++) state[4 + i] = key[i];
  for (unsigned i = 0; i < 4; i++) state[12 + i] = counter_and_nonce[i];
  return state;
}

constexpr void chacha20_quarter_round(ChaChaState& x, unsigned a, unsigned b, unsigned c, unsigned d) {
  x[a] += x[b], x[d] = std::rotl(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = std::rotl(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = std::rotl(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = std::rotl(x[b] ^ x[c], 7);
}

// The block for `state`; the caller counts state[12] on.
constexpr ChaChaState chacha20_block(const ChaChaState& state) {
  ChaChaState x = state;
  for (unsigned i = 0; i < 10; i++) {
    for (unsigned column = 0; column < 4; column++)
      chacha20_quarter_round(x, column, 4 + column, 8 + column, 12 + column);
    for (unsigned column = 0; column < 4; column++)
      chacha20_quarter_round(x, column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4);
  }
  for (unsigned i = 0; i < 16; i++) x[i] += state[i];
  return x;
}

}  // namespace tine
