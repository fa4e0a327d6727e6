// SPDX-License-Identifier: BSD-2-Clause
#include "process/elf_loader.h"

#include <algorithm>
#include <cstring>

#include "mem/frame.h"
#include "process/exec.h"
#include "process/process.h"

namespace tine::process {

namespace {

using machine::kPageSize;
using vm::AddressSpace;
using vm::MapRequest;
using vm::Placement;

// A program file with its headers.
class ElfFile {
 public:
  // `head` must stay as long as this: headers that lie in it are used there.
  Result<> open(file::File& file, std::span<const std::byte> head) {
    file_ = &file;
    header_ = TRY(check_elf_header(head));
    const size_t count = header_.program_header_count, size = count * sizeof(ElfProgramHeader);
    const uint64_t offset = header_.program_header_offset;
    if (offset <= head.size() && size <= head.size() - offset && offset % alignof(ElfProgramHeader) == 0) {
      segments_ = {reinterpret_cast<const ElfProgramHeader*>(head.data() + offset), count};
    } else {
      table_ = TRY(mem::Buffer<ElfProgramHeader>::make(count));
      if (TRY(read_program(file, offset, std::as_writable_bytes(table_.span()))) != size) return Error(Errno::NoExec);
      segments_ = table_.span();
    }
    layout_ = TRY(check_elf_layout(header_, segments_));
    return {};
  }

  const ElfLayout& layout() const { return layout_; }
  unsigned header_count() const { return header_.program_header_count; }

  // Maps all segments, moved by `bias`. The range they lie in must be free or the caller's to replace.
  Result<> map(AddressSpace& space, uintptr_t bias) const {
    if (layout_.start + bias < machine::kUserStart || layout_.end + bias > machine::kUserEnd)
      return Error(Errno::NoMem);
    const Ref<vm::MemoryObject> object = TRY(file_->memory_object());
    for (const ElfProgramHeader& segment : segments_)
      if (segment.type == ElfProgramHeader::kLoad && segment.memory_size != 0)
        TRY(map_segment(space, segment, bias, object));
    return {};
  }

  // The table of PT_OPENBSD_SYSCALLS, for the program moved by `bias`; null: it has none.
  Result<Ref<const PinTable>> pins(uintptr_t bias) const {
    if (layout_.pins_size == 0) return Ref<const PinTable>();
    auto records = TRY(mem::Buffer<PinRecord>::make(layout_.pins_size / sizeof(PinRecord)));
    if (TRY(read_program(*file_, layout_.pins_offset, std::as_writable_bytes(records.span()))) != layout_.pins_size)
      return Error(Errno::NoExec);
    return Ref<const PinTable>(TRY(PinTable::of_program(records.span(), layout_.start + bias, layout_.size())));
  }

 private:
  static uint8_t protection_of(const ElfProgramHeader& segment) {
    return static_cast<uint8_t>((segment.flags & ElfProgramHeader::kMayRead ? vm::kRead : 0) |
                                (segment.flags & ElfProgramHeader::kMayWrite ? vm::kWrite : 0) |
                                (segment.flags & ElfProgramHeader::kMayExecute ? vm::kExecute : 0));
  }

  static Result<> map_segment(AddressSpace& space, const ElfProgramHeader& segment, uintptr_t bias,
                              const Ref<vm::MemoryObject>& object) {
    const uintptr_t address = segment.address + bias;
    const uintptr_t start = round_down(address, kPageSize);
    const uintptr_t file_end = address + segment.file_size;
    const uintptr_t memory_end = round_up(address + segment.memory_size, kPageSize);
    const uintptr_t mapped_end = segment.file_size == 0 ? start : round_up(file_end, kPageSize);
    if (mapped_end > start) {
      TRY(space.map({.address = start,
                     .size = mapped_end - start,
                     .placement = Placement::Fixed,
                     .protection = protection_of(segment),
                     .object = object,
                     .offset = segment.offset / kPageSize}));
      // What follows the file's part in its last page is zero, to the end of the page: dynamic linkers allocate there.
      if (segment.memory_size > segment.file_size && file_end < mapped_end)
        TRY(write_zeros(space, file_end, mapped_end - file_end));
    }
    if (memory_end > mapped_end)
      TRY(space.map({.address = mapped_end,
                     .size = memory_end - mapped_end,
                     .placement = Placement::Fixed,
                     .protection = protection_of(segment),
                     .object = nullptr}));
    return {};
  }

  static Result<> write_zeros(AddressSpace& space, uintptr_t address, size_t size) {
    const std::span<const std::byte> zeros(mem::contents_of(mem::zero_frame()), size);
    if (TRY(space.write_memory(address, zeros, vm::Reach::Override)) != size) return Error(Errno::NoExec);
    return {};
  }

  file::File* file_ = nullptr;
  ElfHeader header_{};
  mem::Buffer<ElfProgramHeader> table_;   // empty: it lies in the head
  std::span<const ElfProgramHeader> segments_;
  ElfLayout layout_;
};

// The dynamic linker goes among the mappings, where there is room for all its segments together.
Result<uintptr_t> place_among_mappings(AddressSpace& space, const ElfLayout& layout) {
  const uint64_t slack = layout.alignment - kPageSize;
  const uintptr_t room =
      TRY(space.map({.size = layout.size() + slack, .protection = vm::kNoAccess, .object = nullptr}));
  return round_up(room, layout.alignment) - round_down(layout.start, layout.alignment);
}

Result<Ref<file::File>> open_interpreter(const Process& process, file::File& program,
                                         const ElfLayout& layout) {
  auto name = TRY(mem::Buffer<char>::make(layout.interpreter_size));
  if (TRY(read_program(program, layout.interpreter_offset, std::as_writable_bytes(name.span()))) !=
          name.size() ||
      name[name.size() - 1] != '\0')
    return Error(Errno::NoExec);
  return open_program(process, process.fs()->working_directory(), name.data());
}

vm::Layout choose_layout(const ElfLayout& program) {
  if (program.position_independent) return vm::Layout::for_movable();
  return program.interpreter_size == 0 ? vm::Layout::for_linked_alone(program.start, program.end)
                                       : vm::Layout::for_linked(program.start, program.end);
}

// In a function of its own, so that two files' headers are not on the stack at once.
[[gnu::noinline]] Result<> load_interpreter(const Process& process, AddressSpace& space, file::File& program,
                                            const ElfLayout& layout, LoadedProgram& loaded) {
  const Ref<file::File> file = TRY(open_interpreter(process, program, layout));
  const ProgramHead head = TRY(ProgramHead::read(*file));
  ElfFile interpreter;
  TRY(interpreter.open(*file, head.bytes()));
  const uintptr_t bias =
      interpreter.layout().position_independent ? TRY(place_among_mappings(space, interpreter.layout())) : 0;
  TRY(interpreter.map(space, bias));
  loaded.interpreter_base = bias;
  loaded.interpreter = file;
  loaded.pins = TRY(interpreter.pins(bias));
  loaded.start = bias + interpreter.layout().entry;
  return {};
}

[[gnu::noinline]] Result<ElfLayout> load_program(AddressSpace& space, file::File& program,
                                                 std::span<const std::byte> head, LoadedProgram& loaded) {
  ElfFile elf;
  TRY(elf.open(program, head));
  const ElfLayout& layout = elf.layout();
  space.set_layout(choose_layout(layout));
  uintptr_t bias = 0;
  if (layout.position_independent)
    bias =
        round_up(space.layout().program_base, layout.alignment) - round_down(layout.start, layout.alignment);
  TRY(elf.map(space, bias));
  loaded.start = loaded.entry = layout.entry + bias;
  loaded.header_table = layout.header_table == 0 ? 0 : layout.header_table + bias;
  loaded.header_count = elf.header_count();
  loaded.wx_needed = layout.wx_needed;
  if (layout.interpreter_size == 0) loaded.pins = TRY(elf.pins(bias));
  return layout;
}

}  // namespace

Result<size_t> read_program(file::File& program, uint64_t offset, std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    auto buffer = file::IoBuffer::kernel(into.subspan(done));
    uint64_t position = offset + done;
    const size_t count = TRY(program.read(buffer, &position));
    if (count == 0) break;
    done += count;
  }
  return done;
}

Result<ProgramHead> ProgramHead::read(file::File& program) {
  ProgramHead head;
  head.buffer_ = TRY(mem::Buffer<std::byte>::make(kMost));
  head.size_ = TRY(read_program(program, 0, head.buffer_.span()));
  return head;
}

Result<LoadedProgram> load_elf(const Process& process, AddressSpace& space, file::File& program,
                               std::span<const std::byte> head) {
  LoadedProgram loaded;
  const ElfLayout layout = TRY(load_program(space, program, head, loaded));
  if (layout.interpreter_size != 0) TRY(load_interpreter(process, space, program, layout, loaded));
  if (loaded.start >= machine::kUserEnd || loaded.start < machine::kUserStart) return Error(Errno::Inval);
  return loaded;
}

}  // namespace tine::process
