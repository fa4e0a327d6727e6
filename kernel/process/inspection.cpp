// SPDX-License-Identifier: BSD-2-Clause
#include "process/inspection.h"

namespace tine::process {

Inspector::Inspector(const Process& who, InspectorIds ids) : who_(who), credentials_(who.credentials()), ids_(ids) {}

Result<> Inspector::check_locked(const Process& target) const {
  const identity::Credentials& mine = *credentials_;
  if (&who_ == &target || mine.capable(identity::Capability::SysPtrace)) return {};
  const bool by_real_ids = ids_ == InspectorIds::Real;
  const Error refused(by_real_ids ? Errno::Perm : Errno::Acces);
  const identity::Credentials* theirs = target.credentials_.get();
  if (theirs == nullptr || !target.has(kDumpable) || target.set_id_transitions != 0) return refused;
  const identity::Uid uid = by_real_ids ? mine.ruid : mine.fsuid;
  const identity::Gid gid = by_real_ids ? mine.rgid : mine.fsgid;
  const identity::CapabilitySet capabilities = by_real_ids ? mine.permitted : mine.effective;
  const bool same_user = theirs->ruid == uid && theirs->euid == uid && theirs->suid == uid;
  const bool same_group = theirs->rgid == gid && theirs->egid == gid && theirs->sgid == gid;
  const bool no_less_able = (theirs->permitted & ~capabilities) == 0;
  return same_user && same_group && no_less_able ? Result<>() : refused;
}

Result<> Inspector::check(const Process& target) const {
  sync::SpinGuard guard(target.lock);
  return check_locked(target);
}

template <class Part>
Result<Part> Inspector::part_of(const Process& target, Part Process::* part) const {
  sync::SpinGuard guard(target.lock);
  TRY(check_locked(target));
  return target.*part;
}

Result<Ref<vm::AddressSpace>> Inspector::memory_of(const Process& target) const {
  return part_of(target, &Process::address_space_);
}
Result<Ref<vm::AddressSpace>> Inspector::memory_of_traced(const Process& target) const {
  sync::SpinGuard guard(target.lock);
  const bool open = target.has(kDumpable) || credentials_->capable(identity::Capability::SysPtrace);
  return open ? Result<Ref<vm::AddressSpace>>(target.address_space_) : Error(Errno::Io);
}
Result<Ref<file::FsContext>> Inspector::fs_of(const Process& target) const { return part_of(target, &Process::fs_); }
Result<Ref<file::DescriptorTable>> Inspector::descriptors_of(const Process& target) const {
  return part_of(target, &Process::descriptors_);
}
Result<file::Path> Inspector::executable_of(const Process& target) const { return part_of(target, &Process::executable_); }

// The table may stay the same through exec, so the file is taken out of it in the same step.
Result<Ref<file::File>> Inspector::file_of(const Process& target, int descriptor) const {
  sync::SpinGuard guard(target.lock);
  TRY(check_locked(target));
  if (target.descriptors_ == nullptr) return Error(Errno::Srch);
  return target.descriptors_->get(descriptor);
}

SetIdTransition::~SetIdTransition() {
  if (process_ == nullptr) return;
  sync::SpinGuard guard(process_->lock);
  --process_->set_id_transitions;
}

bool SetIdTransition::begin(Process& process) {
  sync::SpinGuard guard(process.lock);
  if (process.has(kTraced)) return false;
  ++process.set_id_transitions;
  process_ = &process;
  return true;
}

}  // namespace tine::process
