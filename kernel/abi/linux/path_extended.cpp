// SPDX-License-Identifier: BSD-2-Clause
// Extended attributes, as a Linux file system answers that has none: lists are empty; reading a "security." or "trusted."
// one finds nothing, any other namespace is not supported.
#include "abi/linux/path.h"
#include "abi/linux/path_argument.h"

namespace tine::abi::linux_abi {
namespace {

constexpr size_t kLongestName = 256;   // XATTR_NAME_MAX with the 0

enum class Target : uint8_t { Followed, Link, Descriptor };

Result<> check_target(const Call& call, Target target) {
  if (target == Target::Descriptor) {
    const Ref<file::File> file = TRY(get_file(call, call.as_int(0)));
    return file->flags() & file::kPathOnly ? Error(Errno::BadF) : Result<>();
  }
  const NameContext context(call);
  TRY(context.place(kAtCwd, call.pointer<const char>(0), follow_unless(target == Target::Link)));
  return {};
}

CallResult change(const Call& call, Target target) {
  TRY(check_target(call, target));
  const auto name = vm::UserString::copy_in(call.pointer<const char>(1), kLongestName);
  if (!name) return Error(name.error() == Errno::NameTooLong ? Errno::Range : name.error());
  return Error(Errno::OpNotSupp);
}

CallResult get(const Call& call, Target target) {
  TRY(check_target(call, target));
  const auto name = vm::UserString::copy_in(call.pointer<const char>(1), kLongestName);
  if (!name) return Error(name.error() == Errno::NameTooLong ? Errno::Range : name.error());
  const bool known = name->view().starts_with("security.") || name->view().starts_with("trusted.");
  return Error(known ? Errno::NoData : Errno::OpNotSupp);
}

CallResult list(const Call& call, Target target) {
  TRY(check_target(call, target));
  return 0;
}

}  // namespace

CallResult sys_setxattr(const Call& call) { return change(call, Target::Followed); }
CallResult sys_lsetxattr(const Call& call) { return change(call, Target::Link); }
CallResult sys_fsetxattr(const Call& call) { return change(call, Target::Descriptor); }
CallResult sys_getxattr(const Call& call) { return get(call, Target::Followed); }
CallResult sys_lgetxattr(const Call& call) { return get(call, Target::Link); }
CallResult sys_fgetxattr(const Call& call) { return get(call, Target::Descriptor); }
CallResult sys_listxattr(const Call& call) { return list(call, Target::Followed); }
CallResult sys_llistxattr(const Call& call) { return list(call, Target::Link); }
CallResult sys_flistxattr(const Call& call) { return list(call, Target::Descriptor); }
CallResult sys_removexattr(const Call& call) { return get(call, Target::Followed); }
CallResult sys_lremovexattr(const Call& call) { return get(call, Target::Link); }
CallResult sys_fremovexattr(const Call& call) { return get(call, Target::Descriptor); }

}  // namespace tine::abi::linux_abi
