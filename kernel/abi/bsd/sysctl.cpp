// SPDX-License-Identifier: BSD-2-Clause
// sysctl(2): the settings of view/setting.h under BSD's numbers and names. What a setting prints as one whole number is
// an int here (or 64 bits, when it does not fit or the caller has room for 8 bytes); other text is a string.
// kern.forkstat, which /proc has as a folder, is OpenBSD's structure.
#include "abi/bsd/sysctl.h"

#include <charconv>

#include "process/fork.h"
#include "view/setting.h"

namespace tine::abi::bsd {

namespace {

constexpr int kKern = 1;   // CTL_KERN
constexpr size_t kNameSize = 128, kValueSize = 256;

struct Number {
  int number;
  const char* name;
};
// KERN_*: OpenBSD's numbers; from 1000 on, those of names that BSD gives no fixed number.
constexpr Number kNumbers[] = {
    {1, "kern.ostype"},        {2, "kern.osrelease"},    {4, "kern.version"},   {6, "kern.maxproc"},
    {10, "kern.hostname"},     {18, "kern.ngroups_max"}, {22, "kern.domainname"}, {25, "kern.maxthread"},
    {26, "kern.nthreads"},     {42, "kern.forkstat"},    {47, "kern.nprocs"},   {1000, "kern.lastpid"},
    {1001, "kern.randompid"},  {1002, "kern.pidmode"},   {1003, "kern.fast_vfork"}, {1004, "kern.pid_max"},
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

struct OldValue {
  vm::UserPtr<std::byte> to;
  vm::UserPtr<uint64_t> size;
};

// As sysctl(3): without a buffer only the size is told; with too small a one, what fits is stored and NoMem returned.
Result<> store_old(const OldValue& old, std::span<const std::byte> value) {
  if (!old.size) return {};
  const uint64_t room = TRY(old.size.load());
  if (!old.to) return old.size.store(value.size());
  const size_t stored = std::min<uint64_t>(room, value.size());
  TRY(vm::copy_out(old.to.address(), value.data(), stored));
  TRY(old.size.store(stored));
  return stored < value.size() ? Error(Errno::NoMem) : Result<>();
}

// struct forkstat
struct ForkCounts {
  int32_t forks, vforks, threads, kernel, fork_pages, vfork_pages, thread_pages, kernel_pages, rforks, rfork_pages;
};

Result<> read_fork_counts(const OldValue& old) {
  const process::ForkStatistics& from = process::fork_statistics;
  const auto as_int = [](const std::atomic<uint64_t>& counter) { return static_cast<int32_t>(counter.load()); };
  const ForkCounts counts{as_int(from.forks),       as_int(from.vforks),       as_int(from.threads), as_int(from.kernel),
                          as_int(from.fork_pages),  as_int(from.vfork_pages),  0,
                          as_int(from.kernel_pages), as_int(from.rforks),      as_int(from.rfork_pages)};
  return store_old(old, std::as_bytes(std::span(&counts, 1)));
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
    return wide ? store_old(old, std::as_bytes(std::span(&*number, 1)))
                : store_old(old, std::as_bytes(std::span(&narrow, 1)));
  }
  char value[kValueSize] = {};
  const size_t size = text.copy(value, sizeof value - 1) + 1;
  return store_old(old, std::as_bytes(std::span(value, size)));
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
  if (name == "kern.forkstat") {
    if (writes) return Error(Errno::Perm);
    TRY(read_fork_counts(old));
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
  int32_t mib[2];
  if (call.args[1] != 2) return Error(call.args[1] < 2 || call.args[1] > 12 ? Errno::Inval : Errno::NoEnt);
  TRY(vm::copy_in(mib, call.args[0], sizeof mib));
  if (mib[0] != kKern) return Error(Errno::NoEnt);
  for (const Number& each : kNumbers)
    if (each.number == mib[1]) return access(call, each.name);
  return Error(Errno::NoEnt);
}

CallResult sys_sysctlbyname(const Call& call) {
  char name[kNameSize];
  if (call.args[1] >= sizeof name) return Error(Errno::NoEnt);
  TRY(vm::copy_in(name, call.args[0], call.args[1]));
  return access(call, {name, call.args[1]});
}

}  // namespace tine::abi::bsd
