// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/status: one line for each thing, for people.
#include <algorithm>

#include "file/veil.h"
#include "process/tracing.h"
#include "view/proc_state.h"
#include "view/procfs.h"
#include "vm/address_space.h"

namespace tine::view {
namespace {

using process::Process;
using process::SignalSet;
using process::Thread;

unsigned long long number(uint64_t value) { return value; }

void print_identity(TextSink& sink, const Process& process) {
  const auto credentials = process.credentials();
  if (!credentials) return;
  sink.print("Uid:\t%u\t%u\t%u\t%u\n", credentials->ruid, credentials->euid, credentials->suid, credentials->fsuid);
  sink.print("Gid:\t%u\t%u\t%u\t%u\n", credentials->rgid, credentials->egid, credentials->sgid, credentials->fsgid);
  if (const auto descriptors = process.descriptors()) sink.print("FDSize:\t%u\n", std::max(64u, descriptors->count()));
  sink.put("Groups:\t");
  for (const identity::Gid gid : std::span(credentials->groups).first(credentials->group_count)) sink.print("%u ", gid);
  sink.put('\n');
}

void print_memory(TextSink& sink, const Process& process) {
  const auto space = process.address_space();
  if (!space) return;
  const auto print_size = [&](const char* name, uint64_t pages) {
    sink.print("%s:\t%8llu kB\n", name, number(pages * (machine::kPageSize / 1_KiB)));
  };
  const uint64_t resident = space->resident_pages();
  print_size("VmSize", space->total_pages());
  print_size("VmLck", space->locked_pages());
  print_size("VmHWM", std::max(space->peak_resident_pages(), resident));
  print_size("VmRSS", resident);
  print_size("VmData", space->regions().data_pages());
  print_size("VmSwap", 0);
}

void print_set(TextSink& sink, const char* name, uint64_t bits) { sink.print("%s:\t%016llx\n", name, number(bits)); }

void print_signals(TextSink& sink, const Process& process, const Thread* thread) {
  SignalSet own, shared, blocked;
  {
    sync::SpinGuard guard(process.lock);
    shared = process.pending.set();
    if (thread != nullptr) {
      own = thread->pending.set();
      blocked = thread->mask;
    }
  }
  const auto credentials = process.credentials();
  const auto limits = process.limits();
  sink.print("SigQ:\t%llu/%llu\n",
             number(credentials && credentials->user ? credentials->user->held(identity::Kept::Signals) : 0),
             number(limits ? (*limits)[process::Resource::PendingSignals].current : 0));
  print_set(sink, "SigPnd", own.bits());
  print_set(sink, "ShdPnd", shared.bits());
  print_set(sink, "SigBlk", blocked.bits());
  const auto actions = process.actions();
  print_set(sink, "SigIgn", actions ? actions->ignored().bits() : 0);
  print_set(sink, "SigCgt", actions ? actions->caught().bits() : 0);
  if (!credentials) return;
  print_set(sink, "CapInh", credentials->inheritable);
  print_set(sink, "CapPrm", credentials->permitted);
  print_set(sink, "CapEff", credentials->effective);
  print_set(sink, "CapBnd", credentials->bounding);
  print_set(sink, "CapAmb", credentials->ambient);
}

void print_restrictions(TextSink& sink, const Process& process) {
  char room[256];
  const auto print_promises = [&](const char* name, process::Promises promises) {
    const std::string_view text = process::promises_text(promises, room);
    sink.print("%s:\t%.*s\n", name, static_cast<int>(text.size()), text.data());
  };
  if (process.has(process::kPledged)) print_promises("Pledge", process.restrictions.promises.load());
  if (process.has(process::kExecPledged)) print_promises("ExecPledge", process.restrictions.exec_promises.load());
  if (const auto veil = process::veil_of(process)) sink.print("Unveil:\t%u\n", veil->size());
  if (process.has(process::kPinned) || process.has(process::kLibcPinned))
    sink.print("Pinned:\t%s%s\n", process.has(process::kPinned) ? "program " : "",
               process.has(process::kLibcPinned) ? "libc" : "");
}

// A set of CPUs as a mask in groups of 32 bits and as a list of ranges.
void print_cpus(TextSink& sink, machine::CpuSet cpus) {
  sink.print("Cpus_allowed:\t%x\n", static_cast<unsigned>(cpus));
  sink.put("Cpus_allowed_list:\t");
  bool first = true;
  for (unsigned cpu = 0; cpu < machine::kMaxCpus; ++cpu) {
    if (!(cpus >> cpu & 1)) continue;
    unsigned last = cpu;
    while (last + 1 < machine::kMaxCpus && (cpus >> (last + 1) & 1)) ++last;
    sink.print(last == cpu ? "%s%u" : "%s%u-%u", first ? "" : ",", cpu, last);
    first = false;
    cpu = last;
  }
  sink.put('\n');
}

}  // namespace

Result<> print_status(TextSink& sink, const Subject& subject) {
  const auto process = TRY(process_of(subject));
  const auto found = thread_of(subject);
  const Thread* thread = found ? found->get() : nullptr;
  if (thread == nullptr && subject.tid != 0) return Error(found.error());

  const Place place = place_of(*process);
  const State state = state_of(*process, thread);
  char name[sizeof process->name];
  {
    sync::SpinGuard guard(process->lock);
    std::copy_n(thread != nullptr ? thread->name : process->name, sizeof name, name);
  }
  sink.print("Name:\t%s\n", name);
  if (const auto fs = process->fs()) sink.print("Umask:\t%04o\n", fs->umask());
  sink.print("State:\t%c (%s)\n", state.letter, state.name);
  sink.print("Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n", process->pid(), subject.tid != 0 ? subject.tid : process->pid(),
             place.parent);
  sink.print("TracerPid:\t%d\n", thread != nullptr ? process::tracer_pid(*thread) : 0);
  print_identity(sink, *process);
  print_memory(sink, *process);
  sink.print("Threads:\t%u\n", process->thread_count.load());
  print_signals(sink, *process, thread);
  sink.print("NoNewPrivs:\t%d\n", process->has(process::kNoNewPrivileges));
  print_restrictions(sink, *process);
  if (thread == nullptr) return {};
  print_cpus(sink, thread->affinity.load() & sched::online_cpus());
  sink.print("voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n", number(thread->voluntary_switches),
             number(thread->involuntary_switches));
  return {};
}

}  // namespace tine::view
