// SPDX-License-Identifier: BSD-2-Clause
#include "process/timers.h"

#include <algorithm>
#include <memory>

#include "process/process.h"
#include "process/usage.h"
#include "sched/clock.h"

namespace tine::process {

namespace {

constexpr Nanoseconds kLeastCpuDelay = kMillisecond;
constexpr Nanoseconds kStallCheck = 100 * kMillisecond;
constexpr uint64_t kMostOverruns = INT32_MAX;

Nanoseconds saturating_add(Nanoseconds a, Nanoseconds b) { return a > kForever - b ? kForever : a + b; }

bool is_cpu_clock(TimerClock clock) { return clock != TimerClock::Uptime && clock != TimerClock::Wall; }

}  // namespace

Nanoseconds read_clock(TimerClock clock, const Process& process, const Thread* thread) {
  switch (clock) {
    case TimerClock::Uptime:
      return sched::uptime();
    case TimerClock::Wall:
      return sched::wall_clock();
    case TimerClock::ProcessCpu: {
      const Usage usage = process_usage(process);
      return usage.user_time + usage.system_time;
    }
    case TimerClock::ProcessUser:
      return process_usage(process).user_time;
    case TimerClock::ThreadCpu:
      return thread != nullptr ? sched::thread_cpu_time(*thread) : 0;
  }
  return 0;
}

ClockTimer::ClockTimer(IntervalTimers& owner, Role role, TimerClock clock, Ref<Thread> thread)
    : sched::Timer(&IntervalTimers::on_timer),
      owner(owner),
      role(role),
      clock(clock),
      thread(std::move(thread)) {}

IntervalTimers::IntervalTimers(Process& process)
    : process_(process),
      real_(*this, ClockTimer::Role::Interval, TimerClock::Uptime),
      virtual_(*this, ClockTimer::Role::Interval, TimerClock::ProcessUser),
      profile_(*this, ClockTimer::Role::Interval, TimerClock::ProcessCpu),
      cpu_limit_(*this, ClockTimer::Role::CpuLimit, TimerClock::ProcessCpu) {
  real_.signal = kSigAlrm;
  virtual_.signal = kSigVtalrm;
  profile_.signal = kSigProf;
}

IntervalTimers::~IntervalTimers() {
  destroy_all();
  for (ClockTimer* timer : {&real_, &virtual_, &profile_, &cpu_limit_}) end(*timer);
}

Result<Ref<IntervalTimers>> IntervalTimers::of(Process& process) {
  {
    sync::SpinGuard guard(process.lock);
    if (process.timers != nullptr) return process.timers;
  }
  Ref<IntervalTimers> fresh = TRY(mem::make_ref<IntervalTimers>(process));
  sync::SpinGuard guard(process.lock);
  if (process.timers == nullptr) process.timers = fresh;
  return process.timers;
}

Nanoseconds IntervalTimers::read(const ClockTimer& timer) const {
  return read_clock(timer.counts_on, process_, timer.thread.get());
}

namespace {

bool sends_nothing(const ClockTimer& timer) {
  return timer.role == ClockTimer::Role::Posix &&
         static_cast<const PosixTimer&>(timer).event.kind == TimerEvent::Kind::None;
}

int signal_of(const ClockTimer& timer) {
  return timer.role == ClockTimer::Role::Posix ? static_cast<const PosixTimer&>(timer).event.signal : timer.signal;
}

}  // namespace

// Sets the scheduler's timer for timer.expiry, where `now` is the time on the timer's clock. A timer that is
// disarmed may leave its scheduler timer behind; that one finds expiry 0 and does nothing.
void IntervalTimers::arm(ClockTimer& timer, Nanoseconds now) {
  timer.stalled = false;
  if (timer.expiry == 0 || sends_nothing(timer)) return;
  const Nanoseconds left = timer.expiry > now ? timer.expiry - now : 0;
  const unsigned cpus =
      timer.clock == TimerClock::ThreadCpu
          ? 1
          : std::clamp(process_.thread_count.load(std::memory_order_relaxed), 1u, machine::cpu_count());
  const Nanoseconds delay =
      is_cpu_clock(timer.clock) ? std::max(left / cpus, kLeastCpuDelay) : std::max(left, sched::kLeastTimerDelay);
  const Nanoseconds deadline = saturating_add(sched::uptime(), delay);
  if (deadline != kForever) timer.sched::Timer::arm(deadline);
}

void IntervalTimers::on_timer(sched::Timer& timer) {
  ClockTimer& clock_timer = static_cast<ClockTimer&>(timer);
  if (clock_timer.role == ClockTimer::Role::CpuLimit)
    clock_timer.owner.enforce_cpu_limit(clock_timer);
  else
    clock_timer.owner.expired(clock_timer);
}

void IntervalTimers::expired(ClockTimer& timer) {
  const Nanoseconds now = read(timer);
  uint64_t times = 1;
  {
    sync::SpinGuard guard(lock_);
    if (timer.expiry == 0) return;
    if (now < timer.expiry) return arm(timer, now);
    if (timer.interval == 0) {
      timer.expiry = 0;
    } else {
      times = pass_expiries(timer, now);
      if (is_cpu_clock(timer.clock)) {
        arm(timer, now);
      } else {
        timer.stalled = true;
        process_.set(kTimerStalled);
        timer.sched::Timer::arm(saturating_add(sched::uptime(), std::max(timer.interval, kStallCheck)));
      }
    }
  }
  if (timer.role == ClockTimer::Role::Interval) return send_signal(process_, kernel_signal(timer.signal));

  // destroy() waits for this callback, so the timer is still there.
  const PosixTimer& posix = static_cast<const PosixTimer&>(timer);
  SignalInfo info;
  info.signal = posix.event.signal;
  info.code = kFromTimer;
  info.timer.timer_id = posix.id;
  info.timer.overrun = static_cast<int32_t>(std::min(times - 1, kMostOverruns));
  info.timer.value = posix.event.value_is_id ? static_cast<uint64_t>(posix.id) : posix.event.value;
  send_timer_signal(process_, posix.event.thread.get(), info);
}

uint64_t IntervalTimers::pass_expiries(ClockTimer& timer, Nanoseconds now) {
  const uint64_t times = 1 + (now - timer.expiry) / timer.interval;
  timer.expiry = saturating_add(timer.expiry, times * timer.interval);
  return times;
}

// The expiries that a stalled timer had meanwhile.
uint64_t IntervalTimers::go_on(ClockTimer& timer) {
  const Nanoseconds now = timer.counts_on == TimerClock::Wall ? sched::wall_clock() : sched::uptime();
  const uint64_t missed = timer.expiry != 0 && now >= timer.expiry ? pass_expiries(timer, now) : 0;
  arm(timer, now);
  return missed;
}

// SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one.
void IntervalTimers::enforce_cpu_limit(ClockTimer& timer) {
  const Limit limit = (*process_.limits())[Resource::Cpu];
  const Nanoseconds used = read(timer);
  const uint64_t seconds = used / kSecond;
  if (seconds >= limit.maximum) return send_signal(process_, kernel_signal(kSigKill));
  const bool over = seconds >= limit.current;
  {
    sync::SpinGuard guard(lock_);
    const uint64_t next = over ? seconds + 1 : std::min(limit.current, limit.maximum);
    timer.expiry = next > kForever / kSecond ? 0 : next * kSecond;
    arm(timer, used);
  }
  if (over) send_signal(process_, kernel_signal(kSigXcpu));
}

void IntervalTimers::watch_cpu_limit() {
  const Limit limit = (*process_.limits())[Resource::Cpu];
  const uint64_t first = std::min(limit.current, limit.maximum);
  const Nanoseconds used = read(cpu_limit_);
  sync::SpinGuard guard(lock_);
  // 0 seconds are over at once.
  cpu_limit_.expiry = first > kForever / kSecond ? 0 : std::max(first * kSecond, kMillisecond);
  arm(cpu_limit_, used);
}

TimerSetting IntervalTimers::setting_of(const ClockTimer& timer, Nanoseconds now) {
  if (timer.expiry == 0) return {0, timer.interval};
  if (sends_nothing(timer) && timer.expiry <= now) {
    if (timer.interval == 0) return {0, 0};
    return {timer.interval - (now - timer.expiry) % timer.interval, timer.interval};
  }
  // An expiry that is due but not yet seen: the least that is not "disarmed".
  return {timer.expiry > now ? timer.expiry - now : 1, timer.interval};
}

// --- Interval timers ---

ClockTimer& IntervalTimers::of_kind(IntervalTimer which) {
  switch (which) {
    case IntervalTimer::Real:
      return real_;
    case IntervalTimer::Virtual:
      return virtual_;
    case IntervalTimer::Profile:
      return profile_;
  }
  return real_;
}

TimerSetting IntervalTimers::get(IntervalTimer which) {
  ClockTimer& timer = of_kind(which);
  const Nanoseconds now = read(timer);
  sync::SpinGuard guard(lock_);
  TimerSetting setting = setting_of(timer, now);
  if (setting.value == 0) setting.interval = 0;
  return setting;
}

TimerSetting IntervalTimers::set(IntervalTimer which, TimerSetting setting) {
  ClockTimer& timer = of_kind(which);
  const Nanoseconds now = read(timer);
  sync::SpinGuard guard(lock_);
  const TimerSetting old = setting_of(timer, now);
  timer.expiry = setting.value == 0 ? 0 : saturating_add(now, setting.value);
  timer.interval = setting.interval;
  arm(timer, now);
  return old;
}

// --- POSIX timers ---

PosixTimer* IntervalTimers::find(int id) {
  for (PosixTimer& timer : posix_)
    if (timer.id == id) return &timer;
  return nullptr;
}

Result<int> IntervalTimers::create(TimerClock clock, Ref<Thread> of_thread, TimerEvent event) {
  // As on Linux, where each has its signal's entry.
  auto charge = TRY(identity::Charge<identity::Kept::Timers>::take_within(process_.credentials()->user, 1,
                                                                          process_.limit(Resource::PendingSignals)));
  sync::SpinGuard guard(lock_);
  // Ids are not used again soon, so that a signal left over from a deleted timer is not taken for another's.
  do {
    next_id_ = (next_id_ + 1) & INT32_MAX;
  } while (find(next_id_) != nullptr);
  const int id = next_id_;
  PosixTimer* timer = new (std::nothrow) PosixTimer(*this, id, clock, std::move(of_thread), std::move(event));
  if (timer == nullptr) return Error(Errno::Again);
  timer->charge = std::move(charge);
  posix_.push_back(*timer);
  return id;
}

Result<TimerSetting> IntervalTimers::get(int id) {
  // Reading a CPU clock takes Process::lock, which is never taken inside this one; hence look, read, look
  // again. Only a program that deletes and creates timers meanwhile can be told a wrong time, about the timer
  // it no longer has.
  Nanoseconds now = 0;
  TimerClock clock;
  Ref<Thread> thread;
  {
    sync::SpinGuard guard(lock_);
    const PosixTimer* timer = find(id);
    if (timer == nullptr) return Error(Errno::Inval);
    clock = timer->counts_on;
    thread = timer->thread;
  }
  now = read_clock(clock, process_, thread.get());
  sync::SpinGuard guard(lock_);
  const PosixTimer* timer = find(id);
  if (timer == nullptr) return Error(Errno::Inval);
  return setting_of(*timer, now);
}

Result<TimerSetting> IntervalTimers::set(int id, TimerSetting setting, bool absolute) {
  TimerClock clock, before;
  Ref<Thread> thread;
  {
    sync::SpinGuard guard(lock_);
    const PosixTimer* timer = find(id);
    if (timer == nullptr) return Error(Errno::Inval);
    before = timer->counts_on;
    clock = timer->clock == TimerClock::Wall && !absolute ? TimerClock::Uptime : timer->clock;
    thread = timer->thread;
  }
  const Nanoseconds now = read_clock(clock, process_, thread.get());
  const Nanoseconds now_before = before == clock ? now : read_clock(before, process_, thread.get());
  sync::SpinGuard guard(lock_);
  PosixTimer* timer = find(id);
  if (timer == nullptr) return Error(Errno::Inval);
  const TimerSetting old = setting_of(*timer, now_before);
  timer->counts_on = clock;
  timer->interval = setting.interval;
  timer->expiry = setting.value == 0 || absolute ? setting.value : saturating_add(now, setting.value);
  timer->overrun = 0;
  arm(*timer, now);
  return old;
}

Result<int> IntervalTimers::overrun(int id) {
  sync::SpinGuard guard(lock_);
  const PosixTimer* timer = find(id);
  if (timer == nullptr) return Error(Errno::Inval);
  return timer->overrun;
}

// Of a standard signal only one can be pending: all that stalled for it go on. Going on too early does no harm: the signal
// that is pending then takes up what is sent again.
void IntervalTimers::signal_taken(SignalInfo& info, bool by_timer) {
  sync::SpinGuard guard(lock_);
  PosixTimer* const sender = by_timer ? find(info.timer.timer_id) : nullptr;
  if (sender != nullptr) {
    const uint64_t missed = sender->stalled ? go_on(*sender) : 0;
    sender->overrun = static_cast<int32_t>(std::min(missed + static_cast<uint64_t>(info.timer.overrun), kMostOverruns));
    info.timer.overrun = sender->overrun;
    if (is_realtime(info.signal)) return;
  }
  if (real_.stalled && real_.signal == info.signal) (void)go_on(real_);
  for (PosixTimer& timer : posix_)
    if (timer.stalled && signal_of(timer) == info.signal) (void)go_on(timer);
}

// Waits for the timer's callback, which takes the lock and uses all of the timer: before its parts are destroyed, and
// without the lock. A disarmed timer is not armed again by its callback.
void IntervalTimers::end(ClockTimer& timer) {
  {
    sync::SpinGuard guard(lock_);
    timer.expiry = 0;
  }
  timer.cancel();
}

Result<> IntervalTimers::destroy(int id) {
  PosixTimer* timer;
  {
    sync::SpinGuard guard(lock_);
    timer = find(id);
    if (timer == nullptr) return Error(Errno::Inval);
    posix_.erase(posix_.iterator_to(*timer));
  }
  end(*timer);
  delete timer;
  return {};
}

void IntervalTimers::destroy_all() {
  boost::intrusive::list<PosixTimer> doomed;
  {
    sync::SpinGuard guard(lock_);
    doomed.swap(posix_);
  }
  doomed.clear_and_dispose([this](PosixTimer* timer) {
    end(*timer);
    delete timer;
  });
}

void IntervalTimers::wall_clock_set() {
  const Nanoseconds now = sched::wall_clock();
  sync::SpinGuard guard(lock_);
  for (PosixTimer& timer : posix_)
    if (timer.counts_on == TimerClock::Wall) arm(timer, now);
}

void IntervalTimers::thread_added() {
  const Nanoseconds all = read_clock(TimerClock::ProcessCpu, process_, nullptr);
  const Nanoseconds user = read_clock(TimerClock::ProcessUser, process_, nullptr);
  const auto look_again = [&](ClockTimer& timer) REQUIRES(lock_) {
    if (timer.clock == TimerClock::ProcessCpu) arm(timer, all);
    if (timer.clock == TimerClock::ProcessUser) arm(timer, user);
  };
  sync::SpinGuard guard(lock_);
  for (ClockTimer* timer : {&virtual_, &profile_, &cpu_limit_}) look_again(*timer);
  for (PosixTimer& timer : posix_) look_again(timer);
}

namespace {

Ref<IntervalTimers> timers_of(Process& process) {
  sync::SpinGuard guard(process.lock);
  return process.timers;
}

}  // namespace

void note_signal_taken(Process& process, SentSignal& taken) {
  if (!taken.by_timer && !process.has(kTimerStalled)) return;
  if (const Ref<IntervalTimers> timers = timers_of(process)) timers->signal_taken(taken.info, taken.by_timer);
}

Result<> watch_cpu_limit(Process& process) {
  Ref<IntervalTimers> timers = timers_of(process);
  if (timers == nullptr) {
    if (process.limit(Resource::Cpu) == kUnlimited) return {};
    timers = TRY(IntervalTimers::of(process));
  }
  timers->watch_cpu_limit();
  return {};
}

void note_thread_added(Process& process) {
  if (const Ref<IntervalTimers> timers = timers_of(process)) timers->thread_added();
}

void wall_clock_was_set() {
  for (Ref<Process> process = next_process(0); process != nullptr; process = next_process(process->pid()))
    if (const Ref<IntervalTimers> timers = timers_of(*process)) timers->wall_clock_set();
}

}  // namespace tine::process
