// SPDX-License-Identifier: BSD-2-Clause
// execve(2), as a transaction: the new program is loaded beside the old one (NewProgram); then the process's other threads
// end; what they could have changed is asked after that (complete); then the old program is given up and the new one put
// in its place (commit), where nothing fails but what then kills the process. Source: execve(2), capabilities(7),
// signal(7), timer_create(2). Seed rows C3, C4, C6, V1.
#include "process/exec.h"

#include <algorithm>
#include <cstring>

#include "file/fs_context.h"
#include "file/mount.h"
#include "file/open.h"
#include "identity/set_ids.h"
#include "process/elf_loader.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/inspection.h"
#include "process/parent_thread.h"
#include "process/life_announce.h"
#include "process/out_of_memory.h"
#include "process/process.h"
#include "process/program_stack.h"
#include "process/reap.h"
#include "process/script.h"
#include "process/timers.h"
#include "process/tracing.h"
#include "process/unshare.h"

namespace tine::process {

namespace {

static_assert(ProgramHead::kMost > kLongestScriptLine);

std::string_view base_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

void set_name(char (&name)[16], std::string_view text) {
  const size_t size = std::min(text.size(), sizeof(name) - 1);
  std::memcpy(name, text.data(), size);
  std::memset(name + size, 0, sizeof(name) - size);
}

// All that a process gets from a new program.
struct NewProgram {
  Ref<file::File> file;
  std::string_view name;
  ProgramArguments arguments;
  ProgramHead head;

  identity::CredentialsRef credentials;
  bool set_id = false;  // runs with ids that are not its user's
  SetIdTransition transition;
  Ref<vm::AddressSpace> space;
  Ref<SignalActions> actions;
  Ref<ArgumentBlock> shown_arguments;
  LoadedProgram loaded;
  ProgramStack stack;

  NewProgram(Ref<file::File> file, std::string_view name, ProgramArguments arguments)
      : file(std::move(file)), name(name), arguments(std::move(arguments)) {}

  Result<> load(Process& process);
  // With no other thread left that could change credentials, flags, or what is shared.
  Result<> complete(Process& process);
  bool is_dumpable() const;

 private:
  Result<> resolve_scripts(const Process& process);
  Result<> choose_credentials(Process& process);
  Result<> show_arguments();
};

// Goes from a script to its interpreter until that is a real program.
Result<> NewProgram::resolve_scripts(const Process& process) {
  head = TRY(ProgramHead::read(*file));
  std::string_view script = name;
  mem::Buffer<char> script_name;
  for (unsigned level = 0; is_script(head.text()); ++level) {
    if (level == kMostScriptLevels) return Error(Errno::Loop);
    const ScriptLine line = TRY(parse_script_line(head.text()));
    arguments = TRY(arguments.for_script(line.interpreter, line.argument, script));
    file = TRY(open_program(process, process.fs()->working_directory(), line.interpreter));
    // The interpreter's name lies in `head`, which is about to be replaced.
    auto copy = TRY(mem::Buffer<char>::make(line.interpreter.size()));
    std::memcpy(copy.data(), line.interpreter.data(), line.interpreter.size());
    script_name = std::move(copy);
    script = {script_name.data(), script_name.size()};
    head = TRY(ProgramHead::read(*file));
  }
  return {};
}

// Its user must not choose which calls a set-id program loses.
Result<> check_exec_promises(const Process& process, uint32_t mode) {
  if (process.has(kExecPledged) && mode & (file::kModeSetUid | file::kModeSetGid)) return Error(Errno::Acces);
  return {};
}

// Set-id bits count unless something could steer the program from outside, or the user gave them up.
Result<> NewProgram::choose_credentials(Process& process) {
  const identity::CredentialsRef old = process.credentials();
  const identity::Ownership owned = file->inode()->settled_ownership();
  const uint32_t mode = owned.mode;
  TRY(check_exec_promises(process, mode));
  identity::SetIdProgram program;
  if (mode & file::kModeSetUid) program.uid = owned.uid;
  // Without the group's execute bit, set-gid means something else (mandatory locking).
  if (mode & file::kModeSetGid && mode & 010) program.gid = owned.gid;
  const bool may_gain = !process.has(kNoNewPrivileges);
  if (program.uid || program.gid) {
    const bool honoured = may_gain && !file->path().mount()->has(file::kMountNoSuid) &&
                          transition.begin(process);
    if (!honoured) program = {};
  }
  credentials = TRY(identity::credentials_for_exec(*old, program, may_gain));
  set_id = (program.uid && credentials->euid != old->ruid) || (program.gid && credentials->egid != old->rgid);
  return {};
}

Result<> NewProgram::show_arguments() {
  const std::span<const char> text = arguments.argv_text();
  shown_arguments = TRY(mem::make_ref<ArgumentBlock>());
  shown_arguments->text = TRY(mem::Buffer<char>::make(text.size()));
  std::memcpy(shown_arguments->text.data(), text.data(), text.size());
  shown_arguments->environment = stack.environment;
  shown_arguments->auxiliary = stack.auxiliary;
  return {};
}

bool NewProgram::is_dumpable() const {
  const identity::Credentials& who = *credentials;
  const auto readable = [&who](const file::File& program) { return program.inode()->allows(who, identity::kMayRead); };
  return !set_id && who.euid == who.ruid && who.egid == who.rgid && readable(*file) &&
         (loaded.interpreter == nullptr || readable(*loaded.interpreter));
}

Result<> NewProgram::load(Process& process) {
  TRY(resolve_scripts(process));
  TRY(check_exec_promises(process, file->inode()->settled_ownership().mode));   // asked again when all threads are gone
  const Ref<const Limits> limits = process.limits();
  space = TRY(vm::AddressSpace::create());
  space->set_limits({.address_space = (*limits)[Resource::AddressSpace].current,
                     .data = (*limits)[Resource::Data].current,
                     .stack = (*limits)[Resource::Stack].current});
  loaded = TRY(load_elf(process, *space, *file, head.bytes()));
  return {};
}

Result<> NewProgram::complete(Process& process) {
  TRY(choose_credentials(process));
  const bool secure =
      set_id || credentials->euid != credentials->ruid || credentials->egid != credentials->rgid;
  stack = TRY(make_stack(*space, {.arguments = arguments,
                                  .program = loaded,
                                  .credentials = *credentials,
                                  .secure = secure,
                                  .name = name}));
  TRY(show_arguments());

  // Handlers belong to the old program; whoever shares the actions keeps them as they are.
  actions = TRY(process.actions()->clone());
  actions->reset_to_default();
  return {};
}

// --- The point of no return ---

// Registers, thread pointer and vector state as at a program's start.
void reset_registers(Thread& thread, const NewProgram& program) {
  machine::reset_for_program(thread.frame(), program.loaded.start, program.stack.pointer);
  machine::InterruptGuard guard;  // a context switch would save the live registers over what is reset here
  thread.user_state = {};
  machine::reset_extended_state(thread.stack_top());
  machine::load_user_state(thread.user_state, thread.stack_top());
}

void reset_thread(Thread& thread) {
  thread.clear_child_tid = 0;
  thread.robust_list = 0;
  thread.robust_list_size = 0;
  thread.restart = {};
  thread.alternate_stack = AlternateStack();
}

void set_flags(Process& process, const NewProgram& program) {
  process.set(kExecuted);
  process.clear(kForked);
  const auto put = [&](ProcessFlag flag, bool value) { value ? process.set(flag) : process.clear(flag); };
  put(kWxNeeded, program.loaded.wx_needed);
  put(kSetIdExec, program.set_id);
  put(kSetId, program.set_id);
  if (program.set_id) (void)set_parent_death_signal(process, 0);
}

void drop_posix_timers(Process& process) {
  Ref<IntervalTimers> timers;
  {
    sync::SpinGuard guard(process.lock);
    timers = process.timers;
  }
  if (timers != nullptr) timers->destroy_all();
}

// Nobody can be told of a failure any more. It fails only for a thread that has to end, and runs no program then.
template <class Work>
void do_in_any_case(Thread& thread, Work&& work) {
  (void)until_there_is_room(thread, std::forward<Work>(work));
}

void commit(Thread& thread, NewProgram& program) {
  Process& process = thread.process();
  // Robust futexes and the like are in the old memory, which is still there.
  announce_thread_end(thread);
  const bool dumpable = program.is_dumpable();
  if (!dumpable) process.clear(kDumpable);   // before anything of the new program can be reached
  set_flags(process, program);
  // No process of its user may change a set-id program's directories and umask. No thread is left that could begin to share.
  if (program.set_id) do_in_any_case(thread, [&] { return unshare_fs(process); });
  process.set_credentials(std::move(program.credentials));
  process.switch_address_space(std::move(program.space));
  release_waiting_parent(process);

  restrict_new_program(thread, std::move(program.loaded.pins));
  process.set_actions(std::move(program.actions));
  process.set_arguments(std::move(program.shown_arguments));
  process.set_executable(program.file->path());
  drop_posix_timers(process);
  reset_thread(thread);
  set_name(thread.name, base_name(program.name));
  set_name(process.name, base_name(program.name));
  reset_registers(thread, program);
  reset_exit_signals(process);
  announce_exec(process);
  do_in_any_case(thread, [&]() -> Result<> {
    TRY(unshare_descriptors(process));   // whoever shared them keeps them as they are
    return process.descriptors()->close_marked();
  });
  if (dumpable) process.set(kDumpable);   // after nothing of the old program is left
}

}  // namespace

Result<Ref<file::File>> open_program(const Process& process, const file::Path& start, std::string_view path,
                                     file::LookupFlags flags) {
  const identity::CredentialsRef credentials = process.credentials();
  const file::LookupContext context{process.fs()->root(), *credentials, current().lookup_guard};
  const file::Path place = TRY(file::lookup(context, start, path, flags));
  TRY(file::check_executable(*credentials, place));
  return file::open_inode(place, file::kReadOnly);
}

Result<> exec(Thread& caller, Ref<file::File> file, std::string_view name, ProgramArguments arguments) {
  Process& process = caller.process();
  NewProgram program(std::move(file), name, std::move(arguments));
  TRY(program.load(process));
  const PidNumber former_id = caller.shown_id();
  TRY(become_single_threaded(caller));
  TRY(program.complete(process));
  commit(caller, program);
  report_exec(caller, former_id);
  return {};
}

}  // namespace tine::process
