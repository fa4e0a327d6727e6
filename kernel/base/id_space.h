// SPDX-License-Identifier: BSD-2-Clause
// IdSpace: which of the numbers [first, last] are taken. Free numbers can be chosen uniformly at random or in order; the
// cost of either depends on the size of the range (its logarithm to the base 64), never on how full it is.
// A bitmap with a count of free numbers for each 4096 and each 262144. Not locked. Seed rows P2, P3, P8, P9.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/assert.h"

namespace tine {

// `Cell<T>` stands for a T in the maps; the unit tests have one that counts how often it is looked at.
template <template <class> class Cell>
class BasicIdSpace {
 public:
  static constexpr uint32_t kMaxLast = (1u << 24) - 1;

  constexpr BasicIdSpace() = default;

  // How many bytes of zeroed memory a space up to `last` needs.
  static constexpr size_t storage_bytes(uint32_t last) {
    return word_count(last) * sizeof(uint64_t) + block_count(last) * sizeof(uint32_t) + kRegions * sizeof(uint32_t);
  }

  // `storage` is zeroed, 8-byte aligned and outlives the space.
  BasicIdSpace(uint32_t first, uint32_t last, std::span<std::byte> storage) : first_(first), last_(last) {
    ASSERT(first <= last && last <= kMaxLast && storage.size() >= storage_bytes(last));
    words_ = reinterpret_cast<Cell<uint64_t>*>(storage.data());
    block_free_ = reinterpret_cast<Cell<uint32_t>*>(words_ + word_count(last));
    region_free_ = block_free_ + block_count(last);
    // All free, by blocks; then the numbers outside the range are taken out one by one (less than a block at each end
    // but for a `first` far from 0, which nobody has).
    for (uint32_t block = 0; block < block_count(last); ++block) {
      block_free_[block] = kBlock;
      region_free_[block / 64] += kBlock;
      free_ += kBlock;
    }
    for (uint32_t id = 0; id < first; ++id) take(id);
    for (uint32_t id = last + 1; id < block_count(last) * kBlock; ++id) take(id);
  }

  uint32_t first() const { return first_; }
  uint32_t last() const { return last_; }
  uint32_t free_count() const { return free_; }
  bool is_taken(uint32_t id) const { return words_[id / 64] >> (id % 64) & 1; }

  void take(uint32_t id) {
    DEBUG_ASSERT(!is_taken(id));
    words_[id / 64] |= uint64_t{1} << (id % 64);
    --block_free_[id / kBlock];
    --region_free_[id / kRegion];
    --free_;
  }

  void put_back(uint32_t id) {
    DEBUG_ASSERT(is_taken(id) && id >= first_ && id <= last_);
    words_[id / 64] &= ~(uint64_t{1} << (id % 64));
    ++block_free_[id / kBlock];
    ++region_free_[id / kRegion];
    ++free_;
  }

  // The rank-th free number in ascending order, rank < free_count(). With a uniform rank: uniform among the free.
  uint32_t select_free(uint32_t rank) const {
    DEBUG_ASSERT(rank < free_);
    uint32_t region = 0;
    while (rank >= region_free_[region]) rank -= region_free_[region++];
    uint32_t block = region * (kRegion / kBlock);
    while (rank >= block_free_[block]) rank -= block_free_[block++];
    uint32_t word = block * (kBlock / 64);
    for (uint32_t here; rank >= (here = static_cast<uint32_t>(std::popcount(~words_[word]))); ++word) rank -= here;
    uint64_t free_bits = ~words_[word];
    while (rank-- != 0) free_bits &= free_bits - 1;
    return word * 64 + static_cast<uint32_t>(std::countr_zero(free_bits));
  }

  // The lowest free number at or above `from`; nothing when there is none up to last().
  std::optional<uint32_t> next_free(uint32_t from) const {
    from = std::max(from, first_);
    if (from > last_) return std::nullopt;
    if (const uint64_t rest = ~words_[from / 64] & (~uint64_t{0} << (from % 64)))
      return from / 64 * 64 + static_cast<uint32_t>(std::countr_zero(rest));
    uint32_t word = from / 64 + 1;
    for (; word % (kBlock / 64) != 0 && word < word_count(last_); ++word)
      if (const uint64_t rest = ~words_[word]) return word * 64 + static_cast<uint32_t>(std::countr_zero(rest));
    if (word >= word_count(last_)) return std::nullopt;
    return first_free_from_block(word / (kBlock / 64));
  }

  // The lowest taken number at or above `from`, up to last().
  std::optional<uint32_t> next_taken(uint32_t from) const {
    for (from = std::max(from, first_); from <= last_;) {
      if (from % kBlock == 0 && block_free_[from / kBlock] == kBlock) {
        from += kBlock;
        continue;
      }
      if (const uint64_t rest = words_[from / 64] & (~uint64_t{0} << (from % 64))) {
        const uint32_t id = from / 64 * 64 + static_cast<uint32_t>(std::countr_zero(rest));
        return id <= last_ ? std::optional(id) : std::nullopt;
      }
      from = (from / 64 + 1) * 64;
    }
    return std::nullopt;
  }

 private:
  static constexpr uint32_t kBlock = 64 * 64;
  static constexpr uint32_t kRegion = kBlock * 64;
  static constexpr uint32_t kRegions = (kMaxLast + 1) / kRegion;
  static constexpr uint32_t word_count(uint32_t last) { return block_count(last) * (kBlock / 64); }
  static constexpr uint32_t block_count(uint32_t last) { return last / kBlock + 1; }

  std::optional<uint32_t> first_free_from_block(uint32_t block) const {
    const uint32_t blocks = block_count(last_);
    for (; block % 64 != 0 && block < blocks; ++block)
      if (block_free_[block] != 0) return first_free_in_block(block);
    if (block >= blocks) return std::nullopt;
    for (uint32_t region = block / 64; region < kRegions && region * 64 < blocks; ++region) {
      if (region_free_[region] == 0) continue;
      for (block = region * 64; block_free_[block] == 0;) ++block;
      return first_free_in_block(block);
    }
    return std::nullopt;
  }
  uint32_t first_free_in_block(uint32_t block) const {
    uint32_t word = block * (kBlock / 64);
    while (~words_[word] == 0) ++word;
    return word * 64 + static_cast<uint32_t>(std::countr_zero(~words_[word]));
  }

  uint32_t first_ = 1, last_ = 0;
  uint32_t free_ = 0;
  Cell<uint64_t>* words_ = nullptr;         // bit set: taken, or outside [first, last]
  Cell<uint32_t>* block_free_ = nullptr;    // free numbers in each 4096
  Cell<uint32_t>* region_free_ = nullptr;   // free numbers in each 262144
};

template <class T>
using PlainCell = T;
using IdSpace = BasicIdSpace<PlainCell>;

}  // namespace tine
