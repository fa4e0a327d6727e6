// SPDX-License-Identifier: BSD-2-Clause
// The kernel's half of the address space. The image is mapped by its parts: text executable, read-only data
// read-only, data writable; nothing is both writable and executable, and the physical map shows text and
// read-only data read-only too. The physical map caches what holds RAM; the rest of the first 4 GiB, where
// devices are, is uncached. All entries of the top table that the kernel will ever use exist from the start,
// so every top table just copies them.
#include "machine/x86_64/kernel_map.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/units.h"
#include "machine/cpu.h"
#include "machine/x86_64/address_layout.h"
#include "machine/x86_64/boot_memory.h"
#include "machine/x86_64/cpu_features.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

extern "C" {
extern const std::byte kernel_start[], text_end[], rodata_end[], kernel_end[];
extern const std::byte boot_stack_guard[];
extern Table boot_top_table;
}

namespace {

constexpr uint64_t kWriteThrough = 1 << 3, kCacheDisable = 1 << 4;
constexpr uint64_t kUncached = kWriteThrough | kCacheDisable;

constinit Table kernel_top;          // what kernel threads run on
constinit CpuTables tables_of_cpus[kMaxCpus];
constinit PhysAddr mapped_end = 0;

uint64_t global_bit() { return cpu_features().global_pages ? Entry::kGlobal : 0; }

// Kernel entries carry accessed and dirty from the start: the CPU then never writes to the tables.
Entry kernel_leaf(PhysAddr frame, uint64_t flags) {
  return Entry(frame | Entry::kPresent | Entry::kAccessed | Entry::kDirty | global_bit() | flags);
}
Entry kernel_table(PhysAddr table) {
  return Entry(table | Entry::kPresent | Entry::kWritable | Entry::kAccessed);
}

Table& table_at(Entry entry) { return *physical_to_virtual<Table>(entry.address()); }

// The table that `table`'s entry for `address` points to, made if there is none.
Table& next_table(Table& table, unsigned level, uintptr_t address) {
  const unsigned index = index_at(level, address);
  if (!table.get(index).present()) table.set(index, kernel_table(take_boot_pages(1)));
  return table_at(table.get(index));
}

// Maps one page of the size that an entry at `level` spans.
void map_page(uintptr_t address, PhysAddr frame, unsigned level, uint64_t flags) {
  Table* table = &kernel_top;
  for (unsigned at = kTopLevel; at > level; at--) table = &next_table(*table, at, address);
  table->set(index_at(level, address), kernel_leaf(frame, flags | (level != 0 ? Entry::kLarge : 0)));
}

void map_image_part(const std::byte* start, const std::byte* end, uint64_t flags) {
  for (const std::byte* page = start; page < end; page += kPageSize)
    if (page != boot_stack_guard) map_page(reinterpret_cast<uintptr_t>(page), image_address(page), 0, flags);
}

void map_image() {
  map_image_part(kernel_start, text_end, 0);
  map_image_part(text_end, rodata_end, Entry::kNoExec);
  map_image_part(rodata_end, kernel_end, Entry::kNoExec | Entry::kWritable);
}

void map_physical(PhysAddr address, unsigned level, uint64_t flags) {
  map_page(physical_map_start + address, address, level, Entry::kNoExec | flags);
}

// The first 4 GiB of the physical map, by 2 MiB, and by page where the kernel's text and read-only data lie.
void map_low_memory() {
  const PhysAddr read_only_start = image_address(kernel_start), read_only_end = image_address(rodata_end);
  for (PhysAddr address = 0; address < 4_GiB; address += span_of(1)) {
    const PhysAddr end = address + span_of(1);
    if (address < read_only_end && read_only_start < end) {
      for (PhysAddr page = address; page < end; page += kPageSize)
        map_physical(page, 0, page >= read_only_start && page < read_only_end ? 0 : Entry::kWritable);
    } else {
      map_physical(address, 1, Entry::kWritable | (contains_ram(address, end) ? 0 : kUncached));
    }
  }
}

void map_high_memory(PhysAddr end) {
  PhysAddr address = 4_GiB;
  while (address < end) {
    const unsigned level = cpu_features().gigabyte_pages && address + span_of(2) <= end ? 2 : 1;
    map_physical(address, level, Entry::kWritable);
    address += span_of(level);
  }
  mapped_end = address;
}

}  // namespace

void build_kernel_map() {
  map_image();
  map_low_memory();
  // ACPI tables may lie above the last RAM. The physical map has room for no more than kMemoryEnd.
  map_high_memory(std::min(std::max(boot_info().highest_address, ram_end()), kMemoryEnd));
  next_table(kernel_top, kTopLevel, kernel_virtual_start);
  load_kernel_top_table();
  init_kernel_half(boot_top_table);
  for (CpuTables& tables : tables_of_cpus) init_kernel_half(tables.top);
}

PhysAddr physical_map_end() { return mapped_end; }
PhysAddr boot_top_table_address() { return image_address(&boot_top_table); }
void drop_identity_map() { boot_top_table.set(0, Entry()); }
void load_kernel_top_table() { write_cr3(image_address(&kernel_top)); }
CpuTables& cpu_tables(unsigned id) { return tables_of_cpus[id]; }
PhysAddr address_of_cpu_table(const Table& table) { return image_address(&table); }

void init_kernel_half(Table& top) {
  memcpy(&top.slots[kUserTopEntries], &kernel_top.slots[kUserTopEntries], sizeof(Table) / 2);
}

bool map_kernel_page(uintptr_t address, PhysAddr frame, AllocateTable allocate_table) {
  DEBUG_ASSERT(address - kernel_virtual_start < kKernelVirtualSize);
  Table* table = &table_at(kernel_top.get(index_at(kTopLevel, address)));
  for (unsigned level = kTopLevel - 1; level > 0; level--) {
    const unsigned index = index_at(level, address);
    if (!table->get(index).present()) {
      const PhysAddr fresh = allocate_table();
      if (fresh == 0) return false;
      table->set(index, kernel_table(fresh));
    }
    table = &table_at(table->get(index));
  }
  ASSERT(!table->get(index_at(0, address)).present());
  table->set(index_at(0, address), kernel_leaf(frame, Entry::kWritable | Entry::kNoExec));
  return true;
}

PhysAddr unmap_kernel_page(uintptr_t address) {
  Table* table = &kernel_top;
  for (unsigned level = kTopLevel; level > 0; level--) {
    const Entry entry = table->get(index_at(level, address));
    ASSERT(entry.present());
    table = &table_at(entry);
  }
  const Entry entry(table->slots[index_at(0, address)].exchange(0));
  ASSERT(entry.present());
  flush_local_tlb_page(address);
  return entry.address();
}

}  // namespace tine::machine
