// SPDX-License-Identifier: BSD-2-Clause
// MP tables: what a sound one says is taken; whatever the bytes, nothing outside the memory is read, and a table that is
// wrong changes nothing.
#include "machine/x86_64/mp_table.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "base/units.h"

namespace tine::machine {
namespace {

std::vector<uint8_t> memory;

std::span<const uint8_t> read(PhysAddr address, size_t size) {
  if (address > memory.size() || size > memory.size() - address) return {};
  return std::span<const uint8_t>(memory).subspan(address, size);
}

void put(size_t at, std::vector<uint8_t> bytes) { std::copy(bytes.begin(), bytes.end(), memory.begin() + static_cast<long>(at)); }

void set_sum(size_t start, size_t size, size_t sum_at) {
  memory[sum_at] = 0;
  uint8_t sum = 0;
  for (size_t i = 0; i < size; i++) sum = static_cast<uint8_t>(sum + memory[start + i]);
  memory[sum_at] = static_cast<uint8_t>(-sum);
}

constexpr size_t kPointer = 0xf'0010, kTable = 0xf'0100;

class MpTable : public testing::Test {
 protected:
  void SetUp() override {
    memory.assign(1_MiB, 0);
    put(kPointer, {'_', 'M', 'P', '_', 0x00, 0x01, 0x0f, 0x00, 1, 4});
    entries = {};
    count = 0;
    add({0, 0, 0x14, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});   // the boot CPU
    add({0, 4, 0x14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    add({0, 6, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});   // not enabled
    add({1, 0, 'P', 'C', 'I', ' ', ' ', ' '});
    add({1, 1, 'I', 'S', 'A', ' ', ' ', ' '});
    add({2, 8, 0x11, 1, 0x00, 0x10, 0xc0, 0xfe});
    add({3, 0, 0, 0, 1, 0, 8, 2});       // line 0 to input 2
    add({3, 0, 0x0f, 0, 1, 9, 8, 20});   // line 9 to input 20, active low, level
    add({3, 0, 0, 0, 0, 4, 8, 23});      // of the other bus
    add({3, 3, 0, 0, 1, 3, 8, 22});      // the legacy controller's own
    add({4, 3, 0, 0, 1, 0, 0xff, 0});
  }

  void add(std::vector<uint8_t> entry) {
    entries.insert(entries.end(), entry.begin(), entry.end());
    count++;
  }

  void write() {
    const size_t size = 44 + entries.size();
    put(kTable, {'P', 'C', 'M', 'P', static_cast<uint8_t>(size), static_cast<uint8_t>(size >> 8), 4});
    put(kTable + 34, {static_cast<uint8_t>(count), static_cast<uint8_t>(count >> 8), 0, 0, 0xe0, 0xfe});
    put(kTable + 44, entries);
    set_sum(kTable, size, kTable + 7);
    set_sum(kPointer, 16, kPointer + 10);
  }

  std::vector<uint8_t> entries;
  size_t count = 0;
  AcpiInfo info;
};

TEST_F(MpTable, TellsOfCpusAndRoutes) {
  write();
  ASSERT_TRUE(read_mp_table(read, info));
  EXPECT_EQ(info.cpu_count, 2u);
  EXPECT_EQ(info.apic_ids[0], 0u);
  EXPECT_EQ(info.apic_ids[1], 4u);
  EXPECT_EQ(info.local_apic, 0xfee0'0000u);
  EXPECT_EQ(info.io_apic, 0xfec0'1000u);
  EXPECT_EQ(info.isa[0].line, 2u);
  EXPECT_FALSE(info.isa[0].active_low);
  EXPECT_EQ(info.isa[9].line, 20u);
  EXPECT_TRUE(info.isa[9].active_low);
  EXPECT_TRUE(info.isa[9].level_triggered);
  EXPECT_NE(info.isa[4].line, 23u);
  EXPECT_NE(info.isa[3].line, 22u);
}

TEST_F(MpTable, IsFoundInTheExtendedBiosDataArea) {
  write();
  memcpy(&memory[0x9'f800], &memory[kPointer], 16);
  memset(&memory[kPointer], 0, 16);
  EXPECT_FALSE(read_mp_table(read, info));
  put(0x40e, {0x80, 0x9f});
  EXPECT_TRUE(read_mp_table(read, info));
}

// As qboot writes it, the firmware of QEMU's microvm without ACPI.
TEST_F(MpTable, NeedsNoCountOfEntries) {
  count = 0;
  write();
  ASSERT_TRUE(read_mp_table(read, info));
  EXPECT_EQ(info.cpu_count, 2u);
}

TEST_F(MpTable, CountsCpusBeyondTheMost) {
  for (uint8_t id = 10; id < 40; id++) add({0, id, 0x14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  write();
  ASSERT_TRUE(read_mp_table(read, info));
  EXPECT_EQ(info.cpu_count, 32u);
}

TEST_F(MpTable, IsNotUsedIfAnyByteIsWrong) {
  write();
  const size_t size = 44 + entries.size();
  const auto refuses = [&](size_t at) {
    memory[at] ^= 0x40;
    EXPECT_FALSE(read_mp_table(read, info)) << at;
    memory[at] ^= 0x40;
  };
  for (size_t at = 0; at < 16; at++) refuses(kPointer + at);
  for (size_t at = 0; at < size; at++) refuses(kTable + at);
  EXPECT_EQ(info.cpu_count, 0u);
}

TEST_F(MpTable, RefusesCutOffAndUnknownEntries) {
  add({4, 3, 0, 0, 1});
  write();
  EXPECT_FALSE(read_mp_table(read, info));
  entries.resize(entries.size() - 5);
  add({9, 0, 0, 0, 0, 0, 0, 0});
  write();
  EXPECT_FALSE(read_mp_table(read, info));
  EXPECT_EQ(info.cpu_count, 0u);
}

TEST_F(MpTable, RefusesOneWithoutCpus) {
  entries.assign(8, 0);
  entries[0] = 1;
  count = 1;
  write();
  EXPECT_FALSE(read_mp_table(read, info));
}

// Sums are right, all else is by chance: the sanitizers watch.
TEST_F(MpTable, SurvivesAnyBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; round++) {
    write();
    for (unsigned changes = random() % 8; changes > 0; changes--)
      memory[kTable + random() % (44 + entries.size())] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) {  // a table that would reach past the end of memory
      const uint32_t at = static_cast<uint32_t>(1_MiB - random() % 64);
      memcpy(&memory[kPointer + 4], &at, sizeof at);
    }
    uint16_t size;
    memcpy(&size, &memory[kTable + 4], sizeof size);
    if (size > 7 && kTable + size <= memory.size()) set_sum(kTable, size, kTable + 7);
    set_sum(kPointer, 16, kPointer + 10);
    AcpiInfo any;
    if (!read_mp_table(read, any)) EXPECT_EQ(any.cpu_count, 0u);
  }
}

}  // namespace
}  // namespace tine::machine
