// SPDX-License-Identifier: BSD-2-Clause
// The lives of processes and threads as a ring of events. While tracing is off an event costs a look at a flag; else a lock
// and a copy. Nothing is allocated then, and what the ring has no room for is counted as dropped.
#include "trace/tracepoint.h"

#include <algorithm>
#include <atomic>

#include "base/late.h"
#include "process/fork.h"
#include "process/life_events.h"
#include "process/process.h"
#include "view/procfs.h"
#include "view/setting.h"

namespace tine::trace {

namespace {

using process::PidNumber;
using process::Process;
using process::Thread;

enum class Kind : uint8_t { Fork, Thread, Start, Exec, Exit, ThreadEnd };

struct Event {
  Nanoseconds time;
  PidNumber pid, tid;
  int32_t detail;       // the child or new thread, the CPU, the status
  Kind kind;
  const char* how;      // Fork
  char name[16];        // Fork, Thread, Exec
};

constinit std::atomic<uint32_t> kept_events{0};          // the ring's size; 0: off
constinit sync::Spinlock ring_lock{"tracepoints"};
Late<mem::Buffer<Event>> ring GUARDED_BY(ring_lock);
uint64_t events_so_far GUARDED_BY(ring_lock) = 0;

bool is_off() { return kept_events.load(std::memory_order_relaxed) == 0; }

[[gnu::noinline]] void record(Kind kind, PidNumber pid, PidNumber tid, int32_t detail, const char (&name)[16],
                              const char* how = "") {
  Event event{machine::now(), pid, tid, detail, kind, how, {}};
  std::copy_n(name, sizeof name, event.name);
  sync::SpinGuard guard(ring_lock);
  if (!ring->empty()) (*ring)[events_so_far++ % ring->size()] = event;
}

Result<> keep_events(uint32_t count) {
  auto buffer = TRY(mem::Buffer<Event>::make(count));
  sync::SpinGuard guard(ring_lock);
  *ring = std::move(buffer);   // swaps; the old one goes after the lock
  events_so_far = 0;
  kept_events.store(count, std::memory_order_relaxed);
  return {};
}

constexpr uint32_t kLeastEvents = 64, kMostEvents = 32768;

Result<> store_kept_events(std::string_view text) {
  const auto count = TRY(view::parse_number(text, uint32_t{0}, kMostEvents));
  if (count != 0 && count < kLeastEvents) return Error(Errno::Inval);
  return keep_events(count);
}

Result<> print_kept_events(view::TextSink& sink) {
  sink.print("%u\n", kept_events.load(std::memory_order_relaxed));
  return {};
}

constinit view::Setting setting{"kern/trace_events", print_kept_events, store_kept_events};

constexpr char kNoName[16] = {};

const char* name_of(const process::ForkRequest& request) {
  if (request.has(process::ForkFlag::ParentWaits)) return "vfork";
  switch (request.kind) {
    case process::ForkKind::Fork:
    case process::ForkKind::Vfork: return "fork";
    case process::ForkKind::Rfork: return "rfork";
    case process::ForkKind::Kernel: return "kernel";
  }
  return "?";
}

class Subscriber final : public process::LifeSubscriber {
 public:
  void forked(Process& parent, Process& child, const process::ForkRequest& request, uintptr_t) override {
    if (is_off()) return;
    record(Kind::Fork, parent.pid(), process::current().shown_id(), child.pid(), child.name, name_of(request));
  }
  void thread_made(Thread& creator, Thread& made) override {
    if (is_off()) return;
    record(Kind::Thread, made.process().pid(), creator.shown_id(), made.shown_id(), made.name);
  }
  void started(Thread& thread, uint32_t cpu) override {
    if (is_off()) return;
    record(Kind::Start, thread.process().pid(), thread.shown_id(), static_cast<int32_t>(cpu), kNoName);
  }
  void executed(Process& process) override {
    if (is_off()) return;
    record(Kind::Exec, process.pid(), process::current().shown_id(), 0, process.name);
  }
  void exited(Process& process) override {
    if (is_off()) return;
    record(Kind::Exit, process.pid(), process::current().shown_id(), process.exit_status, kNoName);
  }
  // A process's first thread shows as the process; one that calls exec goes on as that.
  void thread_ended(Thread& thread) override {
    if (is_off()) return;
    if (!thread.is_first()) record(Kind::ThreadEnd, thread.process().pid(), thread.shown_id(), 0, kNoName);
  }
};

void print_event(view::TextSink& sink, const Event& event) {
  const auto print_name = [&] {
    sink.put(" name=");
    sink.put_escaped(event.name);
  };
  sink.print("%llu ", static_cast<unsigned long long>(event.time));
  switch (event.kind) {
    case Kind::Fork:
      sink.print("proc:fork pid=%d tid=%d child=%d how=%s", event.pid, event.tid, event.detail, event.how);
      print_name();
      break;
    case Kind::Thread:
      sink.print("proc:thread pid=%d tid=%d child=%d", event.pid, event.tid, event.detail);
      print_name();
      break;
    case Kind::Start: sink.print("sched:fork tid=%d pid=%d cpu=%d", event.tid, event.pid, event.detail); break;
    case Kind::Exec:
      sink.print("proc:exec pid=%d tid=%d", event.pid, event.tid);
      print_name();
      break;
    case Kind::Exit: sink.print("proc:exit pid=%d tid=%d status=%d", event.pid, event.tid, event.detail); break;
    case Kind::ThreadEnd: sink.print("proc:thread_end pid=%d tid=%d", event.pid, event.tid); break;
  }
  sink.put('\n');
}

// Oldest first. Each is copied out of the ring by itself: printing may have to allocate.
Result<> print(view::TextSink& sink) {
  uint64_t end, first;
  {
    sync::SpinGuard guard(ring_lock);
    end = events_so_far;
    first = end - std::min<uint64_t>(end, ring->size());
  }
  sink.print("# events=%llu dropped=%llu cpus=%u now=%llu\n", static_cast<unsigned long long>(end - first),
             static_cast<unsigned long long>(first), machine::cpu_count(),
             static_cast<unsigned long long>(machine::now()));
  for (uint64_t i = first; i < end; i++) {
    Event event;
    {
      sync::SpinGuard guard(ring_lock);
      if (i >= events_so_far || ring->empty()) break;   // begun anew meanwhile
      event = (*ring)[i % ring->size()];
    }
    print_event(sink, event);
  }
  return {};
}

Late<Subscriber> subscriber;

}  // namespace

Result<> init_tracepoints(uint32_t capacity) {
  {
    sync::SpinGuard guard(ring_lock);
    ring.construct();
  }
  TRY(keep_events(capacity));
  view::register_setting(setting);
  view::set_trace_text(print);
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::trace
