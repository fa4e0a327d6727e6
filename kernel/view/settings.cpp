// SPDX-License-Identifier: BSD-2-Clause
// The settings that there are, but for those that are limits (limit_settings.cpp): Linux's, as far as they mean something here, the BSDs' hw/, and the process system's under
// kern/ (seed rows E2, E3, L1-L5, P2-P5, P11, T4).
#include "base/format.h"
#include "base/random.h"
#include "file/descriptor_table.h"
#include "machine/cpu.h"
#include "machine/latency.h"
#include "mem/frame.h"
#include "process/fork.h"
#include "process/ids.h"
#include "process/limits.h"
#include "process/pid_space.h"
#include "process/process.h"
#include "view/setting.h"
#include "view/system_name.h"

namespace tine::view {
namespace {

Result<> print_number(TextSink& sink, int64_t value) {
  sink.print("%lld\n", static_cast<long long>(value));
  return {};
}
Result<> print_line(TextSink& sink, std::string_view text) {
  sink.put(text);
  sink.put('\n');
  return {};
}
template <int64_t kValue>
Result<> print_constant(TextSink& sink) { return print_number(sink, kValue); }

template <HostName kWhich>
Result<> print_host_name(TextSink& sink) {
  char buffer[kHostNameMax];
  return print_line(sink, host_name(kWhich, buffer));
}
template <HostName kWhich>
Result<> store_host_name(std::string_view text) { return set_host_name(kWhich, text); }

// --- Universally unique ids, of random numbers. Source: RFC 4122, version 4. ---

struct Uuid {
  uint64_t high, low;
};
Uuid make_uuid() {
  return {(random_u64() & ~uint64_t{0xf000}) | 0x4000, (random_u64() & ~(uint64_t{3} << 62)) | uint64_t{2} << 62};
}
Result<> print_uuid(TextSink& sink, const Uuid& uuid) {
  sink.print("%08x-%04x-%04x-%04x-%012llx\n", static_cast<unsigned>(uuid.high >> 32),
             static_cast<unsigned>(uuid.high >> 16 & 0xffff), static_cast<unsigned>(uuid.high & 0xffff),
             static_cast<unsigned>(uuid.low >> 48), static_cast<unsigned long long>(uuid.low & 0xffff'ffff'ffff));
  return {};
}
constinit Uuid boot_id{};

constinit Setting linux_settings[] = {
    {"kernel/ostype", [](TextSink& sink) { return print_line(sink, kSystemName); }},
    {"kernel/osrelease", [](TextSink& sink) { return print_line(sink, kRelease); }},
    {"kernel/version", [](TextSink& sink) { return print_line(sink, kVersion); }},
    {"kernel/hostname", print_host_name<HostName::Node>, store_host_name<HostName::Node>},
    {"kernel/domainname", print_host_name<HostName::Domain>, store_host_name<HostName::Domain>},
    {"kernel/pid_max", [](TextSink& sink) { return print_number(sink, process::pid_max()); }},
    {"kernel/ngroups_max", print_constant<identity::kMaxGroups>},
    {"kernel/cap_last_cap", print_constant<40>},
    {"kernel/randomize_va_space", print_constant<2>},
    {"kernel/overflowuid", print_constant<65534>},
    {"kernel/overflowgid", print_constant<65534>},
    {"kernel/random/boot_id", [](TextSink& sink) { return print_uuid(sink, boot_id); }},
    {"kernel/random/uuid", [](TextSink& sink) { return print_uuid(sink, make_uuid()); }},
    {"kernel/random/entropy_avail", print_constant<256>},
    {"kernel/random/poolsize", print_constant<256>},
    {"vm/overcommit_memory", print_constant<1>},   // memory is promised without looking at what there is
    {"vm/overcommit_ratio", print_constant<50>},
    {"vm/swappiness", print_constant<0>},
    {"fs/nr_open", print_constant<file::kMaxDescriptors>},
};

// --- hw/ and what is fixed in kern/: as the BSDs name it ---

template <uint64_t mem::FrameCounts::*kCount>
Result<> print_memory(TextSink& sink) {
  return print_number(sink, static_cast<int64_t>((mem::count_frames().*kCount) * mem::kPageSize));
}
Result<> print_cpus(TextSink& sink) { return print_number(sink, machine::cpu_count()); }

constinit Setting bsd_settings[] = {
    {"hw/machine", [](TextSink& sink) { return print_line(sink, "amd64"); }},
    {"hw/ncpu", print_cpus},
    {"hw/ncpufound", print_cpus},
    {"hw/ncpuonline", print_cpus},
    {"hw/byteorder", print_constant<1234>},
    {"hw/pagesize", print_constant<mem::kPageSize>},
    {"hw/physmem", print_memory<&mem::FrameCounts::total>},
    {"hw/usermem", print_memory<&mem::FrameCounts::free>},
    {"kern/argmax", print_constant<131072>},   // at least: it grows with RLIMIT_STACK
    {"kern/posix1version", print_constant<200809>},
    {"kern/job_control", print_constant<1>},
    {"kern/saved_ids", print_constant<1>},
};

// --- kern/: the process system ---

using process::fork_statistics;

// A table's limit: at least what root needs to repair things.
template <process::TableSlots& (*kTable)()>
Result<> store_table_limit(std::string_view text) {
  kTable().set_limit(TRY(parse_number<unsigned>(text, process::TableSlots::kReservedForRoot + 1, 4'194'304)));
  return {};
}
template <process::TableSlots& (*kTable)()>
Result<> print_table_limit(TextSink& sink) { return print_number(sink, kTable().limit()); }
template <process::TableSlots& (*kTable)()>
Result<> print_table_use(TextSink& sink) { return print_number(sink, kTable().used()); }

Result<> print_pid_mode(TextSink& sink) {
  return print_line(sink, process::pid_mode() == process::PidMode::Random ? "random" : "sequential");
}
Result<> store_pid_mode(std::string_view text) {
  if (text != "random" && text != "sequential") return Error(Errno::Inval);
  process::set_pid_mode(text == "random" ? process::PidMode::Random : process::PidMode::Sequential);
  return {};
}

Result<> store_random_pid_step(std::string_view text) {
  process::set_random_pid_step(TRY(parse_number<int>(text, INT32_MIN, INT32_MAX)));
  return {};
}

Result<> store_fast_vfork(std::string_view text) {
  process::set_fast_vfork(TRY(parse_number<int>(text, 0, 1)) != 0);
  return {};
}

template <std::atomic<uint64_t> process::ForkStatistics::*kCounter>
Result<> print_fork_counter(TextSink& sink) {
  return print_number(sink, static_cast<int64_t>((fork_statistics.*kCounter).load(std::memory_order_relaxed)));
}

using process::ForkStatistics;

constinit Setting process_settings[] = {
    {"kern/maxproc", print_table_limit<process::process_slots>, store_table_limit<process::process_slots>},
    {"kern/maxthread", print_table_limit<process::thread_slots>, store_table_limit<process::thread_slots>},
    {"kern/nprocs", print_table_use<process::process_slots>},
    {"kern/nthreads", print_table_use<process::thread_slots>},
    {"kern/pid_max", [](TextSink& sink) { return print_number(sink, process::pid_max()); }},
    {"kern/lastpid", [](TextSink& sink) { return print_number(sink, process::last_pid()); }},
    {"kern/pidmode", print_pid_mode, store_pid_mode},
    {"kern/randompid", [](TextSink& sink) { return print_number(sink, process::random_pid_step()); },
     store_random_pid_step},
    {"kern/fast_vfork", [](TextSink& sink) { return print_number(sink, process::fast_vfork()); }, store_fast_vfork},
    {"kern/forkstat/forks", print_fork_counter<&ForkStatistics::forks>},
    {"kern/forkstat/vforks", print_fork_counter<&ForkStatistics::vforks>},
    {"kern/forkstat/rforks", print_fork_counter<&ForkStatistics::rforks>},
    {"kern/forkstat/threads", print_fork_counter<&ForkStatistics::threads>},
    {"kern/forkstat/kernel", print_fork_counter<&ForkStatistics::kernel>},
    {"kern/forkstat/fork_pages", print_fork_counter<&ForkStatistics::fork_pages>},
    {"kern/forkstat/vfork_pages", print_fork_counter<&ForkStatistics::vfork_pages>},
    {"kern/forkstat/rfork_pages", print_fork_counter<&ForkStatistics::rfork_pages>},
    {"kern/forkstat/kernel_pages", print_fork_counter<&ForkStatistics::kernel_pages>},
    {"kern/forkstat/total", print_fork_counter<&ForkStatistics::total>},
    {"kern/forkstat/waited", print_fork_counter<&ForkStatistics::waited>},
    {"kern/forkstat/shared_memory", print_fork_counter<&ForkStatistics::shared_memory>},
};

// --- kern/latency_limit_*: how long is too long, in ns; 0: no limit (machine/latency.h) ---

#if TINE_DEBUG
template <machine::Latency kKind>
Result<> print_latency_limit(TextSink& sink) {
  return print_number(sink, static_cast<int64_t>(machine::latency_limit(kKind)));
}
template <machine::Latency kKind>
Result<> store_latency_limit(std::string_view text) {
  machine::set_latency_limit(kKind, TRY(parse_number<Nanoseconds>(text, 0, 1000 * kSecond)));
  return {};
}
template <machine::Latency kKind>
constexpr Setting latency_setting(const char* path) {
  return {path, print_latency_limit<kKind>, store_latency_limit<kKind>};
}
constinit Setting latency_settings[machine::kLatencyKinds] = {
    latency_setting<machine::Latency::Interrupts>("kern/latency_limit_interrupts"),
    latency_setting<machine::Latency::Spinlock>("kern/latency_limit_spinlock"),
    latency_setting<machine::Latency::Mutex>("kern/latency_limit_mutex"),
    latency_setting<machine::Latency::Kernel>("kern/latency_limit_kernel"),
};
#endif

}  // namespace

void register_own_settings() {
#if TINE_DEBUG
  register_settings(latency_settings);
#endif
  boot_id = make_uuid();
  register_settings(linux_settings);
  register_limit_settings();
  register_settings(process_settings);
  register_settings(bsd_settings);
}

}  // namespace tine::view
