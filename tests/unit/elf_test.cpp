// SPDX-License-Identifier: BSD-2-Clause
// Program files: whatever the bytes, the checks end, and what they accept keeps the promises of
// process/elf.h.
#include "process/elf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/units.h"
#include "machine/paging.h"
#include "process/script.h"

namespace tine::process {
namespace {

ElfHeader valid_header(uint16_t segments) {
  ElfHeader header{};
  const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::memcpy(header.ident, ident, sizeof(ident));
  header.type = 2;
  header.machine = 62;
  header.version = 1;
  header.entry = 0x401000;
  header.program_header_offset = 64;
  header.header_size = 64;
  header.program_header_size = 56;
  header.program_header_count = segments;
  return header;
}

ElfProgramHeader load(uint64_t address, uint64_t offset, uint64_t file_size, uint64_t memory_size) {
  return {ElfProgramHeader::kLoad, 5, offset, address, address, file_size, memory_size, 0x1000};
}

Result<ElfHeader> check(const ElfHeader& header) {
  return check_elf_header(std::as_bytes(std::span(&header, 1)));
}

TEST(Elf, AcceptsAnOrdinaryProgram) {
  const ElfHeader header = valid_header(2);
  ASSERT_TRUE(check(header));
  const ElfProgramHeader segments[] = {load(0x400000, 0, 0x1234, 0x1234),
                                       load(0x402e10, 0x1e10, 0x200, 0x900)};
  const auto layout = check_elf_layout(header, segments);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->start, 0x400000u);
  EXPECT_EQ(layout->end, 0x404000u);
  EXPECT_EQ(layout->header_table, 0x400040u);
  EXPECT_EQ(layout->interpreter_size, 0u);
  EXPECT_FALSE(layout->position_independent);
}

TEST(Elf, TakesTheLargestAlignmentOfAPositionIndependentProgram) {
  ElfHeader header = valid_header(2);
  header.type = 3;
  ElfProgramHeader segments[] = {load(0, 0, 0x1000, 0x1000), load(0x200000, 0x200000, 1, 1)};
  segments[1].alignment = 0x200000;
  const auto layout = check_elf_layout(header, segments);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->alignment, 0x200000u);
  segments[1].alignment = 0x200001;  // no power of two: nobody can mean it
  EXPECT_EQ(check_elf_layout(header, segments)->alignment, 0x1000u);
}

TEST(Elf, RefusesWhatIsNoProgramOfThisMachine) {
  EXPECT_EQ(check_elf_header({}).error(), Errno::NoExec);
  ElfHeader header = valid_header(1);
  header.machine = 183;
  EXPECT_EQ(check(header).error(), Errno::NoExec);
  header = valid_header(1);
  header.type = 1;
  EXPECT_EQ(check(header).error(), Errno::NoExec);
  header = valid_header(kMaxProgramHeaders + 1);
  EXPECT_EQ(check(header).error(), Errno::NoExec);
  EXPECT_EQ(check_elf_layout(valid_header(1), {}).error(), Errno::NoExec);
}

TEST(Elf, RefusesSegmentsThatCannotBe) {
  const ElfHeader header = valid_header(1);
  const auto error_of = [&](ElfProgramHeader segment) {
    const auto layout = check_elf_layout(header, std::span(&segment, 1));
    return layout ? Errno{} : layout.error();
  };
  EXPECT_EQ(error_of(load(0x400000, 0, 2, 1)), Errno::Inval);           // more in the file than in memory
  EXPECT_EQ(error_of(load(0x400000, 1, 1, 1)), Errno::Inval);           // not a page's offset
  EXPECT_EQ(error_of(load(machine::kUserEnd, 0, 1, 1)), Errno::Inval);  // past the end
  EXPECT_EQ(error_of(load(0x400000, 0, 1, ~uint64_t{0} - 0x1000)), Errno::Inval);  // wraps around
  EXPECT_EQ(error_of(load(0x400000, uint64_t{1} << 63, 1, 1)), Errno::Inval);      // no file has that offset
  EXPECT_EQ(error_of(load(0, 0, 1, 1)), Errno::Inval);                             // the null page
  EXPECT_EQ(error_of(load(0x400000, 0, 1, 1)), Errno{});
}

TEST(Elf, MutatedHeadersNeverBreakTheChecks) {
  std::mt19937_64 random(1);
  const uint64_t interesting[] = {
      0, 1, 0xfff, 0x1000, 0x7fffffffffff, 0x7ffffffff000, 0x8000000000000000, ~uint64_t{0}};
  unsigned accepted = 0;
  for (int round = 0; round < 300'000; ++round) {
    ElfHeader header = valid_header(3);
    header.type = 2 + random() % 2;
    std::vector<ElfProgramHeader> segments = {load(0x400000, 0, 0x1000, 0x1000),
                                              load(0x401000, 0x1000, 0x300, 0x2000),
                                              {ElfProgramHeader::kInterpreter, 4, 0x200, 0, 0, 28, 28, 1}};
    auto* words = reinterpret_cast<uint64_t*>(segments.data());
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const uint64_t value = random() % 2 ? random() : interesting[random() % std::size(interesting)];
      if (random() % 4 == 0)
        reinterpret_cast<uint8_t*>(&header)[random() % sizeof(header)] = static_cast<uint8_t>(random());
      else
        words[random() % (segments.size() * sizeof(ElfProgramHeader) / 8)] = value;
    }
    const auto checked = check(header);
    if (!checked) continue;
    const auto layout = check_elf_layout(*checked, segments);
    if (!layout) continue;
    ++accepted;
    ASSERT_LT(layout->start, layout->end);
    ASSERT_LE(layout->end, machine::kUserEnd);
    ASSERT_TRUE(is_aligned(layout->start, machine::kPageSize) && is_aligned(layout->end, machine::kPageSize));
    ASSERT_LE(layout->interpreter_size, 4096u);
    for (const ElfProgramHeader& segment : segments) {
      if (segment.type != ElfProgramHeader::kLoad || segment.memory_size == 0) continue;
      ASSERT_GE(segment.address, layout->start);
      ASSERT_LE(segment.memory_size, layout->end - segment.address);
      ASSERT_LE(segment.file_size, segment.memory_size);
    }
  }
  EXPECT_GT(accepted, 1000u);
}

TEST(Script, NamesInterpreterAndOneArgument) {
  const auto line = parse_script_line("#! /bin/sh -e  x \nrest");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->interpreter, "/bin/sh");
  EXPECT_EQ(line->argument, "-e  x");
  EXPECT_EQ(parse_script_line("#!/bin/sh\n")->argument, "");
  EXPECT_EQ(parse_script_line("#!/bin/sh")->interpreter, "/bin/sh");  // a file without a line's end
}

TEST(Script, WithoutInterpreterIsNoProgram) {
  EXPECT_EQ(parse_script_line("#!\n").error(), Errno::NoExec);
  EXPECT_EQ(parse_script_line("#!  \t \n").error(), Errno::NoExec);
  EXPECT_EQ(parse_script_line("echo").error(), Errno::NoExec);
}

TEST(Script, LongLineMayCutTheArgumentButNotTheName) {
  const std::string cut_name = "#!/" + std::string(400, 'a') + "\n";
  EXPECT_EQ(parse_script_line(cut_name).error(), Errno::NoExec);
  const std::string cut_argument = "#!/bin/sh " + std::string(400, 'a') + "\n";
  const auto line = parse_script_line(cut_argument);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->interpreter, "/bin/sh");
  EXPECT_EQ(line->argument.size(), kLongestScriptLine - std::string_view("#!/bin/sh ").size());
}

}  // namespace
}  // namespace tine::process
