// SPDX-License-Identifier: BSD-2-Clause
// The words of pledge(2).
#include "process/promises.h"

#include <gtest/gtest.h>

#include <string>

using namespace tine;
using namespace tine::process;
using namespace tine::process::promise;

namespace {

std::string text_of(Promises promises) {
  char room[512];
  return std::string(promises_text(promises, room));
}

TEST(Promises, words_become_bits) {
  EXPECT_EQ(parse_promises("stdio"), kStdio);
  EXPECT_EQ(parse_promises("stdio rpath wpath cpath"), kStdio | kRpath | kWpath | kCpath);
  EXPECT_EQ(parse_promises("rpath stdio rpath"), kStdio | kRpath);
}

TEST(Promises, nothing_is_a_promise_too) {
  EXPECT_EQ(parse_promises(""), Promises{0});
  EXPECT_EQ(parse_promises("   "), Promises{0});
}

TEST(Promises, spaces_may_be_anywhere) { EXPECT_EQ(parse_promises("  stdio   proc "), kStdio | kProc); }

TEST(Promises, unknown_words_are_refused) {
  for (const char* text : {"stdi", "stdioo", "STDIO", "stdio,rpath", "stdio\trpath", "stdio nonsense", "\n"})
    EXPECT_EQ(parse_promises(text), Error(Errno::Inval)) << text;
}

TEST(Promises, fattr_gives_only_a_part_of_chown) {
  EXPECT_EQ(parse_promises("fattr"), kFattr | kChown);
  EXPECT_EQ(parse_promises("chown"), kChown | kChownAny);
}

TEST(Promises, text_is_parsed_back_to_the_same_set) {
  for (const char* text : {"", "stdio", "stdio rpath", "fattr", "chown", "fattr chown", "stdio unveil error vmm"}) {
    EXPECT_EQ(text_of(*parse_promises(text)), text);
    EXPECT_EQ(parse_promises(text_of(*parse_promises(text))), parse_promises(text));
  }
}

TEST(Promises, text_ends_where_the_room_does) {
  char room[8];
  EXPECT_EQ(promises_text(kStdio | kRpath, room), "stdio rp");
  EXPECT_EQ(promises_text(kStdio, std::span<char>()), "");
}

TEST(Promises, a_set_is_named_by_its_first_word) {
  EXPECT_EQ(promise_name(kRpath | kWpath), "rpath");
  EXPECT_EQ(promise_name(kUnveil), "unveil");
  EXPECT_EQ(promise_name(0), "");
  EXPECT_EQ(promise_name(kNever), "");
}

}  // namespace
