// SPDX-License-Identifier: BSD-2-Clause
#include "machine/x86_64/debug_registers.h"

#include <atomic>

#include "machine/user_registers.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

constexpr unsigned kStatus = 6, kControl = 7, kAddresses = 4;
constexpr uint64_t kStatusIdle = 0xffff0ff0, kHitMask = 0xf;
constexpr uint64_t kEnables = 0xff, kControlFixed = 1 << 10;
constexpr uint64_t kControlUser = 0xffff00ff | 3 << 8;   // not: general detect, which traps uses of these registers

std::atomic<uint64_t> next_serial{1};

// What each address is watched for: 0 to execute, 1 to write, 3 to read or write; 2 is for ports. An instruction has no
// length.
bool is_valid_control(uint64_t control) {
  for (unsigned i = 0; i < kAddresses; ++i) {
    if (!(control >> (2 * i) & 3)) continue;
    const uint64_t kind = control >> (16 + 4 * i) & 3, length = control >> (18 + 4 * i) & 3;
    if (kind == 2 || (kind == 0 && length != 0)) return false;
  }
  return true;
}

}  // namespace

void init_debug_registers() { asm volatile("movq %0, %%dr7" ::"r"(kControlFixed)); }

void load_debug_registers(DebugRegisters& debug) {
  PerCpu& cpu = this_per_cpu();
  asm volatile("movq %0, %%dr7" ::"r"(kControlFixed));
  cpu.debug_serial = debug.serial;
  cpu.debug_owner = debug.serial != 0 ? &debug : nullptr;
  if (debug.serial == 0) return;
  asm volatile("movq %0, %%dr0" ::"r"(debug.address[0]));
  asm volatile("movq %0, %%dr1" ::"r"(debug.address[1]));
  asm volatile("movq %0, %%dr2" ::"r"(debug.address[2]));
  asm volatile("movq %0, %%dr3" ::"r"(debug.address[3]));
  asm volatile("movq %0, %%dr7" ::"r"(debug.control | kControlFixed));
}

bool take_debug_status(TrapFrame& frame) {
  uint64_t status;
  asm volatile("movq %%dr6, %0" : "=r"(status));
  asm volatile("movq %0, %%dr6" ::"r"(kStatusIdle));
  PerCpu& cpu = this_per_cpu();
  if (cpu.debug_owner == nullptr || !(status & kHitMask)) return false;
  // Bits of addresses that are not watched may be set too.
  const uint64_t control = cpu.debug_owner->control;
  uint64_t hits = 0;
  for (unsigned i = 0; i < kAddresses; ++i) {
    if (!(status >> i & 1 && control >> (2 * i) & 3)) continue;
    hits |= uint64_t{1} << i;
    // The instruction has not run yet. RF lets it, else it would trap for ever. SDM vol. 3, 18.3.1.1.
    if ((control >> (16 + 4 * i) & 3) == 0) frame.rflags |= kFlagResume;
  }
  cpu.debug_owner->status |= hits;
  return hits != 0;
}

bool read_debug_register(const UserState& state, unsigned number, uint64_t& value) {
  if (number < kAddresses) value = state.debug.address[number];
  else if (number == kStatus) value = state.debug.status;
  else if (number == kControl) value = state.debug.control;
  else return false;
  return true;
}

bool write_debug_register(UserState& state, unsigned number, uint64_t value) {
  DebugRegisters& debug = state.debug;
  if (number < kAddresses) {
    if (!is_canonical_user_address(value)) return false;
    debug.address[number] = value;
  } else if (number == kStatus) {
    debug.status = value & kHitMask;
    return true;
  } else if (number == kControl) {
    if (!is_valid_control(value)) return false;
    debug.control = value & kControlUser;
  } else {
    return false;
  }
  debug.serial = debug.control & kEnables ? next_serial.fetch_add(1) : 0;
  return true;
}

}  // namespace tine::machine
