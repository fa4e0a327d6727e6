// SPDX-License-Identifier: BSD-2-Clause
// Process groups and sessions. Source: setpgid(2), setsid(2), credentials(7). Seed row K2. Lock: tree_lock.
#pragma once

#include <boost/intrusive/list.hpp>

#include "base/ref.h"
#include "mem/object_cache.h"
#include "process/ids.h"
#include "process/signal.h"

namespace tine::process {

class Process;

// What view/tty registers as a session's controlling terminal; opaque here.
class ControllingTerminal : public RefCounted<ControllingTerminal> {
 public:
  virtual ~ControllingTerminal() = default;
  virtual void session_leader_exited(Session& session) = 0;   // hang up: may take tree_lock, may not sleep
  virtual uint32_t device_number() const = 0;
  virtual PidNumber foreground_group() const = 0;
};

class Session : public RefCounted<Session>, public mem::FromCache<Session> {
 public:
  explicit Session(Ref<Pid> id) : id(std::move(id)) {}
  ~Session();
  const Ref<Pid> id;
  Ref<ControllingTerminal> terminal;     // tree_lock
  Process* leader = nullptr;             // tree_lock; null when it has exited
  char login[32] = {};                   // setlogin(2)
};

// A process's link in its group. Process derives from it.
struct GroupMemberTag;
using GroupMember = boost::intrusive::list_base_hook<boost::intrusive::tag<GroupMemberTag>>;

// Without members it is none to programs, but for the process of its number, which comes back to it; a terminal may have it
// in the foreground meanwhile.
class ProcessGroup : public RefCounted<ProcessGroup>, public mem::FromCache<ProcessGroup> {
 public:
  ProcessGroup(Ref<Pid> id, Ref<Session> session) : id(std::move(id)), session(std::move(session)) {}
  ~ProcessGroup();
  const Ref<Pid> id;
  const Ref<Session> session;
  // tree_lock. Not counted; the newest first.
  boost::intrusive::list<Process, boost::intrusive::base_hook<GroupMember>,
                         boost::intrusive::constant_time_size<false>> members;
};

Result<> set_process_group(Process& caller, PidNumber pid, PidNumber group);   // setpgid(2)
Result<PidNumber> make_session(Process& caller);                               // setsid(2)
// To every member, under tree_lock, so that a member that forks meanwhile cannot slip through (seed row A3).
// Returns how many were reached. `sender` null: the kernel (no permission check).
Result<unsigned> signal_group(ProcessGroup& group, const SignalInfo& info, const Process* sender);
bool is_orphaned(const ProcessGroup& group);                                   // tree_lock held

}  // namespace tine::process
