// SPDX-License-Identifier: BSD-2-Clause
// Time: the cycle counter, scaled by a 32.32 fixed-point multiplication; and the one-shot timer of the local
// APIC, by deadline where the CPU has that, else by count. The counter's rate comes from CPUID, or is
// measured against the legacy timer or ACPI's. The counters of all CPUs agree: smp.cpp sees to it.
#include "machine/clock.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "machine/cpu.h"
#include "machine/io.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/cpu_features.h"
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

bool advances(const ReferenceClock& clock) {
  const uint32_t before = clock.read();
  for (int i = 0; i < 10000; i++)
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
  return rates;
}

ReferenceClock find_reference_clock() {
  if (acpi_info().power_timer_port != 0) {
    const ReferenceClock power_timer = {read_power_timer, 0xff'ffff, 3'579'545};
    if (advances(power_timer)) return power_timer;
  }
  start_legacy_timer();
  const ReferenceClock legacy_timer = {read_legacy_timer, 0xffff, 1'193'182};
  if (advances(legacy_timer)) return legacy_timer;
  panic("clock: nothing to measure the cycle counter against");
}

Rates measured_rates() {
  constexpr uint64_t kWindowsPerSecond = 1000;  // one millisecond
  const ReferenceClock clock = find_reference_clock();
  const uint32_t window = static_cast<uint32_t>(clock.hertz / kWindowsPerSecond);
  start_apic_timer(~uint32_t{0});
  const Sample start = sample(clock);
  while (((clock.read() - start.reference) & clock.mask) < window) spin_pause();
  const Sample end = sample(clock);
  start_apic_timer(0);
  const uint64_t elapsed = (end.reference - start.reference) & clock.mask;
  return {(end.cycles - start.cycles) * clock.hertz / elapsed,
          uint64_t{start.apic_count - end.apic_count} * clock.hertz / elapsed};
}

}  // namespace

void init_clock() {
  Rates rates = rates_from_cpuid();
  const bool need_apic_rate = !cpu_features().tsc_deadline && rates.apic == 0;
  if (rates.tsc == 0 || need_apic_rate) {
    const Rates measured = measured_rates();
    if (rates.tsc == 0) rates.tsc = measured.tsc;
    if (rates.apic == 0) rates.apic = measured.apic;
  }
  frequency = rates.tsc;
  nanoseconds_per_cycle = ratio(kSecond, rates.tsc);
  cycles_per_nanosecond = ratio(rates.tsc, kSecond);
  apic_ticks_per_nanosecond = ratio(rates.apic, kSecond);
  first_cycle = read_tsc();
  boot_wall_clock = read_real_time_clock();
  log(LogLevel::Debug, "clock: cycle counter at %llu kHz, timer by %s",
      static_cast<unsigned long long>(rates.tsc / 1000), cpu_features().tsc_deadline ? "deadline" : "count");
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
