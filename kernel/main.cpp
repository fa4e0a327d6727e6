// SPDX-License-Identifier: BSD-2-Clause
// The boot order, on one page. The machine layer calls kernel_main on the boot CPU with paging, traps and the clock
// ready. Memory, then the scheduler, then process 0, which makes the root from the initrd and forks process 1.
#include "base/log.h"
#include "boot/command_line.h"
#include "boot/first_program.h"
#include "boot/root.h"
#include "device/uart.h"
#include "event/init.h"
#include "file/device.h"
#include "file/tmpfs.h"
#include "file/unix_in_flight.h"
#include "machine/boot.h"
#include "mem/frame.h"
#include "process/ids.h"
#include "process/kernel_process.h"
#include "process/process.h"
#include "process/profile.h"
#include "sched/jitter.h"
#include "sched/scheduler.h"
#include "trace/init.h"
#include "view/init.h"
#include "vm/init.h"

namespace tine {

namespace {

// A step that fails ends the machine with one clear sentence.
void must(Result<> result, const char* otherwise) {
  if (result) return;
  log(LogLevel::Error, "tine: %s (error %d); powering off\n", otherwise, static_cast<int>(result.error()));
  machine::power_off(1);
}

void run_process_zero(void*) {
  machine::start_other_cpus(boot::options().max_cpus);
  must(process::start_idle_processes(), "cannot make idle processes");
  must(file::init_tmpfs(), "cannot set up tmpfs");
  must(file::init_devices(), "cannot set up devices");
  must(view::init(), "cannot set up terminals and /proc");
  must(event::init(), "cannot set up events");
  file::UnixInFlight::init();
  must(process::start_kernel_process("unix gc", file::UnixInFlight::run_collector), "cannot make the socket collector");
  must(trace::init(boot::options().trace_events), "cannot set up tracing");
  must(boot::make_root(), "cannot make the root file system");
  must(boot::start_first_program(), "cannot make process 1");
  sched::sleep_for_ever("process 0");
}

}  // namespace

[[noreturn]] void machine::kernel_main() {
  device::init_uarts();
  boot::parse_command_line(boot_info().command_line);
  must(mem::init_frames(), "too little memory to run");
  must(vm::init(), "too little memory for page tables");
  sched::set_jitter(boot::options().jitter);
  must(sched::init_this_cpu(), "too little memory for the scheduler");
  process::init_process_table();
  must(process::init_ids(boot::options().pid_max), "too little memory for process ids");
  process::size_tables(boot::options().max_processes, boot::options().max_threads);
  must(process::init_profiling(), "too little memory for profiling");
  must(process::start_process_zero(run_process_zero, nullptr), "cannot make process 0");
  sched::run_idle_loop();
}

}  // namespace tine
