// SPDX-License-Identifier: BSD-2-Clause
// A ChaCha20 generator per CPU, seeded from the hardware when the CPU first asks and again every mebibyte. It fills a
// pool of some hundred bytes at a time, whose first part at once becomes the next key; what is handed out is erased
// from the pool. So a later look into kernel memory does not reveal what was handed out before. Source: Bernstein,
// "Fast-key-erasure random-number generators" (2017). No lock: interrupts are off while a CPU works on its own state.
#include "base/random.h"

#include <algorithm>
#include <atomic>
#include <cstring>

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
  void produce(std::span<std::byte> into) {
    while (!into.empty()) {
      if (left_ == 0) refill();
      const std::span<std::byte> fresh = std::as_writable_bytes(std::span(pool_)).last(left_);
      const size_t size = std::min(into.size(), fresh.size());
      std::memcpy(into.data(), fresh.data(), size);
      std::memset(fresh.data(), 0, size);
      left_ -= size;
      into = into.subspan(size);
    }
  }

 private:
  static constexpr size_t kBlocks = 8;

  void refill() {
    if (until_reseed_ < sizeof pool_) seed();
    until_reseed_ -= sizeof pool_;
    ChaChaState state = chacha20_state(key_, {0, 0, 0, 0});
    for (ChaChaState& block : pool_) {
      block = chacha20_block(state);
      state[12]++;
    }
    std::copy_n(pool_[0].begin(), key_.size(), key_.begin());   // the next key; never handed out
    std::fill_n(pool_[0].begin(), key_.size(), 0);
    left_ = sizeof pool_ - sizeof key_;
  }

  void seed() {
    for (unsigned i = 0; i < key_.size(); i += 2) {
      const uint64_t fresh = machine::hardware_random() ^ stirred.load(std::memory_order_relaxed);
      key_[i] ^= static_cast<uint32_t>(fresh);
      key_[i + 1] ^= static_cast<uint32_t>(fresh >> 32);
    }
    until_reseed_ = kReseedBytes;
  }

  std::array<uint32_t, 8> key_{};
  std::array<ChaChaState, kBlocks> pool_{};
  size_t left_ = 0;                     // bytes at the end of the pool that nobody has had
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
  uint64_t word;
  random_bytes(std::as_writable_bytes(std::span(&word, 1)));
  return word;
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
