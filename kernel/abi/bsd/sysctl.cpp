// SPDX-License-Identifier: BSD-2-Clause
// sysctl(2): the settings of view/setting.h under BSD's numbers and names. What a setting prints as one whole number is
// an int here (or 64 bits, when it does not fit or the caller has room for 8 bytes); other text is a string. Structures
// are in sysctl_structs.h.
#include "abi/bsd/sysctl.h"

#include <charconv>

#include "abi/bsd/sysctl_structs.h"
#include "view/setting.h"

namespace tine::abi::bsd {

namespace {

constexpr size_t kNameSize = 128, kValueSize = 256;
constexpr unsigned kMostLevels = 12;   // CTL_MAXNAME
constexpr int32_t kKern = 1, kVm = 2, kHardware = 6;   // CTL_*
constexpr int32_t kProcesses = 66, kProcessArguments = 55;   // KERN_PROC, KERN_PROC_ARGS

struct Number {
  int32_t top, number;
  const char* name;
};
// OpenBSD's numbers; from 1000 on, those of names that BSD gives no fixed number.
constexpr Number kNumbers[] = {
    {kKern, 1, "kern.ostype"},        {kKern, 2, "kern.osrelease"},     {kKern, 4, "kern.version"},
    {kKern, 6, "kern.maxproc"},       {kKern, 8, "kern.argmax"},        {kKern, 10, "kern.hostname"},
    {kKern, 12, "kern.clockrate"},    {kKern, 17, "kern.posix1version"}, {kKern, 18, "kern.ngroups_max"},
    {kKern, 19, "kern.job_control"},  {kKern, 20, "kern.saved_ids"},    {kKern, 21, "kern.boottime"},
    {kKern, 22, "kern.domainname"},   {kKern, 25, "kern.maxthread"},    {kKern, 26, "kern.nthreads"},
    {kKern, 42, "kern.forkstat"},     {kKern, 47, "kern.nprocs"},       {kKern, 1000, "kern.lastpid"},
    {kKern, 1001, "kern.randompid"},  {kKern, 1002, "kern.pidmode"},    {kKern, 1003, "kern.fast_vfork"},
    {kKern, 1004, "kern.pid_max"},    {kVm, 2, "vm.loadavg"},           {kHardware, 1, "hw.machine"},
    {kHardware, 3, "hw.ncpu"},        {kHardware, 4, "hw.byteorder"},   {kHardware, 5, "hw.physmem"},
    {kHardware, 6, "hw.usermem"},     {kHardware, 7, "hw.pagesize"},    {kHardware, 19, "hw.physmem"},
    {kHardware, 20, "hw.usermem"},    {kHardware, 21, "hw.ncpufound"},  {kHardware, 25, "hw.ncpuonline"},
};

// Names of the kernel proper are under kernel/ where Linux has them too.
view::Setting* find_setting(std::string_view name) {
  if (view::Setting* setting = view::find_setting(name)) return setting;
  constexpr std::string_view kPrefix = "kern.";
  if (!name.starts_with(kPrefix) || name.size() - kPrefix.size() > kNameSize) return nullptr;
  char linux_name[kNameSize + 8] = "kernel.";
  const size_t rest = name.copy(linux_name + 7, kNameSize, kPrefix.size());
  return view::find_setting({linux_name, 7 + rest});
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// The value as the setting prints it, without the newline.
Result<std::string_view> print(const view::Setting& setting, view::TextSink& sink) {
  TRY(setting.print(sink));
  TRY(sink.result());
  std::string_view text = sink.text();
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

Result<> read_setting(std::string_view text, const OldValue& old) {
  if (!old.size) return {};
  if (const std::optional<int64_t> number = whole_number(text)) {
    const auto narrow = static_cast<int32_t>(*number);
    const bool wide = narrow != *number || (old.to && TRY(old.size.load()) == sizeof *number);
    return wide ? old.store_object(*number) : old.store_object(narrow);
  }
  char value[kValueSize] = {};
  const size_t size = text.copy(value, sizeof value - 1) + 1;
  return old.store(std::as_bytes(std::span(value, size)));
}

Result<> write_setting(const Call& call, const view::Setting& setting, bool is_number, uintptr_t from, size_t size) {
  if (setting.store == nullptr || call.process().credentials()->euid != 0) return Error(Errno::Perm);
  char text[kValueSize] = {};
  if (!is_number) {
    if (size >= sizeof text) return Error(Errno::Inval);
    TRY(vm::copy_in(text, from, size));
    return setting.store(std::string_view(text));
  }
  int64_t number = 0;
  if (size == sizeof(int32_t)) {
    number = TRY(vm::UserPtr<const int32_t>(from).load());
  } else if (size == sizeof number) {
    number = TRY(vm::UserPtr<const int64_t>(from).load());
  } else {
    return Error(Errno::Inval);
  }
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return setting.store({text, static_cast<size_t>(end - text)});
}

// Arguments 2 to 5: the buffer for the old value and its size, the new value and its size.
CallResult access(const Call& call, std::string_view name) {
  const OldValue old{call.pointer<std::byte>(2), call.pointer<uint64_t>(3)};
  const bool writes = call.args[4] != 0;
  if (const StructReader read = find_struct(name)) {
    if (writes) return Error(Errno::Perm);
    TRY(read(old));
    return 0;
  }
  const view::Setting* setting = find_setting(name);
  if (setting == nullptr) return Error(Errno::NoEnt);
  view::TextSink sink;
  const std::string_view text = TRY(print(*setting, sink));
  TRY(read_setting(text, old));
  if (writes) TRY(write_setting(call, *setting, whole_number(text).has_value(), call.args[4], call.args[5]));
  return 0;
}

}  // namespace

CallResult sys_sysctl(const Call& call) {
  const uint64_t levels = call.args[1];
  if (levels < 2 || levels > kMostLevels) return Error(Errno::Inval);
  int32_t numbers[kMostLevels];
  TRY(vm::copy_in(numbers, call.args[0], levels * sizeof *numbers));
  const std::span<const int32_t> below(numbers + 2, levels - 2);
  const OldValue old{call.pointer<std::byte>(2), call.pointer<uint64_t>(3)};
  if (numbers[0] == kKern && (numbers[1] == kProcesses || numbers[1] == kProcessArguments)) {
    if (call.args[4] != 0) return Error(Errno::Perm);
    TRY(numbers[1] == kProcesses ? read_processes(below, old) : read_arguments(below, old));
    return 0;
  }
  for (const Number& each : kNumbers) {
    if (each.top != numbers[0] || each.number != numbers[1]) continue;
    return below.empty() ? access(call, each.name) : Error(Errno::NotDir);
  }
  return Error(Errno::NoEnt);
}

CallResult sys_sysctlbyname(const Call& call) {
  char name[kNameSize];
  if (call.args[1] >= sizeof name) return Error(Errno::NoEnt);
  TRY(vm::copy_in(name, call.args[0], call.args[1]));
  return access(call, {name, call.args[1]});
}

}  // namespace tine::abi::bsd
