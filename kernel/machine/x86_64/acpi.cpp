// SPDX-License-Identifier: BSD-2-Clause
// A reader of four ACPI tables; no AML interpreter: the only thing wanted from the DSDT, the package \_S5_,
// is found by its bytes. Tables whose bytes do not add up to zero are not used. Without ACPI the MP table tells of CPUs; without
// both there is one CPU, and an I/O APIC at the usual place. Source: ACPI 6.5, chapter 5.
#include "machine/x86_64/acpi.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "machine/io.h"
#include "machine/x86_64/boot_memory.h"
#include "machine/x86_64/kernel_map.h"
#include "machine/x86_64/mp_table.h"

namespace tine::machine {

namespace {

constinit AcpiInfo info;

constexpr size_t kHeaderSize = 36;

// The bytes of a table, header included; reads outside give 0.
class AcpiTable {
 public:
  AcpiTable() = default;
  explicit AcpiTable(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  explicit operator bool() const { return !bytes_.empty(); }
  size_t size() const { return bytes_.size(); }
  template <class T>
  T get(size_t offset) const {
    T value = 0;
    if (offset + sizeof(T) <= bytes_.size()) memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  // Whether the first `size` bytes add up to zero.
  bool adds_up(size_t size) const {
    uint8_t sum = 0;
    for (const uint8_t byte : bytes_.first(std::min(size, bytes_.size()))) sum = static_cast<uint8_t>(sum + byte);
    return sum == 0;
  }
  std::string_view text(size_t offset, size_t size) const {
    if (offset + size > bytes_.size()) return {};
    return {reinterpret_cast<const char*>(bytes_.data() + offset), size};
  }

 private:
  std::span<const uint8_t> bytes_;
};

AcpiTable table_at(PhysAddr address) {
  const auto refuse = [&](const char* why) {
    log(LogLevel::Warning, "acpi: the table at %#llx %s; not used", static_cast<unsigned long long>(address), why);
    return AcpiTable();
  };
  const PhysAddr end = physical_map_end();
  if (address == 0) return {};
  if (address > end || end - address < kHeaderSize) return refuse("lies outside of the memory map");
  const auto* bytes = physical_to_virtual<const uint8_t>(address);
  uint32_t size;
  memcpy(&size, bytes + 4, sizeof size);
  if (size < kHeaderSize || size > end - address) return refuse("has a size that makes no sense");
  const AcpiTable table({bytes, size});
  return table.adds_up(size) ? table : refuse("has a wrong checksum");
}

// The root pointer there, or nothing. The first version has 20 bytes (ACPI 6.5, 5.2.5.3).
AcpiTable root_pointer_at(PhysAddr address) {
  constexpr size_t kSize = 36, kFirstVersionSize = 20;
  if (address > physical_map_end() || physical_map_end() - address < kSize) return {};
  const AcpiTable pointer({physical_to_virtual<const uint8_t>(address), kSize});
  return pointer.text(0, 8) == "RSD PTR " && pointer.adds_up(kFirstVersionSize) ? pointer : AcpiTable();
}

AcpiTable scan_for_root_pointer(PhysAddr start, PhysAddr end) {
  for (PhysAddr address = start; address < end; address += 16)
    if (const AcpiTable pointer = root_pointer_at(address)) return pointer;
  return {};
}

// The root pointer that the loader named, or else the one in the extended BIOS data area, whose segment stands at 0x40e, or
// in the BIOS area. Firecracker writes one there and does not name it.
AcpiTable find_root_pointer() {
  if (const PhysAddr named = rsdp_address(); named != 0)
    if (const AcpiTable pointer = root_pointer_at(named)) return pointer;
  uint16_t segment;
  memcpy(&segment, physical_to_virtual<const uint8_t>(0x40e), sizeof segment);
  const PhysAddr extended_data = PhysAddr{segment} << 4;
  if (extended_data >= 0x8'0000 && extended_data < 0x10'0000 - 1_KiB)
    if (const AcpiTable pointer = scan_for_root_pointer(extended_data, extended_data + 1_KiB)) return pointer;
  return scan_for_root_pointer(0xe'0000, 0x10'0000);
}

AcpiTable find_table(std::string_view signature) {
  const AcpiTable pointer = find_root_pointer();
  if (!pointer) return {};
  const bool wide = pointer.get<uint8_t>(15) >= 2 && pointer.get<uint64_t>(24) != 0;  // an XSDT
  const AcpiTable root = table_at(wide ? pointer.get<uint64_t>(24) : pointer.get<uint32_t>(16));
  const size_t entry_size = wide ? 8 : 4;
  for (size_t offset = kHeaderSize; offset + entry_size <= root.size(); offset += entry_size) {
    const AcpiTable table = table_at(wide ? root.get<uint64_t>(offset) : root.get<uint32_t>(offset));
    if (table.text(0, 4) == signature) return table;
  }
  return {};
}

void add_cpu(uint32_t apic_id, uint32_t flags) {
  constexpr uint32_t kEnabled = 1;
  if ((flags & kEnabled) == 0) return;
  if (info.cpu_count < kMaxCpus) info.apic_ids[info.cpu_count] = apic_id;
  info.cpu_count++;
}

void read_override(const AcpiTable& madt, size_t offset) {
  const uint8_t line = madt.get<uint8_t>(offset + 3);
  const uint16_t flags = madt.get<uint16_t>(offset + 8);
  if (line < 16) info.isa[line] = {madt.get<uint32_t>(offset + 4), (flags & 3) == 3, (flags >> 2 & 3) == 3};
}

void read_madt(const AcpiTable& madt) {
  enum : uint8_t { kLocalApic = 0, kIoApic = 1, kOverride = 2, kLocalApicAddress = 5, kLocalX2Apic = 9 };
  info.local_apic = madt.get<uint32_t>(36);
  for (size_t offset = 44; offset + 2 <= madt.size();
       offset += std::max<size_t>(madt.get<uint8_t>(offset + 1), 2)) {
    switch (madt.get<uint8_t>(offset)) {
      case kLocalApic:
        add_cpu(madt.get<uint8_t>(offset + 3), madt.get<uint32_t>(offset + 4));
        break;
      case kLocalX2Apic:
        add_cpu(madt.get<uint32_t>(offset + 4), madt.get<uint32_t>(offset + 8));
        break;
      case kOverride:
        read_override(madt, offset);
        break;
      case kLocalApicAddress:
        info.local_apic = madt.get<uint64_t>(offset + 4);
        break;
      case kIoApic:  // the one that has the ISA lines
        if (madt.get<uint32_t>(offset + 8) == 0) info.io_apic = madt.get<uint32_t>(offset + 4);
        break;
    }
  }
}

AcpiRegister generic_address(const AcpiTable& table, size_t offset) {
  const uint8_t space = table.get<uint8_t>(offset);
  const PhysAddr address = table.get<uint64_t>(offset + 4);
  const bool usable = space == 1 || (space == 0 && address < physical_map_end());
  return {address != 0 && usable, space == 0, address};
}

// Name (_S5_, Package { SLP_TYPa, SLP_TYPb, ... }): 08 "_S5_" 12 length count, then integers as 0, 1 or 0A
// byte. Hardware-reduced machines use the first only, and may have no other.
void read_sleep_types(const AcpiTable& dsdt) {
  for (size_t offset = kHeaderSize; offset + 4 <= dsdt.size(); offset++) {
    if (dsdt.text(offset, 4) != "_S5_" || dsdt.get<uint8_t>(offset + 4) != 0x12) continue;
    size_t at = offset + 5;
    at += 1 + (dsdt.get<uint8_t>(at) >> 6);  // the length says in its top bits how many bytes follow
    const size_t count = std::min<size_t>(dsdt.get<uint8_t>(at++), std::size(info.sleep_type));
    for (uint8_t& type : std::span(info.sleep_type).first(count)) {
      if (dsdt.get<uint8_t>(at) == 0x0a) at++;
      type = dsdt.get<uint8_t>(at++);
    }
    info.can_sleep = count != 0;
    return;
  }
}

// A port of a block that the table names twice: as a port, or in the longer form, which wins (ACPI 6.5, 5.2.9).
uint16_t block_port(const AcpiTable& fadt, size_t offset, size_t long_offset) {
  const AcpiRegister block = generic_address(fadt, long_offset);
  if (block.present && !block.in_memory) return static_cast<uint16_t>(block.address);
  return static_cast<uint16_t>(fadt.get<uint32_t>(offset));
}

void read_fadt(const AcpiTable& fadt) {
  constexpr uint32_t kHasResetRegister = 1u << 10, kHardwareReduced = 1u << 20;
  const uint32_t flags = fadt.get<uint32_t>(112);
  // What a hardware-reduced table says of these blocks means nothing (ACPI 6.5, 5.2.9), but for Cloud Hypervisor's timer,
  // which is only believed when it counts.
  if (!(flags & kHardwareReduced)) {
    info.power_control[0] = block_port(fadt, 64, 172);
    info.power_control[1] = block_port(fadt, 68, 184);
  }
  info.power_timer_port = block_port(fadt, 76, 208);
  info.century_register = fadt.get<uint8_t>(108);
  if (flags & kHasResetRegister) {
    info.reset = generic_address(fadt, 116);
    info.reset_value = fadt.get<uint8_t>(128);
  }
  info.sleep_control = generic_address(fadt, 244);
  PhysAddr dsdt = fadt.get<uint64_t>(140);
  if (dsdt == 0) dsdt = fadt.get<uint32_t>(40);
  read_sleep_types(table_at(dsdt));
}

std::span<const uint8_t> read_physical(PhysAddr address, size_t size) {
  if (address + size > physical_map_end()) return {};
  return {physical_to_virtual<const uint8_t>(address), size};
}

}  // namespace

void read_acpi_tables() {
  for (uint32_t line = 0; line < 16; line++) info.isa[line].line = line;
  if (const AcpiTable madt = find_table("APIC"))
    read_madt(madt);
  else
    read_mp_table(read_physical, info);
  if (const AcpiTable fadt = find_table("FACP")) read_fadt(fadt);
  info.offered_cpus = info.cpu_count;
  info.cpu_count = std::min(info.cpu_count, kMaxCpus);
}

const AcpiInfo& acpi_info() { return info; }

void write_acpi_register(const AcpiRegister& where, uint8_t value) {
  if (where.in_memory)
    *physical_to_virtual<volatile uint8_t>(where.address) = value;
  else
    write_port8(static_cast<uint16_t>(where.address), value);
}

}  // namespace tine::machine
