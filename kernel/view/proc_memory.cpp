// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/maps and /proc/PID/mem: the memory of a process.
#include "file/inode.h"
#include "file/open_file.h"
#include "sched/scheduler.h"
#include "view/procfs.h"
#include "vm/address_space.h"

namespace tine::view {
namespace {

// Reads and writes another process's memory as a debugger does, at the address that is the offset.
class MemoryFile final : public file::SeekableFile, public mem::FromCache<MemoryFile> {
 public:
  MemoryFile(uint32_t flags, const file::Path& path, Ref<vm::AddressSpace> space)
      : SeekableFile(flags, path), space_(std::move(space)) {}

  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override {
    auto chunk = TRY(mem::Buffer<std::byte>::make(machine::kPageSize));
    size_t done = 0;
    while (into.remaining() != 0) {
      const size_t wanted = std::min(into.remaining(), chunk.size());
      const auto got = space_->read_memory(*offset, chunk.span().first(wanted), vm::Reach::Override);
      const auto put = got ? into.put(chunk.data(), *got) : got;
      if (!put) return done != 0 ? Result<size_t>(done) : Error(got ? put.error() : Errno::Io);
      done += *put;
      *offset += *put;
      if (*put < wanted || !sched::step()) break;
    }
    return done;
  }

  Result<size_t> write(file::IoBuffer& from, uint64_t* offset) override {
    auto chunk = TRY(mem::Buffer<std::byte>::make(machine::kPageSize));
    size_t done = 0;
    while (from.remaining() != 0) {
      const auto taken = from.take(chunk.data(), chunk.size());
      const auto put =
          taken ? space_->write_memory(*offset, chunk.span().first(*taken), vm::Reach::Override) : taken;
      if (!put) return done != 0 ? Result<size_t>(done) : Error(taken ? Errno::Io : taken.error());
      done += *put;
      *offset += *put;
      if (*put < *taken || !sched::step()) break;
    }
    return done;
  }

 private:
  const Ref<vm::AddressSpace> space_;
};

constexpr size_t kNameColumn = 73;

void print_region(TextSink& sink, const vm::Region& region, std::span<char> buffer) {
  const vm::MemoryObject::Identity identity = region.object ? region.object->identity() : vm::MemoryObject::Identity();
  sink.print("%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", static_cast<unsigned long long>(region.start),
             static_cast<unsigned long long>(region.end), region.protection & vm::kRead ? 'r' : '-',
             region.protection & vm::kWrite ? 'w' : '-', region.protection & vm::kExecute ? 'x' : '-',
             region.shared() ? 's' : 'p',
             static_cast<unsigned long long>(region.object ? region.offset * machine::kPageSize : 0),
             file::major_of(identity.device), file::minor_of(identity.device),
             static_cast<unsigned long long>(identity.inode));
  std::string_view name;
  if (region.object) name = region.object->path(buffer);
  else if (region.flags & vm::kHeap) name = "[heap]";
  else if (region.flags & vm::kStack) name = "[stack]";
  if (!name.empty()) {
    sink.pad_to(kNameColumn);
    sink.put(name);
  }
  sink.put('\n');
}

}  // namespace

Result<> print_maps(TextSink& sink, const Subject& subject) {
  const auto space = TRY(inspector().memory_of(*TRY(process_of(subject))));
  if (!space) return {};   // a kernel process or a zombie
  auto buffer = TRY(mem::Buffer<char>::make(file::kPathMax));
  const vm::RegionMap regions = space->regions();   // a snapshot
  Result<> going_on;
  regions.for_each(0, machine::kUserEnd, [&](const vm::Region& region) {
    if (going_on) going_on = sched::step();
    if (going_on) print_region(sink, region, buffer.span());
  });
  return going_on;
}

Result<Ref<file::File>> open_memory(const file::Path& path, uint32_t flags, const Subject& subject) {
  auto space = TRY(inspector().memory_of(*TRY(process_of(subject))));
  if (!space) return Error(Errno::Srch);
  return Ref<file::File>(TRY(mem::make_ref<MemoryFile>(flags, path, std::move(space))));
}

}  // namespace tine::view
