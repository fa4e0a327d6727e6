// SPDX-License-Identifier: BSD-2-Clause
// kern.proc and kern.procargs: processes as OpenBSD's ps and libkvm read them. Source: sysctl(2), kvm_getprocs(3).
#include <algorithm>
#include <optional>

#include "abi/bsd/sysctl_structs.h"
#include "process/process.h"
#include "sched/clock.h"
#include "tine/kinfo_proc.h"
#include "view/proc_state.h"
#include "view/procfs.h"

namespace tine::abi::bsd {

using process::PidNumber;
using process::Process;
using process::Thread;

namespace {

constexpr int32_t kAll = 0, kPid = 1, kGroup = 2, kSession = 3, kTerminal = 4, kEffectiveUid = 5, kRealUid = 6,
                  kWithKernel = 7;                                                      // KERN_PROC_*
constexpr int32_t kArguments = 1, kArgumentCount = 2, kEnvironment = 3, kEnvironmentCount = 4;   // KERN_PROC_ARGV ...
constexpr uint32_t kNoDevice = ~0u;
constexpr int kNormalNice = 20;

template <size_t kSize>
void copy_text(char (&to)[kSize], std::string_view from) {
  from.copy(to, kSize - 1);
}

uint32_t seconds(Nanoseconds time) { return static_cast<uint32_t>(time / kSecond); }
uint32_t microseconds(Nanoseconds time) { return static_cast<uint32_t>(time % kSecond / kMicrosecond); }

uint32_t process_flags(const Process& process, bool stopped) {
  struct Pair {
    process::ProcessFlag ours;
    uint32_t theirs;
  };
  constexpr Pair kPairs[] = {
      {process::kControllingTerminal, PS_CONTROLT}, {process::kExecuted, PS_EXEC},       {process::kExiting, PS_EXITING},
      {process::kSetId, PS_SUGID},                  {process::kSetIdExec, PS_SUGIDEXEC}, {process::kParentWaits, PS_PPWAIT},
      {process::kProfiling, PS_PROFIL},             {process::kTraced, PS_TRACED},       {process::kNoZombie, PS_NOZOMBIE},
      {process::kSystem, PS_SYSTEM},                {process::kPledged, PS_PLEDGE},      {process::kWxNeeded, PS_WXNEEDED},
      {process::kExecPledged, PS_EXECPLEDGE},       {process::kChrooted, PS_CHROOT},
  };
  uint32_t flags = stopped ? PS_STOPPED : 0;
  for (const Pair& pair : kPairs)
    if (process.has(pair.ours)) flags |= pair.theirs;
  return flags;
}

void fill_identity(kinfo_proc& info, const Process& process) {
  const identity::CredentialsRef who = process.credentials();
  if (who == nullptr) return;
  info.p_uid = who->euid;
  info.p_ruid = who->ruid;
  info.p_gid = who->egid;
  info.p_rgid = who->rgid;
  info.p_svuid = who->suid;
  info.p_svgid = who->sgid;
  info.p_ngroups = static_cast<int16_t>(std::min<uint32_t>(who->group_count, KI_NGROUPS));
  std::copy_n(who->groups, info.p_ngroups, info.p_groups);
}

void fill_place(kinfo_proc& info, const Process& process) {
  const view::Place place = view::place_of(process);
  info.p_exitsig = place.exit_signal;
  info.p_ppid = place.parent;
  info.p_sid = place.session;
  info.p__pgid = place.group;
  info.p_tpgid = place.foreground;
  info.p_tdev = place.terminal != 0 ? place.terminal : kNoDevice;
  info.p_xstat = static_cast<uint16_t>(place.exit_status);
  info.p_uctime_sec = seconds(place.children.user_time + place.children.system_time);
  info.p_uctime_usec = microseconds(place.children.user_time + place.children.system_time);
  sync::SpinGuard guard(process::tree_lock);
  if (process.group == nullptr) return;
  const process::Session& session = *process.group->session;
  if (session.terminal != nullptr) info.p_eflag |= EPROC_CTTY;
  if (session.leader == &process) info.p_eflag |= EPROC_SLEADER;
  copy_text(info.p_login, session.login);
}

void fill_state(kinfo_proc& info, const Process& process, const Thread* thread) {
  const char letter = view::state_of(process, thread).letter;
  info.p_stat = letter == 'Z' ? SDEAD : letter == 'T' ? SSTOP : letter == 'R' ? SRUN : SSLEEP;
  info.p_psflags = process_flags(process, letter == 'T');
  if (letter == 'Z') info.p_psflags |= PS_ZOMBIE;
  if (process.has(process::kSystem)) info.p_flag |= P_SYSTEM;
  if (process.has(process::kExiting)) info.p_flag |= P_WEXIT;
  if (process.has(process::kForked)) info.p_acflag |= 1;   // AFORK
  info.p_cpuid = KI_NOCPU;
  if (thread == nullptr) return;
  info.p_nice = static_cast<uint8_t>(kNormalNice + thread->priority.nice);
  if (letter == 'S') info.p_flag |= P_SINTR;
  if (const char* why = thread->wait_name.load(); why != nullptr && info.p_stat == SSLEEP) copy_text(info.p_wmesg, why);
  if (letter == 'R' && thread->on_cpu.load()) {
    info.p_stat = SONPROC;
    info.p_cpuid = thread->cpu.load();
  }
}

void fill_signals(kinfo_proc& info, const Process& process, const Thread* thread) {
  if (const auto actions = process.actions()) {
    info.p_sigignore = static_cast<uint32_t>(actions->ignored().bits());
    info.p_sigcatch = static_cast<uint32_t>(actions->caught().bits());
  }
  sync::SpinGuard guard(process.lock);
  copy_text(info.p_comm, thread != nullptr ? thread->name : process.name);
  copy_text(info.p_name, info.p_comm);
  if (thread == nullptr) return;
  info.p_siglist = static_cast<int32_t>((thread->pending.set() | process.pending.set()).bits());
  info.p_sigmask = static_cast<uint32_t>(thread->mask.bits());
}

void fill_usage(kinfo_proc& info, const Process& process) {
  const process::Usage usage = process::process_usage(process);
  const Nanoseconds start = process.start_time + sched::wall_clock_offset();
  info.p_uvalid = 1;
  info.p_ustart_sec = start / kSecond;
  info.p_ustart_usec = microseconds(start);
  info.p_rtime_sec = seconds(usage.user_time + usage.system_time);
  info.p_rtime_usec = microseconds(usage.user_time + usage.system_time);
  info.p_uutime_sec = seconds(usage.user_time);
  info.p_uutime_usec = microseconds(usage.user_time);
  info.p_ustime_sec = seconds(usage.system_time);
  info.p_ustime_usec = microseconds(usage.system_time);
  info.p_uru_maxrss = usage.peak_resident * (machine::kPageSize / 1024);
  info.p_uru_minflt = usage.minor_faults;
  info.p_uru_majflt = usage.major_faults;
  info.p_uru_nsignals = usage.signals;
  info.p_uru_nvcsw = usage.voluntary_switches;
  info.p_uru_nivcsw = usage.involuntary_switches;
}

void fill_memory(kinfo_proc& info, const Process& process) {
  if (const auto limits = process.limits()) info.p_rlim_rss_cur = (*limits)[process::Resource::Rss].current;
  const auto space = process.address_space();
  if (space == nullptr) return;
  const uint64_t total = space->total_pages(), data = std::min(total, space->regions().data_pages());
  info.p_vm_rssize = static_cast<int32_t>(space->resident_pages());
  info.p_vm_tsize = static_cast<int32_t>(total - data);
  info.p_vm_dsize = static_cast<int32_t>(data);
  info.p_vm_map_size = total * machine::kPageSize;
}

kinfo_proc describe(const Process& process) {
  kinfo_proc info{};
  Ref<Thread> thread;
  {
    sync::SpinGuard guard(process.lock);
    thread = process.first_thread;
  }
  info.p_pid = process.pid();
  info.p_tid = -1;
  copy_text(info.p_emul, "linux");
  fill_identity(info, process);
  fill_place(info, process);
  fill_state(info, process, thread.get());
  fill_signals(info, process, thread.get());
  fill_memory(info, process);
  if (info.p_stat != SDEAD) fill_usage(info, process);
  return info;
}

bool is_meant(const Process& process, int32_t what, int32_t argument) {
  if (process.life.load() == process::LifeState::Reaped) return false;
  const auto number = static_cast<uint32_t>(argument);
  if (what == kWithKernel) return true;
  if (process.has(process::kSystem)) return false;
  switch (what) {
    case kPid: return process.pid() == argument;
    case kGroup: return view::place_of(process).group == argument;
    case kSession: return view::place_of(process).session == argument;
    case kTerminal: {
      const uint32_t terminal = view::place_of(process).terminal;
      return number == kNoDevice ? terminal == 0 : terminal != 0 && terminal == number;
    }
    case kEffectiveUid:
    case kRealUid: {
      const auto who = process.credentials();
      return who != nullptr && (what == kRealUid ? who->ruid : who->euid) == number;
    }
    default: return true;   // kAll
  }
}

}  // namespace

Result<> read_processes(std::span<const int32_t> what, const OldValue& old) {
  if (what.size() != 4 || what[0] < kAll || what[0] > kWithKernel) return Error(Errno::Inval);
  if (what[2] <= 0 || what[3] < 0) return Error(Errno::Inval);
  const auto element = static_cast<size_t>(what[2]);
  const size_t copied = std::min(element, sizeof(kinfo_proc));
  uint64_t room = old.to && old.size ? TRY(old.size.load()) : 0;
  room = std::min(room, element * static_cast<uint64_t>(what[3]));
  uint64_t stored = 0, needed = 0;
  const auto add = [&](const Process& process) -> Result<> {
    if (!is_meant(process, what[0], what[1])) return {};
    needed += element;
    if (room - stored < element) return {};
    const kinfo_proc info = describe(process);
    TRY(vm::copy_out(old.to.address() + stored, &info, copied));
    stored += element;
    return {};
  };
  if (what[0] == kPid) {
    if (const Ref<Process> process = process::find_process(what[1])) TRY(add(*process));
  } else {
    for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid())) TRY(add(*each));
  }
  if (!old.size) return {};
  if (!old.to) return old.size.store(needed + 5 * element);   // room for some that come meanwhile
  TRY(old.size.store(stored));
  return stored < needed ? Error(Errno::NoMem) : Result<>();
}

namespace {

// Strings, each with its 0, as an array of pointers with a null at its end and the strings behind it.
Result<> store_strings(std::string_view text, const OldValue& old) {
  const auto count = static_cast<uint64_t>(std::ranges::count(text, '\0'));
  const uint64_t pointers = (count + 1) * sizeof(uint64_t);
  const uint64_t total = pointers + text.size();
  if (!old.size) return {};
  const uint64_t room = TRY(old.size.load());
  if (!old.to) return old.size.store(total);
  if (room < total) return Error(Errno::NoMem);
  const uintptr_t strings = old.to.address() + pointers;
  vm::UserPtr<uint64_t> pointer(old.to.address());
  for (size_t at = 0; at < text.size(); at = text.find('\0', at) + 1) {
    TRY(pointer.store(strings + at));
    pointer = pointer + 1;
  }
  TRY(pointer.store(0));
  TRY(vm::copy_out(strings, text.data(), text.size()));
  return old.size.store(total);
}

// Up to the last 0: a text that its program has overwritten may have none at its end.
std::string_view whole_strings(std::string_view text) { return text.substr(0, text.rfind('\0') + 1); }

}  // namespace

Result<> read_arguments(std::span<const int32_t> what, const OldValue& old) {
  if (what.size() != 2) return Error(Errno::Inval);
  const Ref<Process> process = process::find_process(what[0]);
  if (process == nullptr || process->life.load() != process::LifeState::Alive) return Error(Errno::Srch);
  if (process->has(process::kSystem)) return Error(Errno::Inval);
  view::TextSink environment;
  const Ref<process::ArgumentBlock> arguments = process->arguments();
  std::string_view text;
  switch (what[1]) {
    case kArguments:
    case kArgumentCount:
      if (arguments != nullptr) text = {arguments->text.data(), arguments->text.size()};
      break;
    case kEnvironment:
    case kEnvironmentCount:
      if (!view::inspector().check(*process)) return Error(Errno::Perm);
      TRY(view::print_environ(environment, {.pid = process->pid(), .start_time = process->start_time}));
      TRY(environment.result());
      text = environment.text();
      break;
    default: return Error(Errno::Inval);
  }
  text = whole_strings(text);
  if (what[1] == kArguments || what[1] == kEnvironment) return store_strings(text, old);
  return old.store_object(static_cast<int32_t>(std::ranges::count(text, '\0')));
}

}  // namespace tine::abi::bsd
