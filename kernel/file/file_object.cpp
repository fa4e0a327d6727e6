// SPDX-License-Identifier: BSD-2-Clause
#include "file/file_object.h"

#include <algorithm>
#include <cstring>

#include "base/units.h"
#include "file/inode.h"
#include "file/mount.h"
#include "file/path.h"
#include "sched/scheduler.h"

namespace tine::file {
namespace {

using mem::kPageSize;

constexpr uint64_t kMaxSize = vm::PageStore::kMaxPages * kPageSize;
// Between the pages of a read or write. What is short is done as a whole, such as the record of a thread's end.
bool goes_on(const IoBuffer& buffer) {
  constexpr size_t kShort = 64_KiB;
  return sched::step() || buffer.remaining() <= kShort;
}
constexpr uint64_t page_of(uint64_t offset) { return offset / kPageSize; }
constexpr uint64_t pages_for(uint64_t size) { return (size + kPageSize - 1) / kPageSize; }

// A reference to a page while it is copied from or to.
class HeldPage {
 public:
  HeldPage() = default;
  explicit HeldPage(mem::Frame* frame) : frame_(frame) { if (frame_ != nullptr) mem::reference(*frame_); }
  HeldPage(HeldPage&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  HeldPage& operator=(HeldPage&& other) noexcept { std::swap(frame_, other.frame_); return *this; }
  ~HeldPage() { if (frame_ != nullptr) mem::release(*frame_); }
  explicit operator bool() const { return frame_ != nullptr; }
  std::byte* bytes() const { return mem::contents_of(*frame_); }

 private:
  mem::Frame* frame_ = nullptr;
};

}  // namespace

FileObject::~FileObject() {
  sync::MutexGuard guard(pages_lock_);
  remove_pages(0, vm::PageStore::kMaxPages);
}

Result<size_t> FileObject::read(IoBuffer& into, uint64_t& offset) {
  size_t done = 0;
  while (into.remaining() != 0) {
    const uint64_t end = size();
    if (offset >= end) break;
    const size_t in_page = offset % kPageSize;
    const size_t part = std::min({into.remaining(), kPageSize - in_page, static_cast<size_t>(end - offset)});
    HeldPage page;
    {
      sync::MutexGuard guard(pages_lock_);
      page = HeldPage(pages_.get(page_of(offset)));
    }
    const Result<size_t> moved = page ? into.put(page.bytes() + in_page, part) : into.put_zeroes(part);
    if (!moved) return done != 0 ? Result<size_t>(done) : moved;
    offset += *moved;
    done += *moved;
    if (*moved < part || !goes_on(into)) break;
  }
  return done;
}

Result<size_t> FileObject::write(IoBuffer& from, uint64_t& offset) {
  if (offset >= kMaxSize) return Error(Errno::FBig);
  // What a shared mapping has left after the end must not show up in the gap.
  if (offset > size()) {
    sync::MutexGuard guard(pages_lock_);
    TRY(zero_part(size(), std::min(round_up(size(), kPageSize), offset)));
  }
  size_t done = 0;
  while (from.remaining() != 0 && offset < kMaxSize) {
    const size_t in_page = offset % kPageSize;
    const size_t part = std::min(from.remaining(), kPageSize - in_page);
    HeldPage page;
    {
      sync::MutexGuard guard(pages_lock_);
      const Result<mem::Frame*> frame = writable_page(page_of(offset));
      if (!frame) return done != 0 ? Result<size_t>(done) : Error(frame.error());
      page = HeldPage(*frame);
    }
    const Result<size_t> moved = from.take(page.bytes() + in_page, part);
    if (!moved) return done != 0 ? Result<size_t>(done) : moved;
    offset += *moved;
    done += *moved;
    if (offset > size()) size_.store(offset, std::memory_order_release);
    if (*moved < part || !goes_on(from)) break;
  }
  return done;
}

Result<> FileObject::resize(uint64_t size) {
  if (size > kMaxSize) return Error(Errno::FBig);
  const uint64_t before = this->size();
  {
    sync::MutexGuard guard(pages_lock_);
    const uint64_t low = std::min(size, before);
    TRY(zero_part(low, round_up(low, kPageSize)));
    size_.store(size, std::memory_order_release);
    remove_pages(pages_for(size), vm::PageStore::kMaxPages);
  }
  if (size < before) leave_mappings(pages_for(size), vm::PageStore::kMaxPages, Copies::Drop);
  return {};
}

Result<> FileObject::allocate(uint64_t offset, uint64_t length) {
  if (offset + length > kMaxSize) return Error(Errno::FBig);
  const uint64_t first = page_of(offset), last = pages_for(offset + length);
  vm::PageStore made;   // what this call has filled, should it have to take that back
  // Held all the time: a page that somebody could have written to could not be taken back.
  sync::MutexGuard guard(pages_lock_);
  // Seen at once in most cases, without filling memory until nothing is left for others.
  if (last - first > pages_.count() && !quota_->has_room(last - first - pages_.count(), charge_.is_root())) return Error(Errno::NoSpc);
  for (uint64_t index = first; index < last; index++) {
    Result<> filled = fill_hole(index, made);
    if (filled) filled = sched::step();
    if (!filled) {
      for (uint64_t at = made.next_present(first); at < last; at = made.next_present(at + 1)) remove_pages(at, at + 1);
      return filled;
    }
  }
  return {};
}

Result<> FileObject::fill_hole(uint64_t index, vm::PageStore& made) {
  if (pages_.get(index) != nullptr) return {};
  mem::Frame* page = TRY(writable_page(index));
  mem::reference(*page);
  const Result<> noted = made.put(index, *page);
  if (!noted) remove_pages(index, index + 1);
  return noted;
}

Result<> FileObject::punch_hole(uint64_t offset, uint64_t length) {
  const uint64_t end = std::min(offset + length, kMaxSize);
  if (offset >= end) return {};
  {
    sync::MutexGuard guard(pages_lock_);
    if (page_of(offset) == page_of(end - 1)) {
      if (!is_aligned(offset, kPageSize) || !is_aligned(end, kPageSize)) return zero_part(offset, end);
    } else {
      TRY(zero_part(offset, round_up(offset, kPageSize)));
      TRY(zero_part(round_down(end, kPageSize), end));
    }
    remove_pages(pages_for(offset), page_of(end));
  }
  leave_mappings(pages_for(offset), page_of(end), Copies::Keep);
  return {};
}

Result<uint64_t> FileObject::next_data(uint64_t offset) {
  const uint64_t index = next_resident(page_of(offset));
  if (offset >= size() || index == vm::PageStore::kMaxPages) return Error(Errno::Nxio);
  return std::max(offset, index * kPageSize);
}

Result<uint64_t> FileObject::next_hole(uint64_t offset) {
  sync::MutexGuard guard(pages_lock_);
  if (offset >= size()) return Error(Errno::Nxio);
  uint64_t index = page_of(offset);
  while (index < pages_for(size()) && pages_.get(index) != nullptr) index++;
  return std::min(std::max(offset, index * kPageSize), size());
}

uint64_t FileObject::page_count() {
  sync::MutexGuard guard(pages_lock_);
  return pages_.count();
}

Result<> FileObject::adopt_page(uint64_t index, mem::Frame& page) {
  sync::MutexGuard guard(pages_lock_);
  TRY(pages_.put(index, page));
  quota_->used.fetch_add(1, std::memory_order_relaxed);
  charge_.add_anyway(1);
  return {};
}

void FileObject::remember_name(const Path& path) {
  {
    sync::MutexGuard guard(pages_lock_);
    if (!name_.empty()) return;
  }
  auto room = mem::Buffer<char>::make(kPathMax);
  if (!room) return;
  const auto text = path_name(path, root_of_everything(), room->span());
  if (!text) return;
  auto copy = mem::Buffer<char>::make(text->size());
  if (!copy) return;
  std::memcpy(copy->data(), text->data(), text->size());
  sync::MutexGuard guard(pages_lock_);
  if (name_.empty()) name_ = std::move(*copy);
}

std::string_view FileObject::path(std::span<char> buffer) const {
  sync::MutexGuard guard(pages_lock_);
  const size_t size = std::min(name_.size(), buffer.size());
  std::memcpy(buffer.data(), name_.data(), size);
  return {buffer.data(), size};
}

Result<mem::Frame*> FileObject::page(uint64_t index, vm::Access access) {
  sync::MutexGuard guard(pages_lock_);
  if (index >= pages_for(size())) return Error(Errno::Fault);
  mem::Frame* page = pages_.get(index);
  if (page == nullptr || access == vm::Access::Write) page = TRY(writable_page(index));
  mem::reference(*page);
  return page;
}

void FileObject::resident_pages(uint64_t first, std::span<mem::Frame*> into) {
  sync::MutexGuard guard(pages_lock_);
  const uint64_t end = pages_for(size());
  const size_t inside = first < end ? std::min<uint64_t>(into.size(), end - first) : 0;
  pages_.get_range(first, into.first(inside));
  std::ranges::fill(into.subspan(inside), nullptr);
}

uint64_t FileObject::next_resident(uint64_t index) const {
  sync::MutexGuard guard(pages_lock_);
  const uint64_t found = pages_.next_present(index);
  return found < pages_for(size()) ? found : vm::PageStore::kMaxPages;
}

Result<mem::Frame*> FileObject::writable_page(uint64_t index) {
  if (pages_.get(index) != nullptr) return pages_.get_writable(index);
  if (!take_page()) return Error(Errno::NoSpc);
  const auto page = pages_.get_writable(index);
  if (!page) give_back_pages(1);
  return page;
}

bool FileObject::take_page() {
  const bool is_root = charge_.is_root();
  if (!quota_->take(1, is_root)) return false;
  if (charge_.add(1, is_root)) return true;
  quota_->give_back(1);
  return false;
}

void FileObject::give_back_pages(uint64_t count) {
  quota_->give_back(count);
  charge_.remove(count);
}

Result<> FileObject::zero_part(uint64_t start, uint64_t end) {
  if (start >= end || pages_.get(page_of(start)) == nullptr) return {};
  mem::Frame* page = TRY(pages_.get_writable(page_of(start)));
  std::memset(mem::contents_of(*page) + start % kPageSize, 0, end - start);
  return {};
}

void FileObject::remove_pages(uint64_t first, uint64_t last) {
  const uint64_t before = pages_.count();
  pages_.remove(first, last);
  give_back_pages(before - pages_.count());
}

}  // namespace tine::file
