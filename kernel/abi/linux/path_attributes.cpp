// SPDX-License-Identifier: BSD-2-Clause
// Modes, owners, times of files, and the question whether one may use them.
#include "abi/linux/path.h"
#include "abi/linux/path_argument.h"
#include "abi/linux/timespec.h"
#include "file/attributes.h"
#include "identity/set_ids.h"

namespace tine::abi::linux_abi {
namespace {

using file::NewTime;
using UserText = vm::UserPtr<const char>;

CallResult change_mode(const Call& call, int directory, UserText path, uint32_t mode) {
  const NameContext context(call);
  const file::Path place = TRY(context.place(directory, path, file::kFollowLast));
  TRY(file::change_mode(context.credentials(), place, mode));
  return 0;
}

template <class Id>
std::optional<Id> id_argument(uint32_t id) {
  return id == identity::kKeepId ? std::nullopt : std::optional<Id>(id);
}

CallResult change_owner(const Call& call, const file::Path& place, uint32_t uid, uint32_t gid) {
  TRY(file::change_owner(*call.process().credentials(), place, id_argument<identity::Uid>(uid),
                         id_argument<identity::Gid>(gid)));
  return 0;
}

CallResult change_owner_at(const Call& call, int directory, UserText path, uint32_t uid, uint32_t gid, uint32_t flags) {
  if (flags & ~(kAtSymlinkNoFollow | kAtEmptyPath)) return Error(Errno::Inval);
  const NameContext context(call);
  const file::Path place = TRY(context.place(directory, path, follow_unless(flags & kAtSymlinkNoFollow), flags));
  return change_owner(call, place, uid, gid);
}

CallResult check_access(const Call& call, int directory, UserText path, uint32_t wanted, uint32_t flags) {
  if (wanted & ~7u || flags & ~(kAtEaccess | kAtSymlinkNoFollow | kAtEmptyPath)) return Error(Errno::Inval);
  identity::CredentialsRef credentials = call.process().credentials();
  const bool same_ids = credentials->fsuid == credentials->ruid && credentials->fsgid == credentials->rgid;
  if (!(flags & kAtEaccess) && !same_ids) credentials = TRY(identity::with_real_ids(*credentials));
  const NameContext context(call, credentials);
  const file::Path place = TRY(context.place(directory, path, follow_unless(flags & kAtSymlinkNoFollow), flags));
  if (wanted != 0) TRY(file::check_access(*credentials, place, wanted));
  return 0;
}

Result<NewTime> from_timespec(const TimeSpec& time) {
  constexpr int64_t kNow = (1 << 30) - 1, kOmit = (1 << 30) - 2;   // UTIME_NOW, UTIME_OMIT
  if (time.nanoseconds == kNow) return NewTime{};
  if (time.nanoseconds == kOmit) return NewTime{NewTime::Kind::Omit};
  if (time.nanoseconds < 0 || time.nanoseconds >= static_cast<int64_t>(kSecond)) return Error(Errno::Inval);
  return NewTime{NewTime::Kind::Set, TRY(to_nanoseconds(TimeSpec{std::max<int64_t>(time.seconds, 0), time.nanoseconds}))};
}
Result<NewTime> from_timeval(const TimeVal& time) {
  if (time.microseconds < 0 || time.microseconds >= 1'000'000) return Error(Errno::Inval);
  return from_timespec({time.seconds, time.microseconds * 1000});
}

struct TimePair {
  NewTime accessed, modified;
};
CallResult change_times(const Call& call, int directory, UserText path, const TimePair& times, uint32_t flags) {
  const NameContext context(call);
  // Without a path the descriptor's own file is meant.
  const file::Path place = path ? TRY(context.place(directory, path, follow_unless(flags & kAtSymlinkNoFollow), flags))
                                : TRY(file::place_of(*TRY(get_file(call, directory))));
  TRY(file::change_times(context.credentials(), place, times.accessed, times.modified));
  return 0;
}

Result<TimePair> timeval_pair(uintptr_t address) {
  if (address == 0) return TimePair{};
  TimeVal times[2];
  TRY(vm::copy_in(times, address, sizeof(times)));
  return TimePair{TRY(from_timeval(times[0])), TRY(from_timeval(times[1]))};
}

}  // namespace

CallResult sys_chmod(const Call& call) {
  return change_mode(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1));
}
CallResult sys_fchmodat(const Call& call) {
  return change_mode(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2));
}
CallResult sys_fchmod(const Call& call) {
  const Ref<file::File> file = TRY(get_file(call, call.as_int(0)));
  if (file->flags() & file::kPathOnly) return Error(Errno::BadF);
  TRY(file::change_mode(*call.process().credentials(), TRY(file::place_of(*file)), call.as_unsigned(1)));
  return 0;
}

CallResult sys_chown(const Call& call) {
  return change_owner_at(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1), call.as_unsigned(2), 0);
}
CallResult sys_lchown(const Call& call) {
  return change_owner_at(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1), call.as_unsigned(2),
                         kAtSymlinkNoFollow);
}
CallResult sys_fchownat(const Call& call) {
  return change_owner_at(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2), call.as_unsigned(3),
                         call.as_unsigned(4));
}
CallResult sys_fchown(const Call& call) {
  const Ref<file::File> file = TRY(get_file(call, call.as_int(0)));
  if (file->flags() & file::kPathOnly) return Error(Errno::BadF);
  return change_owner(call, TRY(file::place_of(*file)), call.as_unsigned(1), call.as_unsigned(2));
}

CallResult sys_access(const Call& call) {
  return check_access(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1), 0);
}
CallResult sys_faccessat(const Call& call) {
  return check_access(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2), 0);
}
CallResult sys_faccessat2(const Call& call) {
  return check_access(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2), call.as_unsigned(3));
}

CallResult sys_utime(const Call& call) {
  TimePair times;
  if (call.args[1] != 0) {
    int64_t seconds[2];
    TRY(vm::copy_in(seconds, call.args[1], sizeof(seconds)));
    times = {TRY(from_timespec({seconds[0], 0})), TRY(from_timespec({seconds[1], 0}))};
  }
  return change_times(call, kAtCwd, call.pointer<const char>(0), times, 0);
}
CallResult sys_utimes(const Call& call) {
  return change_times(call, kAtCwd, call.pointer<const char>(0), TRY(timeval_pair(call.args[1])), 0);
}
CallResult sys_futimesat(const Call& call) {
  return change_times(call, call.as_int(0), call.pointer<const char>(1), TRY(timeval_pair(call.args[2])), 0);
}
CallResult sys_utimensat(const Call& call) {
  const uint32_t flags = call.as_unsigned(3);
  if (flags & ~(kAtSymlinkNoFollow | kAtEmptyPath)) return Error(Errno::Inval);
  TimePair times;
  if (call.args[2] != 0) {
    TimeSpec given[2];
    TRY(vm::copy_in(given, call.args[2], sizeof(given)));
    times = {TRY(from_timespec(given[0])), TRY(from_timespec(given[1]))};
  }
  return change_times(call, call.as_int(0), call.pointer<const char>(1), times, flags);
}

}  // namespace tine::abi::linux_abi
