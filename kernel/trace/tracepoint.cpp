// SPDX-License-Identifier: BSD-2-Clause
// One tracepoint so far, sched:fork: each thread that is started, with the CPU that was chosen for it.
#include "trace/tracepoint.h"

#include <array>

#include "base/late.h"
#include "process/life_events.h"
#include "process/process.h"
#include "view/procfs.h"

namespace tine::trace {

namespace {

struct Started {
  Nanoseconds time;
  process::PidNumber tid, pid;
  uint32_t cpu;
};

constexpr size_t kKept = 512;
constinit sync::Spinlock ring_lock{"tracepoints"};
std::array<Started, kKept> ring GUARDED_BY(ring_lock);
uint64_t started_so_far GUARDED_BY(ring_lock) = 0;

class Subscriber final : public process::LifeSubscriber {
 public:
  void started(process::Thread& thread, uint32_t cpu) override {
    const Started entry{machine::now(), thread.shown_id(), thread.process().pid(), cpu};
    sync::SpinGuard guard(ring_lock);
    ring[started_so_far++ % kKept] = entry;
  }
};

// Oldest first. Each is copied out of the ring by itself: printing may have to allocate.
Result<> print(view::TextSink& sink) {
  uint64_t end;
  {
    sync::SpinGuard guard(ring_lock);
    end = started_so_far;
  }
  for (uint64_t i = end > kKept ? end - kKept : 0; i < end; i++) {
    Started entry;
    {
      sync::SpinGuard guard(ring_lock);
      entry = ring[i % kKept];
    }
    sink.print("%llu sched:fork tid=%d pid=%d cpu=%u\n", static_cast<unsigned long long>(entry.time), entry.tid,
               entry.pid, entry.cpu);
  }
  return {};
}

Late<Subscriber> subscriber;

}  // namespace

Result<> init_tracepoints() {
  view::set_trace_text(print);
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::trace
