// SPDX-License-Identifier: BSD-2-Clause
// The PVH start info: memory map, initrd, command line. BootInfo::usable is the RAM of the map minus the
// first MiB, the kernel image, the initrd and what take_boot_pages() took. Source: Xen,
// include/public/arch-x86/hvm/start_info.h.
#include "machine/x86_64/boot_memory.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "base/units.h"
#include "machine/x86_64/address_layout.h"

namespace tine::machine {

namespace {

struct StartInfo {
  static constexpr uint32_t kMagic = 0x336ec578;
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, rsdp;
  uint64_t memory_map;  // from version 1 on
  uint32_t memory_map_entries, reserved;
};
struct Module {
  uint64_t address, size, command_line, reserved;
};
struct MapEntry {
  uint64_t address, size;
  uint32_t type, reserved;
};
enum : uint32_t { kRam = 1, kAcpiTables = 3, kAcpiStorage = 4 };  // memory types, those of e820

constexpr size_t kMaxRanges = 64;
constexpr size_t kLongestCommandLine = 4096;
constexpr PhysAddr kBootMapEnd = 4_GiB;  // what the boot page tables reach

extern "C" const std::byte kernel_start[], kernel_end[];

class RangeList {
 public:
  std::span<MemoryRange> all() { return {ranges_, count_}; }

  void add(MemoryRange range) {
    if (range.start >= range.end) return;
    if (count_ == kMaxRanges) {
      log(LogLevel::Warning, "boot: too many memory ranges; %#llx-%#llx is not used",
          static_cast<unsigned long long>(range.start), static_cast<unsigned long long>(range.end));
      return;
    }
    ranges_[count_++] = range;
  }

  void sort_and_merge() {
    std::sort(ranges_, ranges_ + count_, [](auto& a, auto& b) { return a.start < b.start; });
    size_t kept = 0;
    for (const MemoryRange& range : all()) {
      if (kept != 0 && range.start <= ranges_[kept - 1].end)
        ranges_[kept - 1].end = std::max(ranges_[kept - 1].end, range.end);
      else
        ranges_[kept++] = range;
    }
    count_ = kept;
  }

  // Takes every page that [start, end) touches out of the list.
  void remove(MemoryRange hole) {
    hole = {round_down(hole.start, kPageSize), round_up(hole.end, kPageSize)};
    static constinit RangeList rest;   // too large for a stack
    rest.count_ = 0;
    for (const MemoryRange& range : all()) {
      rest.add({range.start, std::min(range.end, hole.start)});
      rest.add({std::max(range.start, hole.end), range.end});
    }
    *this = rest;
  }

 private:
  MemoryRange ranges_[kMaxRanges] = {};
  size_t count_ = 0;
};

constinit BootInfo info = {};
constinit RangeList usable;
constinit RangeList cached;
constinit char command_line[kLongestCommandLine];
constinit PhysAddr rsdp = 0;
constinit PhysAddr trampoline = 0;

template <class T>
std::span<const T> boot_array(PhysAddr address, size_t count) {
  if (address == 0 || address + count * sizeof(T) > kBootMapEnd) return {};
  return {physical_to_virtual<const T>(address), count};
}

void read_memory_map(std::span<const MapEntry> map) {
  for (const MapEntry& entry : map) {
    const MemoryRange range{entry.address, entry.address + entry.size};
    if (entry.type == kRam) usable.add({round_up(range.start, kPageSize), round_down(range.end, kPageSize)});
    if (entry.type == kRam || entry.type == kAcpiTables || entry.type == kAcpiStorage) cached.add(range);
  }
  usable.sort_and_merge();
  cached.sort_and_merge();
}

// The highest page of conventional memory that ends below the extended BIOS data area.
PhysAddr choose_trampoline_page() {
  constexpr PhysAddr kLowest = 0x1000, kHighest = 0x9'0000;
  PhysAddr best = 0;
  for (const MemoryRange& range : usable.all())
    if (range.start < kHighest && std::min(range.end, kHighest) >= std::max(range.start, kLowest) + kPageSize)
      best = std::min(range.end, kHighest) - kPageSize;
  return best;
}

void copy_command_line(PhysAddr address) {
  if (address == 0 || address >= kBootMapEnd) return;
  const char* text = physical_to_virtual<const char>(address);
  size_t size = 0;
  while (size < kLongestCommandLine && text[size] != 0) size++;
  if (size == kLongestCommandLine)
    log(LogLevel::Warning, "boot: the command line is cut off at %zu bytes", size);
  memcpy(command_line, text, size);
  info.command_line = {command_line, size};
}

}  // namespace

bool has_word(std::string_view line, std::string_view word) {
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    if (line.substr(0, end) == word) return true;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return false;
}

PhysAddr boot_command_line(PhysAddr start_info) {
  const auto& start = *reinterpret_cast<const StartInfo*>(start_info);
  return start.magic == StartInfo::kMagic && start.command_line < kBootMapEnd ? start.command_line : 0;
}

void read_start_info(PhysAddr address) {
  const auto& start = *physical_to_virtual<const StartInfo>(address);
  if (start.magic != StartInfo::kMagic) panic("boot: entered without a PVH start info");
  if (start.version < 1 || start.memory_map_entries == 0) panic("boot: the loader gave no memory map");

  read_memory_map(boot_array<MapEntry>(start.memory_map, start.memory_map_entries));
  copy_command_line(start.command_line);
  rsdp = start.rsdp;
  trampoline = choose_trampoline_page();

  usable.remove({0, 1_MiB});
  usable.remove({image_address(kernel_start), image_address(kernel_end)});
  if (const auto modules = boot_array<Module>(start.modules, start.module_count); !modules.empty()) {
    usable.remove({modules[0].address, modules[0].address + modules[0].size});
    info.initrd = {physical_to_virtual(modules[0].address), modules[0].size};
  }
  if (usable.all().empty()) panic("boot: no usable memory");
  info.kernel_offset = kernel_offset();
  info.usable = usable.all();
  info.highest_address = usable.all().back().end;
}

const BootInfo& boot_info() { return info; }
PhysAddr rsdp_address() { return rsdp; }
PhysAddr trampoline_page() { return trampoline; }

bool contains_ram(PhysAddr start, PhysAddr end) {
  return std::ranges::any_of(cached.all(),
                             [&](auto& range) { return range.start < end && start < range.end; });
}

PhysAddr ram_end() { return cached.all().empty() ? 0 : cached.all().back().end; }

PhysAddr take_boot_pages(size_t count) {
  const size_t size = count * kPageSize;
  for (MemoryRange& range : usable.all()) {
    if (range.start + size >= std::min(range.end, kBootMapEnd)) continue;  // ">=": never empties a range
    const PhysAddr pages = range.start;
    range.start += size;
    memset(physical_to_virtual(pages), 0, size);
    return pages;
  }
  panic("boot: no memory for %zu pages", count);
}

}  // namespace tine::machine
