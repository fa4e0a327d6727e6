// SPDX-License-Identifier: BSD-2-Clause
#include "process/profile.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/late.h"
#include "process/fork.h"
#include "process/life_events.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/clock.h"
#include "sched/timer.h"
#include "vm/user_ptr.h"

namespace tine::process {

namespace {

constexpr Nanoseconds kInterval = kSecond / kProfileFrequency;
constexpr uint32_t kLargestScale = 1u << 16;

// --- Who is profiled ---

// Ticks at one program counter that are not yet in the user's counters.
struct Note {
  uintptr_t program_counter;
  uint32_t ticks;
};
// More places than CPUs at once would be needed only by threads that stay in the kernel; their ticks are lost.
constexpr size_t kMostNotes = 2 * machine::kMaxCpus;

struct Profiled : RefCounted<Profiled>, mem::FromCache<Profiled>, boost::intrusive::list_base_hook<> {
  const Process* process = nullptr;
  Profile profile;
  std::array<Note, kMostNotes> notes{};
  size_t note_count = 0;

  void note(uintptr_t program_counter, uint32_t ticks) {
    for (Note& known : std::span(notes).first(note_count))
      if (known.program_counter == program_counter) return void(known.ticks += ticks);
    if (note_count < kMostNotes) notes[note_count++] = {program_counter, ticks};
  }
};

constinit sync::Spinlock profiled_lock{"profiled"};
Late<boost::intrusive::list<Profiled>> profiled_list GUARDED_BY(profiled_lock);

Profiled* find(const Process& process) REQUIRES(profiled_lock) {
  for (Profiled& each : *profiled_list)
    if (each.process == &process) return &each;
  return nullptr;
}

void insert(Profiled& profiled, Process& process) REQUIRES(profiled_lock) {
  profiled.process = &process;
  profiled_list->push_back(profiled);
  intrusive_ptr_add_ref(&profiled);
  process.set(kProfiling);
}

void stop(Process& process) {
  if (!process.has(kProfiling)) return;
  Ref<Profiled> gone;
  sync::SpinGuard guard(profiled_lock);
  process.clear(kProfiling);
  if (Profiled* profiled = find(process)) {
    gone = Ref<Profiled>(profiled, false);
    profiled_list->erase(profiled_list->iterator_to(*profiled));
  }
}

// --- The clocks ---

// One that comes late, as when the hypervisor let the CPU wait, stands for all that were due meanwhile.
void tick(sched::Timer& clock) {
  if (sched::current().is_idle) return;
  Thread& thread = current();
  if (!thread.process().has(kProfiling)) return;   // another thread runs; the clock stops
  const auto ticks = static_cast<uint32_t>(1 + (sched::uptime() - clock.deadline()) / kInterval);
  {
    sync::SpinGuard guard(profiled_lock);
    if (Profiled* profiled = find(thread.process())) profiled->note(thread.frame().instruction_pointer(), ticks);
  }
  thread.request_work(kWorkProfile);
  start_profile_clock();
}

struct ProfileClock : sched::Timer {
  ProfileClock() : sched::Timer(&tick) {}
};
constinit std::array<Late<ProfileClock>, machine::kMaxCpus> clocks;

// --- The counters ---

// Where in the histogram the counter of a program counter lies, in bytes.
std::optional<size_t> place_of(const Profile& profile, uintptr_t program_counter) {
  if (program_counter < profile.offset) return std::nullopt;
  const auto scaled = static_cast<unsigned __int128>(program_counter - profile.offset) * profile.scale >> 16;
  const auto place = static_cast<size_t>(scaled) & ~size_t{1};
  if (place >= profile.size || profile.size - place < sizeof(uint16_t)) return std::nullopt;
  return place;
}

Result<> advance(const Profile& profile, const Note& note) {
  const std::optional<size_t> place = place_of(profile, note.program_counter);
  if (!place) return {};
  const vm::UserPtr<uint16_t> counter(profile.counters + *place);
  return counter.store(static_cast<uint16_t>(TRY(counter.load()) + note.ticks));
}

// --- Life ---

class Subscriber final : public LifeSubscriber {
 public:
  Result<> reserve_fork(Process& parent, const ForkRequest& request, uintptr_t& token) override {
    token = 0;
    if (!parent.has(kProfiling) || request.function != nullptr) return {};
    token = reinterpret_cast<uintptr_t>(TRY(mem::make_ref<Profiled>()).detach());
    return {};
  }
  void cancel_fork(uintptr_t token) override { take_back(token); }
  void forked(Process& parent, Process& child, const ForkRequest&, uintptr_t token) override {
    const Ref<Profiled> childs = take_back(token);
    if (childs == nullptr) return;
    sync::SpinGuard guard(profiled_lock);
    const Profiled* parents = find(parent);
    if (parents == nullptr) return;   // ended meanwhile
    childs->profile = parents->profile;
    insert(*childs, child);
  }
  void executed(Process& process) override { stop(process); }
  void exited(Process& process) override { stop(process); }

 private:
  static Ref<Profiled> take_back(uintptr_t token) { return Ref<Profiled>(reinterpret_cast<Profiled*>(token), false); }
};

Late<Subscriber> subscriber;

}  // namespace

Result<> init_profiling() {
  {
    sync::SpinGuard guard(profiled_lock);
    profiled_list.construct();
  }
  for (Late<ProfileClock>& clock : clocks) clock.construct();
  return subscribe(subscriber.construct());
}

// The ticks lie at multiples of the interval, whenever threads are switched to: who runs often but for a short time
// is met as often as it deserves.
void start_profile_clock() {
  ProfileClock& clock = *clocks[machine::cpu_id()];
  if (!clock.armed()) clock.arm((sched::uptime() / kInterval + 1) * kInterval);
}

Result<> set_profile(Process& process, const Profile& profile) {
  if (profile.scale > kLargestScale) return Error(Errno::Inval);
  if (profile.scale == 0) {
    stop(process);
    return {};
  }
  if (!vm::is_user_range(profile.counters, profile.size)) return Error(Errno::Fault);
  const Ref<Profiled> fresh = TRY(mem::make_ref<Profiled>());
  {
    sync::SpinGuard guard(profiled_lock);
    Profiled* profiled = find(process);
    if (profiled == nullptr) {
      profiled = fresh.get();
      insert(*profiled, process);
    }
    profiled->profile = profile;
    profiled->note_count = 0;
  }
  // Those that run now are not switched to; they start the clocks of their CPUs on the way back to user mode.
  sync::SpinGuard guard(process.lock);
  for (Thread& thread : process.threads) thread.request_work(kWorkProfile);
  return {};
}

void add_profile_ticks(Thread& thread) {
  thread.clear_work(kWorkProfile);
  Process& process = thread.process();
  if (!process.has(kProfiling)) return;
  {
    const machine::InterruptGuard guard;
    start_profile_clock();
  }
  Profile profile;
  std::array<Note, kMostNotes> notes;
  size_t count = 0;
  {
    sync::SpinGuard guard(profiled_lock);
    Profiled* profiled = find(process);
    if (profiled == nullptr) return;
    profile = profiled->profile;
    count = std::exchange(profiled->note_count, 0);
    std::copy_n(profiled->notes.begin(), count, notes.begin());
  }
  for (const Note& note : std::span(notes).first(count)) {
    if (advance(profile, note)) continue;
    stop(process);   // who takes the counters away ends it, as in the BSDs
    return;
  }
}

}  // namespace tine::process
