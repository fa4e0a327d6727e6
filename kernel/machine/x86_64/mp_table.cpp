// SPDX-License-Identifier: BSD-2-Clause
// A reader of the MP configuration table. Its bytes come from outside: each length is checked against what is there, and a
// table that is wrong in any part is not used at all. Source: Intel MultiProcessor Specification 1.4, chapter 4.
#include "machine/x86_64/mp_table.h"

#include <cstring>
#include <string_view>

#include "base/units.h"

namespace tine::machine {

namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kPointerSize = 16, kHeaderSize = 44, kProcessorSize = 20, kOtherSize = 8;

template <class T>
T get(Bytes bytes, size_t offset) {
  T value = 0;
  if (offset + sizeof(T) <= bytes.size()) memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

bool has_signature(Bytes bytes, std::string_view signature) {
  return bytes.size() >= signature.size() && memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

bool sums_to_zero(Bytes bytes) {
  uint8_t sum = 0;
  for (const uint8_t byte : bytes) sum = static_cast<uint8_t>(sum + byte);
  return sum == 0;
}

// The floating pointer, on one of the paragraphs from `start` on. Empty: not there.
Bytes find_pointer(ReadPhysical read, PhysAddr start, size_t size) {
  for (PhysAddr address = start; address + kPointerSize <= start + size; address += kPointerSize) {
    const Bytes bytes = read(address, kPointerSize);
    if (has_signature(bytes, "_MP_") && get<uint8_t>(bytes, 8) == 1 && sums_to_zero(bytes)) return bytes;
  }
  return {};
}

// In the first KiB of the extended BIOS data area, in the last of base memory, in the BIOS area. The BIOS keeps the segment
// of the first at 0x40e and the size of the second, in KiB, at 0x413.
Bytes find_pointer(ReadPhysical read) {
  const PhysAddr extended_area = PhysAddr{get<uint16_t>(read(0x40e, 2), 0)} << 4;
  const PhysAddr base_end = PhysAddr{get<uint16_t>(read(0x413, 2), 0)} * 1_KiB;
  if (extended_area >= 0x8'0000 && extended_area < 0xa'0000)
    if (const Bytes found = find_pointer(read, extended_area, 1_KiB); !found.empty()) return found;
  if (base_end >= 512_KiB && base_end <= 640_KiB)
    if (const Bytes found = find_pointer(read, base_end - 1_KiB, 1_KiB); !found.empty()) return found;
  if (const Bytes found = find_pointer(read, 639_KiB, 1_KiB); !found.empty()) return found;  // no BIOS wrote the words
  return find_pointer(read, 0xf'0000, 64_KiB);
}

Bytes find_table(ReadPhysical read) {
  const Bytes pointer = find_pointer(read);
  const PhysAddr address = get<uint32_t>(pointer, 4);
  if (address == 0) return {};  // or one of the default configurations, which have no table: machines before 1997
  const Bytes header = read(address, kHeaderSize);
  const size_t size = get<uint16_t>(header, 4);
  if (!has_signature(header, "PCMP") || size < kHeaderSize) return {};
  const Bytes table = read(address, size);
  return sums_to_zero(table) ? table : Bytes{};
}

void add_processor(Bytes entry, AcpiInfo& info) {
  constexpr uint8_t kEnabled = 1;
  if ((get<uint8_t>(entry, 3) & kEnabled) == 0) return;
  if (info.cpu_count < kMaxCpus) info.apic_ids[info.cpu_count] = get<uint8_t>(entry, 1);
  info.cpu_count++;
}

// A polarity or trigger that "conforms to the bus" is the ISA bus's: active high, edge.
void add_route(Bytes entry, AcpiInfo& info) {
  constexpr uint8_t kVectored = 0;
  const uint16_t flags = get<uint16_t>(entry, 2);
  const uint8_t line = get<uint8_t>(entry, 5);
  if (get<uint8_t>(entry, 1) != kVectored || line >= std::size(info.isa)) return;
  info.isa[line] = {get<uint8_t>(entry, 7), (flags & 3) == 3, (flags >> 2 & 3) == 3};
}

struct IsaBus {
  bool present = false;
  uint8_t id = 0;
};

// False: an entry of no known type, whose length nobody knows, or one that is cut off.
bool read_entries(Bytes table, AcpiInfo& info) {
  enum : uint8_t { kProcessor = 0, kBus = 1, kIoApic = 2, kIoInterrupt = 3, kLocalInterrupt = 4 };
  IsaBus isa_bus;
  bool found_io_apic = false;
  Bytes rest = table.subspan(kHeaderSize);
  while (!rest.empty()) {  // the header's count of entries is 0 in qboot's table, so the length decides, as on Linux
    const uint8_t type = get<uint8_t>(rest, 0);
    const size_t size = type == kProcessor ? kProcessorSize : kOtherSize;
    if (type > kLocalInterrupt || rest.size() < size) return false;
    const Bytes entry = rest.first(size);
    rest = rest.subspan(size);
    switch (type) {
      case kProcessor:
        add_processor(entry, info);
        break;
      case kBus:
        if (has_signature(entry.subspan(2), "ISA")) isa_bus = {true, get<uint8_t>(entry, 1)};
        break;
      case kIoApic:  // the first has the ISA lines
        if ((get<uint8_t>(entry, 3) & 1) != 0 && !found_io_apic) info.io_apic = get<uint32_t>(entry, 4);
        found_io_apic = true;
        break;
      case kIoInterrupt:  // buses come before it
        if (isa_bus.present && get<uint8_t>(entry, 4) == isa_bus.id) add_route(entry, info);
        break;
    }
  }
  return true;
}

bool is_device_address(PhysAddr address) { return address != 0 && address % 4_KiB == 0; }

}  // namespace

bool read_mp_table(ReadPhysical read, AcpiInfo& info) {
  const Bytes table = find_table(read);
  if (table.empty()) return false;
  AcpiInfo found = info;
  found.local_apic = get<uint32_t>(table, 36);
  if (!read_entries(table, found) || found.cpu_count == info.cpu_count) return false;
  if (!is_device_address(found.local_apic) || !is_device_address(found.io_apic)) return false;
  info = found;
  return true;
}

}  // namespace tine::machine
