// SPDX-License-Identifier: BSD-2-Clause
// /proc/tine: what the kernel knows of itself. audit runs the registered checks of its invariants; objects lists what is
// allocated, with the per-CPU caches drained, so that a test can compare before and after; charges (proc_charges.cpp) tells
// for which user; locks (debug kernels) tells how often each class of locks was taken and fought for, latency what kept a CPU
// or a lock longest from others (machine/latency.h), and stacks how deep a kernel stack was ever used.
#include "base/audit.h"
#include "base/units.h"
#include "machine/boot.h"
#include "machine/cpu.h"
#include "machine/latency.h"
#include "mem/frame.h"
#include "mem/kernel_stack.h"
#include "mem/object_cache.h"
#include "mem/stack_depth.h"
#include "sched/scheduler.h"
#include "sync/lock_order.h"
#include "view/procfs.h"
#include "vm/kernel_pages.h"

namespace tine::view {
namespace {

unsigned long long number(uint64_t value) { return value; }

class AuditText final : public AuditReport {
 public:
  std::string_view text() const { return lines_.text(); }
  Result<> result() const { return lines_.result(); }

 private:
  void add_line(std::string_view line) override {
    lines_.put(line);
    lines_.put('\n');
  }
  TextSink lines_;
};

Result<> print_audit(TextSink& sink, const Subject&) {
  AuditText report;
  run_audits(report);
  TRY(report.result());
  if (report.problems() == 0) {
    sink.put("audit: clean\n");
    return {};
  }
  sink.put(report.text());
  sink.print("audit: %u problems\n", report.problems());
  return {};
}

// Gives back what this CPU keeps at hand, so that what is left is in use.
void drain_this_cpu() {
  vm::drain_table_pool();
  mem::drain_all_caches();
  mem::drain_kernel_stacks();
  mem::drain_frame_caches();
}

Result<> print_objects(TextSink& sink, const Subject&) {
  sink.reserve(16_KiB);   // of one size however much there is to tell: the sink's own memory is told, too
  sched::on_every_cpu(drain_this_cpu);
  const mem::FrameCounts frames = mem::count_frames();
  uint64_t caches = 0;
  for (mem::ObjectCache* cache = mem::ObjectCache::first(); cache != nullptr; cache = cache->next()) caches += cache->frames();
  sink.print("frames total %llu\nframes free %llu\nframes kernel %llu\nframes table %llu\nframes user %llu\n"
             "frames file %llu\nframes caches %llu\nframes stack-tables %llu\n", number(frames.total), number(frames.free),
             number(frames.kernel), number(frames.table), number(frames.user), number(frames.file), number(caches),
             number(mem::kernel_stack_tables()));
  // name, bytes of one object, objects in use
  for (mem::ObjectCache* cache = mem::ObjectCache::first(); cache != nullptr; cache = cache->next())
    sink.print("objects %s %zu %llu\n", cache->name(), cache->object_size(), number(cache->live_objects()));
  return {};
}

std::atomic<Result<> (*)(TextSink&)> trace_text{nullptr};

Result<> print_trace(TextSink& sink, const Subject&) {
  const auto print = trace_text.load();
  return print != nullptr ? print(sink) : Result<>();
}

#if TINE_DEBUG
Result<> print_locks(TextSink& sink, const Subject&) {
  sync::for_each_lock_class([&](const sync::LockStatistics& lock) {
    sink.put(lock.name);
    sink.print(": acquired %llu, contended %llu, longest hold %llu ns\n", number(lock.acquisitions),
               number(lock.contentions), number(lock.longest_hold));
  });
  return {};
}

// Of each kind the longest with its place, and how many passed the limit; ./tine test reads it.
Result<> print_latency(TextSink& sink, const Subject&) {
  char buffer[256];
  for (size_t i = 0; i < machine::kLatencyKinds; i++) {
    const machine::Latency kind{static_cast<uint8_t>(i)};
    const machine::WorstLatency worst = machine::worst_latency(kind);
    sink.put(machine::kLatencyNames[i]);
    sink.print(": worst %llu ns, limit %llu ns, %llu over the limit: ", number(worst.time),
               number(machine::latency_limit(kind)), number(worst.over_limit));
    sink.put(worst.name);
    sink.put('\n');
    if (worst.began != 0) {
      sink.put("  began ");
      sink.put(machine::describe_code(worst.began, buffer));
      sink.put('\n');
    }
    for (const uintptr_t address : worst.frames) {
      if (address == 0) break;
      sink.put("  ended ");
      sink.put(machine::describe_code(address, buffer));
      sink.put('\n');
    }
  }
  return {};
}

Result<> store_latency(std::string_view text, const Subject&) {
  if (text != "reset") return Error(Errno::Inval);
  machine::reset_latencies();
  return {};
}

Result<> print_stacks(TextSink& sink, const Subject&) {
  sink.print("stack-depth %zu of %zu bytes\n", mem::deepest_kernel_stack(), mem::kKernelStackSize);
  return {};
}
#endif

constexpr uint32_t kRootText = file::mode_of(file::FileType::Regular) | 0400;

constexpr Node kNodes[] = {
    {.name = "charges", .mode = kRootText, .print = print_charges},
    {.name = "audit", .mode = kRootText, .print = print_audit},
    {.name = "objects", .mode = kRootText, .print = print_objects},
    {.name = "trace", .mode = kRootText, .print = print_trace},
#if TINE_DEBUG
    {.name = "latency", .mode = kRootText | 0200, .print = print_latency, .store = store_latency},
    {.name = "locks", .mode = kRootText, .print = print_locks},
    {.name = "stacks", .mode = kRootText, .print = print_stacks},
#endif
};

}  // namespace

void set_trace_text(Result<> (*print)(TextSink& sink)) { trace_text = print; }

constinit const Directory kTineDirectory{.nodes = kNodes};

}  // namespace tine::view
