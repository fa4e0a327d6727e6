// SPDX-License-Identifier: BSD-2-Clause
// The cpio reader: members, padding, concatenated archives, and that no input whatever makes it read beyond its end
// (AddressSanitizer watches) or accept what is cut short.
#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "file/cpio.h"

namespace tine::file {
namespace {

struct Member {
  std::string name;
  uint32_t mode = 0100644;
  std::string data = {};
  uint32_t inode = 1, links = 1;
  uint32_t special_major = 0, special_minor = 0;
};

void pad(std::string& archive) { archive.resize((archive.size() + 3) / 4 * 4, '\0'); }

void append(std::string& archive, const Member& member) {
  char header[111];
  std::snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", member.inode,
                member.mode, 1000u, 100u, member.links, 42u, member.data.size(), 8u, 1u, member.special_major,
                member.special_minor, member.name.size() + 1, 0u);
  archive += header;
  archive += member.name;
  archive += '\0';
  pad(archive);
  archive += member.data;
  pad(archive);
}

std::string make_archive(const std::vector<Member>& members) {
  std::string archive;
  for (const Member& member : members) append(archive, member);
  append(archive, {.name = "TRAILER!!!", .mode = 0});
  return archive;
}

struct Outcome {
  std::vector<std::string> names;
  std::string problem;
};

// In memory of exactly the size, so that the sanitizer sees a read beyond it.
Outcome read_all(const std::string& archive) {
  std::vector<std::byte> memory(archive.size());
  std::copy(archive.begin(), archive.end(), reinterpret_cast<char*>(memory.data()));
  CpioReader reader(memory);
  Outcome outcome;
  while (const auto member = reader.next()) {
    if (member->ends_archive) continue;
    outcome.names.emplace_back(member->name);
    for (const std::byte byte : member->data) static_cast<void>(std::to_integer<int>(byte));
  }
  outcome.problem = reader.problem();
  return outcome;
}

const std::vector<Member> kSome = {{.name = ".", .mode = 040755},
                                   {.name = "init", .mode = 0100755, .data = "#!/bin/sh\n"},
                                   {.name = "bin", .mode = 040755},
                                   {.name = "bin/sh", .mode = 0120777, .data = "busybox"},
                                   {.name = "dev/console", .mode = 020600, .special_major = 5, .special_minor = 1},
                                   {.name = "empty"}};

TEST(Cpio, GivesTheMembersWithTheirAttributes) {
  const std::string archive = make_archive(kSome);
  CpioReader reader(std::as_bytes(std::span(archive)));
  EXPECT_EQ(reader.next()->name, ".");
  const auto init = reader.next();
  EXPECT_EQ(init->name, "init");
  EXPECT_EQ(init->mode, 0100755u);
  EXPECT_EQ(init->uid, 1000u);
  EXPECT_EQ(init->gid, 100u);
  EXPECT_EQ(init->modified, 42u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(init->data.data()), init->data.size()), "#!/bin/sh\n");
  EXPECT_EQ(reader.next()->name, "bin");
  EXPECT_EQ(reader.next()->data.size(), 7u);
  const auto console = reader.next();
  EXPECT_EQ(console->special_major, 5u);
  EXPECT_EQ(console->special_minor, 1u);
  EXPECT_TRUE(reader.next()->data.empty());
  EXPECT_TRUE(reader.next()->ends_archive);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.problem(), "");
}

TEST(Cpio, ReadsArchivesOneAfterTheOtherWithZerosBetween) {
  std::string archive = make_archive(kSome);
  archive.resize((archive.size() + 511) / 512 * 512, '\0');
  archive += make_archive({{.name = "more"}});
  archive.append(100, '\0');
  const Outcome outcome = read_all(archive);
  EXPECT_EQ(outcome.problem, "");
  ASSERT_EQ(outcome.names.size(), kSome.size() + 1);
  EXPECT_EQ(outcome.names.back(), "more");
}

TEST(Cpio, LetsNamesBePaddedSoThatDataLiesOnPages) {
  const size_t padding = 4096 - 110 - std::string_view("file").size();
  const std::string archive = make_archive({{.name = "file" + std::string(padding - 1, '\0'), .data = "data"}});
  CpioReader reader(std::as_bytes(std::span(archive)));
  const auto file = reader.next();
  ASSERT_TRUE(file) << reader.problem();
  EXPECT_EQ(file->name, "file");
  EXPECT_EQ(reinterpret_cast<const char*>(file->data.data()) - archive.data(), 4096);
}

TEST(Cpio, SaysWhereItIsTruncated) {
  const std::string archive = make_archive(kSome);
  for (size_t size = 1; size < archive.size(); size++) {
    const Outcome outcome = read_all(archive.substr(0, size));
    // Only the padding after the trailer may be missing.
    const bool only_padding_missing = archive.size() - size < 4 && archive.find("TRAILER!!!") + 11 <= size;
    if (only_padding_missing) {
      EXPECT_EQ(outcome.problem, "") << size;
    } else {
      EXPECT_NE(outcome.problem.find("truncated"), std::string::npos) << size << ": " << outcome.problem;
      EXPECT_NE(outcome.problem.find("byte " + std::to_string(size)), std::string::npos) << outcome.problem;
    }
  }
}

TEST(Cpio, NamesWhatIsNotAnArchive) {
  const auto problem_of = [](std::string start) {
    start.resize(200, 'x');
    return read_all(start).problem;
  };
  EXPECT_NE(problem_of("\x1f\x8b\x08").find("gzip"), std::string::npos);
  EXPECT_NE(problem_of(std::string("\xfd" "7zXZ\0", 6)).find("xz"), std::string::npos);
  EXPECT_NE(problem_of("\x28\xb5\x2f\xfd").find("zstd"), std::string::npos);
  EXPECT_NE(problem_of("070707").find("odc"), std::string::npos);
  EXPECT_NE(problem_of("\x7f" "ELF").find("ELF"), std::string::npos);
  EXPECT_NE(problem_of("hello").find("not a newc cpio archive"), std::string::npos);
  EXPECT_NE(read_all("").problem.find("empty"), std::string::npos);
  EXPECT_NE(read_all(std::string(1000, '\0')).problem.find("empty"), std::string::npos);
  EXPECT_NE(read_all(make_archive(kSome) + "\x1f\x8b" + std::string(200, 'x')).problem.find("second part"),
            std::string::npos);
}

TEST(Cpio, RefusesBrokenHeaders) {
  const std::string good = make_archive(kSome);
  std::string no_number = good;
  no_number[20] = 'g';
  EXPECT_NE(read_all(no_number).problem.find("no number"), std::string::npos);
  std::string no_name = good;
  no_name.replace(6 + 11 * 8, 8, "00000000");
  EXPECT_NE(read_all(no_name).problem.find("name of 0 bytes"), std::string::npos);
  std::string huge_data = good;
  huge_data.replace(6 + 6 * 8, 8, "ffffffff");
  EXPECT_NE(read_all(huge_data).problem.find("truncated"), std::string::npos);
  std::string name_without_end = good;
  name_without_end[110 + 1] = 'x';
  EXPECT_NE(read_all(name_without_end).problem.find("name that does not end"), std::string::npos);
}

TEST(Cpio, SurvivesRandomDamage) {
  std::mt19937 random(1);
  const std::string good = make_archive(kSome) + make_archive(kSome);
  for (unsigned round = 0; round < 20'000; round++) {
    std::string bad = good.substr(0, 1 + random() % good.size());
    for (unsigned damage = 1 + random() % 4; damage != 0; damage--)
      bad[random() % bad.size()] = "0123456789abcdef\0x"[random() % 18];
    read_all(bad);
  }
}

}  // namespace
}  // namespace tine::file
