// SPDX-License-Identifier: BSD-2-Clause
// Descriptors that refer to processes. Source: pidfd_open(2), clone(2) CLONE_PIDFD; pdfork(2).
#pragma once

#include "file/descriptor_table.h"
#include "file/file.h"
#include "process/fork.h"
#include "process/process.h"

namespace tine::process {

// Readable once the process has ended; pdfork's hangs up too.
class PidFile final : public file::File, public mem::FromCache<PidFile> {
 public:
  PidFile(Ref<Process> process, uint32_t flags, PidFdKind kind = PidFdKind::Handle)
      : File(flags | file::kReadWrite, file::Path()), process_(std::move(process)), kind_(kind) {}
  ~PidFile() override;   // the last descriptor has been closed: an owner lets go of its process
  Process& process() const { return *process_; }
  file::PollEvents poll(file::Poller* poller) override;
  void describe(file::DetailSink& sink) override;
  const char* kind() const override { return "[pidfd]"; }
  using mem::FromCache<PidFile>::operator new;
  using mem::FromCache<PidFile>::operator delete;

 private:
  const Ref<Process> process_;
  const PidFdKind kind_;
};

bool is_process_descriptor(const file::File& file);
// The process of a descriptor; BadF if it is none, or of another kind.
Result<Ref<Process>> process_of_descriptor(const Process& owner, int descriptor);
// Whether waitid(2) by this descriptor says Again instead of waiting.
Result<bool> is_non_blocking(const Process& owner, int descriptor);
// A descriptor in the table of `owner`, close-on-exec as Linux has it.
Result<int> open_pidfd(Process& owner, Ref<Process> target, uint32_t flags);

// The descriptor that CLONE_PIDFD or pdfork asks for, closed again unless kept.
class PidFdReservation {
 public:
  PidFdReservation() = default;
  PidFdReservation(const PidFdReservation&) = delete;
  PidFdReservation& operator=(const PidFdReservation&) = delete;
  ~PidFdReservation();
  // No effect when the request wants none; else Fault when the number cannot be written where it says.
  Result<> reserve(Thread& caller, const Ref<Process>& child, const ForkRequest& request);
  void keep() { table_ = nullptr; }

 private:
  Ref<file::DescriptorTable> table_;
  int descriptor_ = -1;
};

}  // namespace tine::process
