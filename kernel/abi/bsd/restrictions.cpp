// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/restrictions.h"

#include "file/lookup.h"
#include "file/veil.h"
#include "process/pins.h"
#include "process/restrictions.h"

namespace tine::abi::bsd {

namespace {

constexpr size_t kLongestPromises = 1024, kLongestRights = 64;

// NULL: nothing is said.
Result<std::optional<process::Promises>> load_promises(vm::UserPtr<const char> text) {
  if (!text) return std::nullopt;
  const auto words = TRY(vm::UserString::copy_in(text, kLongestPromises));
  return TRY(process::parse_promises(words.view()));
}

}  // namespace

CallResult sys_pledge(const Call& call) {
  const process::PledgeRequest request{.promises = TRY(load_promises(call.pointer<const char>(0))),
                                       .exec_promises = TRY(load_promises(call.pointer<const char>(1)))};
  TRY(process::pledge(call.process(), request));
  return 0;
}

// unveil(path, permissions); both NULL: this was the last one. It sees everything itself.
CallResult sys_unveil(const Call& call) {
  process::Process& process = call.process();
  const auto path = call.pointer<const char>(0), letters = call.pointer<const char>(1);
  if (!path && !letters) {
    TRY(process::lock_veil(process));
    return 0;
  }
  const auto text = TRY(vm::UserString::copy_in(path, file::kPathMax));
  char room[kLongestRights];
  const Result<std::string_view> rights_text = vm::copy_string(letters, room);
  if (!rights_text) return Error(rights_text.error() == Errno::NameTooLong ? Errno::Inval : rights_text.error());
  const file::VeilRights rights = TRY(file::parse_veil_rights(*rights_text));

  const identity::CredentialsRef credentials = process.credentials();
  const Ref<file::FsContext> fs = process.fs();
  const file::LookupContext context{fs->root(), *credentials};
  TRY(process::unveil(process,
                      TRY(file::VeilRule::make(context, fs->working_directory(), text.view(), rights))));
  return 0;
}

// pinsyscalls(base, size, pins, count): pins[n] is where in the text the call n is made.
CallResult sys_pinsyscalls(const Call& call) {
  const uintptr_t base = call.args[0];
  const size_t size = call.args[1], count = call.args[3];
  if (call.process().has(process::kLibcPinned)) return Error(Errno::Perm);
  if (size == 0 || !vm::is_user_range(base, size)) return Error(Errno::Inval);
  if (count > process::PinTable::kMostPins) return Error(Errno::TooBig);
  auto offsets = TRY(vm::UserSpan<uint32_t>(call.args[2], count).copy_in_all());
  TRY(process::PinTable::check(offsets.span(), size));
  TRY(process::pin_libc(call.process(), TRY(mem::make_ref<process::PinTable>(base, size, std::move(offsets)))));
  return 0;
}

}  // namespace tine::abi::bsd
