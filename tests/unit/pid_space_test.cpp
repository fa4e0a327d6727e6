// SPDX-License-Identifier: BSD-2-Clause
// The choice of process ids: uniform, in order, never one in use, exact when nearly all are taken, and at a cost that does
// not depend on how many are. Seed rows P1-P4, P6-P9, P11, R11.
#include "process/pid_space.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "random_on_host.h"

namespace {

using tine::BasicIdSpace;
using tine::IdSpace;
using tine::process::PidMode;

constexpr uint32_t kPidMax = 99999, kLargestPidMax = 4194304;

// A value that counts how often it is read or written.
uint64_t touches = 0;
template <class T>
class Counting {
 public:
  operator T() const { return ++touches, value_; }
  Counting& operator=(T value) { return ++touches, value_ = value, *this; }
  Counting& operator|=(T bits) { return *this = value_ | bits; }
  Counting& operator&=(T bits) { return *this = value_ & bits; }
  Counting& operator+=(T more) { return *this = value_ + more; }
  Counting& operator++() { return *this = value_ + 1; }
  Counting& operator--() { return *this = value_ - 1; }

 private:
  T value_;
};
using CountingIdSpace = BasicIdSpace<Counting>;

template <class Ids>
struct Fixture {
  explicit Fixture(uint32_t pid_max, PidMode mode = PidMode::Random)
      : storage(Ids::storage_bytes(pid_max) / 8 + 1),
        space(Ids(1, pid_max, std::as_writable_bytes(std::span(storage)))) {
    space.mode = mode;
  }
  uint32_t allocate() {
    const uint32_t number = space.choose();
    if (number == 0) return 0;
    space.take(number);
    space.use(number);
    return number;
  }
  // Takes all but `free` numbers above 1, chosen at random.
  void fill(uint32_t free, std::mt19937& random) {
    allocate();   // 1
    std::vector<uint32_t> numbers;
    for (uint32_t number = 2; number <= space.last(); ++number) numbers.push_back(number);
    std::shuffle(numbers.begin(), numbers.end(), random);
    numbers.resize(numbers.size() - free);
    for (uint32_t number : numbers) space.take(number);
  }
  std::vector<uint64_t> storage;
  tine::process::PidSpace<Ids> space;
};
using Space = Fixture<IdSpace>;
using CountingSpace = Fixture<CountingIdSpace>;

// How often `draw` gives each number, compared with an equal chance for all `degrees + 1`. The bound is passed by one run in
// a thousand (Wilson and Hilferty); the numbers are the same in every run.
bool looks_uniform(double chi_square, double degrees) {
  return chi_square < degrees * std::pow(1 - 2 / (9 * degrees) + 3.09 * std::sqrt(2 / (9 * degrees)), 3);
}

TEST(PidSpace, P1_FirstIsOne) {
  for (const PidMode mode : {PidMode::Random, PidMode::Sequential}) {
    Space pids(kPidMax, mode);
    // What was made beside the order before does not change that.
    for (uint32_t high = 10; high < 14; ++high) {
      ASSERT_EQ(pids.space.choose_high(), high);
      pids.space.take(high);
    }
    EXPECT_EQ(pids.allocate(), 1u);
  }
}

TEST(PidSpace, P2_ChoiceIsUniformAtAnyOccupancy) {
  tine::seed_random(2);
  for (const double occupancy : {0.0, 0.5, 0.9, 0.99, 0.999}) {
    constexpr uint32_t kMax = 20'000;
    std::mt19937 random(7);
    Space pids(kMax);
    pids.fill(static_cast<uint32_t>(kMax * (1 - occupancy)) - (occupancy == 0), random);
    const uint32_t free = pids.space.ids().free_count();
    std::map<uint32_t, int> hits;
    constexpr int kEach = 50;
    for (uint32_t i = 0; i < free * kEach; ++i) ++hits[pids.space.choose()];
    double chi_square = 0;
    for (uint32_t number = 2; number <= kMax; ++number) {
      if (pids.space.ids().is_taken(number)) {
        ASSERT_FALSE(hits.contains(number));
      } else {
        chi_square += std::pow(hits[number] - kEach, 2) / kEach;
      }
    }
    EXPECT_TRUE(looks_uniform(chi_square, free - 1)) << "occupancy " << occupancy << ": " << chi_square << " of " << free;
  }
}

TEST(PidSpace, P3_OrderStartsAgainAtOneHundred) {
  Space pids(1000, PidMode::Sequential);
  for (uint32_t expected = 1; expected < 1000; ++expected) {
    ASSERT_EQ(pids.allocate(), expected);
    if (expected > 5) pids.space.give_back(expected);
  }
  EXPECT_EQ(pids.allocate(), 100u);
  EXPECT_EQ(pids.allocate(), 101u);
}

TEST(PidSpace, P3_NumbersInUseArePassedOver) {
  Space pids(1000, PidMode::Sequential);
  for (uint32_t number : {3u, 4u, 7u, 998u, 999u, 100u}) pids.space.take(number);
  std::vector<uint32_t> seen;
  for (int i = 0; i < 995; ++i) seen.push_back(pids.allocate());
  EXPECT_EQ((std::vector<uint32_t>(seen.begin(), seen.begin() + 6)), (std::vector<uint32_t>{1, 2, 5, 6, 8, 9}));
  // All others, in order; at the very end the largest, for nothing else is left.
  EXPECT_EQ(std::set<uint32_t>(seen.begin(), seen.end() - 1).size(), 994u - 1 + (seen[993] != 0));
  EXPECT_EQ(seen[993], 1000u);
  EXPECT_EQ(seen[994], 0u);
}

TEST(PidSpace, P4_StepsAreClampedAndUniform) {
  Space pids(kPidMax, PidMode::Sequential);
  const int64_t most = kPidMax - 100;
  const std::pair<int64_t, int64_t> cases[] = {{-1, most}, {INT32_MIN, most}, {0, 0},     {1, 0},       {2, 100},
                                               {99, 100},  {100, 100},        {101, 101}, {most, most}, {most + 1, most}};
  for (const auto [written, read] : cases) {
    pids.space.set_random_step(written);
    EXPECT_EQ(pids.space.random_step(), read) << written;
  }
  tine::seed_random(4);
  pids.space.set_random_step(100);
  std::vector<int> hits(100);
  pids.allocate();
  for (int i = 0; i < 100 * 50; ++i) {
    const uint32_t last = pids.space.last_used(), number = pids.space.choose();
    if (last + 100 < kPidMax) ++hits.at(number - last - 1);
    pids.space.use(number);
  }
  double chi_square = 0, draws = 0;
  for (int each : hits) draws += each;
  for (int each : hits) chi_square += std::pow(each - draws / 100, 2) / (draws / 100);
  EXPECT_TRUE(looks_uniform(chi_square, 99)) << chi_square;
}

TEST(PidSpace, R11_HighPidsLeaveTheLastPidAlone) {
  Space pids(kPidMax, PidMode::Sequential);
  EXPECT_EQ(pids.allocate(), 1u);
  EXPECT_EQ(pids.space.choose_high(), 10u);
  pids.space.take(10);
  EXPECT_EQ(pids.space.last_used(), 1u);
  EXPECT_EQ(pids.allocate(), 2u);
}

// Pids, groups and sessions hold a number each; it is free when none of them does. Against a plain model.
TEST(PidSpace, P6_NeverOneInUse) {
  for (const PidMode mode : {PidMode::Random, PidMode::Sequential}) {
    for (const uint32_t pid_max : {300u, 5000u}) {
      Space pids(pid_max, mode);
      std::map<uint32_t, int> holders;          // process, group, session; the first process stays
      std::deque<uint32_t> quarantine;
      std::mt19937 random(pid_max);
      const auto shorten = [&] {
        while (quarantine.size() > 128 && quarantine.size() > pid_max - holders.size() - quarantine.size()) quarantine.pop_front();
      };
      const auto let_go = [&](uint32_t number) {
        if (--holders[number] != 0) return;
        holders.erase(number);
        pids.space.release(number);
        quarantine.push_back(number);
        shorten();
      };
      for (int step = 0; step < 100'000; ++step) {
        const bool fills = step / 10'000 % 2 == 0;
        if (holders.size() < 2 || random() % 100 < (fills ? 60u : 40u)) {
          const uint32_t number = pids.allocate();
          if (number == 0) {
            ASSERT_EQ(holders.size() + quarantine.size(), pid_max);
            continue;
          }
          ASSERT_FALSE(holders.contains(number)) << "in use";
          ASSERT_EQ(std::ranges::count(quarantine, number), 0) << "just freed";
          ASSERT_TRUE(number >= 1 && number <= pid_max);
          // It stays a process's alone, or leads a group, or a session too.
          holders[number] = 1 + static_cast<int>(random() % 3);
          shorten();
        } else {
          const auto some = holders.lower_bound(2 + static_cast<uint32_t>(random()) % pid_max);
          let_go(some == holders.end() ? std::next(holders.begin())->first : some->first);
        }
        ASSERT_EQ(pids.space.ids().free_count(), pid_max - holders.size() - quarantine.size());
      }
    }
  }
}

TEST(PidSpace, P7_FreedNumberComesAgainAfter128Others) {
  for (const PidMode mode : {PidMode::Random, PidMode::Sequential}) {
    Space pids(200, mode);
    while (pids.allocate() != 0) {
    }
    pids.space.release(150);
    for (uint32_t other = 2; other < 129; ++other) {   // 127 of them
      pids.space.release(other);
      ASSERT_EQ(pids.allocate(), 0u) << other;
    }
    pids.space.release(129);
    EXPECT_EQ(pids.allocate(), 150u);
    EXPECT_EQ(pids.allocate(), 0u);
  }
}

// While there is room, for long: as many wait as are free, up to a bound.
TEST(PidSpace, P7_FreedNumberRestsWhileOthersAreFree) {
  for (const auto [pid_max, rest] : {std::pair{1000u, 499}, {kPidMax, 16'383}}) {
    Space pids(pid_max, PidMode::Sequential);
    std::vector<int> freed_at(pid_max + 1, -100'000);
    pids.allocate();
    for (int i = 0; i < 100'000; ++i) {
      const uint32_t number = pids.allocate();
      ASSERT_GT(i - freed_at.at(number), rest);
      pids.space.release(number);
      freed_at.at(number) = i;
    }
    EXPECT_EQ(pids.space.ids().free_count(), pid_max - 1 - static_cast<uint32_t>(rest));
  }
}

TEST(PidSpace, P7_WhatWasNeverUsedIsFreeAtOnce) {
  Space pids(kPidMax, PidMode::Sequential);
  pids.allocate();
  const uint32_t number = pids.space.choose();
  pids.space.take(number);
  pids.space.give_back(number);
  EXPECT_EQ(pids.space.choose(), number);
  EXPECT_EQ(pids.space.last_used(), 1u);
}

TEST(PidSpace, P8_LastFreeNumberIsFoundAndThenNone) {
  for (const PidMode mode : {PidMode::Random, PidMode::Sequential}) {
    for (const uint32_t pid_max : {kPidMax, kLargestPidMax}) {
      for (const uint32_t free : {2u, 99u, 54321u, pid_max - 1, pid_max}) {
        Space pids(pid_max, mode);
        pids.allocate();
        for (uint32_t number = 2; number <= pid_max; ++number)
          if (number != free) pids.space.take(number);
        pids.space.use(60'000);
        EXPECT_EQ(pids.allocate(), free);
        EXPECT_EQ(pids.allocate(), 0u);
      }
    }
  }
}

// The number of looks at the maps has a bound that holds at any occupancy: a few tries, then one way down three levels of 64.
TEST(PidSpace, P9_StepsDoNotGrowWithOccupancy) {
  constexpr uint64_t kMost = 4 + 5 * 64;
  for (const uint32_t pid_max : {kPidMax, kLargestPidMax}) {
    for (const PidMode mode : {PidMode::Random, PidMode::Sequential}) {
      for (const double occupancy : {0.0, 0.5, 0.99, 0.9999}) {
        std::mt19937 random(9);
        CountingSpace pids(pid_max, mode);
        const auto free = static_cast<uint32_t>(pid_max * (1 - occupancy));
        pids.fill(std::min(free, pid_max - 2), random);
        uint64_t most = 0;
        for (int i = 0; i < 2000; ++i) {
          // The order begins anywhere, also just below long stretches that are taken.
          pids.space.use(2 + static_cast<uint32_t>(random()) % (pid_max - 2));
          touches = 0;
          ASSERT_NE(pids.space.choose(), 0u);
          most = std::max(most, touches);
        }
        EXPECT_LE(most, kMost) << "up to " << pid_max << ", " << occupancy << " taken, mode " << static_cast<int>(mode);
      }
    }
  }
}

TEST(PidSpace, P11_SpacesOfAllSizes) {
  for (const uint32_t pid_max : {300u, 4095u, 4096u, kPidMax, 262144u, kLargestPidMax}) {
    Space pids(pid_max);
    EXPECT_EQ(pids.space.ids().free_count(), pid_max);
    EXPECT_EQ(pids.allocate(), 1u);
    uint32_t largest = 0;
    for (int i = 0; i < 200; ++i) largest = std::max(largest, pids.allocate());
    EXPECT_LE(largest, pid_max);
    EXPECT_GT(largest, pid_max / 2);
  }
}

}  // namespace
