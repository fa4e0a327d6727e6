// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/stat and statm: one line for programs. The state letters and what several files need of a process's place
// among the others are here too.
#include "process/tracee.h"
#include "view/proc_state.h"
#include "view/procfs.h"
#include "vm/address_space.h"

namespace tine::view {

using process::Process;
using process::Thread;

Place place_of(const Process& process) {
  sync::SpinGuard guard(process::tree_lock);
  Place place;
  if (process.parent) place.parent = process.parent->pid();
  place.exit_signal = process.exit_signal;
  if (process.life.load() == process::LifeState::Zombie) place.exit_status = process.exit_status;
  place.children = process.children_usage;
  if (!process.group) return place;
  place.group = process.group->id->number();
  place.session = process.group->session->id->number();
  if (const auto& terminal = process.group->session->terminal; terminal && process.has(process::kControllingTerminal)) {
    place.terminal = terminal->device_number();
    place.foreground = terminal->foreground_group();
  }
  return place;
}

State state_of(const Process& process, const Thread* thread) {
  if (process.life.load() != process::LifeState::Alive || thread == nullptr) return {'Z', "zombie"};
  const sched::ThreadState state = thread->state.load();
  if (state == sched::ThreadState::Dead) return {'Z', "zombie"};
  {
    sync::SpinGuard guard(process.lock);
    if (thread->tracee != nullptr && thread->tracee->is_stopped()) return {'t', "tracing stop"};
    if (process.stop_state == process::StopState::Stopped) return {'T', "stopped"};
  }
  if (state != sched::ThreadState::Sleeping) return {'R', "running"};
  return thread->interruptible.load() ? State{'S', "sleeping"} : State{'D', "disk sleep"};
}

namespace {

// As setpriority(2)'s and sched_setscheduler(2)'s numbers appear in stat: 20 + nice, or -1 - the real-time priority.
int shown_priority(const sched::Priority& priority) {
  return priority.realtime != 0 ? -1 - priority.realtime : 20 + priority.nice;
}

unsigned long long number(uint64_t value) { return value; }

}  // namespace

Result<> print_stat(TextSink& sink, const Subject& subject) {
  const auto process = TRY(process_of(subject));
  const auto found = thread_of(subject);
  const Thread* thread = found ? found->get() : nullptr;
  if (thread == nullptr && subject.tid != 0) return Error(found.error());
  const bool whole = subject.tid == 0;     // the process, not one of its threads

  const Place place = place_of(*process);
  const process::Usage usage = whole || thread == nullptr ? process::process_usage(*process) : process::thread_usage(*thread);
  const auto space = process->address_space();
  const auto limits = process->limits();
  const auto actions = process->actions();
  char name[sizeof process->name];
  process::SignalSet pending, blocked;
  {
    sync::SpinGuard guard(process->lock);
    std::copy_n(thread != nullptr ? thread->name : process->name, sizeof name, name);
    if (thread != nullptr) {
      pending = thread->pending.set() | process->pending.set();
      blocked = thread->mask;
    }
  }
  const sched::Priority priority = thread != nullptr ? thread->priority : sched::Priority();
  constexpr uint64_t kStandardSignals = 0x7fffffff;   // the fields hold no others

  sink.print("%d (%s) %c %d %d %d %u %d 0 ", whole ? process->pid() : subject.tid, name, state_of(*process, thread).letter,
             place.parent, place.group, place.session, place.terminal, place.foreground);
  sink.print("%llu %llu %llu %llu ", number(usage.minor_faults), number(place.children.minor_faults),
             number(usage.major_faults), number(place.children.major_faults));
  sink.print("%llu %llu %llu %llu ", number(to_ticks(usage.user_time)), number(to_ticks(usage.system_time)),
             number(to_ticks(place.children.user_time)), number(to_ticks(place.children.system_time)));
  sink.print("%d %d %u 0 %llu ", shown_priority(priority), priority.nice, process->thread_count.load(),
             number(to_ticks(process->start_time)));
  sink.print("%llu %llu %llu ", number(space ? space->total_pages() * machine::kPageSize : 0),
             number(space ? space->resident_pages() : 0), number(limits ? (*limits)[process::Resource::Rss].current : 0));
  sink.print("0 0 0 0 0 %llu %llu %llu %llu ", number(pending.bits() & kStandardSignals),
             number(blocked.bits() & kStandardSignals), number(actions ? actions->ignored().bits() & kStandardSignals : 0),
             number(actions ? actions->caught().bits() & kStandardSignals : 0));
  const bool asleep = thread != nullptr && thread->state.load() == sched::ThreadState::Sleeping;
  sink.print("%d 0 0 %d %u %u %u 0 0 0 ", asleep, place.exit_signal, thread != nullptr ? thread->cpu.load() : 0,
             priority.realtime, priority.policy);
  // An address, unlike sizes, is only for whoever may look into the process.
  const auto inspected = inspector().memory_of(*process);
  sink.print("0 0 %llu 0 0 0 0 %d\n", number(inspected && *inspected ? (*inspected)->heap().start : 0), place.exit_status);
  return {};
}

// Sizes in pages: all, resident, resident of files, program text (as far as it is told apart: 0), 0, data, 0.
Result<> print_statm(TextSink& sink, const Subject& subject) {
  const auto space = TRY(process_of(subject))->address_space();
  if (!space) {
    sink.put("0 0 0 0 0 0 0\n");
    return {};
  }
  uint64_t shared = 0;
  const vm::RegionMap regions = space->regions();
  regions.for_each(0, machine::kUserEnd, [&](const vm::Region& region) {
    if (region.object) shared += space->resident_pages(region.start, region.end);
  });
  const uint64_t resident = space->resident_pages();
  sink.print("%llu %llu %llu 0 0 %llu 0\n", number(space->total_pages()), number(resident),
             number(std::min(shared, resident)), number(regions.data_pages()));
  return {};
}

}  // namespace tine::view
