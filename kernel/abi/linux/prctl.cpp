// SPDX-License-Identifier: BSD-2-Clause
// What a process sets about itself. Source: prctl(2), arch_prctl(2), personality(2), capabilities(7).
#include <algorithm>

#include "abi/linux/system.h"
#include "identity/set_ids.h"
#include "machine/context.h"
#include "process/parent_thread.h"
#include "process/reaper.h"

namespace tine::abi::linux_abi {

using identity::Capability;
using identity::CapabilitySet;
using identity::Credentials;
using process::Process;
using process::ProcessFlag;

namespace {

enum Option : int {
  kSetDeathSignal = 1, kGetDeathSignal = 2, kGetDumpable = 3, kSetDumpable = 4, kGetKeepCaps = 7, kSetKeepCaps = 8,
  kGetTiming = 13, kSetTiming = 14, kSetName = 15, kGetName = 16, kReadBounding = 23, kDropBounding = 24,
  kGetSecureBits = 27, kSetTimerSlack = 29, kGetTimerSlack = 30, kSetSubreaper = 36, kGetSubreaper = 37,
  kSetNoNewPrivileges = 38, kGetNoNewPrivileges = 39, kGetTidAddress = 40, kAmbient = 47,
};

constexpr unsigned kLastCapability = 40;
constexpr CapabilitySet bit_of(uint64_t capability) { return CapabilitySet{1} << capability; }

void put_flag(Process& process, ProcessFlag flag, bool value) { value ? process.set(flag) : process.clear(flag); }

bool am_reaper(const Process& process) {
  sync::SpinGuard guard(process::tree_lock);
  return process::is_reaper(process);
}

Result<> set_thread_name(const Call& call) {
  char name[16] = {};
  const auto text = vm::copy_string(call.pointer<const char>(1), name);
  if (!text && text.error() != Errno::NameTooLong) return Error(text.error());
  name[sizeof name - 1] = '\0';   // a longer one is cut off
  sync::SpinGuard guard(call.process().lock);
  std::copy_n(name, sizeof name, call.thread.name);
  if (call.thread.is_first()) std::copy_n(name, sizeof name, call.process().name);
  return {};
}

Result<> get_thread_name(const Call& call) {
  char name[16];
  {
    sync::SpinGuard guard(call.process().lock);
    std::copy_n(call.thread.name, sizeof name, name);
  }
  return vm::UserSpan<char>(call.args[1], sizeof name).copy_out(name);
}

// Changes the caller's credentials by change(Credentials&).
template <class Change>
Result<> change_credentials(const Call& call, Change&& change) {
  return call.process().change_credentials([&](const Credentials& before) -> Result<identity::CredentialsRef> {
    const Ref<Credentials> changed = TRY(before.clone());
    TRY(change(*changed));
    return identity::CredentialsRef(changed);
  });
}

Result<> set_keep_caps(const Call& call) {
  if (call.args[1] > 1) return Error(Errno::Inval);
  return change_credentials(call, [&](Credentials& credentials) -> Result<> {
    credentials.secure_bits &= ~identity::kSecureKeepCaps;
    if (call.args[1] != 0) credentials.secure_bits |= identity::kSecureKeepCaps;
    return {};
  });
}

Result<> drop_bounding(const Call& call) {
  if (call.args[1] > kLastCapability) return Error(Errno::Inval);
  return change_credentials(call, [&](Credentials& credentials) -> Result<> {
    if (!credentials.capable(Capability::Setpcap)) return Error(Errno::Perm);
    credentials.bounding &= ~bit_of(call.args[1]);
    return {};
  });
}

CallResult change_ambient(const Call& call) {
  enum Action : uint64_t { kIsSet = 1, kRaise = 2, kLower = 3, kClearAll = 4 };
  const uint64_t action = call.args[1], capability = call.args[2];
  if (call.args[3] != 0 || call.args[4] != 0) return Error(Errno::Inval);
  if (action == kClearAll ? capability != 0 : action < kIsSet || action > kLower || capability > kLastCapability)
    return Error(Errno::Inval);
  if (action == kIsSet) return (call.process().credentials()->ambient & bit_of(capability)) != 0 ? 1 : 0;
  TRY(change_credentials(call, [&](Credentials& credentials) -> Result<> {
    if (action == kClearAll) {
      credentials.ambient = 0;
    } else if (action == kLower) {
      credentials.ambient &= ~bit_of(capability);
    } else if (credentials.permitted & credentials.inheritable & bit_of(capability)) {
      credentials.ambient |= bit_of(capability);
    } else {
      return Error(Errno::Perm);
    }
    return {};
  }));
  return 0;
}

bool are_zero(const Call& call, unsigned from) {
  return std::ranges::all_of(std::span(call.args).subspan(from, 5 - from), [](uint64_t argument) { return argument == 0; });
}

}  // namespace

CallResult sys_prctl(const Call& call) {
  Process& process = call.process();
  const uint64_t value = call.args[1];
  switch (call.as_int(0)) {
    case kSetDeathSignal:
      if (value > process::kSignalCount) return Error(Errno::Inval);
      TRY(process::set_parent_death_signal(process, static_cast<int>(value)));
      return 0;
    case kGetDeathSignal:
      TRY(call.pointer<int32_t>(1).store(process::parent_death_signal(process)));
      return 0;
    case kGetDumpable:
      return process.has(process::kDumpable);
    case kSetDumpable:
      if (value > 1) return Error(Errno::Inval);
      put_flag(process, process::kDumpable, value != 0);
      return 0;
    case kGetKeepCaps:
      return (process.credentials()->secure_bits & identity::kSecureKeepCaps) != 0 ? 1 : 0;
    case kSetKeepCaps:
      TRY(set_keep_caps(call));
      return 0;
    case kGetTiming:
      return 0;   // PR_TIMING_STATISTICAL, the only kind
    case kSetTiming:
      return value == 0 ? CallResult(0) : Error(Errno::Inval);
    case kSetName:
      TRY(set_thread_name(call));
      return 0;
    case kGetName:
      TRY(get_thread_name(call));
      return 0;
    case kReadBounding:
      if (value > kLastCapability) return Error(Errno::Inval);
      return (process.credentials()->bounding & bit_of(value)) != 0 ? 1 : 0;
    case kDropBounding:
      TRY(drop_bounding(call));
      return 0;
    case kGetSecureBits:
      return process.credentials()->secure_bits;
    case kGetTimerSlack:
      return 1;   // nanosecond: timers are not put off
    case kSetSubreaper:
      process::set_reaper(process, value != 0);
      return 0;
    case kGetSubreaper:
      TRY(call.pointer<int32_t>(1).store(am_reaper(process)));
      return 0;
    case kSetNoNewPrivileges:
      if (value != 1 || !are_zero(call, 2)) return Error(Errno::Inval);
      process.set(process::kNoNewPrivileges);
      return 0;
    case kGetNoNewPrivileges:
      if (!are_zero(call, 1)) return Error(Errno::Inval);
      return process.has(process::kNoNewPrivileges);
    case kGetTidAddress:
      TRY(call.pointer<uint64_t>(1).store(call.thread.clear_child_tid));
      return 0;
    case kAmbient:
      return change_ambient(call);
    default:
      return Error(Errno::Inval);
  }
}

CallResult sys_arch_prctl(const Call& call) {
  enum Code : int { kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004 };
  machine::UserState& state = call.thread.user_state;
  switch (call.as_int(0)) {
    case kSetFs: case kSetGs: {
      if (!machine::is_canonical_user_address(call.args[1])) return Error(Errno::Perm);
      machine::InterruptGuard guard;   // memory and register change together, as a context switch sees them
      if (call.as_int(0) == kSetFs) {
        state.fs_base = call.args[1];
        machine::set_fs_base(state.fs_base);
      } else {
        state.gs_base = call.args[1];
        machine::set_gs_base(state.gs_base);
      }
      return 0;
    }
    case kGetFs:
      TRY(call.pointer<uint64_t>(1).store(state.fs_base));
      return 0;
    case kGetGs:
      TRY(call.pointer<uint64_t>(1).store(state.gs_base));
      return 0;
    default:
      return Error(Errno::Inval);
  }
}

// There is one personality; asking for it and setting it again is all that one can do.
CallResult sys_personality(const Call& call) {
  constexpr unsigned kAsk = 0xffffffff, kLinux = 0;
  if (call.as_unsigned(0) != kAsk && call.as_unsigned(0) != kLinux) return Error(Errno::Inval);
  return kLinux;
}

}  // namespace tine::abi::linux_abi
