// SPDX-License-Identifier: BSD-2-Clause
#include "boot/first_program.h"

#include <array>

#include "base/log.h"
#include "boot/command_line.h"
#include "file/device.h"
#include "file/open.h"
#include "machine/boot.h"
#include "process/exec.h"
#include "process/fork.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::boot {

namespace {

constexpr std::string_view kDefaultInit = "/init";
constexpr std::array<std::string_view, 2> kDefaultEnvironment = {"HOME=/", "TERM=linux"};   // as Linux gives init
constexpr file::DeviceNumber kConsole = file::device_number(5, 1);
constexpr size_t kMaxStrings = 72;

// Descriptors 0, 1 and 2. The initrd need not hold /dev/console: the device is opened by its number.
Result<> open_console(process::Process& process) {
  const Ref<file::File> console = TRY(file::open_device(kConsole, file::Path(), file::kReadWrite | file::kNoCtty));
  const Ref<file::DescriptorTable> descriptors = process.descriptors();
  for (int i = 0; i < 3; ++i) TRY(descriptors->install(console, /*close_on_exec=*/false, 3));
  return {};
}

Result<process::ProgramArguments> init_arguments(std::string_view program) {
  static constinit std::array<std::string_view, kMaxStrings> argv, envp;   // called once; too large for a stack
  size_t argc = 0, envc = 0;
  argv[argc++] = program;
  for (std::string_view word : options().init_arguments)
    if (argc < argv.size()) argv[argc++] = word;
  for (std::string_view variable : kDefaultEnvironment) {
    const std::string_view name = variable.substr(0, variable.find('=') + 1);
    bool replaced = false;
    for (std::string_view given : options().init_environment) replaced |= given.starts_with(name);
    if (!replaced) envp[envc++] = variable;
  }
  for (std::string_view variable : options().init_environment)
    if (envc < envp.size()) envp[envc++] = variable;
  return process::make_arguments({argv.data(), argc}, {envp.data(), envc});
}

[[noreturn]] void give_up(const char* trouble, std::string_view program, Errno error, const char* advice) {
  log(LogLevel::Error, "tine: %s %.*s (error %d)%s; powering off\n", trouble, static_cast<int>(program.size()), program.data(),
      static_cast<int>(error), advice);
  machine::power_off(1);
}

// Whatever the name leads to, the machine starts the program or ends: a FIFO must not be opened, which would wait for a writer.
void execute(process::Thread& thread, std::string_view program) {
  const process::Process& process = thread.process();
  Result<Ref<file::File>> file = process::open_program(process, process.fs()->root(), program);
  if (!file) {
    if (file.error() == Errno::NoEnt) give_up("the initrd has no", program, Errno::NoEnt, "; name another program with init=PATH");
    give_up("cannot execute", program, file.error(), file.error() == Errno::Acces ? ": no regular file with mode x" : "");
  }
  Result<process::ProgramArguments> arguments = init_arguments(program);
  if (!arguments) give_up("too little memory for the arguments of", program, arguments.error(), "");
  if (const Result<> started = process::exec(thread, std::move(*file), program, std::move(*arguments)); !started)
    give_up("cannot execute", program, started.error(), started.error() == Errno::NoEnt ? ": its interpreter is missing" : "");
}

void run_first_program(void*) {
  process::Thread& thread = process::current();
  if (!open_console(thread.process())) log(LogLevel::Warning, "no console; process 1 starts without descriptors\n");
  execute(thread, options().init.empty() ? kDefaultInit : options().init);
  thread.kernel_function = nullptr;   // from now on an ordinary process
  machine::return_to_user(thread.stack_top());
}

}  // namespace

Result<> start_first_program() {
  process::ForkRequest request;
  request.kind = process::ForkKind::Kernel;
  request.function = run_first_program;
  request.name = "init";
  request.with(process::ForkFlag::Stopped);
  const Ref<process::Process> init = TRY(process::fork(process::current(), request));
  process::set_init_process(*init);
  TRY(process::make_session(*init));
  process::start_stopped(*init);
  return {};
}

}  // namespace tine::boot
