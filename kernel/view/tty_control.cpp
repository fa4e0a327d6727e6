// SPDX-License-Identifier: BSD-2-Clause
// Terminals: what ioctl(2) asks and sets. Source: tty_ioctl(4); the numbers are Linux's.
#include "view/tty.h"
#include "vm/user_ptr.h"

namespace tine::view {
namespace {

using vm::UserPtr;

enum Command : uint32_t {
  kTcGets = 0x5401, kTcSets = 0x5402, kTcSetsWait = 0x5403, kTcSetsFlush = 0x5404, kTcSendBreak = 0x5409,
  kTcFlow = 0x540A, kTcFlush = 0x540B, kTakeControl = 0x540E, kGetForeground = 0x540F, kSetForeground = 0x5410,
  kOutputQueued = 0x5411, kGetWindowSize = 0x5413, kSetWindowSize = 0x5414, kInputQueued = 0x541B,
  kGiveUpControl = 0x5422, kGetDiscipline = 0x5424, kSetDiscipline = 0x5423, kTcSendBreakPosix = 0x5425,
  kStartBreak = 0x5427, kStopBreak = 0x5428, kGetSession = 0x5429, kTcGets2 = 0x802C542A, kTcSets2 = 0x402C542B,
  kTcSetsWait2 = 0x402C542C, kTcSetsFlush2 = 0x402C542D, kGetDevice = 0x80045432,
};

constexpr uint32_t kLineSpeed = 38400;   // what a virtual line claims

// The three ways to change settings: when.
constexpr uint32_t kNow = 0, kAfterOutputFlushInput = 2;   // 1: after output

// Asks that change the terminal, which a background process may not do.
constexpr bool changes_terminal(uint32_t command) {
  switch (command) {
    case kTcSets: case kTcSetsWait: case kTcSetsFlush: case kTcSets2: case kTcSetsWait2: case kTcSetsFlush2:
    case kTcSendBreak: case kTcSendBreakPosix: case kTcFlow: case kTcFlush: case kSetForeground: case kSetDiscipline:
      return true;
    default:
      return false;
  }
}

}  // namespace

Termios Tty::settings() {
  sync::SpinGuard guard(lock_);
  return discipline_.settings();
}

Result<> Tty::wait_until_sent() {
  if (!drains_by_itself()) return {};
  return sched::wait_until(write_wait_, {.name = "ttydrain"}, [&] {
    sync::SpinGuard guard(lock_);
    return discipline_.output_size() == 0 || line_closed_locked();
  });
}

Result<> Tty::change_settings(const Termios& settings, uint32_t how) {
  if (how != kNow) TRY(wait_until_sent());
  {
    sync::SpinGuard guard(lock_);
    if (how == kAfterOutputFlushInput) discipline_.flush_input();
    discipline_.set_settings(settings);
    send_locked();
  }
  if (how == kAfterOutputFlushInput) input_taken();
  // Another mode may make readable what was not, and IXON off lets output go on.
  wake_readers();
  wake_writers();
  return {};
}

// TCFLSH: 0 input, 1 output, 2 both.
Result<> Tty::flush(uint64_t queues) {
  if (queues > 2) return Error(Errno::Inval);
  {
    sync::SpinGuard guard(lock_);
    if (queues != 1) discipline_.flush_input();
    if (queues != 0) discipline_.flush_output();
  }
  if (queues != 1) input_taken();
  wake_writers();
  return {};
}

// TCXONC: 0 stops output, 1 starts it; 2 and 3 send STOP and START to the other side.
Result<> Tty::flow(uint64_t action) {
  if (action > 3) return Error(Errno::Inval);
  {
    sync::SpinGuard guard(lock_);
    if (action <= 1) {
      discipline_.set_stopped(action == 0);
    } else {
      const char c = static_cast<char>(discipline_.settings().characters[action == 2 ? kVStop : kVStart]);
      if (c != 0) discipline_.write({&c, 1});
    }
    send_locked();
  }
  wake_writers();
  return {};
}

void Tty::set_window_size(const WindowSize& size) {
  {
    sync::SpinGuard guard(lock_);
    if (window_ == size) return;
    window_ = size;
  }
  signal_foreground(process::kSigWinch);
}

Result<uint64_t> Tty::control_line(uint32_t command, uint64_t argument) {
  Termios2 given{};
  switch (command) {
    case kTcGets:
      TRY(UserPtr<Termios>(argument).store(settings()));
      return 0;
    case kTcGets2:
      TRY(UserPtr<Termios2>(argument).store({settings(), kLineSpeed, kLineSpeed}));
      return 0;
    case kTcSets: case kTcSetsWait: case kTcSetsFlush:
      given.base = TRY(UserPtr<const Termios>(argument).load());
      TRY(change_settings(given.base, command - kTcSets));
      return 0;
    case kTcSets2: case kTcSetsWait2: case kTcSetsFlush2:
      given = TRY(UserPtr<const Termios2>(argument).load());
      TRY(change_settings(given.base, command - kTcSets2));
      return 0;
    case kTcFlush:
      TRY(flush(argument));
      return 0;
    case kGetWindowSize: {
      WindowSize size;
      {
        sync::SpinGuard guard(lock_);
        size = window_;
      }
      TRY(UserPtr<WindowSize>(argument).store(size));
      return 0;
    }
    case kSetWindowSize:
      set_window_size(TRY(UserPtr<const WindowSize>(argument).load()));
      return 0;
    default:
      return Error(Errno::NotTty);
  }
}

Result<uint64_t> Tty::control(TtyFile& file, uint32_t command, uint64_t argument) {
  if (file.hung_up()) return Error(command == kGetForeground || command == kSetForeground ? Errno::NotTty : Errno::Io);
  if (changes_terminal(command)) TRY(check_background(process::kSigTtou));
  process::Process& process = process::current().process();
  switch (command) {
    case kTakeControl:
      TRY(take_as_controlling_terminal(process, argument == 1));
      return 0;
    case kGiveUpControl:
      TRY(give_up_controlling_terminal(process));
      return 0;
    case kGetForeground:
      TRY(UserPtr<int32_t>(argument).store(TRY(foreground_of(process))));
      return 0;
    case kSetForeground:
      TRY(set_foreground(process, TRY(UserPtr<const int32_t>(argument).load())));
      return 0;
    case kGetSession:
      TRY(UserPtr<int32_t>(argument).store(TRY(session_of(process))));
      return 0;
    case kInputQueued: case kOutputQueued: {
      size_t queued = 0;
      {
        sync::SpinGuard guard(lock_);
        queued = command == kInputQueued ? discipline_.input_size() : discipline_.output_size();
      }
      TRY(UserPtr<int32_t>(argument).store(static_cast<int32_t>(queued)));
      return 0;
    }
    case kTcFlow:
      TRY(flow(argument));
      return 0;
    case kTcSendBreak: case kTcSendBreakPosix:
      TRY(wait_until_sent());   // the argument 1 is tcdrain(3); a break means nothing on a virtual line
      return 0;
    case kStartBreak: case kStopBreak:
      return 0;
    case kGetDiscipline:
      TRY(UserPtr<int32_t>(argument).store(0));
      return 0;
    case kSetDiscipline:
      if (TRY(UserPtr<const int32_t>(argument).load()) != 0) return Error(Errno::Inval);
      return 0;
    case kGetDevice:
      TRY(UserPtr<uint32_t>(argument).store(static_cast<uint32_t>(device_)));
      return 0;
    default:
      return control_line(command, argument);
  }
}

}  // namespace tine::view
