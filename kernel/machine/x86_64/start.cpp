// SPDX-License-Identifier: BSD-2-Clause
// The boot CPU's way from boot.S to kernel_main(). Each step needs those before it: traps first, so that a
// bug is seen; then memory, so that there are tables; then devices.
#include "base/log.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "machine/raw_lock.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/boot_memory.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/early_console.h"
#include "machine/x86_64/extended_state.h"
#include "machine/x86_64/identify.h"
#include "machine/x86_64/kernel_map.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/smp.h"

namespace tine::machine {

namespace {

constinit CpuStacks boot_cpu_stacks = {};
constinit RawLock log_lock;

constexpr LogEnvironment kLogEnvironment = {
    .now = now,
    .lock = []() NO_THREAD_SAFETY_ANALYSIS { log_lock.lock(); },
    .unlock = []() NO_THREAD_SAFETY_ANALYSIS { log_lock.unlock(); },
};

}  // namespace

extern "C" [[noreturn]] void start_machine(PhysAddr start_info) {
  init_cpu(0, boot_cpu_stacks);
  count_cpu();
  set_log_environment(kLogEnvironment);
  set_console_sink(write_early_console);
  enable_cpu_features();
  patch_smap_sites();
  init_extended_state();

  read_start_info(start_info);
  if (has_word(boot_info().command_line, "quiet")) set_console_log_level(LogLevel::Warning);
  build_kernel_map();

  read_acpi_tables();
  reserve_secondary_stacks();
  init_interrupt_controllers();
  init_local_apic();
  init_clock();
  identify_processor();
  kernel_main();
}

}  // namespace tine::machine
