// SPDX-License-Identifier: BSD-2-Clause
// Chooses where this boot's kernel lies, so that an attacker who can make it jump or write somewhere does not know where:
// the image at one of 960 places, the physical map (and with it all kernel objects) at one of 2^16, the stacks at one of
// 2^24. The word `nokaslr` on the command line leaves all at fixed places, for debuggers. Runs first of all C++ code, at the
// linked addresses: nothing here may need a per-CPU area, the log or a pointer that is kept.
#include "machine/x86_64/address_layout.h"

#include <string_view>

#include "base/units.h"
#include "machine/cpu.h"
#include "machine/x86_64/boot_memory.h"
#include "machine/x86_64/cpu_features.h"

namespace tine::machine {

extern "C" {
extern Table boot_top_table, boot_physical_table, boot_image_pages[2], boot_pages[4];
}

constinit uintptr_t physical_map_start = 0xffff'8000'0000'0000;
constinit uintptr_t kernel_virtual_start = 0xffff'c000'0000'0000;

namespace {

// Not where the image would lie over its linked place, from which the boot code still runs while it moves it.
constexpr size_t kFirstPlace = IMAGE_PAGES, kImagePlaces = 2_GiB / span_of(1) - kFirstPlace - IMAGE_PAGES;
// The quarter of the address space at physical_map_start's fixed place is for the physical map, the rest for the stacks, but
// for the last 512 GiB, where the image is.
constexpr uintptr_t kStacksRegion = 0xffff'c000'0000'0000, kImageRegion = 0xffff'ff80'0000'0000;
constexpr size_t kStackPlaces = span_of(3) / span_of(1) - kKernelVirtualSize / span_of(1);

// SplitMix64 (Steele, Lea, Flood 2014): enough to spread one seed over a few choices.
class Choices {
 public:
  explicit Choices(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t limit) {
    state_ += 0x9e37'79b9'7f4a'7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    z ^= z >> 31;
    return z % limit;
  }

 private:
  uint64_t state_;
};

constexpr uint64_t kTableBits = Entry::kPresent | Entry::kWritable | Entry::kAccessed;
constexpr uint64_t kLargePageBits = kTableBits | Entry::kDirty | Entry::kLarge;

void map_physical_memory_for_boot() {
  const unsigned first = index_at(2, physical_map_start);
  for (unsigned gib = 0; gib < std::size(boot_pages); gib++)
    boot_physical_table.set(first + gib, Entry(image_address(&boot_pages[gib]) | kTableBits));
  boot_top_table.set(index_at(3, physical_map_start), Entry(image_address(&boot_physical_table) | kTableBits));
}

void map_image_for_boot(size_t place) {
  for (size_t page = 0; page < IMAGE_PAGES; page++) {
    const size_t at = place + page;
    boot_image_pages[at / kEntriesPerTable].set(at % kEntriesPerTable, Entry(page * span_of(1) | kLargePageBits));
  }
}

}  // namespace

// Returns the offset of the image, whose boot mapping is there; boot.S moves it.
extern "C" uint32_t choose_address_layout(PhysAddr start_info) {
  find_cpu_features();
  size_t place = 0;
  // The boot tables still show physical memory at its own addresses.
  if (const char* line = reinterpret_cast<const char*>(boot_command_line(start_info));
      line == nullptr || !has_word(line, "nokaslr")) {
    Choices choices(hardware_random());
    place = kFirstPlace + choices.below(kImagePlaces);
    // In the boot tables its 4 GiB lie in one table.
    const uint64_t top = choices.below((kStacksRegion - physical_map_start - kMemoryEnd) / span_of(3));
    physical_map_start += top * span_of(3) + choices.below(kEntriesPerTable - std::size(boot_pages)) * span_of(2);
    kernel_virtual_start += choices.below((kImageRegion - kStacksRegion) / span_of(3)) * span_of(3) +
                            choices.below(kStackPlaces) * span_of(1);
  }
  map_physical_memory_for_boot();
  map_image_for_boot(place);
  return static_cast<uint32_t>(place * span_of(1));
}

}  // namespace tine::machine
