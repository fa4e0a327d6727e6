// SPDX-License-Identifier: BSD-2-Clause
// Time: the cycle counter, scaled by a 32.32 fixed-point multiplication; and the one-shot timer of the local
// APIC, by deadline where the CPU has that, else by count. The counter's rate comes from CPUID or from KVM, or is
// measured against ACPI's timer or the legacy one; the date comes from KVM or from the real-time clock. A machine need
// not have any of them in particular. The counters of all CPUs agree: smp.cpp sees to it.
#include "machine/clock.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"
#include "base/log.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/kvm_clock.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/real_time_clock.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

using Wide = unsigned __int128;

// Factors with 32 binary places.
constinit uint64_t nanoseconds_per_cycle = 0;
constinit uint64_t cycles_per_nanosecond = 0;
constinit uint64_t apic_ticks_per_nanosecond = 0;
constinit uint64_t first_cycle = 0;
constinit uint64_t frequency = 0;
constinit Nanoseconds boot_wall_clock = 0;

constexpr uint64_t scale(uint64_t value, uint64_t factor) {
  return static_cast<uint64_t>(Wide{value} * factor >> 32);
}

// DIV, because the compiler's 128-bit division is a library function. Both are rates below 2^63, so it cannot
// overflow.
uint64_t ratio(uint64_t dividend, uint64_t divisor) {
  uint64_t quotient, remainder;
  asm("divq %4"
      : "=a"(quotient), "=d"(remainder)
      : "a"(dividend << 32), "d"(dividend >> 32), "r"(divisor)
      : "cc");
  return quotient;
}

// A counter of known rate to measure others against.
struct ReferenceClock {
  const char* name;
  uint32_t (*read)();  // counts up
  uint32_t mask;
  uint64_t hertz;
};

uint32_t read_power_timer() { return read_port32(acpi_info().power_timer_port); }

// Channel 2 of the legacy timer counts down from 65536, over and over.
uint32_t read_legacy_timer() {
  write_port8(0x43, 0x80);  // latch channel 2
  const uint32_t low = read_port8(0x42), high = read_port8(0x42);
  return ~(high << 8 | low);
}
void start_legacy_timer() {
  write_port8(0x61, (read_port8(0x61) & ~0x02) | 0x01);  // gate on, speaker off
  write_port8(0x43, 0xb4);                               // channel 2, both bytes, mode 2
  write_port8(0x42, 0);
  write_port8(0x42, 0);
}

uint32_t read_apic_timer() { return ~apic_timer_count(); }
uint32_t read_cycles() { return static_cast<uint32_t>(read_tsc()); }

// Few tries: each counter moves within a microsecond, and where it is absent every access may be a long way, through the
// hypervisor's process.
bool advances(const ReferenceClock& clock) {
  constexpr int kTries = 1000;
  const uint32_t before = clock.read();
  for (int i = 0; i < kTries; i++)
    if (((clock.read() - before) & clock.mask) != 0) return true;
  return false;
}

struct Sample {
  uint32_t reference;
  uint64_t cycles;
  uint32_t apic_count;
};

// The tightest of a few tries, so that a host that takes the CPU away in the middle does no harm.
Sample sample(const ReferenceClock& clock) {
  Sample best = {};
  uint64_t best_width = ~uint64_t{0};
  for (int i = 0; i < 4; i++) {
    const uint64_t before = read_tsc();
    const Sample now = {clock.read(), before, apic_timer_count()};
    const uint64_t width = read_tsc() - before;
    if (width < best_width) best = now, best_width = width;
  }
  return best;
}

struct Rates {
  uint64_t tsc = 0, apic = 0;  // hertz; 0: not known
  const char* tsc_source = nullptr;
};

Rates rates_from_cpuid() {
  Rates rates;
  const CpuidLeaf crystal = cpuid(0x15);
  if (crystal.eax != 0 && crystal.ebx != 0 && crystal.ecx != 0) {
    rates.apic = crystal.ecx;
    rates.tsc = uint64_t{crystal.ecx} * crystal.ebx / crystal.eax;
  }
  constexpr uint32_t kHypervisorRates = 0x40000010;
  if (const CpuidLeaf hypervisor = cpuid(kHypervisorRates); hypervisor.eax != 0) {
    rates.tsc = uint64_t{hypervisor.eax} * 1000;
    rates.apic = uint64_t{hypervisor.ebx} * 1000;
  }
  if (rates.tsc != 0) rates.tsc_source = "CPUID";
  return rates;
}

// One that the machine has, whose rate is fixed by a standard.
std::optional<ReferenceClock> find_standard_timer() {
  if (acpi_info().power_timer_port != 0) {
    const ReferenceClock power_timer = {"ACPI's timer", read_power_timer, 0xff'ffff, 3'579'545};
    if (advances(power_timer)) return power_timer;
  }
  start_legacy_timer();
  const ReferenceClock legacy_timer = {"the legacy timer", read_legacy_timer, 0xffff, 1'193'182};
  if (advances(legacy_timer)) return legacy_timer;
  return {};
}

// The APIC's timer must run. It comes last: nothing tells its rate, but KVM and QEMU both count nanoseconds.
ReferenceClock find_reference_clock() {
  if (const auto timer = find_standard_timer()) return *timer;
  const ReferenceClock apic_timer = {"the APIC's timer, taken to count nanoseconds", read_apic_timer, ~uint32_t{0},
                                     kSecond};
  if (advances(apic_timer)) return apic_timer;
  panic("clock: nothing to measure the cycle counter against");
}

// Measures both for a millisecond; against the cycle counter itself if its rate is known.
Rates measured_rates(uint64_t known_tsc_rate) {
  constexpr uint64_t kWindowsPerSecond = 1000;
  start_apic_timer(~uint32_t{0});
  const ReferenceClock clock =
      known_tsc_rate != 0 ? ReferenceClock{"the cycle counter", read_cycles, ~uint32_t{0}, known_tsc_rate}
                          : find_reference_clock();
  const uint32_t window = static_cast<uint32_t>(clock.hertz / kWindowsPerSecond);
  const Sample start = sample(clock);
  while (((clock.read() - start.reference) & clock.mask) < window) spin_pause();
  const Sample end = sample(clock);
  start_apic_timer(0);
  const uint64_t elapsed = (end.reference - start.reference) & clock.mask;
  return {(end.cycles - start.cycles) * clock.hertz / elapsed,
          uint64_t{start.apic_count - end.apic_count} * clock.hertz / elapsed, clock.name};
}

// A host that does not call its TSC stable may have mismeasured it: then a timer of the machine tells more.
bool kvm_knows_rate(const KvmClock& kvm_clock) {
  return kvm_clock.tsc_frequency != 0 && (kvm_clock.tsc_stable || !find_standard_timer());
}

Rates find_rates(const KvmClock& kvm_clock) {
  Rates rates = rates_from_cpuid();
  if (rates.tsc == 0 && kvm_knows_rate(kvm_clock)) {
    rates.tsc = kvm_clock.tsc_frequency;
    rates.tsc_source = "kvm-clock";
  }
  const bool need_apic_rate = !cpu_features().tsc_deadline && rates.apic == 0;
  if (rates.tsc != 0 && !need_apic_rate) return rates;
  const Rates measured = measured_rates(rates.tsc);
  if (rates.tsc == 0) {
    rates.tsc = measured.tsc;
    rates.tsc_source = measured.tsc_source;
  }
  if (rates.apic == 0) rates.apic = measured.apic;
  if (need_apic_rate && rates.apic == 0) panic("clock: the local APIC's timer does not count");
  return rates;
}

// Sets the date at now() == 0, and says where it comes from. KVM's goes first, as on Linux: it is more exact than a second,
// and says which time zone it means.
const char* find_date(const KvmClock& kvm_clock) {
  if (kvm_clock.date != 0) {
    boot_wall_clock = kvm_clock.date + scale(first_cycle - kvm_clock.tsc, nanoseconds_per_cycle);
    return "kvm-clock";
  }
  boot_wall_clock = read_real_time_clock();
  return boot_wall_clock != 0 ? "the real-time clock" : "nowhere (1970)";
}

}  // namespace

void init_clock() {
  const KvmClock kvm_clock = read_kvm_clock();
  const Rates rates = find_rates(kvm_clock);
  frequency = rates.tsc;
  nanoseconds_per_cycle = ratio(kSecond, rates.tsc);
  cycles_per_nanosecond = ratio(rates.tsc, kSecond);
  apic_ticks_per_nanosecond = ratio(rates.apic, kSecond);
  first_cycle = read_tsc();
  const char* date_source = find_date(kvm_clock);
  log(boot_wall_clock != 0 ? LogLevel::Info : LogLevel::Warning, "clock: TSC %llu.%03llu MHz from %s; date from %s; timer by %s",
      static_cast<unsigned long long>(rates.tsc / 1'000'000),
      static_cast<unsigned long long>(rates.tsc / 1000 % 1000), rates.tsc_source, date_source,
      cpu_features().tsc_deadline ? "deadline" : "count");
  if (kvm_clock.tsc_frequency != 0 && !kvm_clock.tsc_stable)
    log(LogLevel::Notice, "clock: the host does not promise that the TSCs of its CPUs agree");
}

uint64_t tsc_frequency() { return frequency; }

Nanoseconds now() { return scale(read_tsc() - first_cycle, nanoseconds_per_cycle); }
Nanoseconds wall_clock_at_boot() { return boot_wall_clock; }

void delay_microseconds(uint64_t microseconds) {
  const uint64_t end = read_tsc() + frequency * microseconds / 1'000'000;
  while (read_tsc() < end) spin_pause();
}

void arm_timer(Nanoseconds deadline) {
  this_per_cpu().timer_deadline = deadline;
  if (deadline == kForever) return disarm_timer();
  if (cpu_features().tsc_deadline) {
    constexpr Nanoseconds kLatest = Nanoseconds{1} << 60;   // 36 years, whose cycles fit into 64 bits
    write_msr(Msr::TscDeadline, first_cycle + scale(std::min(deadline, kLatest), cycles_per_nanosecond) + 1);
    return;
  }
  // A count holds a few seconds; a later deadline is armed again when they are over.
  const Nanoseconds current = now();
  const Nanoseconds wait = std::min(deadline > current ? deadline - current : 0, kSecond);
  start_apic_timer(
      static_cast<uint32_t>(std::min<uint64_t>(scale(wait, apic_ticks_per_nanosecond) + 1, ~uint32_t{0})));
}

void disarm_timer() {
  this_per_cpu().timer_deadline = kForever;
  if (cpu_features().tsc_deadline)
    write_msr(Msr::TscDeadline, 0);
  else
    start_apic_timer(0);
}

}  // namespace tine::machine
