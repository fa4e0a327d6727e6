// SPDX-License-Identifier: BSD-2-Clause
// Extended state by XSAVE and XRSTOR in the standard format (XSAVEOPT where there is one), or FXSAVE and
// FXRSTOR; and its image in signal frames, which is what Linux programs expect: the XSAVE image, whose bytes
// 464-511 say that more than the FXSAVE part follows, and a closing word. Source: Intel SDM vol. 1, chapter
// 13; Linux asm/sigcontext.h.
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
constexpr size_t kControlWordOffset = 0, kMxcsrOffset = 24, kSoftwareOffset = 464;
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

constinit size_t image_size = kLegacySize;

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

}  // namespace

void init_extended_state() {
  if (cpu_features().xsave) image_size = round_up(cpuid(0xd).ebx, 64);
}

size_t extended_state_size() { return image_size; }

void save_extended_state(std::byte* image) {
  const uint64_t components = cpu_features().xsave_components;
  if (cpu_features().xsaveopt)
    asm volatile("xsaveopt64 (%0)" ::"r"(image), "a"(low(components)), "d"(high(components)) : "memory");
  else if (cpu_features().xsave)
    asm volatile("xsave64 (%0)" ::"r"(image), "a"(low(components)), "d"(high(components)) : "memory");
  else
    asm volatile("fxsave64 (%0)" ::"r"(image) : "memory");
}

void load_extended_state(const std::byte* image) {
  const uint64_t components = cpu_features().xsave_components;
  if (cpu_features().xsave)
    asm volatile("xrstor64 (%0)" ::"r"(image), "a"(low(components)), "d"(high(components)) : "memory");
  else
    asm volatile("fxrstor64 (%0)" ::"r"(image) : "memory");
}

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
  if (!is_aligned(address, 64) || !is_canonical_user_address(address + signal_extended_state_size()))
    return false;
  SoftwareBytes software;
  if (!copy_from_user(&software, address + kSoftwareOffset, sizeof software)) return false;
  uint32_t closing = 0;
  const bool extended = cpu_features().xsave && software.magic == SoftwareBytes::kMagic &&
                        software.size == image_size &&
                        copy_from_user(&closing, address + image_size, sizeof closing) &&
                        closing == SoftwareBytes::kClosingMagic;
  if (!extended) load_extended_state(kInitialImage.bytes);  // all that the short image does not set
  if (extended ? user_xrstor(address, software.components & cpu_features().xsave_components)
               : user_fxrstor(address, 0))
    return true;
  load_extended_state(kInitialImage.bytes);
  return false;
}

}  // namespace tine::machine
