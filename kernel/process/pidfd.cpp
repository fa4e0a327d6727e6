// SPDX-License-Identifier: BSD-2-Clause
#include "process/pidfd.h"

#include "process/out_of_memory.h"
#include "process/reap.h"
#include "process/thread.h"
#include "vm/user_ptr.h"

namespace tine::process {

PidFile::~PidFile() {
  if (kind_ != PidFdKind::Handle) disown(*process_, /*kill=*/kind_ == PidFdKind::Owner);
}

file::PollEvents PidFile::poll(file::Poller* poller) {
  if (poller != nullptr) poller->watch(process_->end_wait);
  const LifeState life = process_->life.load(std::memory_order_acquire);
  if (life != LifeState::Zombie && life != LifeState::Reaped) return 0;
  const file::PollEvents hung_up = kind_ == PidFdKind::Handle ? 0 : file::kPollHup;   // as in FreeBSD
  return file::kPollIn | file::kPollRdNorm | hung_up;
}

// -1: reaped, as in Linux.
void PidFile::describe(file::DetailSink& sink) {
  const PidNumber pid = process_->life.load() == LifeState::Reaped ? -1 : process_->pid();
  sink.print("Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

// No RTTI: each class has a kind string of its own.
bool is_process_descriptor(const file::File& file) { return file.kind() == std::string_view("[pidfd]"); }

Result<Ref<Process>> process_of_descriptor(const Process& owner, int descriptor) {
  const Ref<file::File> file = TRY(owner.descriptors()->get(descriptor));
  if (!is_process_descriptor(*file)) return Error(Errno::BadF);
  return Ref<Process>(&static_cast<PidFile&>(*file).process());
}

Result<bool> is_non_blocking(const Process& owner, int descriptor) {
  return TRY(owner.descriptors()->get(descriptor))->non_blocking();
}

Result<int> open_pidfd(Process& owner, Ref<Process> target, uint32_t flags) {
  TRY(file::File::check_room());
  Ref<file::File> file = TRY(mem::make_ref<PidFile>(std::move(target), flags & file::kNonBlock));
  return owner.descriptors()->install(std::move(file), /*close_on_exec=*/true,
                                      static_cast<unsigned>(owner.limit(Resource::Files)));
}

Result<> PidFdReservation::reserve(Thread& caller, const Ref<Process>& child, const ForkRequest& request) {
  if (request.store_pidfd == 0) return {};
  const Process& owner = caller.process();
  TRY(file::File::check_room());
  Ref<file::File> file = TRY(mem::make_ref<PidFile>(child, 0, request.pidfd_kind));
  table_ = owner.descriptors();
  const Result<int> descriptor = table_->install(std::move(file), request.pidfd_close_on_exec,
                                                 static_cast<unsigned>(owner.limit(Resource::Files)));
  if (!descriptor) {
    table_ = nullptr;
    return Error(descriptor.error());
  }
  descriptor_ = *descriptor;
  return vm::UserPtr<int>(request.store_pidfd).store(descriptor_);
}

PidFdReservation::~PidFdReservation() {
  if (table_) (void)until_there_is_room(current(), [this] { return table_->remove(descriptor_); });
}

}  // namespace tine::process
