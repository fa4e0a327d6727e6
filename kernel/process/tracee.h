// SPDX-License-Identifier: BSD-2-Clause
// Tracee: a thread that a process traces, and what the two have to tell each other. It exists only while the thread is
// traced, and outlives a thread that has ended until the tracer has waited for it. Source: ptrace(2) of Linux, whose
// threads are traced one by one, and of OpenBSD, which traces a process as a whole. Seed rows T7, T9, K4.
// Locks: tree_lock (T) for who traces whom; Process::lock (P) of the traced process for stops and answers. What a tracer
// does to a stopped thread it does under (P), which the thread needs in order to go on.
#pragma once

#include <boost/intrusive/list.hpp>

#include "machine/context.h"
#include "mem/buffer.h"
#include "process/process.h"

namespace tine::process {

// What a thread can stop for besides signals and system calls. The numbers are Linux's PTRACE_EVENT_*.
enum class TraceEvent : uint8_t { None = 0, Fork = 1, Vfork = 2, Clone = 3, Exec = 4, VforkDone = 5, Exit = 6, Stop = 128 };

// What the tracer wants to hear of: bit n for event n, as in PTRACE_O_*, and two more.
enum TraceOption : uint32_t {
  kMarkCallStops = 1u << 0,     // TRACESYSGOOD: stops for system calls are told from SIGTRAP
  kKillWithTracer = 1u << 20,   // EXITKILL
};
constexpr uint32_t option_for(TraceEvent event) { return 1u << static_cast<uint32_t>(event); }
inline constexpr uint32_t kTraceEvents = 0x7e;   // options for Fork ... Exit

enum class StopReason : uint8_t {
  Signal,     // a signal is about to be acted on
  CallEntry,  // a system call begins ...
  CallExit,   // ... and ends
  Event,
  Group,      // job control has stopped the process
  Held,       // another thread has stopped for the whole process, and this one does so silently
};

// Linux traces threads one by one; the BSD form a process as a whole: if one thread stops, so do the others, silently,
// and all go on together.
enum class TraceScope : uint8_t { Thread, Process };

// How a stopped thread goes on.
enum class Resume : uint8_t { Continue, ToSystemCall, Step };

struct TraceStop {
  StopReason reason = StopReason::Signal;
  TraceEvent event = TraceEvent::None;
  int signal = kSigTrap;
  uint64_t message = 0;         // PTRACE_GETEVENTMSG
  SignalInfo info = {};         // PTRACE_GETSIGINFO
};

struct Tracee final : RefCounted<Tracee>, mem::FromCache<Tracee>, TraceeHook {
  enum class State : uint8_t {
    Running,
    Stopped,
    Listening,   // PTRACE_LISTEN: stopped with its process, until that goes on
    Ended,       // a thread that has ended before its process
  };

  // (T)
  Ref<Thread> thread;
  Ref<Process> tracer;

  // (P)
  uint32_t options = 0;
  TraceScope scope = TraceScope::Thread;
  bool seized = false;          // PTRACE_SEIZE rather than PTRACE_ATTACH: stops of the process are told as such
  State state = State::Running;
  TraceStop stop;               // while Stopped or Listening
  uint32_t stop_code = 0;       // the same as wait4 tells it, above the low byte
  bool reported = true;         // wait has told it, or the end
  bool interrupt_wanted = false;   // PTRACE_INTERRUPT has come, or the thread is new ...
  TraceEvent first_event = TraceEvent::Stop;   // ... and stops for this at first
  uint64_t first_message = 0;
  bool held = false;            // another thread has stopped for the whole process
  bool continue_untold = false;    // the process was set going by SIGCONT
  bool passes_stop = false;     // the tracer let it go on although its process is stopped
  Resume resume = Resume::Continue;
  int answer = 0;               // the signal with which the tracer lets it go on
  int exit_status = 0;          // when Ended

  // Registers, (P) while Stopped, else the thread's own. The frame is changed in place; the rest lies in the CPU while
  // the thread runs, so changes wait here until it goes on.
  bool stepping = false;        // the trap flag is the tracer's, not the program's
  bool state_changed = false;
  machine::UserState user_state;
  mem::Buffer<std::byte> extended_state;   // empty: unchanged

  bool is_silent() const { return stop.reason == StopReason::Held; }
  PidNumber told_id() const { return traces_process() ? thread->process().pid() : thread->shown_id(); }
  bool traces_process() const { return scope == TraceScope::Process; }
  bool is_stopped() const { return state == State::Stopped || state == State::Listening; }
};

}  // namespace tine::process
