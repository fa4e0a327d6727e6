// SPDX-License-Identifier: BSD-2-Clause
// epoll_create(2), epoll_ctl(2), epoll_wait(2), eventfd(2), timerfd_create(2), signalfd(2).
#include "abi/linux/event.h"

#include <climits>

#include "abi/linux/descriptors.h"
#include "abi/linux/temporary_mask.h"
#include "abi/linux/timespec.h"
#include "event/epoll.h"
#include "event/eventfd.h"
#include "event/signalfd.h"
#include "event/timerfd.h"
#include "file/inode.h"
#include "view/mounts_file.h"

namespace tine::abi::linux_abi {

using event::EpollEvent;
using event::EpollFile;
using event::EpollInterest;
using event::EventFile;
using event::SignalFile;
using event::TimerFile;
using file::kCloseOnExec;
using file::kNonBlock;

// --- epoll ---

namespace {

enum EpollOperation : int { kAdd = 1, kDelete = 2, kModify = 3 };

CallResult create_epoll(const Call& call, uint32_t flags) {
  if (flags & ~kCloseOnExec) return Error(Errno::Inval);
  TRY(file::File::check_room());
  auto file = TRY(mem::make_ref<EpollFile>(TRY(mem::make_ref<event::EpollSet>())));
  return install_file(call, std::move(file), flags & kCloseOnExec);
}

Result<> check_exclusive(const EpollInterest& interest) {
  constexpr uint32_t kAllowed = file::kPollIn | file::kPollOut | file::kPollErr | file::kPollHup |
                                EpollInterest::kWakeUp | EpollInterest::kEdge | EpollInterest::kExclusive;
  if ((interest.events & EpollInterest::kExclusive) && (interest.events & ~kAllowed))
    return Error(Errno::Inval);
  return {};
}

// What is always ready can be read and polled, but not be waited for: epoll_ctl(2), EPERM.
bool can_be_waited_for(file::File& file) {
  const file::Inode* inode = file.inode();
  if (inode == nullptr || file::file_cast<view::MountsFile>(file) != nullptr) return true;
  if (inode->is_regular() || inode->is_directory()) return false;
  // Of the memory devices only these two can be: null(4), random(4).
  constexpr uint32_t kMemoryDevices = 1, kRandom = 8, kKernelMessages = 11;
  const uint32_t minor = file::minor_of(inode->device);
  return inode->type != file::FileType::Character || file::major_of(inode->device) != kMemoryDevices ||
         minor == kRandom || minor == kKernelMessages;
}

// A descriptor of a place alone is no file for these calls: open(2), O_PATH.
Result<Ref<file::File>> get_usable_file(const Call& call, int descriptor) {
  auto file = TRY(get_file(call, descriptor));
  if (file->flags() & file::kPathOnly) return Error(Errno::BadF);
  return file;
}

Result<EpollFile*> as_epoll(file::File& file) {
  EpollFile* epoll = file::file_cast<EpollFile>(file);
  if (epoll == nullptr) return Error(Errno::Inval);
  return epoll;
}

CallResult epoll_wait(const Call& call, Nanoseconds deadline) {
  const int most = call.as_int(2);
  if (most <= 0 || static_cast<unsigned>(most) > INT_MAX / sizeof(EpollEvent)) return Error(Errno::Inval);
  const auto file = TRY(get_usable_file(call, call.as_int(0)));
  return TRY(TRY(as_epoll(*file))->set().wait(call.args[1], static_cast<unsigned>(most), deadline));
}

Nanoseconds deadline_in_milliseconds(int milliseconds) {
  return milliseconds < 0 ? kForever : deadline_after(static_cast<uint64_t>(milliseconds) * kMillisecond);
}

}  // namespace

CallResult sys_epoll_create(const Call& call) {
  if (call.as_int(0) <= 0) return Error(Errno::Inval);
  return create_epoll(call, 0);
}

CallResult sys_epoll_create1(const Call& call) { return create_epoll(call, call.as_unsigned(0)); }

CallResult sys_epoll_ctl(const Call& call) {
  const int operation = call.as_int(1);
  const int descriptor = call.as_int(2);
  EpollInterest interest;
  if (operation != kDelete) {
    const EpollEvent event = TRY(call.pointer<const EpollEvent>(3).load());
    interest = {event.events, event.data};
  }
  const auto epoll_file = TRY(get_usable_file(call, call.as_int(0)));
  const auto target = TRY(get_usable_file(call, descriptor));
  if (!can_be_waited_for(*target)) return Error(Errno::Perm);
  EpollFile* const epoll = TRY(as_epoll(*epoll_file));
  if (epoll == target.get()) return Error(Errno::Inval);

  Result<> result;
  switch (operation) {
    case kAdd:
      TRY(check_exclusive(interest));
      result = epoll->set().add(target, descriptor, interest);
      break;
    case kModify:
      result = epoll->set().modify(*target, descriptor, interest);
      break;
    case kDelete:
      result = epoll->set().remove(*target, descriptor);
      break;
    default:
      return Error(Errno::Inval);
  }
  TRY(result);
  return 0;
}

CallResult sys_epoll_wait(const Call& call) {
  return epoll_wait(call, deadline_in_milliseconds(call.as_int(3)));
}

CallResult sys_epoll_pwait(const Call& call) {
  return with_signal_mask(call.thread, call.pointer<const uint64_t>(4), call.args[5],
                          [&] { return epoll_wait(call, deadline_in_milliseconds(call.as_int(3))); });
}

CallResult sys_epoll_pwait2(const Call& call) {
  Nanoseconds deadline = kForever;
  if (const auto timeout = call.pointer<const TimeSpec>(3))
    deadline = deadline_after(TRY(to_nanoseconds(TRY(timeout.load()))));
  return with_signal_mask(call.thread, call.pointer<const uint64_t>(4), call.args[5],
                          [&] { return epoll_wait(call, deadline); });
}

// --- eventfd ---

namespace {

CallResult create_eventfd(const Call& call, uint32_t flags) {
  constexpr uint32_t kSemaphore = 1;
  if (flags & ~(kSemaphore | kCloseOnExec | kNonBlock)) return Error(Errno::Inval);
  const auto reading = flags & kSemaphore ? EventFile::Reading::TakesOne : EventFile::Reading::TakesAll;
  TRY(file::File::check_room());
  auto file =
      TRY(mem::make_ref<EventFile>(call.as_unsigned(0), reading, file::kReadWrite | (flags & kNonBlock)));
  return install_file(call, std::move(file), flags & kCloseOnExec);
}

}  // namespace

CallResult sys_eventfd(const Call& call) { return create_eventfd(call, 0); }
CallResult sys_eventfd2(const Call& call) { return create_eventfd(call, call.as_unsigned(1)); }

// --- timerfd ---

namespace {

struct ITimerSpec {
  TimeSpec interval;
  TimeSpec value;
};

Result<TimerFile::Clock> timer_clock(int id) {
  switch (id) {
    case 0:
    case 8:
      return TimerFile::Clock::Wall;  // REALTIME, REALTIME_ALARM
    case 1:
    case 7:
    case 9:
      return TimerFile::Clock::Uptime;  // MONOTONIC, BOOTTIME, BOOTTIME_ALARM
    default:
      return Error(Errno::Inval);
  }
}

struct TimerReference {
  Ref<file::File> file;
  TimerFile& timer;
};
Result<TimerReference> get_timer(const Call& call) {
  auto file = TRY(get_file(call, call.as_int(0)));
  TimerFile* timer = file::file_cast<TimerFile>(*file);
  if (timer == nullptr) return Error(Errno::Inval);
  return TimerReference{std::move(file), *timer};
}

ITimerSpec to_itimerspec(const TimerFile::Setting& setting) {
  return {to_timespec(setting.interval), to_timespec(setting.value)};
}

}  // namespace

CallResult sys_timerfd_create(const Call& call) {
  const uint32_t flags = call.as_unsigned(1);
  const auto clock = TRY(timer_clock(call.as_int(0)));
  if (flags & ~(kCloseOnExec | kNonBlock)) return Error(Errno::Inval);
  TRY(file::File::check_room());
  auto file = TRY(mem::make_ref<TimerFile>(clock, file::kReadWrite | (flags & kNonBlock)));
  return install_file(call, std::move(file), flags & kCloseOnExec);
}

CallResult sys_timerfd_settime(const Call& call) {
  constexpr unsigned kAbsolute = 1, kCancelOnSet = 2;
  const unsigned flags = call.as_unsigned(1);
  if (flags & ~(kAbsolute | kCancelOnSet)) return Error(Errno::Inval);
  const ITimerSpec spec = TRY(call.pointer<const ITimerSpec>(2).load());
  const TimerFile::Setting setting = {TRY(to_nanoseconds(spec.interval)), TRY(to_nanoseconds(spec.value))};
  const auto reference = TRY(get_timer(call));
  const auto before =
      flags & kAbsolute
          ? reference.timer.set_absolute(setting, flags & kCancelOnSet ? TimerFile::OnClockSet::Cancel
                                                                       : TimerFile::OnClockSet::Follow)
          : reference.timer.set_relative(setting);
  if (const auto old = call.pointer<ITimerSpec>(3)) TRY(old.store(to_itimerspec(before)));
  return 0;
}

CallResult sys_timerfd_gettime(const Call& call) {
  const auto reference = TRY(get_timer(call));
  TRY(call.pointer<ITimerSpec>(1).store(to_itimerspec(reference.timer.get())));
  return 0;
}

// --- signalfd ---

namespace {

CallResult create_signalfd(const Call& call, uint32_t flags) {
  if (call.args[2] != sizeof(uint64_t)) return Error(Errno::Inval);
  if (flags & ~(kCloseOnExec | kNonBlock)) return Error(Errno::Inval);
  const process::SignalSet mask(TRY(call.pointer<const uint64_t>(1).load()));
  const int descriptor = call.as_int(0);
  if (descriptor == -1) {
    TRY(file::File::check_room());
    auto file = TRY(mem::make_ref<SignalFile>(mask, file::kReadWrite | (flags & kNonBlock)));
    return install_file(call, std::move(file), flags & kCloseOnExec);
  }
  const auto file = TRY(get_file(call, descriptor));
  SignalFile* signals = file::file_cast<SignalFile>(*file);
  if (signals == nullptr) return Error(Errno::Inval);
  signals->set_mask(mask);
  return static_cast<uint64_t>(descriptor);
}

}  // namespace

CallResult sys_signalfd(const Call& call) { return create_signalfd(call, 0); }
CallResult sys_signalfd4(const Call& call) { return create_signalfd(call, call.as_unsigned(3)); }

}  // namespace tine::abi::linux_abi
