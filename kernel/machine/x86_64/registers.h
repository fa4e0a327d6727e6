// SPDX-License-Identifier: BSD-2-Clause
// Control and model-specific registers.
#pragma once

#include <cstdint>

namespace tine::machine {

enum class Msr : uint32_t {
  Tsc = 0x10,
  KvmOldWallClock = 0x11,
  KvmOldSystemTime = 0x12,
  ApicBase = 0x1b,
  Microcode = 0x8b,
  SysenterCs = 0x174,
  TscDeadline = 0x6e0,
  X2Apic = 0x800,
  KvmWallClock = 0x4b564d00,
  KvmSystemTime = 0x4b564d01,
  Efer = 0xc0000080,
  Star = 0xc0000081,
  LongStar = 0xc0000082,
  CompatStar = 0xc0000083,
  SyscallMask = 0xc0000084,
  FsBase = 0xc0000100,
  GsBase = 0xc0000101,
  KernelGsBase = 0xc0000102,
  AmdDecodeConfiguration = 0xc0011029,
};

inline uint64_t read_msr(Msr msr) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return uint64_t{high} << 32 | low;
}
inline void write_msr(Msr msr, uint64_t value) {
  asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<uint32_t>(value)), "d"(static_cast<uint32_t>(value >> 32))
               : "memory");
}

// For registers that a hypervisor may not have. False: there is none.
extern "C" bool read_msr_or_fault(uint32_t msr, uint64_t* value);
extern "C" bool write_msr_or_fault(uint32_t msr, uint64_t value);
inline bool try_read_msr(Msr msr, uint64_t& value) { return read_msr_or_fault(static_cast<uint32_t>(msr), &value); }
inline bool try_write_msr(Msr msr, uint64_t value) { return write_msr_or_fault(static_cast<uint32_t>(msr), value); }

inline constexpr uint64_t kCr0Protected = 1 << 0, kCr0MonitorCoprocessor = 1 << 1, kCr0ExtensionType = 1 << 4, kCr0NumericError = 1 << 5,
                          kCr0WriteProtect = 1 << 16, kCr0AlignmentMask = 1 << 18, kCr0Paging = uint64_t{1} << 31;
inline constexpr uint64_t kEferLongModeActive = 1 << 10;
inline constexpr uint64_t kCr4PhysicalAddressExtension = 1 << 5, kCr4MachineCheck = 1 << 6, kCr4GlobalPages = 1 << 7,
                          kCr4FxSave = 1 << 9, kCr4SimdExceptions = 1 << 10, kCr4Umip = 1 << 11,
                          kCr4FiveLevels = 1 << 12, kCr4FsGsBase = 1 << 16, kCr4XSave = 1 << 18, kCr4Smep = 1 << 20,
                          kCr4Smap = 1 << 21, kCr4ProtectionKeys = 1 << 22, kCr4ControlFlow = 1 << 23;
inline constexpr uint64_t kFlagTrap = 1 << 8, kFlagInterrupts = 1 << 9, kFlagDirection = 1 << 10,
                          kFlagNestedTask = 1 << 14, kFlagResume = 1 << 16, kFlagAlignmentCheck = 1 << 18,
                          kFlagIoPrivilege = 3 << 12;

#define TINE_CONTROL_REGISTER(name)                               \
  inline uint64_t read_##name() {                                 \
    uint64_t value;                                               \
    asm volatile("movq %%" #name ", %0" : "=r"(value)::"memory"); \
    return value;                                                 \
  }                                                               \
  inline void write_##name(uint64_t value) { asm volatile("movq %0, %%" #name ::"r"(value) : "memory"); }
TINE_CONTROL_REGISTER(cr0)
TINE_CONTROL_REGISTER(cr2)
TINE_CONTROL_REGISTER(cr3)
TINE_CONTROL_REGISTER(cr4)
#undef TINE_CONTROL_REGISTER

inline uint64_t read_tsc() {
  uint32_t low, high;
  asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
  return uint64_t{high} << 32 | low;
}

}  // namespace tine::machine
