// SPDX-License-Identifier: BSD-2-Clause
// process_vm_readv(2), process_vm_writev(2): copying between the caller's memory and another process's,
// through a buffer in the kernel. Short counts as the manual page says: what could be copied before the first
// fault.
#include <algorithm>

#include "abi/linux/memory.h"
#include "identity/credentials.h"
#include "mem/buffer.h"
#include "process/inspection.h"
#include "sched/scheduler.h"
#include "vm/address_space.h"

namespace tine::abi::linux_abi {

namespace {

constexpr size_t kMostVectors = 1024;  // IOV_MAX
constexpr size_t kPieceSize = 4 * machine::kPageSize;
constexpr uint64_t kMostPerCall = 0x7fff'f000;   // as for read(2)

struct Vector {
  uint64_t base, size;
};

// The list of pieces of one side, gone through from front to back.
class Cursor {
 public:
  static Result<Cursor> make(uintptr_t vectors, uint64_t count) {
    if (count > kMostVectors) return Error(Errno::Inval);
    Cursor cursor;
    cursor.vectors_ = TRY(vm::UserSpan<const Vector>(vectors, count).copy_in_all());
    uint64_t total = 0;
    for (const Vector& vector : cursor.vectors_.span())
      if (__builtin_add_overflow(total, vector.size, &total) || total > INT64_MAX) return Error(Errno::Inval);
    cursor.skip_empty();
    return cursor;
  }
  bool at_end() const { return at_ == vectors_.size(); }
  uintptr_t address() const { return vectors_[at_].base + offset_; }
  uint64_t available() const { return vectors_[at_].size - offset_; }
  void advance(uint64_t bytes) {
    offset_ += bytes;
    skip_empty();
  }

 private:
  void skip_empty() {
    while (!at_end() && offset_ == vectors_[at_].size) {
      ++at_;
      offset_ = 0;
    }
  }
  mem::Buffer<Vector> vectors_;
  size_t at_ = 0;
  uint64_t offset_ = 0;
};

enum class Direction : uint8_t { Read, Write };

// One piece; returns the bytes copied, fewer than `size` after a fault.
Result<size_t> copy_piece(vm::AddressSpace& remote, uintptr_t there, uintptr_t here,
                          std::span<std::byte> piece, Direction direction) {
  if (direction == Direction::Read) {
    const size_t read = TRY(remote.read_memory(there, piece, vm::Reach::AsProtected));
    TRY(vm::copy_out(here, piece.data(), read));
    return read;
  }
  TRY(vm::copy_in(piece.data(), here, piece.size()));
  return remote.write_memory(there, piece, vm::Reach::AsProtected);
}

CallResult copy(const Call& call, Direction direction) {
  if (call.args[5] != 0) return Error(Errno::Inval);
  const Ref<process::Process> target = process::find_process_of(call.as_int(0));
  if (!target) return Error(Errno::Srch);
  const process::Inspector inspector(call.process(), process::InspectorIds::Real);
  const Ref<vm::AddressSpace> remote = TRY(inspector.memory_of(*target));
  if (!remote) return Error(Errno::Srch);
  Cursor here = TRY(Cursor::make(call.args[1], call.args[2]));
  Cursor there = TRY(Cursor::make(call.args[3], call.args[4]));
  auto buffer = TRY(mem::Buffer<std::byte>::make(kPieceSize));

  uint64_t total = 0;
  while (!here.at_end() && !there.at_end() && total < kMostPerCall) {
    const size_t size = std::min({here.available(), there.available(), uint64_t{kPieceSize}, kMostPerCall - total});
    const auto copied =
        copy_piece(*remote, there.address(), here.address(), buffer.span().first(size), direction);
    if (!copied && total == 0) return Error(copied.error());
    if (!copied) break;
    total += *copied;
    if (*copied < size || !sched::step()) break;
    here.advance(size);
    there.advance(size);
  }
  return total;
}

}  // namespace

CallResult sys_process_vm_readv(const Call& call) { return copy(call, Direction::Read); }
CallResult sys_process_vm_writev(const Call& call) { return copy(call, Direction::Write); }

}  // namespace tine::abi::linux_abi
