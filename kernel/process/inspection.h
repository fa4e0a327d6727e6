// SPDX-License-Identifier: BSD-2-Clause
// Who may look into a process and change it, as ptrace(2), process_vm_readv(2), /proc and their kin do. Source: ptrace(2),
// "Ptrace access mode checking".
// Rule: what is looked into is taken in one step with the check, under the process's lock. Between two steps the process
// could become another program, one that the check was not about. Exec keeps the order that this needs: a process is
// closed before anything of a program that its user may not look into can be reached, and opened when nothing of such a
// program is left (exec.cpp).
#pragma once

#include "process/process.h"

namespace tine::process {

// Which ids of the one who looks count: all but /proc go by the real ones.
enum class InspectorIds : uint8_t { Real, FileSystem };

class Inspector {
 public:
  Inspector(const Process& who, InspectorIds ids);

  // Errors: Perm; Acces of one that is judged by file-system ids.
  Result<> check(const Process& target) const;
  Result<> check_locked(const Process& target) const REQUIRES(target.lock);

  // Parts of `target`; null if it has none, as a zombie. Errors as above.
  Result<Ref<vm::AddressSpace>> memory_of(const Process& target) const;
  // The memory of a process that `who` traces already: the right to begin is not asked for again, but a program that
  // nobody may read is closed to its tracer too. Io.
  Result<Ref<vm::AddressSpace>> memory_of_traced(const Process& target) const;
  Result<Ref<file::FsContext>> fs_of(const Process& target) const;
  Result<file::Path> executable_of(const Process& target) const;
  Result<Ref<file::DescriptorTable>> descriptors_of(const Process& target) const;
  // An open file. BadF; Srch: it has no descriptors any more.
  Result<Ref<file::File>> file_of(const Process& target, int descriptor) const;

 private:
  template <class Part>
  Result<Part> part_of(const Process& target, Part Process::* part) const;

  const Process& who_;
  const identity::CredentialsRef credentials_;
  const InspectorIds ids_;
};

// Exec of a set-id program, from when its bits are honoured until it is in place. Meanwhile the process is closed to those
// who could not look into that program, although it has the credentials of the old one still.
class SetIdTransition {
 public:
  SetIdTransition() = default;
  SetIdTransition(const SetIdTransition&) = delete;
  SetIdTransition& operator=(const SetIdTransition&) = delete;
  ~SetIdTransition();

  // False: the process is traced, and the bits must not count.
  [[nodiscard]] bool begin(Process& process);

 private:
  Process* process_ = nullptr;
};

}  // namespace tine::process
