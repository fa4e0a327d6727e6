// SPDX-License-Identifier: BSD-2-Clause
// Process and thread ids. A Pid is a number that a process, a group or a session (or several of them) uses; the number
// is free again when the last of them lets go, and is then kept in quarantine until 128 more, at least, have been freed.
// Allocation is exact and O(log64 N) at any occupancy; lookup is constant-time. Seed rows P1-P11, K3, R11.
// Lock: ids lock (spinlock), after tree lock and process locks.
#pragma once

#include <boost/intrusive/unordered_set_hook.hpp>
#include <cstdint>

#include "base/ref.h"
#include "base/result.h"
#include "mem/object_cache.h"

namespace tine::process {

class Process;
class Thread;
class ProcessGroup;
class Session;

using PidNumber = int32_t;

enum class PidMode : uint8_t;   // process/pid_space.h

// A number in use. Refs: the process (until reaped), its group, its session.
class Pid : public RefCounted<Pid>, public mem::FromCache<Pid>, public boost::intrusive::unordered_set_base_hook<> {
 public:
  // Again when every number is taken; NoMem. `high`: seed row R11 (at least 10, last pid left alone).
  static Result<Ref<Pid>> allocate(bool high = false);
  // This number, also out of quarantine, the last pid left alone. Inval: no process can have it; Exist: it is in use; NoMem.
  static Result<Ref<Pid>> allocate_number(PidNumber number);
  static Result<Ref<Pid>> make_zero();   // process 0's, which is never looked up
  ~Pid();   // puts the number into quarantine, if it was ever used
  PidNumber number() const { return number_; }

  // Makes lookups by number find this user of it, or no longer. The pointed-to object outlives the attachment.
  void attach(Process* process);
  void attach(ProcessGroup* group);
  void attach(Session* session);

 private:
  friend class PidTable;
  template <class T, class... Args>
  friend Result<T*> mem::make(Args&&...);
  Pid(PidNumber number, bool high) : number_(number), high_(high) {}
  const PidNumber number_;
  const bool high_;
  bool used_ = false;                // a process has had it; guarded by the ids lock
  Process* process_ = nullptr;       // guarded by the ids lock, as are the next two
  ProcessGroup* group_ = nullptr;
  Session* session_ = nullptr;
};

Ref<Process> find_process(PidNumber number);       // null: none, an embryo, or already reaped. Zombies are found.
Ref<ProcessGroup> find_group(PidNumber number);
Ref<Session> find_session(PidNumber number);
Ref<Thread> find_thread(PidNumber shown_id);       // by the id that Linux programs see
Ref<Process> find_process_of(PidNumber shown_id);  // whose pid this is, or one of whose threads has this id

// The id that Linux sees for a process's first thread is the pid; other threads get ids of a separate random space, shown as
// internal id + kThreadPidOffset, beyond every pid (P10).
inline constexpr PidNumber kTidMask = 0x3fffff;
inline constexpr PidNumber kThreadPidOffset = 0x800000;

class ThreadId {   // RAII token of a thread id
 public:
  ThreadId() = default;
  static Result<ThreadId> allocate();
  ThreadId(ThreadId&& other) noexcept;
  ThreadId& operator=(ThreadId&& other) noexcept;
  ~ThreadId();
  PidNumber internal() const { return number_; }
  PidNumber shown() const { return number_ + kThreadPidOffset; }
  bool empty() const { return number_ == 0; }

 private:
  PidNumber number_ = 0;
};

// Makes find_thread() find the thread, or no longer.
void publish_thread_id(Thread& thread);
void withdraw_thread_id(Thread& thread);

// Settings (kern.pid_max at boot, kern.pidmode, kern.randompid, kern.lastpid).
Result<> init_ids(PidNumber pid_max);
PidNumber pid_max();
PidMode pid_mode();
void set_pid_mode(PidMode mode);
int random_pid_step();
void set_random_pid_step(int step);   // clamped as seed row P4 says
PidNumber last_pid();

}  // namespace tine::process
