// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/process.h"

#include <algorithm>

#include "abi/linux/descriptors.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/profile.h"
#include "process/unshare.h"
#include "trace/ktrace.h"
#if TINE_DEBUG
#include "trace/self_test.h"
#endif

namespace tine::abi::bsd {

using process::ForkFlag;
using process::ForkRequest;
using process::Process;

namespace {

// FreeBSD's rfork(2). RFNAMEG, RFENVG and RFNOTEG (bits 0, 1, 3), which no BSD implements, are refused.
constexpr uint32_t kCopyFiles = 1u << 2, kMakeProcess = 1u << 4, kShareMemory = 1u << 5, kNoWait = 1u << 6,
                   kCloseFiles = 1u << 12, kPeer = 1u << 13, kShareActions = 1u << 14, kLinuxThread = 1u << 16,
                   kStopped = 1u << 17, kHighPid = 1u << 18, kParentWaits = 1u << 31;
constexpr uint32_t kKernelOnly = kStopped | kHighPid | kParentWaits;
constexpr uint32_t kKnown =
    kCopyFiles | kMakeProcess | kShareMemory | kNoWait | kCloseFiles | kPeer | kShareActions | kLinuxThread;

Result<ForkRequest> rfork_request(uint32_t flags) {
  if (flags & ~kKnown) return Error(Errno::Inval);
  if ((flags & kCopyFiles) && (flags & kCloseFiles)) return Error(Errno::Inval);   // R1
  ForkRequest request;
  request.kind = process::ForkKind::Rfork;
  if (flags & kLinuxThread) request.exit_signal = process::kSigUsr1;   // R8
  // In BSD root, working directory and umask belong to the descriptor table.
  if (!(flags & (kCopyFiles | kCloseFiles))) request.with(ForkFlag::ShareFiles).with(ForkFlag::ShareFs);
  if (flags & kCloseFiles) request.with(ForkFlag::EmptyFiles);
  if (flags & kShareMemory) request.with(ForkFlag::ShareMemory);
  if (flags & kShareActions) request.with(ForkFlag::ShareSignalActions);
  if (flags & kNoWait) request.with(ForkFlag::NoWait);
  if (flags & kPeer) request.with(ForkFlag::Peer);
  return request;
}

// struct __tfork
struct ThreadParameters {
  uint64_t tcb, tid, stack;
};

}  // namespace

CallResult sys_rfork(const Call& call) {
  const uint32_t flags = call.as_unsigned(0) & ~kKernelOnly;   // E4
  const ForkRequest request = TRY(rfork_request(flags));
  if (!(flags & kMakeProcess)) {
    TRY(process::unshare(call.thread, {.memory = !(flags & kShareMemory),
                                       .files = flags & kCloseFiles  ? process::UnshareFiles::Empty
                                                : flags & kCopyFiles ? process::UnshareFiles::Copy
                                                                     : process::UnshareFiles::Keep,
                                       .directories = (flags & (kCopyFiles | kCloseFiles)) != 0}));
    return 0;
  }
  const Ref<Process> child = TRY(process::fork(call.thread, request));
  return static_cast<uint64_t>(child->pid());
}

CallResult sys_tfork(const Call& call) {
  const size_t size = call.args[1];
  ThreadParameters parameters{};
  if (size == 0 || size > sizeof parameters) return Error(Errno::Inval);
  TRY(vm::copy_in(&parameters, call.args[0], size));
  if (call.thread.is_watched_by(process::kWatchedByKtrace)) [[unlikely]]
    trace::record_struct("tfork", std::as_bytes(std::span(&parameters, 1)));   // T8
  if (parameters.stack == 0) return Error(Errno::Inval);
  ForkRequest request;
  request.stack = parameters.stack;
  request.set_tls = parameters.tcb != 0;
  request.tls = parameters.tcb;
  request.set_parent_tid = parameters.tid;
  request.bad_tid_kills = true;   // H2
  request.name = "";   // H1; Linux's threads have their creator's
  const Ref<process::Thread> thread = TRY(process::make_thread(call.thread, request));
  return static_cast<uint64_t>(thread->shown_id());
}

// The word at the address, which says that the thread's stack is in use, is cleared and its waiters woken.
CallResult sys_threxit(const Call& call) {
  if (call.args[0] != 0) call.thread.clear_child_tid = call.args[0];
  process::exit_thread(call.thread, 0);
}

// Unlike gettid(2), which has to say the pid for the first thread (P10).
CallResult sys_getthrid(const Call& call) { return static_cast<uint64_t>(call.thread.id().shown()); }

CallResult sys_minherit(const Call& call) {
  const int inherit = call.as_int(2);
  if (inherit < 0 || inherit > 3) return Error(Errno::Inval);
  TRY(call.process().own_address_space()->set_inherit(call.args[0], call.args[1],
                                                      static_cast<vm::InheritRequest>(inherit)));
  return 0;
}

CallResult sys_issetugid(const Call& call) {
  return call.process().has(process::kSetId) || call.process().has(process::kSetIdExec) ? 1 : 0;
}

CallResult sys_getlogin(const Call& call) {
  char name[sizeof(process::Session::login)];
  {
    sync::SpinGuard guard(process::tree_lock);
    std::ranges::copy(call.process().group->session->login, name);
  }
  const std::string_view text(name);
  if (call.args[1] < text.size() + 1) return Error(Errno::Range);
  TRY(vm::copy_out(call.args[0], name, text.size() + 1));
  return 0;
}

CallResult sys_setlogin(const Call& call) {
  char name[sizeof(process::Session::login)] = {};
  const Result<std::string_view> text = vm::copy_string(call.pointer<const char>(0), name);
  if (call.process().credentials()->euid != 0) return Error(Errno::Perm);
  if (!text) return Error(text.error() == Errno::NameTooLong ? Errno::Inval : text.error());
  sync::SpinGuard guard(process::tree_lock);
  std::ranges::copy(name, call.process().group->session->login);
  return 0;
}

CallResult sys_closefrom(const Call& call) {
  if (call.as_int(0) < 0) return Error(Errno::BadF);
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  if (table->next_used(call.as_int(0)) < 0) return Error(Errno::BadF);
  TRY(linux_abi::until_there_is_room(call, [&] { return table->close_range(call.as_unsigned(0), ~0u); }));
  return 0;
}

// profil(counters, size, offset, scale)
CallResult sys_profil(const Call& call) {
  TRY(process::set_profile(call.process(), {.counters = call.args[0],
                                            .size = call.args[1],
                                            .offset = call.args[2],
                                            .scale = call.as_unsigned(3)}));
  return 0;
}

#if TINE_DEBUG
// self_test(name): what the check itself found is on the console.
CallResult sys_self_test(const Call& call) {
  char name[64];
  TRY(trace::run_self_test(TRY(vm::copy_string(call.pointer<const char>(0), name))));
  return 0;
}
#endif

}  // namespace tine::abi::bsd
