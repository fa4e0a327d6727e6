// SPDX-License-Identifier: BSD-2-Clause
#include "process/thread.h"

#include "process/process.h"
#include "process/profile.h"
#include "process/tracee.h"

namespace tine::process {

Thread::Thread(Ref<Process> process, mem::KernelStack stack, ThreadId id, Slot slot)
    : sched::Thread("", std::move(stack)), process_(std::move(process)), id_(std::move(id)), slot_(std::move(slot)) {}

Thread::~Thread() = default;

bool Thread::is_first() const { return process_->first_thread == this; }
PidNumber Thread::shown_id() const { return is_first() ? process_->pid() : id_.shown(); }

vm::AddressSpace* Thread::address_space() const {
  return has_left_memory ? nullptr : process_->own_address_space();
}

const machine::UserTop* Thread::user_top() {
  const vm::AddressSpace* space = address_space();
  return space != nullptr ? &space->top() : nullptr;
}

void Thread::on_switch_in() {
  if (process_->has(kProfiling)) [[unlikely]] start_profile_clock();
}
void Thread::enter_memory() {
  if (vm::AddressSpace* space = address_space()) space->activate(machine::cpu_id());
}
void Thread::exit_memory() {
  if (vm::AddressSpace* space = address_space()) space->deactivate(machine::cpu_id());
}

void Thread::leave_memory() {
  const machine::InterruptGuard guard;
  machine::load_user_top(nullptr);
  exit_memory();
  has_left_memory = true;
}

// The scheduler's reference, taken by launch().
void Thread::on_dead() { intrusive_ptr_release(this); }

}  // namespace tine::process
