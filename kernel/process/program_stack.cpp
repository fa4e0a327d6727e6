// SPDX-License-Identifier: BSD-2-Clause
#include "process/program_stack.h"

#include <cstring>

#include "base/random.h"
#include "machine/processor.h"
#include "machine/signal_frame.h"

namespace tine::process {

namespace {

using machine::kPageSize;

inline constexpr uint64_t kClockTicksPerSecond = 100;
inline constexpr char kPlatform[] = "x86_64";
inline constexpr size_t kRandomBytes = 16;
inline constexpr uint64_t kFirstRoom = 128_KiB;  // mapped below what is written; more comes by growing down

enum Auxiliary : uint64_t {  // AT_*
  kEnd = 0,
  kHeaders = 3,
  kHeaderSize = 4,
  kHeaderCount = 5,
  kPage = 6,
  kBase = 7,
  kFlags = 8,
  kEntry = 9,
  kUid = 11,
  kEuid = 12,
  kGid = 13,
  kEgid = 14,
  kPlatformName = 15,
  kCapabilities = 16,
  kClockTick = 17,
  kSecure = 23,
  kRandom = 25,
  kCapabilities2 = 26,
  kExecutableName = 31,
  kLeastSignalStack = 51,
};
inline constexpr size_t kAuxiliaryCount = 20;

// Fills a buffer that lies at a known address in the program's memory, upwards.
class Image {
 public:
  Image(std::span<std::byte> memory, uintptr_t address) : memory_(memory), address_(address) {}
  uintptr_t here() const { return address_ + used_; }
  void word(uint64_t value) { bytes(&value, sizeof(value)); }
  void auxiliary(Auxiliary type, uint64_t value) {
    word(type);
    word(value);
  }
  void bytes(const void* from, size_t size) {
    ASSERT(size <= memory_.size() - used_);
    std::memcpy(memory_.data() + used_, from, size);
    used_ += size;
  }
  void zeros(size_t size) {
    ASSERT(size <= memory_.size() - used_);
    std::memset(memory_.data() + used_, 0, size);
    used_ += size;
  }
  size_t left() const { return memory_.size() - used_; }

 private:
  std::span<std::byte> memory_;
  uintptr_t address_;
  size_t used_ = 0;
};

// Where everything lies, from the stack pointer up: words, random bytes, platform, strings, name, a last zero
// word.
struct Plan {
  size_t auxiliary, words, random, platform, text, environment, name, size;

  explicit Plan(const InitialStack& stack) {
    auxiliary = (1 + stack.arguments.argc() + 1 + stack.arguments.envc() + 1) * sizeof(uint64_t);
    words = auxiliary + 2 * kAuxiliaryCount * sizeof(uint64_t);
    random = round_up(words, 16);
    platform = random + kRandomBytes;
    text = platform + sizeof(kPlatform);
    environment = text + stack.arguments.argv_text().size();
    name = text + stack.arguments.text().size();
    size = round_up(name + stack.name.size() + 1 + sizeof(uint64_t), 16);
  }
};

void write_words(Image& image, uintptr_t base, const Plan& plan, const InitialStack& stack) {
  const auto starts = stack.arguments.starts();
  const unsigned argc = stack.arguments.argc();
  image.word(argc);
  for (size_t i = 0; i < argc; ++i) image.word(base + plan.text + starts[i]);
  image.word(0);
  for (size_t i = argc; i < starts.size(); ++i) image.word(base + plan.text + starts[i]);
  image.word(0);

  const identity::Credentials& who = stack.credentials;
  image.auxiliary(kHeaders, stack.program.header_table);
  image.auxiliary(kHeaderSize, sizeof(ElfProgramHeader));
  image.auxiliary(kHeaderCount, stack.program.header_count);
  image.auxiliary(kPage, kPageSize);
  image.auxiliary(kBase, stack.program.interpreter_base);
  image.auxiliary(kFlags, 0);
  image.auxiliary(kEntry, stack.program.entry);
  image.auxiliary(kUid, who.ruid);
  image.auxiliary(kEuid, who.euid);
  image.auxiliary(kGid, who.rgid);
  image.auxiliary(kEgid, who.egid);
  image.auxiliary(kSecure, stack.secure);
  image.auxiliary(kRandom, base + plan.random);
  image.auxiliary(kCapabilities, machine::hardware_capabilities());
  image.auxiliary(kCapabilities2, machine::hardware_capabilities2());
  image.auxiliary(kClockTick, kClockTicksPerSecond);
  image.auxiliary(kPlatformName, base + plan.platform);
  image.auxiliary(kExecutableName, base + plan.name);
  image.auxiliary(kLeastSignalStack, machine::least_signal_stack());
  image.auxiliary(kEnd, 0);
}

}  // namespace

Result<ProgramStack> make_stack(vm::AddressSpace& space, const InitialStack& contents) {
  const Plan plan(contents);
  // The ABI wants the stack pointer at a multiple of 16; plan.size is one.
  const uintptr_t top = space.layout().stack_top;
  const uintptr_t base = top - plan.size;
  auto memory = TRY(mem::Buffer<std::byte>::make(plan.size));

  Image image(memory.span(), base);
  write_words(image, base, plan, contents);
  image.zeros(plan.random - plan.words);
  std::byte random[kRandomBytes];
  random_bytes(random);
  image.bytes(random, sizeof(random));
  image.bytes(kPlatform, sizeof(kPlatform));
  image.bytes(contents.arguments.text().data(), contents.arguments.text().size());
  image.bytes(contents.name.data(), contents.name.size());
  image.zeros(image.left());

  const uintptr_t end = round_up(top, kPageSize);
  const uintptr_t start = round_down(base, kPageSize) - kFirstRoom;
  TRY(space.map({.address = start,
                 .size = end - start,
                 .placement = vm::Placement::FixedNoReplace,
                 .protection = vm::kRead | vm::kWrite,
                 .flags = vm::kGrowsDown | vm::kStack,
                 .object = nullptr}));
  if (TRY(space.write_memory(base, memory.span(), vm::Reach::Override)) != plan.size)
    return Error(Errno::NoMem);
  return ProgramStack{.pointer = base,
                      .environment = {base + plan.environment, plan.name - plan.environment},
                      .auxiliary = {base + plan.auxiliary, plan.words - plan.auxiliary}};
}

}  // namespace tine::process
