// SPDX-License-Identifier: BSD-2-Clause
#include "file/pipe.h"

#include <algorithm>
#include <bit>

namespace tine::file {
namespace {

using mem::kPageSize;

constexpr size_t kPagesKeptWhenEmpty = 4;
constinit std::atomic<uint64_t> next_number{1};

}  // namespace

constinit PipeLimits pipe_limits;

Pipe::Pipe(identity::Payer payer)
    : number(next_number.fetch_add(1, std::memory_order_relaxed)),
      charge_(identity::Charge<identity::Kept::Pipes>::take_anyway(std::move(payer))) {}

Pipe::~Pipe() {
  sync::MutexGuard guard(lock_);
  free_pages(0);
}

// A user beyond the soft limit gets pipes that are just large enough to work. Source: pipe(7), fs/pipe.c's rule as
// described there.
Result<Pipe::PagesCharge> Pipe::charge_pages(const identity::Payer& payer, size_t& capacity) {
  const uint64_t pages = kDefaultCapacity / kPageSize, soft = pipe_limits.soft.load(std::memory_order_relaxed);
  const bool has_many = payer.user != nullptr && payer.user->held(identity::Kept::PipePages) + pages > soft;
  capacity = has_many && soft != 0 && !payer.privileged ? kLeastCapacity : kDefaultCapacity;
  return PagesCharge::take(payer, Errno::Nfile, capacity / kPageSize);
}

Result<Ref<Pipe>> Pipe::make() {
  identity::Payer payer = identity::current_payer();
  size_t capacity = 0;
  PagesCharge charge = TRY(charge_pages(payer, capacity));
  Ref<Pipe> pipe = TRY(mem::make_ref<Pipe>(std::move(payer)));
  sync::MutexGuard guard(pipe->lock_);
  pipe->pages_ = TRY(mem::Buffer<mem::Frame*>::make_zeroed(capacity / kPageSize));
  pipe->capacity_ = capacity;
  pipe->pages_charge_ = std::move(charge);
  return pipe;
}

void Pipe::free_pages(size_t keep) {
  for (size_t i = keep; i < pages_.size(); i++)
    if (pages_[i] != nullptr) mem::release(*std::exchange(pages_[i], nullptr));
}

Result<Pipe::Piece> Pipe::space_at(size_t position) {
  mem::Frame*& page = pages_[position / kPageSize];
  if (page == nullptr) page = TRY(mem::allocate_frame(mem::FrameUse::Kernel, mem::Contents::Undefined));
  return data_at(position);
}

Pipe::Piece Pipe::data_at(size_t position) {
  const size_t in_page = position % kPageSize;
  return {mem::contents_of(*pages_[position / kPageSize]) + in_page, kPageSize - in_page};
}

// As much as there is room for.
Result<size_t> Pipe::fill(IoBuffer& from) {
  size_t done = 0;
  while (used() < capacity() && from.remaining() != 0) {
    const Result<Piece> piece = space_at((head_ + used()) % capacity());
    if (!piece) return done != 0 ? Result<size_t>(done) : Error(piece.error());
    const size_t wanted = std::min({piece->size, capacity() - used(), from.remaining()});
    const Result<size_t> moved = from.take(piece->bytes, wanted);
    if (!moved) return done != 0 ? Result<size_t>(done) : moved;
    used_.store(used() + *moved, std::memory_order_relaxed);
    done += *moved;
    if (*moved < wanted) break;
  }
  return done;
}

// As much as there is.
Result<size_t> Pipe::drain(IoBuffer& into) {
  size_t done = 0;
  while (used() != 0 && into.remaining() != 0) {
    const Piece piece = data_at(head_);
    const size_t wanted = std::min({piece.size, used(), into.remaining()});
    const Result<size_t> moved = into.put(piece.bytes, wanted);
    if (!moved) return done != 0 ? Result<size_t>(done) : moved;
    used_.store(used() - *moved, std::memory_order_relaxed);
    head_ = (head_ + *moved) % capacity();
    done += *moved;
    if (*moved < wanted) break;
  }
  if (used() == 0) {
    head_ = 0;
    free_pages(kPagesKeptWhenEmpty);
  }
  return done;
}

Result<size_t> Pipe::read(IoBuffer& into, bool non_blocking) {
  if (into.remaining() == 0) return 0;
  while (true) {
    Result<size_t> done = 0;
    bool has_room_now = false;
    {
      sync::MutexGuard guard(lock_);
      if (used() != 0) {
        const bool had_room = has_room();
        done = drain(into);
        has_room_now = !had_room && has_room();
      } else if (writers_ == 0) {
        return 0;
      }
    }
    // A writer sleeps only for want of room for one atomic write: it is woken when that much is free again.
    if (has_room_now) writable_.wake(kPollOut | kPollWrNorm);
    if (!done || *done != 0) return done;
    if (non_blocking) return Error(Errno::Again);
    TRY(sched::wait_until(readable_, {.name = "pipe read"}, [&] { return used() != 0 || writers_ == 0; }));
  }
}

Result<size_t> Pipe::write(IoBuffer& from, bool non_blocking) {
  const size_t needed = from.remaining() <= kAtomic ? from.remaining() : 1;
  if (needed == 0) return 0;
  size_t done = 0;
  const auto or_done = [&](Errno error) { return done != 0 ? Result<size_t>(done) : Error(error); };
  while (true) {
    Result<size_t> moved = 0;
    {
      sync::MutexGuard guard(lock_);
      if (readers_ == 0) return or_done(Errno::Pipe);
      if (capacity() - used() >= needed) moved = fill(from);
    }
    if (!moved) return or_done(moved.error());
    if (*moved != 0) {
      done += *moved;
      readable_.wake(kPollIn | kPollRdNorm);
      if (from.remaining() == 0) return done;
    }
    if (non_blocking) return or_done(Errno::Again);
    const Result<> woken =
        sched::wait_until(writable_, {.name = "pipe write"}, [&] { return has_room() || readers_ == 0; });
    if (!woken) return or_done(woken.error());
  }
}

PollEvents Pipe::poll_read(Poller* poller, uint32_t writers_before) {
  if (poller != nullptr) poller->watch(readable_);
  PollEvents ready = 0;
  if (used() != 0) ready |= kPollIn | kPollRdNorm;
  if (writers_ == 0 && writer_opens() != writers_before) ready |= kPollHup;
  return ready;
}

PollEvents Pipe::poll_write(Poller* poller) {
  if (poller != nullptr) poller->watch(writable_);
  PollEvents ready = 0;
  if (has_room()) ready |= kPollOut | kPollWrNorm;
  if (readers_ == 0) ready |= kPollErr;
  return ready;
}

void Pipe::add_ends(bool reader, bool writer) {
  {
    sync::MutexGuard guard(lock_);
    if (reader) readers_.fetch_add(1), reader_opens_.fetch_add(1);
    if (writer) writers_.fetch_add(1), writer_opens_.fetch_add(1);
  }
  opened_.wake_all();
}

void Pipe::remove_ends(bool reader, bool writer) {
  {
    sync::MutexGuard guard(lock_);
    if (reader) readers_.fetch_sub(1);
    if (writer) writers_.fetch_sub(1);
    if (readers_ == 0 && writers_ == 0) {
      used_ = head_ = 0;
      free_pages(0);
    }
  }
  readable_.wake_all();
  writable_.wake_all();
}

Result<> Pipe::wait_for_reader(uint32_t opens_before) {
  return sched::wait_until(opened_, {.name = "fifo"}, [&] { return readers_ != 0 || reader_opens_ != opens_before; });
}

Result<> Pipe::wait_for_writer(uint32_t opens_before) {
  return sched::wait_until(opened_, {.name = "fifo"}, [&] { return writers_ != 0 || writer_opens_ != opens_before; });
}

// Charges for `pages` instead of what the capacity was. Perm: more than before, and a limit is in the way.
Result<> Pipe::recharge(uint64_t pages, bool privileged) {
  const uint64_t before = capacity() / kPageSize;
  if (pages <= before) {
    pages_charge_.remove(before - pages);
    return {};
  }
  const uint64_t soft = pipe_limits.soft.load(std::memory_order_relaxed);
  const Ref<identity::UserRecord>& user = pages_charge_.user();
  const uint64_t held = user != nullptr ? user->held(identity::Kept::PipePages) : 0;
  if (!privileged && soft != 0 && held + pages - before > soft) return Error(Errno::Perm);
  if (!pages_charge_.add(pages - before, privileged)) return Error(Errno::Perm);
  return {};
}

Result<size_t> Pipe::set_capacity(size_t bytes) {
  constexpr size_t kLargestBuffer = size_t{1} << 31;
  const identity::Payer payer = identity::current_payer();
  if (bytes > kLargestBuffer) return Error(Errno::Inval);
  const size_t capacity = std::bit_ceil(std::max(bytes, kPageSize));
  if (capacity > pipe_limits.largest && !payer.privileged) return Error(Errno::Perm);
  auto pages = TRY(mem::Buffer<mem::Frame*>::make_zeroed(capacity / kPageSize));
  sync::MutexGuard guard(lock_);
  if (used() > capacity) return Error(Errno::Busy);
  TRY(recharge(capacity / kPageSize, payer.privileged));
  // The bytes move to the front of the new ring.
  std::swap(pages, pages_);
  const size_t old_head = std::exchange(head_, 0);
  size_t from = old_head;
  const size_t old_capacity = capacity_.exchange(capacity);
  Result<> moved;
  for (size_t to = 0; to < used();) {
    const Result<Piece> space = space_at(to);
    if (!space) {
      moved = Error(space.error());
      break;
    }
    const size_t in_page = from % kPageSize;
    const size_t size = std::min({space->size, kPageSize - in_page, used() - to});
    std::copy_n(mem::contents_of(*pages[from / kPageSize]) + in_page, size, space->bytes);
    to += size;
    from = (from + size) % old_capacity;
  }
  if (!moved) {     // the old ring is still whole: back to it
    std::swap(pages, pages_);
    head_ = old_head;
    capacity_ = old_capacity;
    pages_charge_.remove(capacity / kPageSize);
    pages_charge_.add_anyway(old_capacity / kPageSize);
  }
  for (mem::Frame* page : pages.span())
    if (page != nullptr) mem::release(*page);
  if (!moved) return Error(moved.error());
  writable_.wake(kPollOut | kPollWrNorm);
  return capacity;
}

}  // namespace tine::file
