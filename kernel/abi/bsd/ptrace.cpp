// SPDX-License-Identifier: BSD-2-Clause
// ptrace(request, pid, addr, data, word) as <sys/ptrace.h> of the SDK has it: a process is traced as a whole, and a
// request goes to the thread that stopped, or to another one of it by its id. Source: ptrace(2) of OpenBSD. Seed row T7.
#include "abi/bsd/ptrace.h"

#include <algorithm>

#include "machine/user_registers.h"
#include "trace/ptrace.h"

namespace tine::abi::bsd {

namespace {

using machine::UserRegisters;
using process::Process;
using process::Resume;
using process::TraceEvent;
using process::Tracee;
using process::TraceScope;

enum Request : int {
  kTraceMe = 0, kReadText = 1, kReadData = 2, kWriteText = 4, kWriteData = 5, kContinue = 7, kKill = 8, kAttach = 9,
  kDetach = 10, kIo = 11, kSetEventMask = 12, kGetEventMask = 13, kGetProcessState = 14, kGetThreadFirst = 15,
  kGetThreadNext = 16, kStep = 32, kGetRegisters = 33, kSetRegisters = 34, kGetFpRegisters = 35, kSetFpRegisters = 36,
};
constexpr int kEventFork = 2;   // PTRACE_FORK
static_assert(kEventFork == process::option_for(TraceEvent::Fork));
constexpr uintptr_t kFromHere = 1;   // PT_CONTINUE, PT_STEP: go on where it stopped
constexpr size_t kMostAtOnce = 64 * machine::kPageSize;

struct IoDescriptor {   // struct ptrace_io_desc
  int32_t operation, padding;
  uint64_t there, here, size;
};

struct ProcessState {   // struct ptrace_state
  int32_t event;
  process::PidNumber other, thread;
};

struct Registers {   // struct reg
  uint64_t rdi, rsi, rdx, rcx, r8, r9, r10, r11, r12, r13, r14, r15, rbp, rbx, rax, rsp, rip, rflags, cs, ss, ds, es, fs,
      gs;
};

CallResult done(Result<> result) {
  TRY(result);
  return 0;
}

// --- Beginning and going on ---

CallResult attach(const Call& call) {
  const Ref<process::Thread> target = process::find_thread(call.as_int(1));
  if (target == nullptr) return Error(Errno::Srch);
  Process& process = target->process();
  TRY(process::attach(call.process(), *target, {.scope = TraceScope::Process}));
  TRY(process::attach_others(call.process(), process));
  process::send_signal(process, process::kernel_signal(process::kSigStop));
  return 0;
}

CallResult let_go_on(const Call& call, Tracee& tracee, Resume how) {
  if (call.args[2] != kFromHere) {
    UserRegisters registers = TRY(trace::registers(tracee));
    registers.rip = call.args[2];
    TRY(trace::set_registers(tracee, registers));
  }
  return done(trace::resume_process(tracee, how, call.as_int(3)));
}

// --- Memory ---

// What the program may not read, the BSDs do not show its tracer.
Result<size_t> read_memory(Tracee& tracee, uintptr_t address, std::span<std::byte> into) {
  return trace::read_memory(tracee, address, into, vm::Reach::AsProtected);
}

CallResult read_word(const Call& call, Tracee& tracee) {
  int32_t word = 0;
  const size_t read = TRY(read_memory(tracee, call.args[2], std::as_writable_bytes(std::span(&word, 1))));
  if (read != sizeof word) return Error(Errno::Fault);
  return done(call.pointer<int32_t>(4).store(word));
}

CallResult write_word(const Call& call, Tracee& tracee) {
  const int32_t word = call.as_int(3);
  const size_t written = TRY(trace::write_memory(tracee, call.args[2], std::as_bytes(std::span(&word, 1))));
  return written == sizeof word ? CallResult(0) : Error(Errno::Fault);
}

Result<size_t> transfer(Tracee& tracee, const IoDescriptor& io, std::span<std::byte> buffer) {
  enum : int32_t { kReadData = 1, kWriteData = 2, kReadText = 3, kWriteText = 4 };
  switch (io.operation) {
    case kReadData:
    case kReadText: {
      const size_t read = TRY(read_memory(tracee, io.there, buffer));
      TRY(vm::copy_out(io.here, buffer.data(), read));
      return read;
    }
    case kWriteData:
    case kWriteText:
      TRY(vm::copy_in(buffer.data(), io.here, buffer.size()));
      return trace::write_memory(tracee, io.there, buffer);
    default: return Error(Errno::Inval);
  }
}

CallResult move_memory(const Call& call, Tracee& tracee) {
  const auto pointer = call.pointer<IoDescriptor>(2);
  IoDescriptor io = TRY(pointer.load());
  auto buffer = TRY(mem::Buffer<std::byte>::make(std::min(io.size, uint64_t{kMostAtOnce})));
  io.size = TRY(transfer(tracee, io, buffer.span()));
  return done(pointer.store(io));
}

// --- Registers ---

CallResult get_registers(const Call& call, Tracee& tracee) {
  const UserRegisters from = TRY(trace::registers(tracee));
  return done(call.pointer<Registers>(2).store(
      {from.rdi, from.rsi, from.rdx, from.rcx, from.r8,  from.r9,     from.r10, from.r11, from.r12, from.r13, from.r14, from.r15,
       from.rbp, from.rbx, from.rax, from.rsp, from.rip, from.rflags, from.cs,  from.ss,  from.ds,  from.es,  from.fs,  from.gs}));
}

CallResult set_registers(const Call& call, Tracee& tracee) {
  const Registers from = TRY(call.pointer<const Registers>(2).load());
  UserRegisters registers = TRY(trace::registers(tracee));
  registers.rdi = from.rdi, registers.rsi = from.rsi, registers.rdx = from.rdx, registers.rcx = from.rcx;
  registers.r8 = from.r8, registers.r9 = from.r9, registers.r10 = from.r10, registers.r11 = from.r11;
  registers.r12 = from.r12, registers.r13 = from.r13, registers.r14 = from.r14, registers.r15 = from.r15;
  registers.rbp = from.rbp, registers.rbx = from.rbx, registers.rax = from.rax, registers.rsp = from.rsp;
  registers.rip = from.rip, registers.rflags = from.rflags, registers.cs = from.cs, registers.ss = from.ss;
  registers.ds = from.ds, registers.es = from.es, registers.fs = from.fs, registers.gs = from.gs;
  const Result<> set = trace::set_registers(tracee, registers);
  return done(set || set.error() != Errno::Io ? set : Error(Errno::Inval));
}

CallResult get_fp_registers(const Call& call, Tracee& tracee) {
  const auto view = TRY(trace::extended_state(tracee, machine::kFxSaveSize));
  return done(vm::copy_out(call.args[2], view.data(), view.size()));
}

CallResult set_fp_registers(const Call& call, Tracee& tracee) {
  const auto view = TRY(vm::ConstUserBytes(call.args[2], machine::kFxSaveSize).copy_in_all());
  return done(trace::set_extended_state(tracee, view.span()));
}

// --- Events and threads: `data` says how large the caller takes the structure to be ---

template <class T>
Result<vm::UserPtr<T>> structure(const Call& call) {
  if (call.as_unsigned(3) != sizeof(T)) return Error(Errno::Inval);
  return call.pointer<T>(2);
}

CallResult set_event_mask(const Call& call, Tracee& tracee) {
  const int mask = TRY(TRY(structure<int>(call)).load());
  if (mask & ~kEventFork) return Error(Errno::Inval);
  return done(trace::set_options_of_process(tracee, static_cast<uint32_t>(mask)));
}

CallResult get_event_mask(const Call& call, Tracee& tracee) {
  return done(TRY(structure<int>(call)).store(static_cast<int>(TRY(trace::options(tracee)))));
}

CallResult get_process_state(const Call& call, Tracee& tracee) {
  const auto pointer = TRY(structure<ProcessState>(call));
  const trace::EventInfo seen = TRY(trace::event_info(tracee));
  const bool fork = seen.event == TraceEvent::Fork;
  return done(pointer.store({fork ? kEventFork : 0, fork ? static_cast<process::PidNumber>(seen.message) : 0,
                             tracee.thread->id().shown()}));
}

CallResult get_thread(const Call& call, Tracee& tracee, process::PidNumber after) {
  return done(TRY(structure<process::PidNumber>(call)).store(TRY(trace::next_thread(tracee, after))));
}

CallResult request_of(const Call& call, Tracee& tracee) {
  switch (call.as_int(0)) {
    case kReadText:
    case kReadData: return read_word(call, tracee);
    case kWriteText:
    case kWriteData: return write_word(call, tracee);
    case kContinue: return let_go_on(call, tracee, Resume::Continue);
    case kStep: return let_go_on(call, tracee, Resume::Step);
    case kKill: trace::kill(tracee); return 0;
    case kDetach: return done(trace::detach_process(tracee, call.as_int(3)));
    case kIo: return move_memory(call, tracee);
    case kSetEventMask: return set_event_mask(call, tracee);
    case kGetEventMask: return get_event_mask(call, tracee);
    case kGetProcessState: return get_process_state(call, tracee);
    case kGetThreadFirst: return get_thread(call, tracee, 0);
    case kGetThreadNext: return get_thread(call, tracee, TRY(TRY(structure<process::PidNumber>(call)).load()));
    case kGetRegisters: return get_registers(call, tracee);
    case kSetRegisters: return set_registers(call, tracee);
    case kGetFpRegisters: return get_fp_registers(call, tracee);
    case kSetFpRegisters: return set_fp_registers(call, tracee);
    default: return Error(Errno::Inval);
  }
}

// The errors of the BSD call: nobody of that number; not traced by the caller; not stopped; no such memory; no signal.
Errno bsd_error(int request, Errno error) {
  if (error == Errno::Srch) return Errno::Busy;
  if (error != Errno::Io) return error;
  return request == kContinue || request == kStep || request == kDetach ? Errno::Inval : Errno::Fault;
}

}  // namespace

CallResult sys_ptrace(const Call& call) {
  const int request = call.as_int(0);
  if (request == kTraceMe) return done(process::trace_me(call.thread, TraceScope::Process));
  if (request == kAttach) return attach(call);
  const Result<Ref<Tracee>> tracee = trace::find_traced_process(call.process(), call.as_int(1));
  if (!tracee) {
    const bool exists = process::find_process(call.as_int(1)) != nullptr;
    return Error(exists ? Errno::Perm : Errno::Srch);
  }
  const CallResult result = request_of(call, **tracee);
  return result ? result : Error(bsd_error(request, result.error()));
}

}  // namespace tine::abi::bsd
