// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/table.h"

#include <array>

#include "abi/bsd/descriptor.h"
#include "abi/bsd/kqueue.h"
#include "abi/bsd/ktrace.h"
#include "abi/bsd/process.h"
#include "abi/bsd/ptrace.h"
#include "abi/bsd/reaper.h"
#include "abi/bsd/restrictions.h"
#include "abi/bsd/sysctl.h"
#include "tine/syscall.h"

namespace tine::abi::bsd {

namespace {

struct Row {
  const char* name = nullptr;
  Handler handler = nullptr;
};

struct Table {
  std::array<Row, TINE_SYS_last - TINE_SYS_first + 1> rows{};
  constexpr void add(unsigned number, const char* name, Handler handler) { rows[number - TINE_SYS_first] = {name, handler}; }
};

constexpr Table make_table() {
  Table table;
  table.add(TINE_SYS_rfork, "rfork", sys_rfork);
  table.add(TINE_SYS_tfork, "__tfork", sys_tfork);
  table.add(TINE_SYS_threxit, "__threxit", sys_threxit);
  table.add(TINE_SYS_getthrid, "getthrid", sys_getthrid);
  table.add(TINE_SYS_minherit, "minherit", sys_minherit);
  table.add(TINE_SYS_issetugid, "issetugid", sys_issetugid);
  table.add(TINE_SYS_getlogin, "getlogin", sys_getlogin);
  table.add(TINE_SYS_setlogin, "setlogin", sys_setlogin);
  table.add(TINE_SYS_closefrom, "closefrom", sys_closefrom);
  table.add(TINE_SYS_sysctl, "sysctl", sys_sysctl);
  table.add(TINE_SYS_sysctlbyname, "sysctlbyname", sys_sysctlbyname);
  table.add(TINE_SYS_pdfork, "pdfork", sys_pdfork);
  table.add(TINE_SYS_pdkill, "pdkill", sys_pdkill);
  table.add(TINE_SYS_pdgetpid, "pdgetpid", sys_pdgetpid);
  table.add(TINE_SYS_pdwait4, "pdwait4", sys_pdwait4);
  table.add(TINE_SYS_procctl, "procctl", sys_procctl);
  table.add(TINE_SYS_kqueue, "kqueue", sys_kqueue);
  table.add(TINE_SYS_kevent, "kevent", sys_kevent);
  table.add(TINE_SYS_ktrace, "ktrace", sys_ktrace);
  table.add(TINE_SYS_utrace, "utrace", sys_utrace);
  table.add(TINE_SYS_acct, "acct", sys_acct);
  table.add(TINE_SYS_ptrace, "ptrace", sys_ptrace);
  table.add(TINE_SYS_pledge, "pledge", sys_pledge);
  table.add(TINE_SYS_unveil, "unveil", sys_unveil);
  table.add(TINE_SYS_pinsyscalls, "pinsyscalls", sys_pinsyscalls);
  table.add(TINE_SYS_profil, "profil", sys_profil);
  table.add(TINE_SYS_pdwait, "pdwait", sys_pdwait);
#if TINE_DEBUG
  table.add(TINE_SYS_self_test, "self_test", sys_self_test);
#endif
  return table;
}

constexpr Table kTable = make_table();

const Row* row_of(uint64_t number) {
  return number >= TINE_SYS_first && number <= TINE_SYS_last ? &kTable.rows[number - TINE_SYS_first] : nullptr;
}

}  // namespace

Handler system_call_handler(uint64_t number) {
  const Row* row = row_of(number);
  return row != nullptr ? row->handler : nullptr;
}

const char* system_call_name(uint64_t number) {
  const Row* row = row_of(number);
  return row != nullptr && row->name != nullptr ? row->name : "?";
}

}  // namespace tine::abi::bsd
