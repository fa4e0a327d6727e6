// SPDX-License-Identifier: BSD-2-Clause
// Tty: a terminal. A line discipline with its lock, the readers and writers that wait for it, and the session that it
// controls. What the bytes travel over (a UART, the master side of a pty) is a subclass. Source: tty_ioctl(4), POSIX 11.
//
// Locks: lock_ (a spinlock: input comes in interrupts) guards the line discipline and is taken before the wait queues';
// process::tree_lock guards session_ and foreground_, and the two are never held together: signals that input causes are
// sent after lock_ has been dropped.
#pragma once

#include <atomic>

#include "file/file.h"
#include "file/inode.h"
#include "process/group.h"
#include "process/process.h"
#include "sched/wait_queue.h"
#include "sync/mutex.h"
#include "sync/spinlock.h"
#include "view/line_discipline.h"

namespace tine::view {

class TtyFile;

class Tty : public process::ControllingTerminal {
 public:
  Tty(file::DeviceNumber device, const Termios& settings) : device_(device), discipline_(settings) {}
  Result<> allocate() NO_THREAD_SAFETY_ANALYSIS { return discipline_.allocate(); }   // before anyone knows the tty

  // --- From the line below ---

  // Bytes that were typed, in any context. receive() loses what does not fit; offer() takes what fits and says how much
  // that was.
  void receive(std::span<const char> bytes);
  size_t offer(std::span<const char> bytes);
  // The line is gone: open files see end of file and Io, the session loses its terminal and its leader gets SIGHUP.
  void hang_up();

  // --- For open files (TtyFile) ---
  Result<size_t> read(TtyFile& file, file::IoBuffer& into);
  Result<size_t> write(TtyFile& file, file::IoBuffer& from);
  file::PollEvents poll(TtyFile& file, file::Poller* poller);
  Result<uint64_t> control(TtyFile& file, uint32_t command, uint64_t argument);
  void file_opened();
  void file_closed();
  uint32_t hang_ups() const { return hang_ups_.load(std::memory_order_acquire); }

  // What both sides of a line may ask: settings, window size, foreground group. NotTty: not one of these.
  Result<uint64_t> control_line(uint32_t command, uint64_t argument);
  void set_window_size(const WindowSize& size);

  // --- Job control (job_control.cpp) ---
  // A session leader without a terminal that opens a tty which controls no session gets it.
  void attach_on_open(process::Process& process);
  void session_leader_exited(process::Session& session) override;
  uint32_t device_number() const override { return static_cast<uint32_t>(device_); }
  process::PidNumber foreground_group() const override { return foreground_number_.load(std::memory_order_relaxed); }

 protected:
  static constexpr size_t kChunk = 256;    // processed under the spinlock at a time

  // Moves discipline_.sendable() on. Called whenever something may have become sendable.
  virtual void send_locked() REQUIRES(lock_) = 0;
  // Whether output drains without a program on the other side reading it, so that tcdrain(3) can wait for it.
  virtual bool drains_by_itself() const { return true; }
  // Whether the end of the session leader cuts off whoever else has it open. A pty goes on: its master decides.
  virtual bool hangs_up_with_leader() const { return true; }
  // Whether a reader should see the end: nobody on the other side can type any more.
  virtual bool line_closed_locked() const REQUIRES(lock_) { return false; }
  virtual void first_opened() {}
  virtual void last_closed() {}
  // Input has been taken out: the other side may type more.
  virtual void input_taken() {}

  void react(uint8_t effects);
  void signal_foreground(int signal);
  void wake_readers() { read_wait_.wake_all(file::kPollIn | file::kPollRdNorm | file::kPollHup); }
  void wake_writers() { write_wait_.wake_all(file::kPollOut | file::kPollWrNorm | file::kPollHup); }

  const file::DeviceNumber device_;
  sync::Spinlock lock_{"tty"};
  LineDiscipline discipline_ GUARDED_BY(lock_);
  sched::WaitQueue read_wait_{"ttyin"};
  sched::WaitQueue write_wait_{"ttyout"};

 private:
  friend class WriteTurn;
  Result<size_t> read_some(TtyFile& file, file::IoBuffer& into, bool& complete);
  bool gone_locked(const TtyFile& file) const REQUIRES(lock_);
  Result<size_t> write_chunk(TtyFile& file, std::span<const char> chunk);

  Termios settings();
  Result<> change_settings(const Termios& settings, uint32_t how);
  Result<> wait_until_sent();
  Result<> flush(uint64_t queues);
  Result<> flow(uint64_t action);

  Result<> check_background(int signal);
  bool controls(const process::Process& process) const REQUIRES(process::tree_lock);
  Result<> take_as_controlling_terminal(process::Process& process, bool steal);
  Result<> give_up_controlling_terminal(process::Process& process);
  Result<process::PidNumber> foreground_of(process::Process& process);
  Result<process::PidNumber> session_of(process::Process& process);
  Result<> set_foreground(process::Process& process, process::PidNumber group);
  void set_session_locked(Ref<process::Session>& session, Ref<process::ProcessGroup>& foreground)
      REQUIRES(process::tree_lock);

  sync::Mutex read_turn_{"tty reader"};           // while a line is copied out, so that two readers do not share it
  bool writing_ GUARDED_BY(lock_) = false;        // somebody's write(2) is under way; others wait for their turn
  uint32_t open_files_ GUARDED_BY(lock_) = 0;
  WindowSize window_ GUARDED_BY(lock_);
  std::atomic<uint32_t> hang_ups_{0};
  Ref<process::Session> session_ GUARDED_BY(process::tree_lock);
  Ref<process::ProcessGroup> foreground_ GUARDED_BY(process::tree_lock);
  std::atomic<process::PidNumber> foreground_number_{0};
};

// An open terminal.
class TtyFile final : public file::File, public mem::FromCache<TtyFile> {
 public:
  // Makes the tty the caller's controlling terminal where that is due, unless `flags` say kNoCtty. A `lasting` file
  // stays open over hang-ups (/dev/console, which init and daemons hold).
  static Result<Ref<file::File>> open(Ref<Tty> tty, const file::Path& path, uint32_t flags, bool lasting = false);

  TtyFile(Ref<Tty> tty, const file::Path& path, uint32_t flags, bool lasting);
  ~TtyFile() override { tty_->file_closed(); }

  Tty& tty() const { return *tty_; }
  bool hung_up() const { return !lasting_ && since_ != tty_->hang_ups(); }

  Result<size_t> read(file::IoBuffer& into, uint64_t*) override { return tty_->read(*this, into); }
  Result<size_t> write(file::IoBuffer& from, uint64_t*) override { return tty_->write(*this, from); }
  file::PollEvents poll(file::Poller* poller) override { return tty_->poll(*this, poller); }
  Result<uint64_t> control(uint32_t command, uint64_t argument) override {
    return tty_->control(*this, command, argument);
  }
  const char* kind() const override { return "tty"; }

 private:
  const Ref<Tty> tty_;
  const uint32_t since_;      // the tty's hang_ups() when this was opened
  const bool lasting_;
};

// The controlling terminal of a process, or null.
Ref<process::ControllingTerminal> controlling_terminal(const process::Process& process);

}  // namespace tine::view
