// SPDX-License-Identifier: BSD-2-Clause
// /proc itself: the processes, and the state of the system as a whole.
#include "base/format.h"
#include "file/device.h"
#include "machine/boot.h"
#include "machine/cpu.h"
#include "mem/frame.h"
#include "process/fork.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "view/procfs.h"
#include "view/pty.h"
#include "view/system_name.h"

namespace tine::view {
namespace {

using file::FileType;
using file::mode_of;
using process::PidNumber;
using process::Process;

unsigned long long number(uint64_t value) { return value; }

// --- Memory, time, load ---

Result<> print_meminfo(TextSink& sink, const Subject&) {
  const mem::FrameCounts frames = mem::count_frames();
  const auto print_size = [&](const char* name, uint64_t count) {
    sink.print("%-16s%8llu kB\n", name, number(count * (mem::kPageSize / 1_KiB)));
  };
  print_size("MemTotal:", frames.total);
  print_size("MemFree:", frames.free);
  print_size("MemAvailable:", frames.free);   // nothing that is in use could be given back
  print_size("Buffers:", 0);
  print_size("Cached:", frames.file);
  print_size("SwapCached:", 0);
  print_size("AnonPages:", frames.user);
  print_size("Shmem:", frames.file);          // all files live in memory
  print_size("Slab:", frames.kernel);
  print_size("SReclaimable:", 0);
  print_size("SUnreclaim:", frames.kernel);
  print_size("PageTables:", frames.table);
  print_size("SwapTotal:", 0);
  print_size("SwapFree:", 0);
  return {};
}

sched::CpuTimes all_cpu_times() {
  sched::CpuTimes sum{};
  for (unsigned cpu = 0; cpu < machine::cpu_count(); ++cpu) {
    const sched::CpuTimes times = sched::cpu_times(cpu);
    sum.user += times.user;
    sum.system += times.system;
    sum.idle += times.idle;
    sum.interrupt += times.interrupt;
  }
  return sum;
}

// user nice system idle iowait irq softirq steal guest guest_nice
void print_cpu_times(TextSink& sink, const sched::CpuTimes& times) {
  sink.print(" %llu 0 %llu %llu 0 %llu 0 0 0 0\n", number(to_ticks(times.user)), number(to_ticks(times.system)),
             number(to_ticks(times.idle)), number(to_ticks(times.interrupt)));
}

Result<> print_system_stat(TextSink& sink, const Subject&) {
  sink.put("cpu ");
  print_cpu_times(sink, all_cpu_times());
  for (unsigned cpu = 0; cpu < machine::cpu_count(); ++cpu) {
    sink.print("cpu%u", cpu);
    print_cpu_times(sink, sched::cpu_times(cpu));
  }
  sink.print("ctxt %llu\n", number(sched::context_switches()));
  sink.print("btime %llu\n", number(sched::wall_clock_offset() / kSecond));
  sink.print("processes %llu\n", number(process::fork_statistics.total.load(std::memory_order_relaxed)));
  sink.print("procs_running %u\nprocs_blocked 0\n", sched::runnable_threads());
  return {};
}

Result<> print_uptime(TextSink& sink, const Subject&) {
  const auto print_time = [&](Nanoseconds time, char end) {
    sink.print("%llu.%02llu%c", number(time / kSecond), number(to_ticks(time) % 100), end);
  };
  print_time(sched::uptime(), ' ');
  print_time(all_cpu_times().idle, '\n');
  return {};
}

Result<> print_loadavg(TextSink& sink, const Subject&) {
  for (const uint32_t load : sched::load_average().fixed)   // in 1/2048
    sink.print("%u.%02u ", load >> 11, (load & 2047) * 100 >> 11);
  sink.print("%u/%u %d\n", sched::runnable_threads(), process::thread_slots().used(), process::last_pid());
  return {};
}

// --- What the system is ---

Result<> print_version(TextSink& sink, const Subject&) {
  sink.put(kSystemName);
  sink.put(" version ");
  sink.put(kRelease);
  sink.put(" (tine) (" __VERSION__ ") ");
  sink.put(kVersion);
  sink.put('\n');
  return {};
}

Result<> print_boot_line(TextSink& sink, const Subject&) {
  sink.put(machine::boot_info().command_line);
  sink.put('\n');
  return {};
}

Result<> print_filesystems(TextSink& sink, const Subject&) {
  for (file::FileSystemType* type = file::first_file_system(); type != nullptr; type = type->next)
    sink.print("nodev\t%s\n", type->name);
  return {};
}

Result<> print_devices(TextSink& sink, const Subject&) {
  sink.put("Character devices:\n");
  for (file::Device* device = file::next_device(nullptr); device != nullptr; device = file::next_device(device))
    sink.print("%3u %s\n", device->major, device->name != nullptr ? device->name : "pts");
  sink.put("\nBlock devices:\n");
  return {};
}

Result<> print_swaps(TextSink& sink, const Subject&) {
  sink.put("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
  return {};
}

// Tells ps the names of terminals by their numbers.
Result<> print_terminal_drivers(TextSink& sink, const Subject&) {
  sink.put("/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
           "/dev/console         /dev/console    5       1 system:console\n"
           "/dev/ptmx            /dev/ptmx       5       2 system\n"
           "serial               /dev/ttyS       4   64-65 serial\n");
  sink.print("pty_slave            /dev/pts      %u  0-%u pty:slave\n", kPtySlaveMajor, kMaxPtys - 1);
  return {};
}

// --- The caller ---

Result<std::string_view> read_self(std::span<char> into, const Subject&) {
  return format(into, "%d", process::current().process().pid());
}
Result<std::string_view> read_thread_self(std::span<char> into, const Subject&) {
  const process::Thread& thread = process::current();
  return format(into, "%d/task/%d", thread.process().pid(), thread.shown_id());
}
Result<std::string_view> read_mounts(std::span<char> into, const Subject&) { return format(into, "self/mounts"); }

// --- The processes ---

Result<Ref<file::Entry>> find_process_entry(file::Entry& here, std::string_view name, const Subject&) {
  const PidNumber pid = TRY(parse_name(name));
  const Ref<Process> process = process::find_process_of(pid);
  if (pid == 0 || !process) return Error(Errno::NoEnt);
  // By the id of a thread, which is not listed, there is that thread's view of its process.
  const PidNumber thread = pid != process->pid() ? pid : 0;
  return make_entry(here, name, kProcessNode, {.pid = process->pid(), .start_time = process->start_time, .tid = thread});
}

Result<> list_processes(uint64_t from, Listing& listing, const Subject&) {
  if (from > INT32_MAX) return {};
  for (auto process = process::next_process(static_cast<PidNumber>(from)); process;
       process = process::next_process(process->pid())) {
    const PidNumber pid = process->pid();
    char name[16];
    const Subject subject{.pid = pid, .start_time = process->start_time};
    if (!listing.add(format(name, "%d", pid), kProcessNode, subject, static_cast<uint64_t>(pid))) break;
    sched::maybe_yield();
  }
  return {};
}

constexpr uint32_t kText = mode_of(FileType::Regular) | 0444;
constexpr uint32_t kLink = mode_of(FileType::Symlink) | 0777;
constexpr uint32_t kFolder = mode_of(FileType::Directory) | 0555;

constexpr Node kTerminalNodes[] = {{.name = "drivers", .mode = kText, .print = print_terminal_drivers}};
constexpr Directory kTerminalDirectory{.nodes = kTerminalNodes};

constexpr Node kRootNodes[] = {
    {.name = "self", .mode = kLink, .read_link = read_self},
    {.name = "thread-self", .mode = kLink, .read_link = read_thread_self},
    {.name = "meminfo", .mode = kText, .print = print_meminfo},
    {.name = "stat", .mode = kText, .print = print_system_stat},
    {.name = "uptime", .mode = kText, .print = print_uptime},
    {.name = "loadavg", .mode = kText, .print = print_loadavg},
    {.name = "version", .mode = kText, .print = print_version},
    {.name = "cmdline", .mode = kText, .print = print_boot_line},
    {.name = "cpuinfo", .mode = kText, .print = print_cpuinfo},
    {.name = "filesystems", .mode = kText, .print = print_filesystems},
    {.name = "mounts", .mode = kLink, .read_link = read_mounts},
    {.name = "devices", .mode = kText, .print = print_devices},
    {.name = "swaps", .mode = kText, .print = print_swaps},
    {.name = "tty", .mode = kFolder, .directory = &kTerminalDirectory},
    {.name = "sys", .mode = kFolder, .directory = &kSettingDirectory},
    {.name = "tine", .mode = kFolder, .directory = &kTineDirectory},
};

}  // namespace

constinit const Directory kRootDirectory{.nodes = kRootNodes, .find = find_process_entry, .list = list_processes};

}  // namespace tine::view
