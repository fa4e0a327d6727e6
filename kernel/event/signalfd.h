// SPDX-License-Identifier: BSD-2-Clause
// signalfd(2): reading the pending signals of whoever reads. A signal does not know its readers, so every
// send tells all signal files (through the life events) and those with the signal in their mask wake their
// waiters. There are few, and when there are none a send pays one load. Lock: signalfd list spinlock, after
// Process::lock, before wait queues.
#pragma once

#include <boost/intrusive/list.hpp>

#include "file/file.h"
#include "process/signal.h"

namespace tine::event {

class SignalFile final : public file::File,
                         public mem::FromCache<SignalFile>,
                         public boost::intrusive::list_base_hook<> {
 public:
  static constexpr char kType = 0;
  SignalFile(process::SignalSet mask, uint32_t flags);
  ~SignalFile() override;

  void set_mask(process::SignalSet mask);  // SIGKILL and SIGSTOP are left out

  // Whole struct signalfd_siginfo records, as many as fit and are pending, at least one.
  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override;
  file::PollEvents poll(file::Poller* poller) override;
  void describe(file::DetailSink& sink) override;
  const char* kind() const override { return "anon_inode:[signalfd]"; }
  const void* type() const override { return &kType; }

 private:
  friend void tell_signal_files(int signal);
  process::SignalSet mask() const { return process::SignalSet(mask_.load(std::memory_order_relaxed)); }
  bool has_pending() const;

  std::atomic<uint64_t> mask_;
  sched::WaitQueue arrived_{"signalfd"};
};

// A signal was sent to somebody. Called under Process::lock.
void tell_signal_files(int signal);

}  // namespace tine::event
