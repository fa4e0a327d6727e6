// SPDX-License-Identifier: BSD-2-Clause
// The system as a whole: its name, memory and load, random numbers, kernel messages, the end.
// Source: uname(2), sysinfo(2), getrandom(2), syslog(2), reboot(2).
#include "abi/linux/system.h"

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "machine/boot.h"
#include "mem/frame.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/wait_queue.h"
#include "sync/mutex.h"
#include "view/system_name.h"
#include "view/tty.h"

namespace tine::abi::linux_abi {

using identity::Capability;

namespace {

Result<> require(const Call& call, Capability capability) {
  if (!call.process().credentials()->capable(capability)) return Error(Errno::Perm);
  return {};
}

// --- Names ---

struct SystemNames {  // struct utsname
  char system[65], node[65], release[65], version[65], machine[65], domain[65];
};

void copy_name(char (&to)[65], std::string_view name) { std::copy_n(name.data(), std::min<size_t>(name.size(), 64), to); }

CallResult set_name(const Call& call, view::HostName which) {
  TRY(require(call, Capability::SysAdmin));
  const int size = call.as_int(1);
  if (size < 0 || size > static_cast<int>(view::kHostNameMax)) return Error(Errno::Inval);
  char name[view::kHostNameMax];
  const std::span<char> text = std::span<char>(name).first(static_cast<size_t>(size));
  TRY(vm::UserSpan<const char>(call.args[0], text.size()).copy_in(text));
  TRY(view::set_host_name(which, {text.data(), text.size()}));
  return 0;
}

}  // namespace

CallResult sys_uname(const Call& call) {
  SystemNames names{};
  char buffer[view::kHostNameMax];
  copy_name(names.system, view::kSystemName);
  copy_name(names.node, view::host_name(view::HostName::Node, buffer));
  copy_name(names.release, view::kRelease);
  copy_name(names.version, view::kVersion);
  copy_name(names.machine, view::kMachine);
  copy_name(names.domain, view::host_name(view::HostName::Domain, buffer));
  TRY(call.pointer<SystemNames>(0).store(names));
  return 0;
}

CallResult sys_sethostname(const Call& call) { return set_name(call, view::HostName::Node); }
CallResult sys_setdomainname(const Call& call) { return set_name(call, view::HostName::Domain); }

// --- Memory and load ---

namespace {

struct SystemInfo {  // struct sysinfo
  int64_t uptime;
  uint64_t loads[3];  // in 1/65536
  uint64_t total_memory, free_memory, shared_memory, buffer_memory, total_swap, free_swap;
  uint16_t processes, padding[3];
  uint64_t total_high, free_high;
  uint32_t unit, padding2;
};
static_assert(sizeof(SystemInfo) == 112);

}  // namespace

CallResult sys_sysinfo(const Call& call) {
  const mem::FrameCounts frames = mem::count_frames();
  const sched::LoadAverage load = sched::load_average();
  SystemInfo info{};
  info.uptime = static_cast<int64_t>(sched::uptime() / kSecond);
  for (unsigned i = 0; i < 3; ++i) info.loads[i] = uint64_t{load.fixed[i]} << 5;   // from 1/2048
  info.total_memory = frames.total * mem::kPageSize;
  info.free_memory = frames.free * mem::kPageSize;
  info.processes = static_cast<uint16_t>(process::thread_slots().used());
  info.unit = 1;
  TRY(call.pointer<SystemInfo>(0).store(info));
  return 0;
}

// --- Random numbers ---

CallResult sys_getrandom(const Call& call) {
  constexpr unsigned kNonBlock = 1, kRandom = 2, kInsecure = 4;
  const unsigned flags = call.as_unsigned(2);
  if (flags & ~(kNonBlock | kRandom | kInsecure)) return Error(Errno::Inval);
  if ((flags & (kRandom | kInsecure)) == (kRandom | kInsecure)) return Error(Errno::Inval);

  const vm::UserBytes into(call.args[0], std::min<uint64_t>(call.args[1], INT32_MAX));
  size_t done = 0;
  while (done < into.size()) {
    std::byte chunk[256];
    const std::span<std::byte> part = std::span(chunk).first(std::min(sizeof chunk, into.size() - done));
    random_bytes(part);
    if (const auto stored = into.subspan(done).copy_out(part); !stored)
      return done != 0 ? CallResult(done) : Error(stored.error());
    done += part.size();
    if (done < into.size() && sched::interrupt_pending()) break;
    sched::maybe_yield();
  }
  return done;
}

// --- Kernel messages ---

namespace {

enum class LogAction : int {
  Close, Open, Read, ReadAll, ReadAndClear, Clear, ConsoleOff, ConsoleOn, SetConsoleLevel, SizeUnread, SizeOfRing
};
constexpr size_t kLogRingSize = 64_KiB;

constinit sync::Mutex log_reader{"syslog"};
constinit uint64_t log_read_position GUARDED_BY(log_reader) = 0;    // of destructive reads
constinit uint64_t log_clear_position GUARDED_BY(log_reader) = 0;   // where "all" begins

uint64_t log_end(uint64_t from) {
  char scratch[256];
  while (true) {
    const LogRead read = read_log(from, scratch, sizeof scratch);
    from = read.next;
    if (read.copied == 0) return from;
  }
}

// Copies the ring from `position` on to user memory; returns how much, and moves the position.
Result<size_t> copy_log(uint64_t& position, vm::UserSpan<char> into) {
  size_t done = 0;
  while (done < into.size()) {
    char chunk[256];
    const LogRead read = read_log(position, chunk, std::min(sizeof chunk, into.size() - done));
    if (read.copied == 0) break;
    TRY(into.subspan(done).copy_out({chunk, read.copied}));
    done += read.copied;
    position = read.next;
  }
  return done;
}

// Messages are written in any context, so that nobody can be woken for them: the reader looks from time to time.
Result<size_t> read_next_messages(vm::UserSpan<char> into) {
  sched::WaitQueue nobody_wakes{"syslog"};
  while (true) {
    {
      sync::MutexGuard guard(log_reader);
      if (const size_t done = TRY(copy_log(log_read_position, into)); done != 0) return done;
    }
    const auto waited = sched::wait_until(
        nobody_wakes, {.name = "syslog", .deadline = sched::uptime() + kSecond / 4}, [] { return false; });
    if (waited.error() != Errno::TimedOut) return Error(waited.error());
  }
}

Result<size_t> read_last_messages(vm::UserSpan<char> into, bool clear) {
  sync::MutexGuard guard(log_reader);
  const uint64_t end = log_end(log_clear_position);
  const uint64_t room = std::min<uint64_t>(into.size(), kLogRingSize);
  uint64_t position = std::max(log_clear_position, end > room ? end - room : 0);
  const size_t done = TRY(copy_log(position, into));
  if (clear) log_clear_position = end;
  return done;
}

}  // namespace

CallResult sys_syslog(const Call& call) {
  const auto action = static_cast<LogAction>(call.as_int(0));
  const int size = call.as_int(2);
  if (action != LogAction::ReadAll && action != LogAction::SizeOfRing) TRY(require(call, Capability::Syslog));
  const vm::UserSpan<char> into(call.args[1], static_cast<size_t>(std::max(size, 0)));
  switch (action) {
    case LogAction::Close: case LogAction::Open:
      return 0;
    case LogAction::Read: case LogAction::ReadAll: case LogAction::ReadAndClear:
      if (call.args[1] == 0 || size < 0) return Error(Errno::Inval);
      if (size == 0) return 0;
      if (action == LogAction::Read) return read_next_messages(into);
      return read_last_messages(into, action == LogAction::ReadAndClear);
    case LogAction::Clear: {
      sync::MutexGuard guard(log_reader);
      log_clear_position = log_end(log_clear_position);
      return 0;
    }
    case LogAction::ConsoleOff:
      set_console_log_level(LogLevel::Error);
      return 0;
    case LogAction::ConsoleOn:
      set_console_log_level(LogLevel::Info);
      return 0;
    case LogAction::SetConsoleLevel:   // messages below this level are shown
      if (size < 1 || size > 8) return Error(Errno::Inval);
      set_console_log_level(static_cast<LogLevel>(size - 1));
      return 0;
    case LogAction::SizeUnread: {
      sync::MutexGuard guard(log_reader);
      return std::min<uint64_t>(log_end(log_read_position) - log_read_position, kLogRingSize);
    }
    case LogAction::SizeOfRing:
      return kLogRingSize;
  }
  return Error(Errno::Inval);
}

// --- The end ---

CallResult sys_reboot(const Call& call) {
  constexpr unsigned kMagic = 0xfee1dead, kMagic2[] = {672274793, 85072278, 369367448, 537993216};
  constexpr unsigned kRestart = 0x01234567, kHalt = 0xcdef0123, kKeysOn = 0x89abcdef, kKeysOff = 0,
                     kPowerOff = 0x4321fedc, kRestartWith = 0xa1b2c3d4;
  TRY(require(call, Capability::SysBoot));
  const bool known = std::ranges::find(kMagic2, call.as_unsigned(1)) != std::end(kMagic2);
  if (call.as_unsigned(0) != kMagic || !known) return Error(Errno::Inval);
  switch (call.as_unsigned(2)) {
    case kRestart: case kRestartWith:
      log(LogLevel::Info, "restarting\n");
      machine::reset_machine();
    case kHalt:
      log(LogLevel::Info, "halted\n");
      machine::halt_machine();
    case kPowerOff:
      log(LogLevel::Info, "powering off\n");
      machine::power_off(0);
    case kKeysOn: case kKeysOff:   // there is no Ctrl-Alt-Delete
      return 0;
    default:
      return Error(Errno::Inval);
  }
}

CallResult sys_vhangup(const Call& call) {
  TRY(require(call, Capability::SysTtyConfig));
  // Every controlling terminal is a Tty: nothing else implements the interface.
  if (const auto terminal = view::controlling_terminal(call.process())) static_cast<view::Tty&>(*terminal).hang_up();
  return 0;
}

// --- What Tine has not, by design: swap, and ports for programs ---

CallResult sys_swapon(const Call&) { return Error(Errno::Perm); }
CallResult sys_swapoff(const Call& call) {
  TRY(require(call, Capability::SysAdmin));
  return Error(Errno::Inval);
}
CallResult sys_iopl(const Call&) { return Error(Errno::Perm); }
CallResult sys_ioperm(const Call&) { return Error(Errno::Perm); }

}  // namespace tine::abi::linux_abi
