// SPDX-License-Identifier: BSD-2-Clause
// The local APIC through x2APIC registers where the CPU has them, else through memory; the I/O APIC; the
// legacy controllers, masked for good. Source: Intel SDM vol. 3, chapter 11; the 82093AA data sheet.
#include "machine/x86_64/apic.h"

#include "machine/interrupts.h"
#include "machine/io.h"
#include "machine/raw_lock.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

// Offsets in the memory window; divided by 16 they are x2APIC register numbers.
// clang-format off
enum Register : uint32_t {
  kId = 0x20, kVersion = 0x30, kTaskPriority = 0x80, kEndOfInterrupt = 0xb0, kSpurious = 0xf0, kErrorStatus = 0x280,
  kLvtCorrectedErrors = 0x2f0, kCommand = 0x300, kCommandHigh = 0x310, kLvtTimer = 0x320, kLvtThermal = 0x330,
  kLvtPerformance = 0x340, kLvtLint0 = 0x350, kLvtLint1 = 0x360,
  kLvtError = 0x370, kTimerInitial = 0x380, kTimerCurrent = 0x390, kTimerDivide = 0x3e0,
};
// clang-format on

constexpr uint32_t kMasked = 1 << 16, kSoftwareEnable = 1 << 8, kTscDeadlineMode = 2 << 17, kDivideBy1 = 0xb;
constexpr uint32_t kDeliverNmi = 4 << 8, kDeliverInit = 5 << 8, kDeliverStartup = 6 << 8, kAssert = 1 << 14,
                   kDeliveryPending = 1 << 12, kAllOthers = 3 << 18;
constexpr uint32_t kBroadcast = 0xff;  // where ids have 8 bits: the memory window and the I/O APIC
constexpr uint64_t kApicGlobalEnable = 1 << 11, kX2ApicEnable = 1 << 10;

volatile uint32_t& window(Register which) {
  return *physical_to_virtual<volatile uint32_t>(acpi_info().local_apic + which);
}
Msr x2apic_msr(Register which) { return static_cast<Msr>(static_cast<uint32_t>(Msr::X2Apic) + which / 16); }

uint32_t read_apic(Register which) {
  return cpu_features().x2apic ? static_cast<uint32_t>(read_msr(x2apic_msr(which))) : window(which);
}
void write_apic(Register which, uint32_t value) {
  if (cpu_features().x2apic)
    write_msr(x2apic_msr(which), value);
  else
    window(which) = value;
}

void send_command(uint32_t apic_id, uint32_t command) {
  if (cpu_features().x2apic) {
    asm volatile("mfence; lfence" ::: "memory");  // the register write does not wait for earlier stores
    write_msr(x2apic_msr(kCommand), uint64_t{apic_id} << 32 | command);
    return;
  }
  const InterruptGuard guard;  // the command takes two writes
  while (window(kCommand) & kDeliveryPending) spin_pause();
  window(kCommandHigh) = apic_id << 24;
  window(kCommand) = command;
}

// What a loader may have left for interrupts that nobody handles here. The version tells how many entries there are.
void mask_further_sources() {
  const uint32_t last_entry = read_apic(kVersion) >> 16 & 0xff;
  if (last_entry >= 4) write_apic(kLvtPerformance, kMasked);
  if (last_entry >= 5) write_apic(kLvtThermal, kMasked);
  if (last_entry >= 6) write_apic(kLvtCorrectedErrors, kMasked);
}

void mask_legacy_controllers() {
  constexpr uint16_t kMaster = 0x20, kSlave = 0xa0;
  for (const uint16_t port : {kMaster, kSlave}) {
    const bool master = port == kMaster;
    write_port8(port, 0x11);                                   // initialise
    write_port8(port + 1, kLegacyVectors + (master ? 0 : 8));  // vectors
    write_port8(port + 1, master ? 4 : 2);                     // cascade
    write_port8(port + 1, 1);                                  // 8086 mode
    write_port8(port + 1, 0xff);                               // mask all
  }
}

struct IsaHandler {
  InterruptHandler handler = nullptr;
  void* argument = nullptr;
};
constinit IsaHandler isa_handlers[16];
constinit RawLock io_apic_lock;

uint32_t access_io_apic(uint32_t index, const uint32_t* write) REQUIRES(io_apic_lock) {
  auto* base = physical_to_virtual<volatile uint32_t>(acpi_info().io_apic);
  base[0] = index;
  if (write != nullptr) base[4] = *write;
  return base[4];
}
uint32_t read_io_apic(uint32_t index) REQUIRES(io_apic_lock) { return access_io_apic(index, nullptr); }
void write_io_apic(uint32_t index, uint32_t value) REQUIRES(io_apic_lock) { access_io_apic(index, &value); }

// How many inputs there are; 0 when there is no I/O APIC at all.
unsigned io_apic_lines() REQUIRES(io_apic_lock) {
  const uint32_t version = read_io_apic(1);
  return version == 0xffffffff ? 0 : (version >> 16 & 0xff) + 1;
}
constexpr uint32_t redirection(unsigned line) { return 0x10 + 2 * line; }

}  // namespace

void init_interrupt_controllers() {
  mask_legacy_controllers();
  RawGuard guard(io_apic_lock);
  for (unsigned line = 0, lines = io_apic_lines(); line < lines; line++)
    write_io_apic(redirection(line), kMasked);
}

void init_local_apic() {
  uint64_t base = read_msr(Msr::ApicBase) | kApicGlobalEnable;
  write_msr(Msr::ApicBase, base);
  if (cpu_features().x2apic) write_msr(Msr::ApicBase, base | kX2ApicEnable);
  // Before the local vector table: while the APIC is disabled by software, as after reset and INIT, every entry stays
  // masked whatever is written (SDM vol. 3, 11.4.7.2).
  write_apic(kSpurious, kSoftwareEnable | kSpuriousVector);
  write_apic(kTaskPriority, 0);
  write_apic(kLvtLint0, kMasked);
  write_apic(kLvtLint1, kMasked);
  mask_further_sources();
  write_apic(kLvtError, kErrorVector);
  take_apic_errors();
  write_apic(kTimerDivide, kDivideBy1);
  write_apic(kLvtTimer, kTimerVector | (cpu_features().tsc_deadline ? kTscDeadlineMode : 0));
  if (cpu_features().tsc_deadline)
    asm volatile("mfence" ::: "memory");  // before the first write of the deadline
  this_per_cpu().apic_id = local_apic_id();
}

uint32_t local_apic_id() { return cpu_features().x2apic ? read_apic(kId) : read_apic(kId) >> 24; }
bool is_reachable(uint32_t apic_id) { return cpu_features().x2apic || apic_id < kBroadcast; }
void end_of_interrupt() { write_apic(kEndOfInterrupt, 0); }

void send_ipi(uint32_t apic_id, uint8_t vector) { send_command(apic_id, kAssert | vector); }
void send_init(uint32_t apic_id) { send_command(apic_id, kAssert | kDeliverInit); }
void send_startup(uint32_t apic_id, uint8_t page) { send_command(apic_id, kAssert | kDeliverStartup | page); }
void send_nmi_to_others() { send_command(0, kAssert | kDeliverNmi | kAllOthers); }
void send_reschedule(unsigned cpu) { send_ipi(per_cpu(cpu).apic_id, kRescheduleVector); }

// A write puts what has happened into the register, and lets the next error interrupt. SDM vol. 3, 11.5.3.
uint32_t take_apic_errors() {
  write_apic(kErrorStatus, 0);
  return read_apic(kErrorStatus);
}

void start_apic_timer(uint32_t count) { write_apic(kTimerInitial, count); }
uint32_t apic_timer_count() { return read_apic(kTimerCurrent); }

Result<> handle_isa_interrupt(unsigned line, InterruptHandler handler, void* argument) {
  if (line >= 16) return Error(Errno::Inval);
  const InterruptOverride& route = acpi_info().isa[line];
  RawGuard guard(io_apic_lock);
  if (route.line >= io_apic_lines() || this_per_cpu().apic_id >= kBroadcast) return Error(Errno::NoDev);
  isa_handlers[line] = {handler, argument};
  constexpr uint32_t kActiveLow = 1 << 13, kLevelTriggered = 1 << 15;
  write_io_apic(redirection(route.line) + 1, this_per_cpu().apic_id << 24);
  write_io_apic(redirection(route.line), (kIsaVectors + line) | (route.active_low ? kActiveLow : 0) |
                                             (route.level_triggered ? kLevelTriggered : 0));
  return {};
}

void handle_isa_vector(unsigned line) {
  const IsaHandler& isa = isa_handlers[line];
  if (isa.handler != nullptr) isa.handler(isa.argument);
}

}  // namespace tine::machine
