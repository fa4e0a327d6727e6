// SPDX-License-Identifier: BSD-2-Clause
// Processes that are traced as a whole: what a tracer asks for all threads at once.
#include "trace/ptrace.h"

namespace tine::trace {

namespace {

using process::tree_lock;
using State = Tracee::State;

// Calls `change` for each thread of a process that stands still; (P) is held. Srch when it does not.
template <class Change>
Result<> for_threads(Tracee& tracee, Change&& change) {
  Process& process = tracee.thread->process();
  sync::SpinGuard guard(process.lock);
  if (tracee.state != State::Stopped) return Error(Errno::Srch);
  for (Thread& thread : process.threads)
    if (thread.tracee != nullptr && thread.tracee->traces_process()) change(*thread.tracee);
  return {};
}

Result<> check_signal(int signal) {
  return signal == 0 || process::is_signal(signal) ? Result<>() : Error(Errno::Io);
}

bool is_meant(const Tracee& tracee, PidNumber id) {
  return tracee.traces_process() && (tracee.thread->process().pid() == id || tracee.thread->id().shown() == id);
}

// (P)
bool has_told(const Tracee& tracee) { return tracee.is_stopped() && !tracee.is_silent(); }

}  // namespace

Result<Ref<Tracee>> find_traced_process(const Process& tracer, PidNumber id) {
  sync::SpinGuard guard(tree_lock);
  Tracee* found = nullptr;
  for (Tracee& tracee : const_cast<Process&>(tracer).tracees) {
    if (!is_meant(tracee, id)) continue;
    sync::SpinGuard process_guard(tracee.thread->process().lock);
    if (found == nullptr || has_told(tracee)) found = &tracee;
  }
  if (found == nullptr) return Error(Errno::Srch);
  return Ref<Tracee>(found);
}

Result<> resume_process(Tracee& tracee, process::Resume how, int signal) {
  TRY(check_signal(signal));
  const bool stopped = tracee.thread->process().stop_state != process::StopState::Running;
  return for_threads(tracee, [&](Tracee& each) {
    each.held = false;
    if (!each.is_stopped()) return;
    const bool meant = &each == &tracee;
    each.state = State::Running;
    each.reported = true;
    each.resume = meant ? how : process::Resume::Continue;
    each.answer = meant ? signal : 0;
    each.passes_stop = stopped;
    sched::wake(*each.thread);
  });
}

Result<> detach_process(Tracee& tracee, int signal) {
  TRY(check_signal(signal));
  TRY(for_threads(tracee, [&](Tracee& each) { each.answer = &each == &tracee ? signal : 0; }));
  const Process& process = tracee.thread->process();
  Process& tracer = *tracee.tracer;
  while (true) {
    Ref<Tracee> gone;   // released after the lock
    sync::SpinGuard guard(tree_lock);
    Tracee* left = nullptr;
    for (Tracee& each : tracer.tracees)
      if (&each.thread->process() == &process && each.traces_process()) left = &each;
    if (left == nullptr) return {};
    gone = process::unlink(*left);
  }
}

Result<> set_options_of_process(Tracee& tracee, uint32_t options) {
  return for_threads(tracee, [&](Tracee& each) { each.options = options; });
}

Result<uint32_t> options(Tracee& tracee) {
  uint32_t options = 0;
  TRY(for_threads(tracee, [&](Tracee& each) { options |= each.options; }));
  return options;
}

Result<EventInfo> event_info(Tracee& tracee) {
  EventInfo info{};
  TRY(for_threads(tracee, [&](Tracee& each) {
    if (&each == &tracee) info = {each.stop.event, each.stop.message};
  }));
  return info;
}

Result<PidNumber> next_thread(Tracee& tracee, PidNumber after) {
  PidNumber next = -1;
  TRY(for_threads(tracee, [&](Tracee& each) {
    const PidNumber id = each.thread->id().shown();
    if (id > after && (next < 0 || id < next)) next = id;
  }));
  return next;
}

}  // namespace tine::trace
