// SPDX-License-Identifier: BSD-2-Clause
// Backtraces along the frame pointers, with names from the symbol text that tools/embed_symbols.sh puts into
// the image: lines "aaaaaaaa name\n" by ascending address (its low 32 bits in hexadecimal), then zeros.
#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/format.h"
#include "base/log.h"
#include "machine/boot.h"
#include "machine/cpu.h"
#include "machine/x86_64/address_layout.h"
#include "machine/x86_64/panic.h"

namespace tine::machine {

extern "C" {
extern const char symbols_start[], symbols_end[];
extern const char kernel_start[], text_end[];
bool read_kernel_word(uint64_t* value, uintptr_t address);
}

namespace {

constexpr unsigned kMostFrames = 32;
constexpr uintptr_t kKernelHalf = 0xffff'8000'0000'0000;

struct Symbol {
  std::string_view name;
  uintptr_t address = 0;
};

Symbol find_symbol(uintptr_t address) {
  constexpr size_t kDigits = 8;
  std::string_view text(symbols_start, static_cast<size_t>(symbols_end - symbols_start));
  Symbol best;
  while (!text.empty() && text[0] != 0) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() <= kDigits + 1 || line.size() == text.size()) break;
    uint32_t low = 0;
    std::from_chars(line.data(), line.data() + kDigits, low, 16);
    if (low > static_cast<uint32_t>(address)) break;
    best = {line.substr(kDigits + 1), (address & ~uintptr_t{0xffffffff}) | low};
    text.remove_prefix(line.size() + 1);
  }
  return best;
}

bool in_text(uintptr_t address) {
  return address >= reinterpret_cast<uintptr_t>(kernel_start) &&
         address < reinterpret_cast<uintptr_t>(text_end);
}

// Whether a frame at `caller` may be that of the caller of the function whose frame is at `callee`. Stacks grow downwards,
// so it lies higher; but an interrupt's handler was called, so to speak, by what it interrupted on another stack.
bool may_be_caller(uintptr_t caller, uintptr_t callee) {
  return caller > callee || (on_interrupt_stack(callee) && !on_interrupt_stack(caller));
}

// visit(return address) for at most so many frames.
template <class Visit>
void for_each_frame(uintptr_t frame_pointer, size_t most, Visit&& visit) {
  for (size_t i = 0; i < most; i++) {
    uint64_t caller_frame, return_address;
    if (frame_pointer < kKernelHalf || frame_pointer % 8 != 0) return;
    if (!read_kernel_word(&caller_frame, frame_pointer)) return;
    if (!read_kernel_word(&return_address, frame_pointer + 8) || !in_text(return_address)) return;
    visit(return_address);
    if (!may_be_caller(caller_frame, frame_pointer)) return;
    frame_pointer = caller_frame;
  }
}

}  // namespace

// Addresses are told as they were linked, which is how the ELF file knows them.
void log_code_address(uintptr_t address) {
  const bool known = in_text(address);
  if (known) address -= kernel_offset();
  const Symbol symbol = known ? find_symbol(address) : Symbol{};
  if (symbol.name.empty())
    log(LogLevel::Error, "  at %016lx", address);
  else
    log(LogLevel::Error, "  at %016lx %.*s+%#lx", address, static_cast<int>(symbol.name.size()),
        symbol.name.data(), address - symbol.address);
}

void log_backtrace_from(uintptr_t frame_pointer) {
  for_each_frame(frame_pointer, kMostFrames, log_code_address);
}

void collect_backtrace(uintptr_t frame_pointer, std::span<uintptr_t> into) {
  size_t count = 0;
  for_each_frame(frame_pointer, into.size(), [&](uintptr_t address) { into[count++] = address; });
  std::ranges::fill(into.subspan(count), 0);
}

std::string_view describe_code(uintptr_t address, std::span<char> buffer) {
  const bool known = in_text(address);
  if (known) address -= kernel_offset();
  const Symbol symbol = known ? find_symbol(address) : Symbol{};
  if (symbol.name.empty()) return format(buffer, "%016lx", address);
  return format(buffer, "%.*s+%#lx", static_cast<int>(symbol.name.size()), symbol.name.data(), address - symbol.address);
}

void log_backtrace() { log_backtrace_from(reinterpret_cast<uintptr_t>(__builtin_frame_address(0))); }

}  // namespace tine::machine
