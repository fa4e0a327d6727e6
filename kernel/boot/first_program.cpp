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

Result<> execute(process::Thread& thread, std::string_view program) {
  const identity::CredentialsRef credentials = thread.process().credentials();
  const file::Path root = thread.process().fs()->root();
  const file::LookupContext context{root, *credentials};
  const Ref<file::File> file = TRY(file::open(context, root, program, {.flags = file::kReadOnly}));
  TRY(file::check_executable(*credentials, file->path()));
  return process::exec(thread, file, program, TRY(init_arguments(program)));
}

void run_first_program(void*) {
  process::Thread& thread = process::current();
  if (!open_console(thread.process())) log(LogLevel::Warning, "no console; process 1 starts without descriptors\n");
  const std::string_view program = options().init.empty() ? kDefaultInit : options().init;
  if (const Result<> result = execute(thread, program); !result) {
    const bool absent = result.error() == Errno::NoEnt;
    log(LogLevel::Error, "tine: %s %.*s (error %d)%s; powering off\n",
        absent ? "the initrd has no" : "cannot execute", static_cast<int>(program.size()), program.data(),
        static_cast<int>(result.error()), absent ? "; name another program with init=PATH" : "");
    machine::power_off(1);
  }
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
