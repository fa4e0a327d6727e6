// SPDX-License-Identifier: BSD-2-Clause
#include "view/pty.h"

#include <algorithm>

#include "vm/user_ptr.h"

namespace tine::view {
namespace {

constinit sync::Spinlock table_lock{"ptys"};
constinit PtySlave* table[kMaxPtys] GUARDED_BY(table_lock) = {};   // no references: a pty leaves when its master closes

}  // namespace

Ref<PtySlave> next_pty(uint32_t number) {
  sync::SpinGuard guard(table_lock);
  for (; number < kMaxPtys; ++number)
    if (table[number] != nullptr && table[number]->try_ref()) return Ref<PtySlave>(table[number], false);
  return {};
}

Ref<PtySlave> find_pty(uint32_t number) {
  Ref<PtySlave> found = next_pty(number);
  return found && found->number == number ? found : Ref<PtySlave>();
}

void remove_pty(PtySlave& pty) {
  sync::SpinGuard guard(table_lock);
  if (table[pty.number] == &pty) table[pty.number] = nullptr;
}

Result<Ref<PtySlave>> make_pty() {
  uint32_t number = 0;
  while (true) {
    {
      sync::SpinGuard guard(table_lock);
      while (number < kMaxPtys && table[number] != nullptr) ++number;
    }
    if (number == kMaxPtys) return Error(Errno::NoSpc);
    auto charge = TRY(PtySlave::Charge::take(identity::current_payer(), Errno::NoSpc));
    auto pty = TRY(mem::make_ref<PtySlave>(number, std::move(charge)));
    TRY(pty->allocate());
    TRY(make_pts_node(*pty));
    sync::SpinGuard guard(table_lock);
    if (table[number] != nullptr) continue;   // somebody was faster
    table[number] = pty.get();
    return pty;
  }
}

// --- The line, as the slave sees it ---

void PtySlave::send_locked() {
  if (!discipline_.sendable().empty()) master_read_wait_.wake_all(file::kPollIn | file::kPollRdNorm);
}

void PtySlave::first_opened() {
  sync::SpinGuard guard(lock_);
  slave_closed_ = false;
}

void PtySlave::last_closed() {
  {
    sync::SpinGuard guard(lock_);
    slave_closed_ = true;
  }
  master_read_wait_.wake_all(file::kPollIn | file::kPollRdNorm | file::kPollHup);
  master_write_wait_.wake_all(file::kPollOut | file::kPollHup);
}

// --- The line, as the master sees it ---

size_t PtySlave::take_output(std::span<char> into) {
  sync::SpinGuard guard(lock_);
  const std::span<const char> ready = discipline_.sendable();
  const size_t size = std::min(ready.size(), into.size());
  std::copy_n(ready.data(), size, into.data());
  discipline_.sent(size);
  return size;
}

Result<size_t> PtySlave::read_output(file::IoBuffer& into, bool non_blocking) {
  if (into.remaining() == 0) return 0;
  size_t done = 0;
  while (true) {
    while (into.remaining() != 0) {
      char chunk[kChunk];
      const size_t size = take_output(std::span(chunk).first(std::min(into.remaining(), kChunk)));
      if (size == 0) break;
      const auto put = into.put(chunk, size);
      if (!put) return done != 0 ? Result<size_t>(done) : Error(put.error());
      done += *put;
      if (*put < size) break;
    }
    if (done != 0) {
      wake_writers();
      return done;
    }
    {
      sync::SpinGuard guard(lock_);
      if (slave_closed_ && discipline_.sendable().empty()) return Error(Errno::Io);
    }
    if (non_blocking) return Error(Errno::Again);
    TRY(sched::wait_until(master_read_wait_, {.name = "ptyin"}, [this] {
      sync::SpinGuard guard(lock_);
      return slave_closed_ || !discipline_.sendable().empty();
    }));
  }
}

Result<size_t> PtySlave::write_input(file::IoBuffer& from, bool non_blocking) {
  size_t done = 0;
  while (from.remaining() != 0) {
    char chunk[kChunk];
    const auto taken = from.take(chunk, sizeof chunk);
    if (!taken) return done != 0 ? Result<size_t>(done) : Error(taken.error());
    std::span<const char> rest(chunk, *taken);
    while (true) {
      const size_t typed = offer(rest);
      done += typed;
      rest = rest.subspan(typed);
      if (rest.empty()) break;
      if (non_blocking) return done != 0 ? Result<size_t>(done) : Error(Errno::Again);
      const auto waited = sched::wait_until(master_write_wait_, {.name = "ptyout"}, [this] {
        sync::SpinGuard guard(lock_);
        return discipline_.input_room() != 0;
      });
      if (!waited) return done != 0 ? Result<size_t>(done) : Error(waited.error());
    }
  }
  return done;
}

file::PollEvents PtySlave::poll_master(file::Poller* poller) {
  using namespace file;
  if (poller != nullptr) {
    poller->watch(master_read_wait_);
    poller->watch(master_write_wait_);
  }
  sync::SpinGuard guard(lock_);
  PollEvents events = 0;
  if (!discipline_.sendable().empty()) events |= kPollIn | kPollRdNorm;
  if (discipline_.input_room() != 0) events |= kPollOut | kPollWrNorm;
  if (slave_closed_) events |= kPollHup;
  return events;
}

Result<uint64_t> PtySlave::control_master(uint32_t command, uint64_t argument) {
  enum Command : uint32_t {
    kGetForeground = 0x540F, kOutputQueued = 0x5411, kInputQueued = 0x541B, kGetNumber = 0x80045430,
    kSetLock = 0x40045431, kSignal = 0x40045436, kGetLock = 0x80045439,
  };
  switch (command) {
    case kGetNumber:
      TRY(vm::UserPtr<uint32_t>(argument).store(number));
      return 0;
    case kSetLock:
      locked.store(TRY(vm::UserPtr<const int32_t>(argument).load()) != 0);
      return 0;
    case kGetLock:
      TRY(vm::UserPtr<int32_t>(argument).store(locked.load()));
      return 0;
    case kGetForeground:
      TRY(vm::UserPtr<int32_t>(argument).store(foreground_group()));
      return 0;
    case kSignal:
      if (!process::is_signal(static_cast<int>(argument))) return Error(Errno::Inval);
      signal_foreground(static_cast<int>(argument));
      return 0;
    case kInputQueued: case kOutputQueued: {
      size_t queued = 0;
      {
        sync::SpinGuard guard(lock_);
        queued = command == kInputQueued ? discipline_.output_size() : discipline_.input_size();
      }
      TRY(vm::UserPtr<int32_t>(argument).store(static_cast<int32_t>(queued)));
      return 0;
    }
    default:
      return control_line(command, argument);
  }
}

void PtySlave::close_master() {
  {
    sync::SpinGuard guard(lock_);
    master_closed_ = true;
  }
  remove_pty(*this);
  entry->mark_removed();
  hang_up();
}

Result<Ref<file::File>> PtyMaster::open(const file::Path& path, uint32_t flags) {
  auto pty = TRY(make_pty());
  auto master = mem::make_ref<PtyMaster>(pty, path, flags);
  if (!master) {
    pty->close_master();
    return Error(master.error());
  }
  return Ref<file::File>(std::move(*master));
}

PtyMaster::~PtyMaster() { slave_->close_master(); }

Result<uint64_t> PtyMaster::control(uint32_t command, uint64_t argument) {
  constexpr uint32_t kOpenPeer = 0x5441;   // TIOCGPTPEER
  if (command != kOpenPeer) return slave_->control_master(command, argument);
  process::Process& process = process::current().process();
  const uint32_t flags = static_cast<uint32_t>(argument);
  auto peer = TRY(TtyFile::open(slave_, TRY(pts_path(*slave_)), flags & ~file::kCloseOnExec));
  const auto limit = static_cast<unsigned>(std::min<uint64_t>(process.limit(process::Resource::Files), file::kMaxDescriptors));
  const int descriptor = TRY(process.descriptors()->install(std::move(peer), (flags & file::kCloseOnExec) != 0, limit));
  return static_cast<uint64_t>(descriptor);
}

}  // namespace tine::view
