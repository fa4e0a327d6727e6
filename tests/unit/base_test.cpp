// SPDX-License-Identifier: BSD-2-Clause
// The base layer: formatting into buffers, reference counts.
#include <gtest/gtest.h>

#include "base/format.h"
#include "base/ref.h"

namespace tine {
namespace {

TEST(Format, WritesTextAndTerminatesIt) {
  char buffer[16];
  EXPECT_EQ(format(buffer, "%s=%d", "pid", 42), "pid=42");
  EXPECT_STREQ(buffer, "pid=42");
}

TEST(Format, KeepsWhatFits) {
  char buffer[5];
  EXPECT_EQ(format(buffer, "%s", "process"), "proc");
  EXPECT_STREQ(buffer, "proc");
}

TEST(Format, EmptyBufferStaysUntouched) { EXPECT_EQ(format({}, "%d", 1), ""); }

TEST(Format, WideNumbers) {
  char buffer[64];
  EXPECT_EQ(format(buffer, "%016lx %zu", 0xffff800000000000ul, size_t{1} << 40), "ffff800000000000 1099511627776");
}

struct Counted : RefCounted<Counted> {
  explicit Counted(int& deaths) : deaths(deaths) {}
  ~Counted() { deaths++; }
  int& deaths;
};

TEST(Ref, LastReferenceDeletes) {
  int deaths = 0;
  {
    Ref<Counted> first(new Counted(deaths));
    const Ref<Counted> second = first;
    EXPECT_EQ(first->ref_count(), 2u);
    first.reset();
    EXPECT_EQ(deaths, 0);
  }
  EXPECT_EQ(deaths, 1);
}

TEST(Ref, TryRefFailsOnceTheLastIsGone) {
  int deaths = 0;
  Counted unowned(deaths);
  EXPECT_FALSE(unowned.try_ref());
}

}  // namespace
}  // namespace tine
