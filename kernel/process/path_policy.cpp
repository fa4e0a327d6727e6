// SPDX-License-Identifier: BSD-2-Clause
#include "process/path_policy.h"

#include <optional>

#include "file/lookup.h"
#include "file/veil.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::process {

namespace {

using namespace promise;
using Kind = PathUse::Kind;

// A name that another promise than those about paths covers, for what `covers` says at most. One that ends with a slash
// stands for all below it.
struct Excuse {
  Promises promise;
  std::string_view path;
  Promises covers;
  file::LookupFlags flags = 0;
};
constexpr Excuse kExcuses[] = {
    {kStdio, "/dev/null", kRpath | kWpath},
    {kStdio, "/etc/localtime", kRpath},
    {kStdio, "/usr/share/zoneinfo/", kRpath},
    {kStdio, "/usr/lib/locale/", kRpath},
    {kTty, "/dev/tty", kRpath | kWpath},
    {kGetpw, "/etc/passwd", kRpath},
    {kGetpw, "/etc/group", kRpath},
    {kGetpw, "/etc/nsswitch.conf", kRpath},
    {kDns, "/etc/resolv.conf", kRpath},
    {kDns, "/etc/hosts", kRpath},
    {kDns, "/etc/services", kRpath},
    {kDns, "/etc/protocols", kRpath},
    {kDns, "/etc/nsswitch.conf", kRpath},
    // What processes show of themselves, but not what they have open.
    {kPs, "/proc/", kRpath, file::kNoMagicLinks},
    {kVminfo, "/proc/meminfo", kRpath},
    {kVminfo, "/proc/stat", kRpath},
    {kVminfo, "/proc/loadavg", kRpath},
    {kVminfo, "/proc/uptime", kRpath},
};
constexpr std::string_view kOwnProgram = "/proc/self/exe";   // a C library asks for its name (readlink)
constexpr std::string_view kTemporary = "/tmp/";

bool goes_up(std::string_view path) {
  for (size_t at = 0; (at = path.find("..", at)) != std::string_view::npos; at += 2) {
    const bool starts = at == 0 || path[at - 1] == '/';
    const bool ends = at + 2 == path.size() || path[at + 2] == '/';
    if (starts && ends) return true;
  }
  return false;
}

// tmppath: making, using and removing files in /tmp, by no way around.
bool is_temporary(Promises held, const PathUse& use, std::string_view path) {
  if (!(held & kTmppath) || !path.starts_with(kTemporary)) return false;
  return use.kind != Kind::Open || use.first.promises & kCpath;
}

// Does something else than promises about paths cover `path` for what is `needed`? Then the flags to look it up with.
std::optional<file::LookupFlags> excuse(Promises held, Promises needed, const PathUse& use, std::string_view path) {
  if (!use.may_be_excused() || goes_up(path)) return std::nullopt;
  for (const Excuse& each : kExcuses) {
    if (!(held & each.promise) || needed & ~each.covers) continue;
    if (each.path.ends_with('/') ? path.starts_with(each.path) : path == each.path) return each.flags;
  }
  if (held & kStdio && use.kind == Kind::Inspect && path == kOwnProgram) return 0;
  if (is_temporary(held, use, path)) return file::kNoSymlinks;
  return std::nullopt;
}

}  // namespace

Result<file::LookupGuard::Admission> PathPolicy::admit(std::string_view path) {
  const PathUse::Need& need = paths_++ == 0 || use_.second.promises == 0 ? use_.first : use_.second;
  const Process& process = caller_.process();
  if (!process.has(kPledged)) return Admission{.rights = need.rights};
  const Promises held = process.restrictions.promises.load();
  const Promises missing = need.promises & ~held;
  const auto flags = excuse(held, need.promises, use_, path);
  if (missing != 0 && !flags) {
    caller_.violation = missing;
    return Error(Errno::Perm);
  }
  // What a promise covers by name need not be unveiled. Nor must it lead to what has not been.
  if (flags && (missing != 0 || veil_of(process) != nullptr)) return Admission{.flags = *flags};
  return Admission{.rights = need.rights};
}

Result<> PathPolicy::check(const file::Path& root, const file::Path& place, Admission admission) {
  if (admission.rights == 0) return {};
  const Ref<const file::Veil> veil = veil_of(caller_.process());
  return veil != nullptr ? veil->check(root, place, admission.rights) : Result<>();
}

Result<> PathPolicy::check_new(const file::Path& root, const file::Path& directory, std::string_view name,
                               Admission admission) {
  if (admission.rights == 0) return {};
  const Ref<const file::Veil> veil = veil_of(caller_.process());
  return veil != nullptr ? veil->check_new(root, directory, name, admission.rights) : Result<>();
}

}  // namespace tine::process
