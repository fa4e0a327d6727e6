// SPDX-License-Identifier: BSD-2-Clause
// The page tree against a plain model: address spaces that map, write, fork, unmap, protect, move and exit at
// random, with a TLB that forgets only what it is told to forget, and allocations that fail at random.
#include "vm/page_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

namespace tine::vm {
namespace {

using machine::kPageSize;
using mem::FrameUse;

// Physical memory of a few thousand frames, whose contents are tables or a single number.
class Arena {
 public:
  static constexpr size_t kFrames = 12000;

  Arena() : frames_(kFrames), contents_(kFrames) {
    for (size_t i = 0; i < kFrames; ++i) {
      frames_[i].use = FrameUse::Free;
      free_.push_back(i);
    }
    zero_ = allocate(FrameUse::Pinned);
  }
  Frame* allocate(FrameUse use) {
    if (fail_in != 0 && --fail_in == 0) return nullptr;
    if (free_.empty()) return nullptr;
    Frame& frame = frames_[free_.back()];
    free_.pop_back();
    EXPECT_EQ(frame.use, FrameUse::Free);
    frame.use = use;
    frame.refs = 1;
    frame.page = {};
    ++live;
    return &frame;
  }
  void free(Frame& frame) {
    ASSERT_NE(frame.use, FrameUse::Free) << "freed twice";
    frame.use = FrameUse::Free;
    free_.push_back(static_cast<size_t>(&frame - frames_.data()));
    --live;
  }
  Frame& at(PhysAddr address) { return frames_[address / kPageSize]; }
  PhysAddr address_of(const Frame& frame) {
    return static_cast<PhysAddr>(&frame - frames_.data()) * kPageSize;
  }
  Table& table(PhysAddr address) { return contents_[address / kPageSize]; }
  Frame& record(Table& table) { return frames_[static_cast<size_t>(&table - contents_.data())]; }
  template <class Visit>
  void for_each_live(Visit&& visit) const {
    for (const Frame& frame : frames_)
      if (frame.use != FrameUse::Free) visit(frame);
  }
  std::atomic<uint64_t>& number(Frame& frame) { return table(address_of(frame)).slots[0]; }
  Frame& zero() { return *zero_; }

  size_t live = 0;
  unsigned fail_in = 0;

 private:
  std::vector<Frame> frames_;
  std::vector<Table> contents_;
  std::vector<size_t> free_;
  Frame* zero_;
};

Arena* arena;

struct HostPages {
  static Frame& frame_at(PhysAddr address) { return arena->at(address); }
  static Frame& frame_of(Table& table) { return arena->record(table); }
  static PhysAddr address_of(const Frame& frame) { return arena->address_of(frame); }
  static Table& table_at(PhysAddr address) { return arena->table(address); }
  static Frame* allocate_table() {
    Frame* table = arena->allocate(FrameUse::Table);
    if (table != nullptr)
      for (auto& slot : table_at(address_of(*table)).slots) slot = 0;
    return table;
  }
  static void free_table(Frame& table) {
    for (auto& slot : table_at(address_of(table)).slots)
      EXPECT_EQ(slot, 0u) << "a pool would hand this table out";
    arena->free(table);
  }
  static Frame* allocate_top() { return allocate_table(); }
  static void free_top(Frame& top) { free_table(top); }
  static void release_page(Frame& page) {
    if (page.use == FrameUse::Pinned) return;
    ASSERT_NE(page.use, FrameUse::Free);
    if (page.refs.fetch_sub(1) == 1) {
      arena->number(page) = 0xdead;
      arena->free(page);
    }
  }
  static void pause() {}
};

using Tree = PageTree<HostPages>;
using Gather = PageGather<HostPages>;

constexpr uint64_t kReadOnly = Entry::kPresent | Entry::kUser;
constexpr uint64_t kReadWrite = kReadOnly | Entry::kMayWrite;

// What a process should see at an address.
struct Page {
  uint64_t rights;
  bool shared;
  std::shared_ptr<uint64_t> value;  // shared pages: one value for all
};

class Process {
 public:
  static void flush(void* process) {
    Process& self = *static_cast<Process*>(process);
    if (self.replacing_) EXPECT_FALSE(self.tree.lookup(*self.replacing_).present()) << "a CPU may still read the old page";
    self.tlb_.clear();
  }
  Gather gather() { return Gather(&flush, this); }

  bool map(uintptr_t address, uint64_t value, uint64_t rights, bool shared) {
    Gather removed = gather();
    auto slot = tree.slot(address, removed);
    if (!slot) return false;
    Frame* frame =
        value == 0 && !shared ? &arena->zero() : arena->allocate(shared ? FrameUse::File : FrameUse::User);
    if (frame == nullptr) return false;
    if (value != 0 || shared) arena->number(*frame) = value;
    uint64_t flags = rights | (shared ? Entry::kShared : 0);
    if ((rights & Entry::kMayWrite) != 0 && (shared || frame != &arena->zero())) flags |= Entry::kWritable;
    tree.put(*slot, *frame, flags);
    model[address] = {rights, shared, std::make_shared<uint64_t>(value)};
    return true;
  }

  uint64_t read(uintptr_t address) {
    const auto cached = tlb_.find(address);
    if (cached != tlb_.end()) return arena->number(*cached->second.frame);
    const Entry entry = tree.lookup(address);
    EXPECT_TRUE(entry.present());
    Frame& frame = arena->at(entry.address());
    tlb_[address] = {&frame, hardware_writable(address)};
    return arena->number(frame);
  }

  // As the CPU and the fault handler do it together. False: out of memory.
  bool write(uintptr_t address, uint64_t value) {
    for (int faults = 0;; ++faults) {
      auto cached = tlb_.find(address);
      if (cached == tlb_.end()) {
        const Entry entry = tree.lookup(address);
        cached = tlb_.insert({address, {&arena->at(entry.address()), hardware_writable(address)}}).first;
      }
      if (cached->second.writable) {
        arena->number(*cached->second.frame) = value;
        *model[address].value = value;
        return true;
      }
      EXPECT_LT(faults, 2);
      tlb_.erase(address);  // a fault drops the page's translation on its CPU
      Gather removed = gather();
      const auto result = tree.resolve_write(address, removed);
      switch (result.kind) {
        case WriteFault::Resolved:
          break;
        case WriteFault::NeedsCopy: {
          Frame& old = arena->at(result.slot.get().address());
          Frame* copy = arena->allocate(FrameUse::User);
          if (copy == nullptr) return false;
          arena->number(*copy) = &old == &arena->zero() ? 0 : arena->number(old).load();
          replacing_ = address;
          tree.replace(result.slot, *copy, kReadWrite | Entry::kWritable, removed);
          replacing_.reset();
          break;
        }
        case WriteFault::NoMemory:
          return false;
        default:
          ADD_FAILURE() << "denied or absent";
          return false;
      }
    }
  }

  std::unique_ptr<Process> fork() {
    auto process = std::make_unique<Process>();
    if (!tree.fork_into(process->tree)) return nullptr;
    flush(this);
    for (auto& [address, page] : model)
      process->model[address] = {page.rights, page.shared,
                                 page.shared ? page.value : std::make_shared<uint64_t>(*page.value)};
    return process;
  }

  bool unmap(uintptr_t start, uintptr_t end) {
    Gather removed = gather();
    if (!tree.isolate(start, end, removed)) return false;
    const auto first = model.lower_bound(start);
    const auto last = model.lower_bound(end);
    EXPECT_EQ(tree.unmap(start, end, removed), static_cast<uint64_t>(std::distance(first, last)));
    model.erase(first, last);
    return true;
  }

  bool protect(uintptr_t start, uintptr_t end, uint64_t rights) {
    Gather removed = gather();
    if (!tree.own(start, end, removed)) return false;
    tree.protect(start, end, rights, removed);
    for (auto page = model.lower_bound(start); page != model.end() && page->first < end; ++page)
      page->second.rights = rights;
    return true;
  }

  bool move(uintptr_t from, uintptr_t to, uint64_t size) {
    Gather removed = gather();
    if (!tree.move(from, to, size, removed)) return false;
    std::map<uintptr_t, Page> moved;
    for (auto page = model.lower_bound(from); page != model.end() && page->first < from + size;) {
      moved[page->first - from + to] = page->second;
      page = model.erase(page);
    }
    model.merge(moved);
    return true;
  }

  bool range_is_free(uintptr_t start, uintptr_t end) {
    const auto first = model.lower_bound(start);
    return first == model.end() || first->first >= end;
  }

  void check() {
    EXPECT_EQ(tree.pages(), model.size());
    size_t seen = 0;
    tree.for_each(0, machine::kUserEnd, [&](uintptr_t address, Entry entry) {
      ++seen;
      const auto page = model.find(address);
      ASSERT_NE(page, model.end());
      EXPECT_EQ(entry.present(), (page->second.rights & Entry::kPresent) != 0);
      EXPECT_EQ(entry.may_write(), (page->second.rights & Entry::kMayWrite) != 0);
      Frame& frame = arena->at(entry.address());
      EXPECT_EQ(&frame == &arena->zero() ? 0 : arena->number(frame).load(), *page->second.value);
    });
    EXPECT_EQ(seen, model.size());
    for (auto& [address, translation] : tlb_) {
      const Entry entry = tree.lookup(address);
      EXPECT_TRUE(entry.present() && &arena->at(entry.address()) == translation.frame) << "stale TLB entry";
      EXPECT_LE(translation.writable, hardware_writable(address));
    }
  }

  bool hardware_writable(uintptr_t address) {
    const Table* whole = tree.top().whole();
    Entry entry = whole != nullptr ? whole->get(machine::index_at(machine::kTopLevel, address))
                                   : tree.top().get(machine::UserTop::slot_of(address));
    for (unsigned level = whole != nullptr ? machine::kTopLevel : machine::UserTop::kLevel; entry.writable(); --level) {
      if (level == 0) return true;
      entry = arena->table(entry.address()).get(machine::index_at(level - 1, address));
    }
    return false;
  }

  Tree tree;
  std::map<uintptr_t, Page> model;

 private:
  struct Translation {
    Frame* frame;
    bool writable;
  };
  std::unordered_map<uintptr_t, Translation> tlb_;
  std::optional<uintptr_t> replacing_;  // a page that is being replaced
};

class PageTreeTest : public testing::Test {
 protected:
  PageTreeTest() { arena = &arena_; }
  std::unique_ptr<Process> make_process() { return std::make_unique<Process>(); }

  void audit(const std::vector<std::unique_ptr<Process>>& processes) {
    PageTally found;
    for (auto& process : processes) process->tree.tally(found);
    size_t shared = 0;
    arena_.for_each_live([&](const Frame& frame) { shared += frame.use == FrameUse::File; });
    EXPECT_EQ(found.tables + found.pages + shared + 1, arena_.live) << "and the zero page";
    unsigned broken = 0;
    for (auto& process : processes) broken += process->tree.verify();
    EXPECT_EQ(broken, 0u);
  }

  Arena arena_;
};

TEST_F(PageTreeTest, AForkTakesNoTable) {
  auto parent = make_process();
  for (uintptr_t i = 0; i < 3000; ++i)
    ASSERT_TRUE(parent->map(0x10000000 + i * kPageSize, i + 1, kReadWrite, false));
  const size_t before = arena_.live;
  auto child = parent->fork();
  EXPECT_EQ(arena_.live, before);
  EXPECT_EQ(child->read(0x10000000), 1u);
  child.reset();
  EXPECT_EQ(arena_.live, before);
}

TEST_F(PageTreeTest, AWriteCopiesThePathAndThePage) {
  auto parent = make_process();
  for (uintptr_t i = 0; i < 600; ++i)
    ASSERT_TRUE(parent->map(0x10000000 + i * kPageSize, i + 1, kReadWrite, false));
  auto child = parent->fork();
  const size_t before = arena_.live;
  ASSERT_TRUE(child->write(0x10000000, 77));
  EXPECT_EQ(arena_.live, before + 3);  // two tables and a page
  EXPECT_EQ(parent->read(0x10000000), 1u);
  EXPECT_EQ(child->read(0x10000000), 77u);
  EXPECT_EQ(child->read(0x10001000), 2u);
}

TEST_F(PageTreeTest, OneFaultGivesTheParentEverythingBackAfterTheChildHasGone) {
  auto parent = make_process();
  constexpr uintptr_t kPages = 4000;
  for (uintptr_t i = 0; i < kPages; ++i)
    ASSERT_TRUE(parent->map(0x10000000 + i * kPageSize, i + 1, kReadWrite, false));
  parent->fork().reset();
  Gather removed = parent->gather();
  EXPECT_EQ(parent->tree.resolve_write(0x10000000, removed).kind, WriteFault::Resolved);
  for (uintptr_t i = 0; i < kPages; ++i) ASSERT_TRUE(parent->write(0x10000000 + i * kPageSize, i));
}

TEST_F(PageTreeTest, ACopiedTableIsReclaimedAsAWhole) {
  auto parent = make_process();
  constexpr uintptr_t kPages = 4000;
  for (uintptr_t i = 0; i < kPages; ++i)
    ASSERT_TRUE(parent->map(0x10000000 + i * kPageSize, i + 1, kReadWrite, false));
  auto child = parent->fork();
  ASSERT_TRUE(parent->write(0x10000000 + 700 * kPageSize, 5));  // the path is copied while the child lives
  child.reset();
  unsigned faults = 0;
  for (uintptr_t i = 0; i < kPages; ++i) {
    Gather removed = parent->gather();
    uintptr_t address = 0x10000000 + i * kPageSize;
    faults += !parent->hardware_writable(address);
    EXPECT_EQ(parent->tree.resolve_write(address, removed).kind, WriteFault::Resolved);
  }
  EXPECT_LE(faults, 3u);
}

TEST_F(PageTreeTest, SharedPagesStaySharedThroughCopies) {
  auto parent = make_process();
  ASSERT_TRUE(parent->map(0x10000000, 1, kReadWrite, true));
  auto child = parent->fork();
  ASSERT_TRUE(child->write(0x10000000, 9));
  EXPECT_EQ(parent->read(0x10000000), 9u);
}

TEST_F(PageTreeTest, AMoveOfNothingTakesNoTable) {
  auto parent = make_process();
  ASSERT_TRUE(parent->map(0x10000000, 1, kReadWrite, false));
  auto child = parent->fork();
  for (const uint64_t size : {uint64_t{0x4000}, uint64_t{0x400000}}) {
    arena_.fail_in = 1;
    EXPECT_TRUE(child->move(0x50000000, 0x10200000 - size, size));
    EXPECT_EQ(arena_.fail_in, 1u);
  }
  arena_.fail_in = 0;
  child->check();
}

TEST_F(PageTreeTest, UnmappingASharedSubtreeDropsOneReference) {
  auto parent = make_process();
  constexpr uint64_t kSize = machine::span_of(1);
  for (uintptr_t i = 0; i < 1024; ++i)
    ASSERT_TRUE(parent->map(kSize * 8 + i * kPageSize, i + 1, kReadWrite, false));
  auto child = parent->fork();
  ASSERT_TRUE(child->unmap(kSize * 8, kSize * 9));
  EXPECT_EQ(child->tree.pages(), 512u);
  EXPECT_EQ(parent->read(kSize * 8), 1u);
}

TEST_F(PageTreeTest, EveryAllocationMayFail) {
  for (unsigned nth = 1; nth < 40; ++nth) {
    std::vector<std::unique_ptr<Process>> processes;
    processes.push_back(make_process());
    for (uintptr_t i = 0; i < 3; ++i)
      ASSERT_TRUE(processes[0]->map(0x10000000 + i * 0x200000, i + 1, kReadWrite, i == 2));
    processes.push_back(processes[0]->fork());
    arena_.fail_in = nth;
    Process& child = *processes[1];
    child.write(0x10000000, 4);
    child.protect(0x10000000, 0x10400000, kReadOnly);
    child.move(0x10000000, 0x7000000000, 0x400000);
    child.unmap(0x10000000, 0x10001000);
    child.map(0x20000000, 3, kReadWrite, false);
    if (auto grandchild = child.fork()) processes.push_back(std::move(grandchild));
    arena_.fail_in = 0;
    for (auto& process : processes) process->check();
    audit(processes);
  }
  EXPECT_EQ(arena_.live, 1u);
}

class PageTreeWithTopTable : public PageTreeTest, public testing::WithParamInterface<uint64_t> {};

// Of many GiB, and of many ranges of 512 GiB.
TEST_P(PageTreeWithTopTable, BehavesAsOneWithout) {
  const auto address = [](unsigned slot) { return slot * GetParam() + kPageSize; };
  const unsigned most = GetParam() == machine::span_of(2) ? machine::UserTop::kFew : machine::UserTop::kMostRanges;
  std::vector<std::unique_ptr<Process>> processes;
  processes.push_back(make_process());
  Process& parent = *processes[0];
  for (unsigned slot = 0; slot < 16; ++slot) {
    EXPECT_EQ(parent.tree.top().whole() != nullptr, slot > most);
    ASSERT_TRUE(parent.map(address(slot), slot + 1, kReadWrite, false));
  }
  const size_t before = arena_.live;
  arena_.fail_in = 1;
  EXPECT_EQ(parent.fork(), nullptr);
  arena_.fail_in = 0;
  processes.push_back(parent.fork());
  EXPECT_EQ(arena_.live, before + 1);
  ASSERT_TRUE(processes[1]->write(address(6), 77));
  EXPECT_EQ(parent.read(address(6)), 7u);
  EXPECT_TRUE(processes[1]->unmap(address(0), address(3)));
  for (auto& process : processes) process->check();
  audit(processes);
}

INSTANTIATE_TEST_SUITE_P(Spans, PageTreeWithTopTable, testing::Values(machine::span_of(2), machine::span_of(3)));

class RandomPageTree : public PageTreeTest, public testing::WithParamInterface<unsigned> {};

TEST_P(RandomPageTree, AgreesWithTheModel) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](uint64_t n) { return random() % n; };
  const unsigned tops = GetParam() % 4 == 0 ? 7 : GetParam() % 4;
  const auto address = [&] {
    constexpr uint64_t kTops[] = {0, 1, 170, 255, 2, 64, 254};
    constexpr uint64_t kMiddles[] = {0, 1, 511};
    uint64_t at = kTops[pick(tops)] * machine::span_of(3) + kMiddles[pick(3)] * machine::span_of(2) +
                  kMiddles[pick(3)] * machine::span_of(1);
    at += (pick(4) == 0 ? 500 + pick(12) : pick(24)) * kPageSize;
    return std::min<uint64_t>(at, machine::kUserEnd - kPageSize);
  };
  const auto size = [&] {
    constexpr uint64_t kSizes[] = {1, 2, 20, 512, 513, 1024, 512 * 512, 512 * 600};
    return kSizes[pick(8)] * kPageSize;
  };
  std::vector<std::unique_ptr<Process>> processes;
  processes.push_back(make_process());
  uint64_t next_value = 1;

  for (unsigned step = 0; step < 150000; ++step) {
    Process& process = *processes[pick(processes.size())];
    arena_.fail_in = pick(30) == 0 ? 1 + static_cast<unsigned>(pick(8)) : 0;
    const uint64_t action = pick(100);
    if (action < 35) {
      const uintptr_t at = address();
      if (!process.model.contains(at))
        process.map(at, pick(5) == 0 ? 0 : next_value++, pick(4) == 0 ? kReadOnly : kReadWrite, pick(8) == 0);
    } else if (action < 75) {
      if (process.model.empty()) continue;
      auto page = process.model.lower_bound(address());
      if (page == process.model.end()) page = process.model.begin();
      if ((page->second.rights & Entry::kPresent) == 0) continue;
      EXPECT_EQ(process.read(page->first), *page->second.value);
      if ((page->second.rights & Entry::kMayWrite) != 0 && process.write(page->first, next_value++)) {
        EXPECT_EQ(process.read(page->first), *page->second.value);
      }
    } else if (action < 80) {
      if (processes.size() < 24)
        if (auto child = process.fork()) processes.push_back(std::move(child));
    } else if (action < 84) {
      if (processes.size() > 1) {
        std::swap(processes[pick(processes.size())], processes.back());
        processes.pop_back();
      }
    } else if (action < 92) {
      const uintptr_t start = pick(3) == 0 ? round_down(address(), machine::span_of(1)) : address();
      process.unmap(start, std::min<uint64_t>(start + size(), machine::kUserEnd));
    } else if (action < 96) {
      const uintptr_t start = address();
      const uint64_t rights = pick(3) == 0 ? kHeld : pick(2) == 0 ? kReadOnly : kReadWrite;
      process.protect(start, std::min<uint64_t>(start + size(), machine::kUserEnd), rights);
    } else {
      const uintptr_t from = address();
      const uint64_t length = size();
      const uintptr_t congruent = round_down(address(), machine::span_of(1)) + from % machine::span_of(1);
      const uintptr_t to = pick(2) == 0 ? address() : congruent;
      if (from + length < machine::kUserEnd && to + length < machine::kUserEnd &&
          (from + length <= to || to + length <= from) && process.range_is_free(to, to + length))
        process.move(from, to, length);
    }
    if (step % 512 == 0) {
      for (auto& each : processes) each->check();
      audit(processes);
      if (HasFailure()) FAIL() << "at step " << step;
    }
  }
  arena_.fail_in = 0;
  processes.clear();
  EXPECT_EQ(arena_.live, 1u) << "the zero page";
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPageTree, testing::Range(1u, 9u));

}  // namespace
}  // namespace tine::vm
