// SPDX-License-Identifier: BSD-2-Clause
#include "process/signal_frame.h"

#include "machine/paging.h"
#include "machine/signal_frame.h"
#include "process/process.h"

namespace tine::process {

bool is_on_alternate_stack(Thread& thread) {
  const AlternateStack& stack = thread.alternate_stack;
  if (stack.flags & (kNoAlternateStack | kAutoDisarm)) return false;
  // The stack pointer of an empty stack is its end, of a full one its beginning + 1 at least.
  const uintptr_t pointer = thread.frame().stack_pointer();
  return pointer > stack.base && pointer - stack.base <= stack.size;
}

Result<> set_alternate_stack(Thread& thread, const AlternateStack& stack) {
  if (is_on_alternate_stack(thread)) return Error(Errno::Perm);
  const uint32_t mode = stack.flags & ~kAutoDisarm;
  if (mode == kNoAlternateStack) {
    thread.alternate_stack = {0, 0, stack.flags};
    return {};
  }
  if (mode != 0 && mode != kOnAlternateStack) return Error(Errno::Inval);
  if (stack.size < kLeastAlternateStack) return Error(Errno::NoMem);
  thread.alternate_stack = {stack.base, stack.size, stack.flags & kAutoDisarm};
  return {};
}

bool enter_handler(Thread& thread, const SignalInfo& info, const SignalAction& action) {
  if (!(action.flags & SignalAction::kRestorer)) return false;  // x86-64 has no other way back
  const AlternateStack& alternate = thread.alternate_stack;
  const bool on_it = is_on_alternate_stack(thread);
  const bool enter_it =
      action.flags & SignalAction::kOnStack && !on_it && !(alternate.flags & kNoAlternateStack);
  const bool is_fault = kSynchronousSignals.has(info.signal) && info.code > 0;

  const machine::SignalFrame frame{
      .signal = info.signal,
      .handler = action.handler,
      .restorer = action.restorer,
      .info = std::as_bytes(std::span<const SignalInfo, 1>(&info, 1)),
      .mask = (thread.restore_saved_mask ? thread.saved_mask : thread.mask).bits(),
      .alternate_stack = {alternate.base, alternate.flags, alternate.size},
      .stack_limit = on_it || enter_it ? alternate.base : machine::kUserStart,
      .stack_top = enter_it ? alternate.base + alternate.size : 0,
      .fault_address = is_fault ? info.fault.address : 0,
  };
  if (!machine::push_signal_frame(thread.frame(), frame)) return false;
  if (alternate.flags & kAutoDisarm) thread.alternate_stack = AlternateStack();

  SignalSet mask = thread.mask | action.mask;
  if (!(action.flags & SignalAction::kNoDefer)) mask.add(info.signal);
  thread.restore_saved_mask = false;
  set_signal_mask(thread, mask);
  return true;
}

Result<> return_from_handler(Thread& thread) {
  machine::SignalReturn saved;
  if (!machine::pop_signal_frame(thread.frame(), saved)) return Error(Errno::Fault);
  set_signal_mask(thread, SignalSet(saved.mask));
  if (!saved.state_loaded) return Error(Errno::Fault);
  // As on Linux, a bad alternate stack in the frame is left unnoticed.
  (void)set_alternate_stack(
      thread, {saved.alternate_stack.base, saved.alternate_stack.size, saved.alternate_stack.flags});
  return {};
}

}  // namespace tine::process
