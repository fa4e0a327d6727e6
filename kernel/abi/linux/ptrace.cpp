// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2) of Linux: requests by number, and the structures in which they answer. The call itself answers PEEK requests
// at the address in its fourth argument; C libraries hide that.
#include "abi/linux/ptrace.h"

#include <algorithm>
#include <cstring>

#include "machine/user_registers.h"
#include "trace/ptrace.h"

namespace tine::abi::linux_abi {

namespace {

using machine::UserRegisters;
using process::Resume;
using process::SignalInfo;
using process::SignalSet;
using process::Tracee;

enum Request : uint64_t {
  kTraceMe = 0, kPeekText = 1, kPeekData = 2, kPeekUser = 3, kPokeText = 4, kPokeData = 5, kPokeUser = 6, kContinue = 7,
  kKill = 8, kSingleStep = 9, kGetRegisters = 12, kSetRegisters = 13, kGetFpRegisters = 14, kSetFpRegisters = 15,
  kAttach = 16, kDetach = 17, kToSystemCall = 24, kSetOptions = 0x4200, kGetEventMessage = 0x4201, kGetSignalInfo = 0x4202,
  kSetSignalInfo = 0x4203, kGetRegisterSet = 0x4204, kSetRegisterSet = 0x4205, kSeize = 0x4206, kInterrupt = 0x4207,
  kListen = 0x4208, kGetSignalMask = 0x420a, kSetSignalMask = 0x420b, kGetCallInfo = 0x420e,
};

// TRACESECCOMP asks for an event of filters that Tine does not have: it never comes.
constexpr uint32_t kTraceSeccomp = 0x80;
constexpr uint32_t kKnownOptions =
    process::kMarkCallStops | process::kTraceEvents | kTraceSeccomp | process::kKillWithTracer;

// --- Beginning ---

CallResult begin(const Call& call, const process::TraceStart& start) {
  const Ref<process::Thread> target = process::find_thread(call.as_int(1));
  if (target == nullptr) return Error(Errno::Srch);
  TRY(process::attach(call.process(), *target, start));
  return 0;
}

CallResult seize(const Call& call) {
  if (call.args[2] != 0 || call.args[3] & ~uint64_t{kKnownOptions}) return Error(Errno::Io);
  return begin(call, {.options = static_cast<uint32_t>(call.args[3]), .seized = true});
}

// --- Memory ---

CallResult peek(const Call& call, Tracee& tracee) {
  uint64_t word = 0;
  const size_t read = TRY(trace::read_memory(tracee, call.args[2], std::as_writable_bytes(std::span(&word, 1)), vm::Reach::Override));
  if (read != sizeof word) return Error(Errno::Io);
  TRY(call.pointer<uint64_t>(3).store(word));
  return 0;
}

CallResult poke(const Call& call, Tracee& tracee) {
  const uint64_t word = call.args[3];
  const size_t written = TRY(trace::write_memory(tracee, call.args[2], std::as_bytes(std::span(&word, 1))));
  return written == sizeof word ? CallResult(0) : Error(Errno::Io);
}

// --- struct user, by offset: the general registers at its start, the debug registers near its end ---

constexpr uint64_t kUserSize = 912, kDebugOffset = 848, kDebugRegisters = 8;

bool is_debug_register(uint64_t offset) {
  return offset >= kDebugOffset && offset < kDebugOffset + kDebugRegisters * sizeof(uint64_t);
}
unsigned debug_register(uint64_t offset) { return static_cast<unsigned>((offset - kDebugOffset) / sizeof(uint64_t)); }

bool is_user_offset(uint64_t offset) { return offset % sizeof(uint64_t) == 0 && offset < kUserSize; }

CallResult peek_user(const Call& call, Tracee& tracee) {
  const uint64_t offset = call.args[2];
  if (!is_user_offset(offset)) return Error(Errno::Io);
  const UserRegisters registers = TRY(trace::registers(tracee));
  uint64_t word = 0;
  if (is_debug_register(offset)) word = TRY(trace::debug_register(tracee, debug_register(offset)));
  else if (offset < sizeof registers) std::memcpy(&word, reinterpret_cast<const char*>(&registers) + offset, sizeof word);
  TRY(call.pointer<uint64_t>(3).store(word));
  return 0;
}

CallResult poke_user(const Call& call, Tracee& tracee) {
  const uint64_t offset = call.args[2];
  if (!is_user_offset(offset)) return Error(Errno::Io);
  if (is_debug_register(offset)) {
    TRY(trace::set_debug_register(tracee, debug_register(offset), call.args[3]));
    return 0;
  }
  UserRegisters registers = TRY(trace::registers(tracee));
  if (offset >= sizeof registers) return Error(Errno::Io);
  std::memcpy(reinterpret_cast<char*>(&registers) + offset, &call.args[3], sizeof(uint64_t));
  TRY(trace::set_registers(tracee, registers));
  return 0;
}

// --- Registers ---

CallResult get_registers(const Call& call, Tracee& tracee) {
  TRY(call.pointer<UserRegisters>(3).store(TRY(trace::registers(tracee))));
  return 0;
}

CallResult set_registers(const Call& call, Tracee& tracee) {
  TRY(trace::set_registers(tracee, TRY(call.pointer<const UserRegisters>(3).load())));
  return 0;
}

CallResult get_fp_registers(const Call& call, Tracee& tracee) {
  const auto view = TRY(trace::extended_state(tracee, machine::kFxSaveSize));
  TRY(vm::copy_out(call.args[3], view.data(), view.size()));
  return 0;
}

CallResult set_fp_registers(const Call& call, Tracee& tracee) {
  const auto view = TRY(vm::ConstUserBytes(call.args[3], machine::kFxSaveSize).copy_in_all());
  TRY(trace::set_extended_state(tracee, view.span()));
  return 0;
}

enum RegisterSet : uint64_t { kGeneral = 1, kFloatingPoint = 2, kExtended = 0x202 };   // NT_PRSTATUS, ...

struct Vector {   // struct iovec
  uint64_t base, size;
};

Result<Vector> load_vector(const Call& call) {
  Vector vector = TRY(call.pointer<const Vector>(3).load());
  if (vector.size % sizeof(uint64_t) != 0) return Error(Errno::Inval);
  return vector;
}

CallResult store_set(const Call& call, Vector vector, const void* from, size_t size) {
  vector.size = std::min(vector.size, uint64_t{size});
  TRY(vm::copy_out(vector.base, from, vector.size));
  TRY(call.pointer<Vector>(3).store(vector));
  return 0;
}

CallResult get_register_set(const Call& call, Tracee& tracee) {
  const Vector vector = TRY(load_vector(call));
  switch (call.args[2]) {
    case kGeneral: {
      const UserRegisters registers = TRY(trace::registers(tracee));
      return store_set(call, vector, &registers, sizeof registers);
    }
    case kFloatingPoint: {
      const auto view = TRY(trace::extended_state(tracee, machine::kFxSaveSize));
      return store_set(call, vector, view.data(), view.size());
    }
    case kExtended: {
      if (machine::extended_view_size() == machine::kFxSaveSize) return Error(Errno::NoDev);
      const auto view = TRY(trace::extended_state(tracee, machine::extended_view_size()));
      return store_set(call, vector, view.data(), view.size());
    }
    default: return Error(Errno::Inval);
  }
}

CallResult set_register_set(const Call& call, Tracee& tracee) {
  const Vector vector = TRY(load_vector(call));
  switch (call.args[2]) {
    case kGeneral: {   // a shorter set leaves the rest as it is
      UserRegisters registers = TRY(trace::registers(tracee));
      TRY(vm::copy_in(&registers, vector.base, std::min(vector.size, uint64_t{sizeof registers})));
      TRY(trace::set_registers(tracee, registers));
      return 0;
    }
    case kFloatingPoint: {
      auto view = TRY(trace::extended_state(tracee, machine::kFxSaveSize));
      TRY(vm::copy_in(view.data(), vector.base, std::min(vector.size, uint64_t{view.size()})));
      TRY(trace::set_extended_state(tracee, view.span()));
      return 0;
    }
    case kExtended: {
      if (machine::extended_view_size() == machine::kFxSaveSize) return Error(Errno::NoDev);
      if (vector.size < machine::extended_view_size()) return Error(Errno::Fault);
      const auto view = TRY(vm::ConstUserBytes(vector.base, machine::extended_view_size()).copy_in_all());
      TRY(trace::set_extended_state(tracee, view.span()));
      return 0;
    }
    default: return Error(Errno::Inval);
  }
}

// --- Signals and stops ---

CallResult get_signal_info(const Call& call, Tracee& tracee) {
  TRY(call.pointer<SignalInfo>(3).store(TRY(trace::signal_info(tracee))));
  return 0;
}

CallResult set_signal_info(const Call& call, Tracee& tracee) {
  TRY(trace::set_signal_info(tracee, TRY(call.pointer<const SignalInfo>(3).load())));
  return 0;
}

CallResult get_signal_mask(const Call& call, Tracee& tracee) {
  if (call.args[2] != sizeof(uint64_t)) return Error(Errno::Inval);
  TRY(call.pointer<uint64_t>(3).store(TRY(trace::signal_mask(tracee)).bits()));
  return 0;
}

CallResult set_signal_mask(const Call& call, Tracee& tracee) {
  if (call.args[2] != sizeof(uint64_t)) return Error(Errno::Inval);
  TRY(trace::set_signal_mask(tracee, SignalSet(TRY(call.pointer<const uint64_t>(3).load()))));
  return 0;
}

CallResult get_event_message(const Call& call, Tracee& tracee) {
  TRY(call.pointer<uint64_t>(3).store(TRY(trace::event_message(tracee))));
  return 0;
}

CallResult set_options(const Call& call, Tracee& tracee) {
  if (call.args[3] & ~uint64_t{kKnownOptions}) return Error(Errno::Inval);
  TRY(trace::set_options(tracee, static_cast<uint32_t>(call.args[3])));
  return 0;
}

// struct ptrace_syscall_info; how much of it there is depends on `operation`.
struct CallInfo {
  uint8_t operation, padding[3];
  uint32_t architecture;
  uint64_t instruction_pointer, stack_pointer;
  union {
    struct {
      uint64_t number, arguments[6];
    } entry;
    struct {
      int64_t value;
      uint8_t is_error;
    } exit;
  };
};
static_assert(sizeof(CallInfo) == 80);

// Copies what there is of it and fits; returns how much there is.
CallResult get_call_info(const Call& call, Tracee& tracee) {
  enum : uint8_t { kNone = 0, kEntry = 1, kExit = 2 };
  constexpr uint32_t kArchitecture = 0xc000003e;   // AUDIT_ARCH_X86_64
  constexpr int64_t kMostErrno = 4095;
  const trace::CallInfo seen = TRY(trace::call_info(tracee));
  const UserRegisters& registers = seen.registers;
  CallInfo info{};
  info.architecture = kArchitecture;
  info.instruction_pointer = registers.rip;
  info.stack_pointer = registers.rsp;
  size_t size = offsetof(CallInfo, entry);
  if (seen.reason == process::StopReason::CallEntry) {
    info.operation = kEntry;
    info.entry = {registers.orig_rax,
                  {registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9}};
    size = sizeof info;
  } else if (seen.reason == process::StopReason::CallExit) {
    info.operation = kExit;
    info.exit.value = static_cast<int64_t>(registers.rax);
    info.exit.is_error = info.exit.value < 0 && info.exit.value >= -kMostErrno;
    size = offsetof(CallInfo, exit.is_error) + sizeof info.exit.is_error;
  } else {
    info.operation = kNone;
  }
  TRY(vm::copy_out(call.args[3], &info, std::min(size, static_cast<size_t>(call.args[2]))));
  return size;
}

CallResult let_go_on(const Call& call, Tracee& tracee, Resume how) {
  TRY(trace::resume(tracee, how, call.as_int(3)));
  return 0;
}

CallResult done(Result<> result) {
  TRY(result);
  return 0;
}

CallResult request_of(const Call& call, Tracee& tracee) {
  switch (call.args[0]) {
    case kPeekText:
    case kPeekData: return peek(call, tracee);
    case kPokeText:
    case kPokeData: return poke(call, tracee);
    case kPeekUser: return peek_user(call, tracee);
    case kPokeUser: return poke_user(call, tracee);
    case kContinue: return let_go_on(call, tracee, Resume::Continue);
    case kToSystemCall: return let_go_on(call, tracee, Resume::ToSystemCall);
    case kSingleStep: return let_go_on(call, tracee, Resume::Step);
    case kDetach: return done(trace::detach(tracee, call.as_int(3)));
    case kInterrupt: return done(trace::interrupt(tracee));
    case kListen: return done(trace::listen(tracee));
    case kKill: trace::kill(tracee); return 0;
    case kGetRegisters: return get_registers(call, tracee);
    case kSetRegisters: return set_registers(call, tracee);
    case kGetFpRegisters: return get_fp_registers(call, tracee);
    case kSetFpRegisters: return set_fp_registers(call, tracee);
    case kGetRegisterSet: return get_register_set(call, tracee);
    case kSetRegisterSet: return set_register_set(call, tracee);
    case kGetSignalInfo: return get_signal_info(call, tracee);
    case kSetSignalInfo: return set_signal_info(call, tracee);
    case kGetSignalMask: return get_signal_mask(call, tracee);
    case kSetSignalMask: return set_signal_mask(call, tracee);
    case kGetEventMessage: return get_event_message(call, tracee);
    case kSetOptions: return set_options(call, tracee);
    case kGetCallInfo: return get_call_info(call, tracee);
    default: return Error(Errno::Io);
  }
}

}  // namespace

CallResult sys_ptrace(const Call& call) {
  switch (call.args[0]) {
    case kTraceMe: return done(process::trace_me(call.thread, process::TraceScope::Thread));
    case kAttach: return begin(call, {});
    case kSeize: return seize(call);
    default: return request_of(call, *TRY(trace::find_tracee(call.process(), call.as_int(1))));
  }
}

}  // namespace tine::abi::linux_abi
