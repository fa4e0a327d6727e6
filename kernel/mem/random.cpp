// SPDX-License-Identifier: BSD-2-Clause
// A ChaCha20 generator per CPU, seeded from the hardware when the CPU first asks and again every mebibyte. After each
// request the key is replaced by fresh output, so that a later look into kernel memory does not reveal what was handed
// out before. Source: Bernstein, "Fast-key-erasure random-number generators" (2017). No lock: interrupts are off while
// a CPU works on its own state.
#include "base/random.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/chacha20.h"
#include "machine/cpu.h"

namespace tine {
namespace {

constexpr size_t kReseedBytes = size_t{1} << 20;
constexpr size_t kBatchBytes = 4096;   // how much one section with interrupts off produces

// What programs have stirred in; every seeding mixes it.
constinit std::atomic<uint64_t> stirred{0};

class Generator {
 public:
  // At most kBatchBytes.
  void produce(std::span<std::byte> into) {
    if (until_reseed_ < into.size()) seed();
    until_reseed_ -= into.size();
    ChaChaState state = chacha20_state(key_, {0, 0, 0, 0});
    const ChaChaState first = chacha20_block(state);
    std::copy_n(first.begin(), key_.size(), key_.begin());     // the next key; never handed out
    while (!into.empty()) {
      state[12]++;
      const ChaChaState block = chacha20_block(state);
      const size_t size = std::min(into.size(), sizeof(block));
      std::memcpy(into.data(), block.data(), size);
      into = into.subspan(size);
    }
  }

  uint64_t produce_word() {
    if (words_left_ == 0) {
      produce(std::as_writable_bytes(std::span(words_)));
      words_left_ = words_.size();
    }
    return std::exchange(words_[--words_left_], 0);
  }

 private:
  void seed() {
    for (unsigned i = 0; i < key_.size(); i += 2) {
      const uint64_t fresh = machine::hardware_random() ^ stirred.load(std::memory_order_relaxed);
      key_[i] ^= static_cast<uint32_t>(fresh);
      key_[i + 1] ^= static_cast<uint32_t>(fresh >> 32);
    }
    until_reseed_ = kReseedBytes;
  }

  std::array<uint32_t, 8> key_{};
  std::array<uint64_t, 16> words_{};    // drawn in advance for random_u64
  size_t words_left_ = 0;
  size_t until_reseed_ = 0;
};

struct alignas(machine::kCacheLine) PerCpu {
  Generator generator;
};
constinit PerCpu generators[machine::kMaxCpus]{};

}  // namespace

void random_bytes(std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t size = std::min(into.size(), kBatchBytes);
    machine::InterruptGuard guard;
    generators[machine::cpu_id()].generator.produce(into.first(size));
    into = into.subspan(size);
  }
}

uint64_t random_u64() {
  machine::InterruptGuard guard;
  return generators[machine::cpu_id()].generator.produce_word();
}

// Lemire's method: the high half of a 128-bit product is uniform once the few biased low halves are refused.
uint64_t random_below(uint64_t bound) {
  const uint64_t biased = -bound % bound;
  while (true) {
    const auto product = static_cast<unsigned __int128>(random_u64()) * bound;
    if (static_cast<uint64_t>(product) >= biased) return static_cast<uint64_t>(product >> 64);
  }
}

void add_entropy(std::span<const std::byte> bytes) {
  uint64_t mixed = machine::cycle_counter();
  for (const std::byte byte : bytes) mixed = (std::rotl(mixed, 9) ^ static_cast<uint64_t>(byte)) * 0x9e3779b97f4a7c15;
  stirred.fetch_xor(mixed, std::memory_order_relaxed);
}

}  // namespace tine
