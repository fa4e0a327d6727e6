// SPDX-License-Identifier: BSD-2-Clause
// Pseudo terminals. The slave is a Tty whose line is a program: the open file of /dev/ptmx, the master. What the master
// writes is typed at the slave; what is written to the slave, and its echo, the master reads. There are no packet mode
// and no BSD ptys. Source: pty(7), ptmx(4), tty_ioctl(4).
// Locks: the slave's lock_; the table of ptys has a spinlock, a leaf.
#pragma once

#include "file/entry.h"
#include "identity/charge.h"
#include "view/tty.h"

namespace tine::view {

inline constexpr uint32_t kMaxPtys = 4096;   // kernel.pty.max is at most this; its reserve is root's
inline constexpr uint32_t kPtySlaveMajor = 136;

class PtySlave final : public Tty, public mem::FromCache<PtySlave> {
 public:
  using Charge = identity::Charge<identity::Kept::Ptys>;
  PtySlave(uint32_t number, Charge charge)
      : Tty(file::device_number(kPtySlaveMajor, number), Termios()), number(number), charge_(std::move(charge)) {}

  const uint32_t number;                      // N of /dev/pts/N
  std::atomic<bool> locked{true};             // cannot be opened until unlockpt(3)
  Ref<file::Entry> entry;                     // in devpts; set before anyone can find the pty

  // --- For the master ---
  Result<size_t> read_output(file::IoBuffer& into, bool non_blocking);
  Result<size_t> write_input(file::IoBuffer& from, bool non_blocking);
  file::PollEvents poll_master(file::Poller* poller);
  Result<uint64_t> control_master(uint32_t command, uint64_t argument);
  void close_master();

 private:
  void send_locked() override REQUIRES(lock_);
  bool drains_by_itself() const override { return false; }
  bool hangs_up_with_leader() const override { return false; }
  bool line_closed_locked() const override REQUIRES(lock_) { return master_closed_; }
  void first_opened() override;
  void last_closed() override;
  void input_taken() override { master_write_wait_.wake_all(file::kPollOut | file::kPollWrNorm); }

  size_t take_output(std::span<char> into);

  const Charge charge_;
  bool master_closed_ GUARDED_BY(lock_) = false;
  bool slave_closed_ GUARDED_BY(lock_) = false;   // it was open and is not any more
  sched::WaitQueue master_read_wait_{"ptyin"};
  sched::WaitQueue master_write_wait_{"ptyout"};
};

// The open master side. Closing it hangs the slave up and ends the pty.
class PtyMaster final : public file::File, public mem::FromCache<PtyMaster> {
 public:
  static Result<Ref<file::File>> open(const file::Path& path, uint32_t flags);

  PtyMaster(Ref<PtySlave> slave, const file::Path& path, uint32_t flags)
      : file::File(flags, path), slave_(std::move(slave)) {}
  ~PtyMaster() override;

  Result<size_t> read(file::IoBuffer& into, uint64_t*) override { return slave_->read_output(into, non_blocking()); }
  Result<size_t> write(file::IoBuffer& from, uint64_t*) override { return slave_->write_input(from, non_blocking()); }
  file::PollEvents poll(file::Poller* poller) override { return slave_->poll_master(poller); }
  Result<uint64_t> control(uint32_t command, uint64_t argument) override;
  const char* kind() const override { return "ptmx"; }

 private:
  const Ref<PtySlave> slave_;
};

// --- The table of ptys (pty.cpp) ---
// A new one with the lowest free number, in the table. NoSpc when there are as many as may be, NoMem.
Result<Ref<PtySlave>> make_pty();
void remove_pty(PtySlave& pty);
Ref<PtySlave> find_pty(uint32_t number);                 // null: none
Ref<PtySlave> next_pty(uint32_t number);                 // the first with at least this number; null: none

// --- The devpts file system (devpts.cpp): one instance, shown by all its mounts ---
Result<> make_pts_node(PtySlave& pty);                   // owned by the caller's user
Result<file::Path> pts_path(const PtySlave& pty);        // NoEnt: devpts is mounted nowhere

// Boot: /dev/ptmx, the slaves' devices, the file system type "devpts".
Result<> init_ptys();

}  // namespace tine::view
