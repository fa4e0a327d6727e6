// SPDX-License-Identifier: BSD-2-Clause
#include "process/process.h"

#include "base/audit.h"
#include "base/late.h"
#include "file/veil.h"
#include "process/audit.h"
#include "process/life_watchers.h"
#include "process/pins.h"
#include "process/timers.h"
#include "process/tracee.h"

namespace tine::process {

constinit sync::Spinlock tree_lock{"process tree"};

namespace {

// A pointer that (P) guards is copied or exchanged under the lock; what the old value referred to is released after it,
// because a last release may take other locks or sleep.
template <class T>
T copy_locked(sync::Spinlock& lock, const T& value) {
  sync::SpinGuard guard(lock);
  return value;
}
template <class T>
void exchange_locked(sync::Spinlock& lock, T& place, T value) {
  sync::SpinGuard guard(lock);
  std::swap(place, value);
}  // the guard is destroyed before the parameter, which now holds the old value

}  // namespace

Process::Process(Ref<Pid> pid, Slot slot, UserCharge charge)
    : pid_(std::move(pid)), slot_(std::move(slot)), charge_(std::move(charge)) {}

Process::~Process() {
  timers = nullptr;   // first: until it is gone, a timer that fires uses the rest
  if (LifeWatchers* const list = watchers.load()) intrusive_ptr_release(list);
  pid_->attach(static_cast<Process*>(nullptr));
}

Ref<vm::AddressSpace> Process::address_space() const { return copy_locked(lock, address_space_); }
Ref<file::DescriptorTable> Process::descriptors() const { return copy_locked(lock, descriptors_); }
Ref<file::FsContext> Process::fs() const { return copy_locked(lock, fs_); }
Ref<SignalActions> Process::actions() const { return copy_locked(lock, actions_); }
identity::CredentialsRef Process::credentials() const { return copy_locked(lock, credentials_); }
Ref<const Limits> Process::limits() const { return copy_locked(lock, limits_); }
Ref<ArgumentBlock> Process::arguments() const { return copy_locked(lock, arguments_); }
file::Path Process::executable() const { return copy_locked(lock, executable_); }

void Process::set_address_space(Ref<vm::AddressSpace> value) { exchange_locked(lock, address_space_, std::move(value)); }
void Process::set_descriptors(Ref<file::DescriptorTable> value) { exchange_locked(lock, descriptors_, std::move(value)); }
void Process::set_fs(Ref<file::FsContext> value) { exchange_locked(lock, fs_, std::move(value)); }
void Process::set_actions(Ref<SignalActions> value) { exchange_locked(lock, actions_, std::move(value)); }
void Process::set_limits(Ref<const Limits> value) { exchange_locked(lock, limits_, std::move(value)); }
void Process::set_arguments(Ref<ArgumentBlock> value) { exchange_locked(lock, arguments_, std::move(value)); }
void Process::set_executable(file::Path value) { exchange_locked(lock, executable_, std::move(value)); }

void Process::set_credentials(identity::CredentialsRef value) {
  sync::SpinGuard guard(lock);
  charge_.move_to(value->user);
  std::swap(credentials_, value);
}

bool Process::replace_credentials(const identity::CredentialsRef& before, identity::CredentialsRef value) {
  sync::SpinGuard guard(lock);
  if (credentials_ != before) return false;
  charge_.move_to(value->user);
  std::swap(credentials_, value);
  return true;
}

void Process::switch_address_space(Ref<vm::AddressSpace> value) {
  const Ref<vm::AddressSpace> old = address_space();   // released after interrupts are on again
  machine::InterruptGuard guard;
  if (value) value->activate(machine::cpu_id());
  machine::load_user_top(value ? &value->top() : nullptr);
  if (old) old->deactivate(machine::cpu_id());
  set_address_space(std::move(value));
}

void Process::release_shared_parts() {
  set_descriptors(nullptr);
  set_fs(nullptr);
  switch_address_space(nullptr);
  set_executable(file::Path());
  set_arguments(nullptr);
  release_restrictions(*this);
  Ref<IntervalTimers> gone;
  {
    sync::SpinGuard guard(lock);
    gone.swap(timers);
  }
}

void Process::set_parent(Process& new_parent) {
  parent = &new_parent;
  parent_pid.store(new_parent.pid(), std::memory_order_relaxed);
}

Process::Holdings Process::holdings() const {
  constexpr uint64_t kPagesOfTable = 512, kLeastTables = 4;
  sync::SpinGuard guard(lock);
  const uint64_t pages = address_space_ != nullptr ? address_space_->resident_pages() : 0;
  return {.pages = pages + pages / kPagesOfTable + kLeastTables,
          .descriptors = descriptors_ != nullptr ? descriptors_->count() : 0};
}

identity::Payer Process::payer() const {
  sync::SpinGuard guard(lock);
  if (credentials_ == nullptr || credentials_->user == nullptr) return {};
  return {.user = credentials_->user, .privileged = passes_limits(*credentials_)};
}

void Process::give_back_slot() {
  Slot(std::move(slot_));
  UserCharge(std::move(charge_));
}

constinit std::atomic<uint32_t> stopped_processes{0};
constinit std::atomic<uint32_t> unreported_stops{0};

void Process::note_stopped(int by_signal) {
  if (stop_state == StopState::Running) ++stopped_processes;
  stop_state = StopState::Stopped;
  stop_signal = by_signal;
  if (!continue_reported) note_reported(continue_reported);
  if (std::exchange(stop_reported, false)) ++unreported_stops;
}

void Process::note_continued() {
  if (stop_state == StopState::Running) return;
  --stopped_processes;
  stop_state = StopState::Running;
  if (!stop_reported) note_reported(stop_reported);
  if (std::exchange(continue_reported, false)) ++unreported_stops;
}

void Process::forget_stops() {
  if (stop_state != StopState::Running) --stopped_processes;
  stop_state = StopState::Running;
  if (!stop_reported) note_reported(stop_reported);
  if (!continue_reported) note_reported(continue_reported);
}

void Process::note_reported(bool& reported) {
  reported = true;
  --unreported_stops;
}

void set_life_state(Process& process, LifeState next) {
  const LifeState now = process.life.load(std::memory_order_relaxed);
  ASSERT((now == LifeState::Embryo && next == LifeState::Alive) || (now == LifeState::Alive && next == LifeState::Zombie) ||
         (now == LifeState::Zombie && next == LifeState::Reaped));
  process.life.store(next, std::memory_order_release);
}

namespace {
constinit Late<ProcessList<AllTag>> all_list;
constinit Process* init_pointer = nullptr;
}  // namespace

void init_process_table() {
  all_list.construct();
  register_audit("processes", audit_processes);
  identity::set_payer_finder([] { return current().process().payer(); });
}
ProcessList<AllTag>& all_processes() { return *all_list; }

Process& init_process() { return *init_pointer; }
void set_init_process(Process& process) { init_pointer = &process; }

}  // namespace tine::process
