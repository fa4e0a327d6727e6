// SPDX-License-Identifier: BSD-2-Clause
// User and group ids, supplementary groups, capabilities. The rules are in identity/set_ids.h; here they are applied to the
// calling process, all of its threads at once.
#include "abi/linux/identity.h"

#include "identity/set_ids.h"

namespace tine::abi::linux_abi {
namespace {

using identity::Credentials;
using identity::CredentialsRef;
using process::Process;

// Makes change(credentials) the process's own. Whoever has changed ids must not be inspected by who could before.
template <class Change>
CallResult change_ids(const Call& call, Change&& change) {
  Process& process = call.process();
  TRY(process.change_credentials([&](const Credentials& before) -> Result<CredentialsRef> {
    const CredentialsRef now = TRY(change(before));
    if (now->euid != before.euid || now->egid != before.egid || now->fsuid != before.fsuid || now->fsgid != before.fsgid)
      process.clear(process::kDumpable);
    process.set(process::kSetId);
    return now;
  }));
  return 0;
}

CallResult store_three(const Call& call, uint32_t a, uint32_t b, uint32_t c) {
  TRY(call.pointer<uint32_t>(0).store(a));
  TRY(call.pointer<uint32_t>(1).store(b));
  TRY(call.pointer<uint32_t>(2).store(c));
  return 0;
}

struct CapabilityHeader {
  uint32_t version;
  int32_t pid;
};
struct CapabilityWord {   // bits 0-31, then (from version 2 on) 32-63
  uint32_t effective, permitted, inheritable;
};

// How many CapabilityWords follow; tells the program our version when it names one that we do not know.
Result<unsigned> capability_words(const Call& call, const CapabilityHeader& header) {
  constexpr uint32_t kVersion1 = 0x1998'0330, kVersion2 = 0x2007'1026, kVersion3 = 0x2008'0522;
  switch (header.version) {
    case kVersion1: return 1;
    case kVersion2:
    case kVersion3: return 2;
    default:
      TRY(call.pointer<uint32_t>(0).store(kVersion3));
      return Error(Errno::Inval);
  }
}

Result<CredentialsRef> credentials_of(const Call& call, int32_t pid) {
  if (pid < 0) return Error(Errno::Inval);
  if (pid == 0 || pid == call.process().pid()) return call.process().credentials();
  const Ref<process::Thread> thread = process::find_thread(pid);
  if (thread == nullptr) return Error(Errno::Srch);
  CredentialsRef credentials = thread->process().credentials();
  if (credentials == nullptr) return Error(Errno::Srch);
  return credentials;
}

}  // namespace

CallResult sys_getuid(const Call& call) { return call.process().credentials()->ruid; }
CallResult sys_geteuid(const Call& call) { return call.process().credentials()->euid; }
CallResult sys_getgid(const Call& call) { return call.process().credentials()->rgid; }
CallResult sys_getegid(const Call& call) { return call.process().credentials()->egid; }

CallResult sys_getresuid(const Call& call) {
  const CredentialsRef now = call.process().credentials();
  return store_three(call, now->ruid, now->euid, now->suid);
}
CallResult sys_getresgid(const Call& call) {
  const CredentialsRef now = call.process().credentials();
  return store_three(call, now->rgid, now->egid, now->sgid);
}

CallResult sys_setuid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) { return identity::set_uid(now, call.as_unsigned(0)); });
}
CallResult sys_setgid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) { return identity::set_gid(now, call.as_unsigned(0)); });
}
CallResult sys_setreuid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) {
    return identity::set_reuid(now, call.as_unsigned(0), call.as_unsigned(1));
  });
}
CallResult sys_setregid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) {
    return identity::set_regid(now, call.as_unsigned(0), call.as_unsigned(1));
  });
}
CallResult sys_setresuid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) {
    return identity::set_resuid(now, call.as_unsigned(0), call.as_unsigned(1), call.as_unsigned(2));
  });
}
CallResult sys_setresgid(const Call& call) {
  return change_ids(call, [&](const Credentials& now) {
    return identity::set_resgid(now, call.as_unsigned(0), call.as_unsigned(1), call.as_unsigned(2));
  });
}

// These two answer with the id that was, and never with an error.
CallResult sys_setfsuid(const Call& call) {
  const CredentialsRef before = call.process().credentials();
  if (call.as_unsigned(0) != before->fsuid)
    static_cast<void>(change_ids(call, [&](const Credentials& now) { return identity::set_fsuid(now, call.as_unsigned(0)); }));
  return before->fsuid;
}
CallResult sys_setfsgid(const Call& call) {
  const CredentialsRef before = call.process().credentials();
  if (call.as_unsigned(0) != before->fsgid)
    static_cast<void>(change_ids(call, [&](const Credentials& now) { return identity::set_fsgid(now, call.as_unsigned(0)); }));
  return before->fsgid;
}

CallResult sys_getgroups(const Call& call) {
  const CredentialsRef now = call.process().credentials();
  const int room = call.as_int(0);
  if (room < 0 || (room != 0 && static_cast<uint32_t>(room) < now->group_count)) return Error(Errno::Inval);
  if (room != 0) TRY(vm::copy_out(call.args[1], now->groups, now->group_count * sizeof(identity::Gid)));
  return now->group_count;
}
CallResult sys_setgroups(const Call& call) {
  return change_ids(call, [&](const Credentials& now) -> Result<Ref<Credentials>> {
    if (!now.capable(identity::Capability::Setgid)) return Error(Errno::Perm);
    const uint64_t count = call.args[0];
    if (count > identity::kMaxGroups) return Error(Errno::Inval);
    identity::Gid groups[identity::kMaxGroups];
    TRY(vm::copy_in(groups, call.args[1], count * sizeof(identity::Gid)));
    return identity::set_groups(now, {groups, static_cast<size_t>(count)});
  });
}

CallResult sys_capget(const Call& call) {
  const CapabilityHeader header = TRY(call.pointer<const CapabilityHeader>(0).load());
  const Result<unsigned> words = capability_words(call, header);
  if (call.args[1] == 0) return words || words.error() == Errno::Inval ? CallResult(0) : Error(words.error());
  const unsigned count = TRY(words);
  const CredentialsRef of = TRY(credentials_of(call, header.pid));
  for (unsigned i = 0; i < count; i++) {
    const CapabilityWord word{static_cast<uint32_t>(of->effective >> 32 * i), static_cast<uint32_t>(of->permitted >> 32 * i),
                              static_cast<uint32_t>(of->inheritable >> 32 * i)};
    TRY((call.pointer<CapabilityWord>(1) + i).store(word));
  }
  return 0;
}

CallResult sys_capset(const Call& call) {
  const CapabilityHeader header = TRY(call.pointer<const CapabilityHeader>(0).load());
  const unsigned count = TRY(capability_words(call, header));
  if (header.pid != 0 && header.pid != call.process().pid() && header.pid != call.thread.shown_id())
    return Error(Errno::Perm);
  uint64_t effective = 0, permitted = 0, inheritable = 0;
  for (unsigned i = 0; i < count; i++) {
    const CapabilityWord word = TRY((call.pointer<const CapabilityWord>(1) + i).load());
    effective |= uint64_t{word.effective} << 32 * i;
    permitted |= uint64_t{word.permitted} << 32 * i;
    inheritable |= uint64_t{word.inheritable} << 32 * i;
  }
  constexpr uint64_t kKnown = identity::kAllCapabilities;   // bits beyond the last capability are ignored
  return change_ids(call, [&](const Credentials& now) {
    return identity::set_capabilities(now, effective & kKnown, permitted & kKnown, inheritable & kKnown);
  });
}

}  // namespace tine::abi::linux_abi
