// SPDX-License-Identifier: BSD-2-Clause
#include "process/promises.h"

#include <algorithm>

namespace tine::process {

namespace {

struct Word {
  std::string_view name;
  Promises gives;
  Promises sign;   // the bit that only this word gives
};

using namespace promise;
constexpr Word one(std::string_view name, Promises bit) { return {name, bit, bit}; }
constexpr Word kWords[] = {
    one("stdio", kStdio),     one("rpath", kRpath),     one("wpath", kWpath),         one("cpath", kCpath),
    one("dpath", kDpath),     one("tmppath", kTmppath), one("inet", kInet),           one("mcast", kMcast),
    {"fattr", kFattr | kChown, kFattr},                 {"chown", kChown | kChownAny, kChownAny},
    one("flock", kFlock),     one("unix", kUnix),       one("dns", kDns),             one("getpw", kGetpw),
    one("sendfd", kSendfd),   one("recvfd", kRecvfd),   one("tape", kTape),           one("tty", kTty),
    one("proc", kProc),       one("exec", kExec),       one("prot_exec", kProtExec),  one("settime", kSettime),
    one("ps", kPs),           one("vminfo", kVminfo),   one("id", kId),               one("pf", kPf),
    one("route", kRoute),     one("wroute", kWroute),   one("audio", kAudio),         one("video", kVideo),
    one("bpf", kBpf),         one("unveil", kUnveil),   one("error", kError),         one("disklabel", kDisklabel),
    one("drm", kDrm),         one("vmm", kVmm),
};

}  // namespace

Result<Promises> parse_promises(std::string_view text) {
  Promises promises = 0;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return promises;
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const Word* known = std::ranges::find(kWords, word, &Word::name);
    if (known == std::end(kWords)) return Error(Errno::Inval);
    promises |= known->gives;
  }
}

std::string_view promise_name(Promises promises) {
  const Word* word = std::ranges::find_if(kWords, [&](const Word& each) { return promises & each.gives; });
  return word != std::end(kWords) ? word->name : std::string_view();
}

std::string_view promises_text(Promises promises, std::span<char> into) {
  size_t size = 0;
  const auto put = [&](std::string_view text) { size += text.copy(into.data() + size, into.size() - size); };
  for (const Word& word : kWords) {
    if (!(promises & word.sign)) continue;
    if (size != 0) put(" ");
    put(word.name);
  }
  return {into.data(), size};
}

}  // namespace tine::process
