// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/cmdline, environ and auxv: what the program was started with. The command line is the kernel's own copy; the
// rest is read from the stack that the program found, where it may have been overwritten since.
#include <algorithm>
#include <span>

#include "view/procfs.h"
#include "vm/address_space.h"

namespace tine::view {
namespace {

// What lies in a part of the initial stack now.
Result<> print_stack(TextSink& sink, const Subject& subject, process::StackPart process::ArgumentBlock::* part) {
  const auto process = TRY(process_of(subject));
  const auto space = TRY(inspector().memory_of(*process));
  const auto arguments = process->arguments();
  if (!space || !arguments) return {};
  const process::StackPart range = (*arguments).*part;
  for (size_t done = 0; done < range.size;) {
    char chunk[256];
    const auto wanted = std::as_writable_bytes(std::span(chunk, std::min(sizeof chunk, range.size - done)));
    const size_t got = TRY(space->read_memory(range.start + done, wanted, vm::Reach::Override));
    sink.put({chunk, got});
    TRY(sink.result());
    if (got < wanted.size()) break;
    done += got;
  }
  return {};
}

}  // namespace

Result<> print_cmdline(TextSink& sink, const Subject& subject) {
  if (const auto arguments = TRY(process_of(subject))->arguments())
    sink.put({arguments->text.data(), arguments->text.size()});
  return {};
}

Result<> print_environ(TextSink& sink, const Subject& subject) {
  return print_stack(sink, subject, &process::ArgumentBlock::environment);
}

Result<> print_auxv(TextSink& sink, const Subject& subject) {
  return print_stack(sink, subject, &process::ArgumentBlock::auxiliary);
}

}  // namespace tine::view
