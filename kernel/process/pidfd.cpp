// SPDX-License-Identifier: BSD-2-Clause
#include "process/pidfd.h"

#include "process/thread.h"
#include "vm/user_ptr.h"

namespace tine::process {

file::PollEvents PidFile::poll(file::Poller* poller) {
  if (poller != nullptr) poller->watch(process_->end_wait);
  const LifeState life = process_->life.load(std::memory_order_acquire);
  return life == LifeState::Zombie || life == LifeState::Reaped ? file::kPollIn | file::kPollRdNorm : 0;
}

Result<Ref<Process>> process_of_descriptor(const Process& owner, int descriptor) {
  const Ref<file::File> file = TRY(owner.descriptors()->get(descriptor));
  // No RTTI: each class has a kind string of its own.
  static constexpr std::string_view kKind = "[pidfd]";
  if (file->kind() != kKind) return Error(Errno::BadF);
  return Ref<Process>(&static_cast<PidFile&>(*file).process());
}

Result<int> open_pidfd(Process& owner, Ref<Process> target, uint32_t flags) {
  Ref<file::File> file = TRY(mem::make_ref<PidFile>(std::move(target), flags & file::kNonBlock));
  return owner.descriptors()->install(std::move(file), /*close_on_exec=*/true,
                                      static_cast<unsigned>(owner.limit(Resource::Files)));
}

Result<> PidFdReservation::reserve(Thread& caller, const Ref<Process>& child, uintptr_t store_at) {
  if (store_at == 0) return {};
  descriptor_ = TRY(open_pidfd(caller.process(), child, 0));
  table_ = caller.process().descriptors();
  return vm::UserPtr<int>(store_at).store(descriptor_);
}

PidFdReservation::~PidFdReservation() {
  if (table_) (void)table_->remove(descriptor_);
}

}  // namespace tine::process
