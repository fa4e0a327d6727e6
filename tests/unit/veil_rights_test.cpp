// SPDX-License-Identifier: BSD-2-Clause
// The permissions of unveil(2).
#include "file/veil_rights.h"

#include <gtest/gtest.h>

using namespace tine;
using namespace tine::file;

namespace {

TEST(VeilRights, letters_become_bits) {
  EXPECT_EQ(parse_veil_rights(""), VeilRights{0});
  EXPECT_EQ(parse_veil_rights("r"), kVeilRead);
  EXPECT_EQ(parse_veil_rights("cxwr"), kVeilRead | kVeilWrite | kVeilExecute | kVeilCreate);
  EXPECT_EQ(parse_veil_rights("rr"), kVeilRead);
}

TEST(VeilRights, other_letters_are_refused) {
  for (const char* text : {"R", "rwz", " r", "r w", "rwx-"}) EXPECT_EQ(parse_veil_rights(text), Error(Errno::Inval)) << text;
}

TEST(VeilRights, a_rule_without_rights_hides) {
  EXPECT_EQ(check_veil_rights(0, kVeilRead), Error(Errno::NoEnt));
  EXPECT_EQ(check_veil_rights(0, 0), Error(Errno::NoEnt));
}

TEST(VeilRights, every_wanted_right_must_be_given) {
  EXPECT_TRUE(check_veil_rights(kVeilRead | kVeilWrite, kVeilRead));
  EXPECT_TRUE(check_veil_rights(kVeilRead, 0));
  EXPECT_EQ(check_veil_rights(kVeilRead, kVeilRead | kVeilWrite), Error(Errno::Acces));
}

}  // namespace
