// SPDX-License-Identifier: BSD-2-Clause
// Ways to end: QEMU's debug-exit port, which is ignored where it is absent; ACPI's soft-off; reset. Each that
// does not work falls through to the next. A machine without soft-off ends by its reset: Firecracker and libkrun stop when the
// keyboard controller is asked for one, and have no other end. Source: ACPI 6.5, 4.8.3 and 16.1; the 8042 data sheet.
#include "machine/boot.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/clock_device.h"

namespace tine::machine {

namespace {

constexpr uint16_t kDebugExitPort = 0xf4;
constexpr uint64_t kGraceMicroseconds = 100'000;  // how long a machine may take to obey

void enter_soft_off() {
  const AcpiInfo& acpi = acpi_info();
  if (!acpi.can_sleep) return;
  if (acpi.sleep_control.present) {
    constexpr uint8_t kSleepEnable = 1 << 5;
    write_acpi_register(acpi.sleep_control, static_cast<uint8_t>(acpi.sleep_type[0] << 2 | kSleepEnable));
  }
  constexpr uint16_t kSleepEnable = 1 << 13;
  for (unsigned i = 0; i < 2; i++)
    if (acpi.power_control[i] != 0)
      write_port16(acpi.power_control[i], static_cast<uint16_t>(acpi.sleep_type[i] << 10 | kSleepEnable));
  delay_microseconds(kGraceMicroseconds);
}

// The controller pulls the CPU's reset line. Last but for the triple fault, so that there is time for a slow host.
void reset_by_keyboard_controller() {
  constexpr uint64_t kPatienceMicroseconds = 500'000;
  write_port8(0x64, 0xfe);
  delay_microseconds(kPatienceMicroseconds);
}

[[noreturn]] void triple_fault() {
  const struct [[gnu::packed]] {
    uint16_t limit;
    uint64_t base;
  } no_idt = {0, 0};
  asm volatile("lidt %0; int3" ::"m"(no_idt));
  halt_machine();
}

}  // namespace

void power_off(int status) {
  disable_interrupts();
  write_port8(kDebugExitPort, static_cast<uint8_t>(status));
  enter_soft_off();
  reset_by_keyboard_controller();
  triple_fault();
}

void reset_machine() {
  disable_interrupts();
  const AcpiInfo& acpi = acpi_info();
  if (acpi.reset.present) {
    write_acpi_register(acpi.reset, acpi.reset_value);
    delay_microseconds(kGraceMicroseconds);
  }
  reset_by_keyboard_controller();
  triple_fault();
}

void halt_machine() {
  disable_interrupts();
  while (true) asm volatile("hlt");
}

}  // namespace tine::machine
