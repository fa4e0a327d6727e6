// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/cmdline, environ and auxv: what the program was started with. The command line is the kernel's own copy; the
// rest is read from the stack that the program found, where it may have been overwritten since.
#include <algorithm>
#include <array>

#include "view/procfs.h"
#include "vm/address_space.h"

namespace tine::view {
namespace {

constexpr uint64_t kAuxEnd = 0, kAuxExecutableName = 31;   // AT_NULL, AT_EXECFN
constexpr size_t kMostAuxiliary = 64;

// Reads words from the initial stack upwards; stops for good at what cannot be read.
class StackWords {
 public:
  StackWords(vm::AddressSpace& space, uintptr_t address) : space_(space), address_(address) {}

  Result<uint64_t> next() {
    if (position_ == filled_) TRY(fill());
    return words_[position_++];
  }
  void skip(uint64_t words) {
    for (; words != 0 && position_ != filled_; --words) ++position_;
    address_ += words * sizeof(uint64_t);
  }

 private:
  Result<> fill() {
    const size_t size = TRY(space_.read_memory(address_, std::as_writable_bytes(std::span(words_)), vm::Reach::Override));
    if (size < sizeof(uint64_t)) return Error(Errno::Fault);
    address_ += size;
    position_ = 0;
    filled_ = size / sizeof(uint64_t);
    return {};
  }

  vm::AddressSpace& space_;
  uintptr_t address_;
  std::array<uint64_t, 32> words_;
  size_t position_ = 0, filled_ = 0;
};

struct Auxiliary {
  uint64_t type, value;
};

// The parts of the initial stack that are asked for.
struct InitialStack {
  uintptr_t environment = 0;               // the first string of the environment; 0: there is none
  uintptr_t environment_end = 0;
  mem::Buffer<Auxiliary> auxiliary;
  size_t auxiliary_count = 0;              // the end mark included
};

Result<InitialStack> read_initial_stack(vm::AddressSpace& space, uintptr_t address) {
  InitialStack stack{.auxiliary = TRY(mem::Buffer<Auxiliary>::make(kMostAuxiliary))};
  StackWords words(space, address);
  const uint64_t argument_count = TRY(words.next());
  words.skip(argument_count + 1);
  stack.environment = TRY(words.next());
  if (stack.environment != 0)
    while (TRY(words.next()) != 0) {}
  while (stack.auxiliary_count < kMostAuxiliary) {
    Auxiliary& entry = stack.auxiliary[stack.auxiliary_count++];
    entry.type = TRY(words.next());
    entry.value = TRY(words.next());
    if (entry.type == kAuxExecutableName) stack.environment_end = entry.value;   // it lies behind the strings
    if (entry.type == kAuxEnd) break;
  }
  return stack;
}

}  // namespace

Result<> print_cmdline(TextSink& sink, const Subject& subject) {
  if (const auto arguments = TRY(process_of(subject))->arguments())
    sink.put({arguments->text.data(), arguments->text.size()});
  return {};
}

Result<> print_environ(TextSink& sink, const Subject& subject) {
  const auto process = TRY(process_of(subject));
  const auto space = process->address_space();
  const auto arguments = process->arguments();
  if (!space || !arguments || arguments->initial_stack == 0) return {};
  const InitialStack stack = TRY(read_initial_stack(*space, arguments->initial_stack));
  if (stack.environment == 0) return {};
  for (uintptr_t address = stack.environment; address < stack.environment_end;) {
    char chunk[256];
    const size_t wanted = std::min(sizeof chunk, stack.environment_end - address);
    const size_t got = TRY(space->read_memory(address, std::as_writable_bytes(std::span(chunk, wanted)), vm::Reach::Override));
    sink.put({chunk, got});
    TRY(sink.result());
    if (got < wanted) break;
    address += got;
  }
  return {};
}

Result<> print_auxv(TextSink& sink, const Subject& subject) {
  const auto process = TRY(process_of(subject));
  const auto space = process->address_space();
  const auto arguments = process->arguments();
  if (!space || !arguments || arguments->initial_stack == 0) return {};
  const InitialStack stack = TRY(read_initial_stack(*space, arguments->initial_stack));
  sink.put({reinterpret_cast<const char*>(stack.auxiliary.data()), stack.auxiliary_count * sizeof(Auxiliary)});
  return {};
}

}  // namespace tine::view
