// SPDX-License-Identifier: BSD-2-Clause
// Extended state by XSAVE and XRSTOR in the standard format (XSAVEOPT where there is one), or FXSAVE and
// FXRSTOR; and its image in signal frames, which is what Linux programs expect: the XSAVE image, whose bytes
// 464-511 say that more than the FXSAVE part follows, and a closing word. Source: Intel SDM vol. 1, chapter
// 13; AMD APM vol. 2, 11.4.4 and 11.5; Linux asm/sigcontext.h.
//
// XSAVEOPT leaves out what has not changed since the last XRSTOR from the same address (SDM vol. 1, 13.6 and 13.9). So an
// image in memory may be changed only while it is not the one that was loaded last, or if XRSTOR follows with interrupts
// off; and nothing but the images on kernel stacks is saved by XSAVEOPT.
#include "machine/x86_64/extended_state.h"

#include <cstdint>
#include <cstring>

#include "base/units.h"
#include "machine/context.h"
#include "machine/paging.h"
#include "machine/user_access.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/per_cpu.h"

namespace tine::machine {

extern "C" {
bool user_xsave(uintptr_t to, uint64_t components);
bool user_xrstor(uintptr_t from, uint64_t components);
bool user_fxsave(uintptr_t to, uint64_t);
bool user_fxrstor(uintptr_t from, uint64_t);
}

namespace {

constexpr size_t kLegacySize = 512, kHeaderSize = 64;
constexpr size_t kControlWordOffset = 0, kMxcsrOffset = 24, kMxcsrMaskOffset = 28, kSoftwareOffset = 464;
constexpr uint16_t kInitialControlWord = 0x37f;
constexpr uint32_t kInitialMxcsr = 0x1f80;

// What bytes 464-511 of a signal frame's image hold.
struct SoftwareBytes {
  static constexpr uint32_t kMagic = 0x46505853, kClosingMagic = 0x46505845;
  uint32_t magic;
  uint32_t size_with_closing_magic;
  uint64_t components;
  uint32_t size;
  uint32_t reserved[7];
};
static_assert(sizeof(SoftwareBytes) == kLegacySize - kSoftwareOffset);

enum class Method : uint8_t { FxSave, XSave, XSaveOpt };

// How this machine's CPUs save and restore; found once, because every context switch needs it.
struct Setup {
  Method method = Method::FxSave;
  bool forget_pointers = false;   // CpuFeatures::fxrstor_keeps_pointers
  uint32_t low = 0, high = 0;     // the components
};
constinit Setup setup;
constinit size_t image_size = kLegacySize;
constinit uint32_t valid_mxcsr = 0xffbf;

// An image of registers as a program finds them when it starts.
struct alignas(64) InitialImage {
  std::byte bytes[kLegacySize + kHeaderSize];
};
constexpr InitialImage kInitialImage = [] {
  InitialImage image = {};
  image.bytes[kControlWordOffset] = std::byte{kInitialControlWord & 0xff};
  image.bytes[kControlWordOffset + 1] = std::byte{kInitialControlWord >> 8};
  image.bytes[kMxcsrOffset] = std::byte{kInitialMxcsr & 0xff};
  image.bytes[kMxcsrOffset + 1] = std::byte{kInitialMxcsr >> 8};
  return image;
}();

constexpr uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// What FLDENV loads: all masked, nothing pending, every register empty, and no pointers.
struct X87Environment {
  uint32_t control, status, tags, pointers[4];
};
constexpr X87Environment kInitialEnvironment = {kInitialControlWord, 0, 0xffff, {}};

// Where the last x87 instruction of one process was, and its operand, must not be there for the next one to read. FNCLEX
// first, as FLDENV would raise what is pending.
void forget_x87_pointers() { asm volatile("fnclex; fldenv %0" ::"m"(kInitialEnvironment)); }

void restore(const std::byte* image, uint32_t components_low, uint32_t components_high) {
  if (setup.method != Method::FxSave)
    asm volatile("xrstor64 (%0)" ::"r"(image), "a"(components_low), "d"(components_high) : "memory");
  else
    asm volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
}

// The bits of MXCSR that exist: to load another is an exception. SDM vol. 1, 11.6.6.
uint32_t find_valid_mxcsr() {
  static constinit InitialImage image = {};
  asm volatile("fxsave64 (%0)" ::"r"(image.bytes) : "memory");
  uint32_t mask;
  memcpy(&mask, image.bytes + kMxcsrMaskOffset, sizeof mask);
  return mask != 0 ? mask : valid_mxcsr;
}

}  // namespace

void init_extended_state() {
  const CpuFeatures& features = cpu_features();
  setup = {features.xsaveopt ? Method::XSaveOpt : features.xsave ? Method::XSave : Method::FxSave,
           features.fxrstor_keeps_pointers, low(features.xsave_components), high(features.xsave_components)};
  if (features.xsave) image_size = round_up(cpuid(0xd).ebx, 64);
  valid_mxcsr = find_valid_mxcsr();
}

size_t extended_state_size() { return image_size; }
bool is_valid_mxcsr(uint32_t value) { return (value & ~valid_mxcsr) == 0; }

void save_extended_state(std::byte* image) {
  switch (setup.method) {
    case Method::XSaveOpt:
      asm volatile("xsaveopt64 (%0)" ::"r"(image), "a"(setup.low), "d"(setup.high) : "memory");
      break;
    case Method::XSave:
      asm volatile("xsave64 (%0)" ::"r"(image), "a"(setup.low), "d"(setup.high) : "memory");
      break;
    case Method::FxSave:
      asm volatile("fxsave64 (%0)" ::"r"(image) : "memory");
      break;
  }
}

void load_extended_state(const std::byte* image) {
  if (setup.forget_pointers) forget_x87_pointers();
  restore(image, setup.low, setup.high);
}

void load_initial_extended_state() { restore(kInitialImage.bytes, setup.low, setup.high); }

// XSAVE leaves most of the header alone, and XRSTOR wants it zero.
void prepare_extended_state(uintptr_t stack_top) {
  if (cpu_features().xsave) memset(extended_state(stack_top).data() + kLegacySize, 0, kHeaderSize);
}

void reset_extended_state(uintptr_t stack_top) {
  const std::span<std::byte> image = extended_state(stack_top);
  memset(image.data(), 0, image.size());
  memcpy(image.data(), kInitialImage.bytes, kLegacySize);
}

size_t signal_extended_state_size() {
  return cpu_features().xsave ? image_size + sizeof(SoftwareBytes::kClosingMagic) : kLegacySize;
}

bool store_signal_extended_state(uintptr_t address) {
  if (!is_aligned(address, 64) || !is_canonical_user_address(address + signal_extended_state_size()))
    return false;
  if (!cpu_features().xsave) return user_fxsave(address, 0);
  const uint64_t components = cpu_features().xsave_components;
  const SoftwareBytes software = {SoftwareBytes::kMagic,
                                  static_cast<uint32_t>(signal_extended_state_size()),
                                  components,
                                  static_cast<uint32_t>(image_size),
                                  {}};
  const uint32_t closing = SoftwareBytes::kClosingMagic;
  return clear_user(address + kLegacySize, kHeaderSize) && user_xsave(address, components) &&
         copy_to_user(address + kSoftwareOffset, &software, sizeof software) &&
         copy_to_user(address + image_size, &closing, sizeof closing);
}

bool load_signal_extended_state(uintptr_t address) {
  load_initial_extended_state();   // all that the image does not set
  if (!is_aligned(address, 64) || !is_canonical_user_address(address + signal_extended_state_size()))
    return false;
  SoftwareBytes software;
  if (!copy_from_user(&software, address + kSoftwareOffset, sizeof software)) return false;
  uint32_t closing = 0;
  const bool extended = cpu_features().xsave && software.magic == SoftwareBytes::kMagic &&
                        software.size == image_size &&
                        copy_from_user(&closing, address + image_size, sizeof closing) &&
                        closing == SoftwareBytes::kClosingMagic;
  if (extended ? user_xrstor(address, software.components & cpu_features().xsave_components)
               : user_fxrstor(address, 0))
    return true;
  load_initial_extended_state();
  return false;
}

}  // namespace tine::machine
