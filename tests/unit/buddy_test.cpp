// SPDX-License-Identifier: BSD-2-Clause
// The buddy allocator of frames against a plain model. The records start as rubbish, as they may after a boot.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "mem/buddy.h"

namespace tine::mem {
namespace {

class BuddyTest : public ::testing::Test {
 protected:
  static constexpr FrameNumber kFrames = 20 * Buddy::kBlockFrames;

  BuddyTest() : memory_(new unsigned char[kFrames * sizeof(Frame)]), owned_(kFrames, false) {
    memset(memory_.get(), 0xa5, kFrames * sizeof(Frame));
    buddy_->init(records());
  }

  Frame* records() { return reinterpret_cast<Frame*>(memory_.get()); }
  FrameNumber number_of(const Frame* frame) { return static_cast<FrameNumber>(frame - records()); }

  // Takes a block and checks that it is aligned and that nobody else has any of it.
  Frame* take(unsigned order) {
    Frame* first = buddy_->allocate(order);
    if (first == nullptr) return nullptr;
    const FrameNumber number = number_of(first);
    EXPECT_EQ(number % (FrameNumber{1} << order), 0u);
    for (FrameNumber i = number; i < number + (FrameNumber{1} << order); i++) {
      EXPECT_FALSE(owned_[i]) << "frame " << i << " given out twice";
      owned_[i] = true;
    }
    first->use = FrameUse::Kernel;
    first->order = static_cast<uint8_t>(order);
    return first;
  }
  void give(Frame* first) {
    const unsigned order = first->order;
    for (FrameNumber i = 0; i < FrameNumber{1} << order; i++) owned_[number_of(first) + i] = false;
    buddy_->free(*first, order);
  }
  // How many blocks of an order can be had when nothing else is taken.
  unsigned count_blocks(unsigned order) {
    std::vector<Frame*> blocks;
    while (Frame* block = take(order)) blocks.push_back(block);
    for (Frame* block : blocks) give(block);
    return static_cast<unsigned>(blocks.size());
  }

  std::unique_ptr<unsigned char[]> memory_;
  std::unique_ptr<Buddy> buddy_ = std::make_unique<Buddy>();
  std::vector<bool> owned_;
};

TEST_F(BuddyTest, GivesOutEveryFrameOfARaggedRangeOnce) {
  ASSERT_TRUE(buddy_->announce(3, 5000));
  EXPECT_EQ(buddy_->free_frames(), 4997u);
  EXPECT_EQ(count_blocks(0), 4997u);
  EXPECT_EQ(buddy_->free_frames(), 4997u);
  EXPECT_EQ(buddy_->count_free_frames(), 4997u);
}

TEST_F(BuddyTest, MergesFreedFramesIntoTheLargestBlocks) {
  ASSERT_TRUE(buddy_->announce(1024, 5 * 1024));
  EXPECT_EQ(count_blocks(0), 4096u);
  EXPECT_EQ(count_blocks(Buddy::kMaxOrder), 4u);
}

TEST_F(BuddyTest, NeverMergesAcrossTheEdgeOfARange) {
  ASSERT_TRUE(buddy_->announce(1024 + 512, 2048));
  ASSERT_TRUE(buddy_->announce(2048 + 512, 4096));
  EXPECT_EQ(count_blocks(0), 512u + 1536u);
  EXPECT_EQ(count_blocks(Buddy::kMaxOrder), 1u);
  EXPECT_EQ(count_blocks(9), 4u);
}

TEST_F(BuddyTest, OpensMemoryOnlyWhenNeeded) {
  ASSERT_TRUE(buddy_->announce(1024, 19 * 1024));
  ASSERT_NE(take(0), nullptr);
  // Blocks that were not opened still have rubbish for records.
  EXPECT_EQ(memory_[2048 * sizeof(Frame)], 0xa5);
  EXPECT_EQ(buddy_->free_frames(), 18u * 1024 - 1);
}

TEST_F(BuddyTest, TakesPinnedRangesBack) {
  ASSERT_TRUE(buddy_->announce(1024, 1500));
  buddy_->pin(1500, 2048);
  EXPECT_EQ(records()[1700].use, FrameUse::Pinned);
  EXPECT_EQ(count_blocks(0), 476u);
  buddy_->take_pinned(1500, 1800);
  EXPECT_EQ(count_blocks(0), 776u);
  buddy_->take_pinned(1800, 2048);
  EXPECT_EQ(count_blocks(Buddy::kMaxOrder), 1u);  // the whole block has grown together
}

TEST_F(BuddyTest, SaysWhenThereIsNoMemory) {
  EXPECT_EQ(buddy_->allocate(0), nullptr);
  ASSERT_TRUE(buddy_->announce(1000, 1002));
  EXPECT_EQ(buddy_->allocate(2), nullptr);
  EXPECT_NE(buddy_->allocate(1), nullptr);
  EXPECT_EQ(buddy_->allocate(0), nullptr);
}

TEST_F(BuddyTest, SurvivesAMillionRandomSteps) {
  ASSERT_TRUE(buddy_->announce(77, 9000));
  ASSERT_TRUE(buddy_->announce(10240, 19999));
  const uint64_t all = buddy_->free_frames();
  std::mt19937 random(1);
  std::vector<Frame*> blocks;
  uint64_t taken = 0;
  for (unsigned step = 0; step < 1'000'000; step++) {
    const bool grow = random() % 16 < (step / 50'000 % 2 != 0 ? 6u : 10u);
    if (grow || blocks.empty()) {
      const unsigned order = std::min<unsigned>(static_cast<unsigned>(__builtin_ctz(random() | 1u << 11)), 10);
      if (Frame* block = take(order)) {
        blocks.push_back(block);
        taken += uint64_t{1} << order;
      }
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      taken -= uint64_t{1} << blocks.back()->order;
      give(blocks.back());
      blocks.pop_back();
    }
    ASSERT_EQ(buddy_->free_frames(), all - taken);
    if (step % 10'000 == 0) { ASSERT_EQ(buddy_->count_free_frames(), all - taken); }
  }
  for (Frame* block : blocks) give(block);
  EXPECT_EQ(buddy_->count_free_frames(), all);
  EXPECT_EQ(count_blocks(Buddy::kMaxOrder), 7u + 9u);
}

}  // namespace
}  // namespace tine::mem
