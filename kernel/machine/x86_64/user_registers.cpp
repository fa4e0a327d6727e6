// SPDX-License-Identifier: BSD-2-Clause
#include "machine/user_registers.h"

#include <algorithm>
#include <cstring>

#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/extended_state.h"

namespace tine::machine {

namespace {

// The FXSAVE image: x87 registers (and MXCSR), from 160 on the XMM registers, from 416 on nothing of the CPU's.
constexpr size_t kMxcsrOffset = 24, kMxcsrMaskOffset = 28, kXmmOffset = 160, kXmmEnd = 416, kSoftwareOffset = 464,
                 kHeaderSize = 64;
constexpr uint64_t kX87 = 1, kSse = 2;   // components
constexpr uint16_t kInitialControlWord = 0x37f;

// Where each further component lies in the standard form: CPUID leaf 0xd.
struct Component {
  size_t offset, size;
};
Component component(unsigned number) {
  const CpuidLeaf leaf = cpuid(0xd, number);
  return {leaf.ebx, leaf.eax};
}

uint64_t load64(std::span<const std::byte> from, size_t offset) {
  uint64_t value;
  std::memcpy(&value, from.data() + offset, sizeof value);
  return value;
}
void store64(std::span<std::byte> to, size_t offset, uint64_t value) {
  std::memcpy(to.data() + offset, &value, sizeof value);
}

// Registers as they are initially, for a component that XSAVE found in that state and did not write.
void clear_component(std::span<std::byte> view, unsigned number) {
  if (number == 0) {
    uint64_t mxcsr;   // and its mask: they belong to no component
    std::memcpy(&mxcsr, view.data() + kMxcsrOffset, sizeof mxcsr);
    std::memset(view.data(), 0, kXmmOffset);
    std::memcpy(view.data(), &kInitialControlWord, sizeof kInitialControlWord);
    std::memcpy(view.data() + kMxcsrOffset, &mxcsr, sizeof mxcsr);
  } else if (number == 1) {
    std::memset(view.data() + kXmmOffset, 0, kXmmEnd - kXmmOffset);
  } else {
    const Component where = component(number);
    if (where.offset + where.size <= view.size()) std::memset(view.data() + where.offset, 0, where.size);
  }
}

}  // namespace

UserRegisters read_registers(const TrapFrame& frame, const UserState& state) {
  UserRegisters registers{};
  registers.r15 = frame.r15;
  registers.r14 = frame.r14;
  registers.r13 = frame.r13;
  registers.r12 = frame.r12;
  registers.rbp = frame.rbp;
  registers.rbx = frame.rbx;
  registers.r11 = frame.r11;
  registers.r10 = frame.r10;
  registers.r9 = frame.r9;
  registers.r8 = frame.r8;
  registers.rax = frame.rax;
  registers.rcx = frame.rcx;
  registers.rdx = frame.rdx;
  registers.rsi = frame.rsi;
  registers.rdi = frame.rdi;
  registers.orig_rax = frame.orig_rax;
  registers.rip = frame.rip;
  registers.cs = frame.cs;
  registers.rflags = frame.rflags;
  registers.rsp = frame.rsp;
  registers.ss = frame.ss;
  registers.fs_base = state.fs_base;
  registers.gs_base = state.gs_base;
  return registers;
}

bool write_registers(TrapFrame& frame, UserState& state, const UserRegisters& registers) {
  if (registers.cs != frame.cs || registers.ss != frame.ss) return false;
  if ((registers.ds | registers.es | registers.fs | registers.gs) != 0) return false;
  if (!is_canonical_user_address(registers.fs_base) || !is_canonical_user_address(registers.gs_base)) return false;
  frame.r15 = registers.r15;
  frame.r14 = registers.r14;
  frame.r13 = registers.r13;
  frame.r12 = registers.r12;
  frame.rbp = registers.rbp;
  frame.rbx = registers.rbx;
  frame.r11 = registers.r11;
  frame.r10 = registers.r10;
  frame.r9 = registers.r9;
  frame.r8 = registers.r8;
  frame.rax = registers.rax;
  frame.rcx = registers.rcx;
  frame.rdx = registers.rdx;
  frame.rsi = registers.rsi;
  frame.rdi = registers.rdi;
  frame.orig_rax = registers.orig_rax;
  frame.rip = registers.rip;
  frame.set_user_flags(registers.rflags);
  frame.rsp = registers.rsp;
  state.fs_base = registers.fs_base;
  state.gs_base = registers.gs_base;
  return true;
}

size_t extended_view_size() { return cpu_features().xsave ? cpuid(0xd).ebx : kFxSaveSize; }

void read_extended_state(std::span<const std::byte> image, std::span<std::byte> view) {
  std::memcpy(view.data(), image.data(), std::min(view.size(), image.size()));
  std::memset(view.data() + kXmmEnd, 0, kFxSaveSize - kXmmEnd);
  if (!cpu_features().xsave) return;
  const uint64_t components = cpu_features().xsave_components, present = load64(image, kFxSaveSize);
  for (unsigned number = 0; components >> number != 0; ++number)
    if (components >> number & ~present >> number & 1 && (number < 2 || view.size() > kFxSaveSize))
      clear_component(view, number);
  if (view.size() > kFxSaveSize) store64(view, kSoftwareOffset, components);
}

bool write_extended_state(std::span<std::byte> image, std::span<const std::byte> view) {
  uint32_t mxcsr, mask;
  std::memcpy(&mxcsr, view.data() + kMxcsrOffset, sizeof mxcsr);
  std::memcpy(&mask, image.data() + kMxcsrMaskOffset, sizeof mask);
  if (!is_valid_mxcsr(mxcsr)) return false;

  if (view.size() <= kFxSaveSize) {
    std::memcpy(image.data(), view.data(), kFxSaveSize);
    if (cpu_features().xsave) store64(image, kFxSaveSize, load64(image, kFxSaveSize) | kX87 | kSse);
  } else {
    if (!cpu_features().xsave || view.size() != extended_view_size()) return false;
    if (load64(view, kFxSaveSize) & ~cpu_features().xsave_components) return false;
    for (size_t offset = kFxSaveSize + 8; offset < kFxSaveSize + kHeaderSize; offset += 8)
      if (load64(view, offset) != 0) return false;   // the standard form, and what is reserved
    std::memcpy(image.data(), view.data(), view.size());
  }
  std::memcpy(image.data() + kMxcsrMaskOffset, &mask, sizeof mask);
  return true;
}

}  // namespace tine::machine
