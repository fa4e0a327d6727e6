// SPDX-License-Identifier: BSD-2-Clause
// What the event layer wants to know of processes' lives.
#include "event/init.h"

#include "base/late.h"
#include "event/futex.h"
#include "event/futex_pi.h"
#include "event/kqueue.h"
#include "event/robust_list.h"
#include "event/signalfd.h"
#include "event/timerfd.h"
#include "process/life_events.h"
#include "process/thread.h"

namespace tine::event {
namespace {

class Subscriber final : public process::LifeSubscriber {
 public:
  void thread_ended(process::Thread& thread) override {
    release_robust_list(thread);
    release_pi_waiters(thread);
    clear_child_tid(thread);  // last: whoever waits for the end of the thread finds its futexes released
  }
  void executed(process::Process&) override { process::current().released_pi_futexes.store(false); }
  void signalled(process::Process&, int signal) override { tell_signal_files(signal); }
};

Late<Subscriber> subscriber;

}  // namespace

Result<> init() {
  init_futexes();
  init_pi_futexes();
  init_kqueue_notes();
  init_timer_files();
  TRY(init_life_notes());
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::event
