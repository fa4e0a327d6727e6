// SPDX-License-Identifier: BSD-2-Clause
// ktrace(2), utrace(2), acct(2): who is meant, and the file that the records go to.
#include "abi/bsd/ktrace.h"

#include "abi/linux/path_argument.h"
#include "file/inode.h"
#include "process/inspection.h"
#include "trace/accounting.h"
#include "trace/ktrace.h"

namespace tine::abi::bsd {

namespace {

using process::Process;

enum Operation : int { kSet = 0, kClear = 1, kClearFile = 2 };
constexpr int kOperationMask = 3, kDescend = 4;
constexpr size_t kMostUserData = 2048;   // KTR_USER_MAXLEN

// A file for records: it must exist, be a regular one, and be writable for the caller.
Result<Ref<file::File>> open_for_records(const Call& call, unsigned argument) {
  const linux_abi::NameContext context(call);
  const auto path = TRY(linux_abi::StartedPath::copy_in(context, linux_abi::kAtCwd, call.pointer<const char>(argument)));
  Ref<file::File> file =
      TRY(file::open(context.lookup(), path.start, path.view(), {.flags = file::kWriteOnly | file::kAppend}));
  if (file->inode() == nullptr || !file->inode()->is_regular()) return Error(Errno::Acces);
  return file;
}

bool descends_from(const Process& process, const Process& ancestor) {
  sync::SpinGuard guard(process::tree_lock);
  for (const Process* each = &process; each != nullptr; each = each->parent.get()) {
    if (each == &ancestor) return true;
    if (each == each->parent.get()) break;
  }
  return false;
}

bool in_group(const Process& process, process::PidNumber number) {
  sync::SpinGuard guard(process::tree_lock);
  return process.group != nullptr && process.group->id->number() == number;
}

// Calls `change` for each process that `pid` and `descend` mean; succeeds if it did for one of them.
template <class Change>
Result<> for_processes(process::PidNumber pid, bool descend, Change&& change) {
  Ref<Process> root = pid > 0 ? process::find_process(pid) : nullptr;
  if (pid > 0 && root == nullptr) return Error(Errno::Srch);
  Result<> result = Error(Errno::Srch);
  for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid())) {
    const bool meant = pid < 0 ? in_group(*each, -pid) : descend ? descends_from(*each, *root) : each == root;
    if (!meant || each->life.load() != process::LifeState::Alive) continue;
    if (const Result<> changed = change(*each); changed || !result) result = changed;
  }
  return result;
}

}  // namespace

// ktrace(file, operation, trace points, pid)
CallResult sys_ktrace(const Call& call) {
  const int operation = call.as_int(1);
  const auto facilities = static_cast<trace::Facilities>(call.args[2]) & ~trace::kFacilityRoot;
  const identity::CredentialsRef credentials = call.process().credentials();
  const process::Inspector inspector(call.process(), process::InspectorIds::Real);
  Ref<file::File> file;
  if ((operation & kOperationMask) != kClear) file = TRY(open_for_records(call, 0));

  const bool descend = operation & kDescend;
  switch (operation & kOperationMask) {
    case kSet:
      if (facilities == 0) return Error(Errno::Inval);
      TRY(for_processes(call.as_int(3), descend, [&](Process& process) -> Result<> {
        return trace::set_trace(process, file, inspector, credentials, facilities);
      }));
      return 0;
    case kClear:
      TRY(for_processes(call.as_int(3), descend, [&](Process& process) -> Result<> {
        TRY(inspector.check(process));
        return trace::clear_trace(process, *credentials, facilities);
      }));
      return 0;
    case kClearFile:
      trace::clear_trace_file(*file->inode(), *credentials);
      return 0;
    default: return Error(Errno::Inval);
  }
}

// utrace(label, address, size)
CallResult sys_utrace(const Call& call) {
  if (call.args[2] > kMostUserData) return Error(Errno::Inval);
  if (!call.thread.is_watched_by(process::kWatchedByKtrace)) return 0;
  const auto label = TRY(vm::UserString::copy_in(call.pointer<const char>(0), 20));
  const auto contents = TRY(vm::ConstUserBytes(call.args[1], call.args[2]).copy_in_all());
  trace::record_user(label.view(), std::span<const std::byte>(contents.data(), contents.size()));
  return 0;
}

// acct(file), where null switches it off
CallResult sys_acct(const Call& call) {
  if (!call.process().credentials()->capable(identity::Capability::SysPacct)) return Error(Errno::Perm);
  trace::set_accounting_file(call.args[0] != 0 ? TRY(open_for_records(call, 0)) : nullptr);
  return 0;
}

}  // namespace tine::abi::bsd
