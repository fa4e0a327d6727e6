// SPDX-License-Identifier: BSD-2-Clause
#include "process/ids.h"

#include <array>
#include <bit>

#include "base/id_space.h"
#include "base/late.h"
#include "base/random.h"
#include "mem/buffer.h"
#include "process/group.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::process {

namespace {

namespace bi = boost::intrusive;

sync::Spinlock ids_lock{"ids"};

struct PidKey {
  using type = PidNumber;
  PidNumber operator()(const Pid& pid) const { return pid.number(); }
};
struct ThreadKey {
  using type = PidNumber;
  PidNumber operator()(const Thread& thread) const { return thread.id().internal(); }
};
// Numbers are dense or already random: they are their own hash.
struct SelfHash {
  size_t operator()(PidNumber number) const { return static_cast<size_t>(number); }
};
template <class T, class Key, class... Options>
using NumberTable = bi::unordered_set<T, bi::key_of_value<Key>, bi::hash<SelfHash>, bi::equal<std::equal_to<PidNumber>>,
                                      bi::power_2_buckets<true>, bi::constant_time_size<false>, Options...>;
using PidNumbers = NumberTable<Pid, PidKey>;
using ThreadNumbers = NumberTable<Thread, ThreadKey, bi::base_hook<ThreadIdHook>>;

constexpr size_t kMaxBuckets = 1u << 17;

}  // namespace

// Everything that one ids lock guards.
class PidTable {
 public:
  static constexpr unsigned kQuarantine = 128;

  Result<> init(PidNumber pid_max) {
    max_ = pid_max;
    pid_storage_ = TRY(mem::Buffer<std::byte>::make_zeroed(IdSpace::storage_bytes(pid_max)));
    tid_storage_ = TRY(mem::Buffer<std::byte>::make_zeroed(IdSpace::storage_bytes(kTidMask + 1)));
    const size_t buckets = std::min(kMaxBuckets, std::bit_ceil(static_cast<size_t>(pid_max) / 4 + 1));
    pid_buckets_ = TRY(mem::Buffer<std::byte>::make_zeroed(buckets * sizeof(PidNumbers::bucket_type)));
    tid_buckets_ = TRY(mem::Buffer<std::byte>::make_zeroed(buckets * sizeof(ThreadNumbers::bucket_type)));
    sync::SpinGuard guard(ids_lock);
    pids_ = IdSpace(1, static_cast<uint32_t>(pid_max), pid_storage_.span());
    tids_ = IdSpace(1, kTidMask + 1, tid_storage_.span());
    pid_numbers_.construct(PidNumbers::bucket_traits(new (pid_buckets_.data()) PidNumbers::bucket_type[buckets], buckets));
    tid_numbers_.construct(
        ThreadNumbers::bucket_traits(new (tid_buckets_.data()) ThreadNumbers::bucket_type[buckets], buckets));
    return {};
  }

  Result<Ref<Pid>> allocate(bool high) EXCLUDES(ids_lock) {
    if (mem::should_fail()) return Error(Errno::Again);
    sync::SpinGuard guard(ids_lock);
    const uint32_t number = choose(high);
    if (number == 0) return Error(Errno::Again);
    Pid* pid = TRY(mem::make<Pid>(static_cast<PidNumber>(number)));
    pids_.take(number);
    if (!high) last_ = static_cast<PidNumber>(number);
    pid_numbers_->insert(*pid);
    return Ref<Pid>(pid);
  }

  void release(Pid& pid) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    pid_numbers_->erase(pid_numbers_->iterator_to(pid));
    // The number stays taken until kQuarantine others have been freed after it (P7).
    const PidNumber oldest = std::exchange(quarantine_[next_quarantine_], pid.number());
    next_quarantine_ = (next_quarantine_ + 1) % kQuarantine;
    if (oldest != 0) pids_.put_back(static_cast<uint32_t>(oldest));
  }

  Result<PidNumber> allocate_thread_id() EXCLUDES(ids_lock) {
    if (mem::should_fail()) return Error(Errno::Again);
    sync::SpinGuard guard(ids_lock);
    if (tids_.free_count() == 0) return Error(Errno::Again);
    const uint32_t number = random_free(tids_);
    tids_.take(number);
    return static_cast<PidNumber>(number);
  }
  void release_thread_id(PidNumber number) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    tids_.put_back(static_cast<uint32_t>(number));
  }

  template <class T>
  Ref<T> find(PidNumber number, T* Pid::* user) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    const auto found = pid_numbers_->find(number);
    if (found == pid_numbers_->end() || (*found).*user == nullptr) return nullptr;
    T* object = (*found).*user;
    return object->try_ref() ? Ref<T>(object, /*add_ref=*/false) : nullptr;
  }
  Ref<Process> find_process(PidNumber number) { return find(number, &Pid::process_); }
  Ref<ProcessGroup> find_group(PidNumber number) { return find(number, &Pid::group_); }
  Ref<Session> find_session(PidNumber number) { return find(number, &Pid::session_); }

  void publish(Thread& thread) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    tid_numbers_->insert(thread);
  }
  void withdraw(Thread& thread) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    tid_numbers_->erase(tid_numbers_->iterator_to(thread));
  }
  Ref<Thread> find_thread(PidNumber internal) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    const auto found = tid_numbers_->find(internal);
    if (found == tid_numbers_->end() || !found->try_ref()) return nullptr;
    return Ref<Thread>(&*found, /*add_ref=*/false);
  }

  // The user of the lowest number above `after`, embryos left out.
  Ref<Process> next_process(PidNumber after) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    for (uint32_t number = static_cast<uint32_t>(after) + 1; number <= pids_.last(); ++number) {
      const std::optional<uint32_t> taken = pids_.next_taken(number);
      if (!taken) return nullptr;
      number = *taken;
      const auto found = pid_numbers_->find(static_cast<PidNumber>(number));
      if (found == pid_numbers_->end() || found->process_ == nullptr) continue;
      if (found->process_->life.load() != LifeState::Embryo && found->process_->try_ref())
        return Ref<Process>(found->process_, /*add_ref=*/false);
    }
    return nullptr;
  }

  PidMode mode = PidMode::Random;
  int random_step = 0;
  PidNumber last() const { return last_; }
  PidNumber max() const { return max_; }

 private:
  // 0: no number is free.
  uint32_t choose(bool high) const REQUIRES(ids_lock) {
    if (last_ == 0 && !high) return 1;   // P1
    if (pids_.free_count() == 0) return 0;
    if (high) return next_or_wrap(std::max<uint32_t>(10, static_cast<uint32_t>(last_) + 1));
    if (mode == PidMode::Random) return random_free(pids_);
    uint32_t from = static_cast<uint32_t>(last_) + 1;
    if (random_step != 0) from += static_cast<uint32_t>(random_below(static_cast<uint64_t>(random_step)));
    if (from >= pids_.last()) {
      from %= pids_.last();
      if (from < 100) from += 100;
    }
    return next_or_wrap(from);
  }
  // Low numbers tend to belong to daemons that stay, so the search starts again at 100 (P3), and only then at 2.
  uint32_t next_or_wrap(uint32_t from) const REQUIRES(ids_lock) {
    if (const auto number = pids_.next_free(from)) return *number;
    if (const auto number = pids_.next_free(100)) return *number;
    return pids_.next_free(2).value_or(0);
  }
  // Uniform among the free numbers: a few tries that hit at once unless the space is nearly full, then an exact choice.
  static uint32_t random_free(const IdSpace& space) {
    for (int tries = 0; tries < 4; ++tries) {
      const uint32_t number = space.first() + static_cast<uint32_t>(random_below(space.last() - space.first() + 1));
      if (!space.is_taken(number)) return number;
    }
    return space.select_free(static_cast<uint32_t>(random_below(space.free_count())));
  }

  mem::Buffer<std::byte> pid_storage_, tid_storage_, pid_buckets_, tid_buckets_;
  IdSpace pids_ GUARDED_BY(ids_lock);
  IdSpace tids_ GUARDED_BY(ids_lock);
  Late<PidNumbers> pid_numbers_ GUARDED_BY(ids_lock);
  Late<ThreadNumbers> tid_numbers_ GUARDED_BY(ids_lock);
  std::array<PidNumber, kQuarantine> quarantine_ GUARDED_BY(ids_lock) = {};
  unsigned next_quarantine_ GUARDED_BY(ids_lock) = 0;
  PidNumber last_ = 0;
  PidNumber max_ = 0;
};

namespace {
constinit Late<PidTable> table;
}

Result<> init_ids(PidNumber pid_max) { return table.construct().init(pid_max); }
PidNumber pid_max() { return table->max(); }
PidMode pid_mode() { return table->mode; }
void set_pid_mode(PidMode mode) { table->mode = mode; }
PidNumber last_pid() { return table->last(); }
int random_pid_step() { return table->random_step; }

void set_random_pid_step(int step) {
  const int most = table->max() - 100;
  if (step < 0 || step > most) step = most;
  else if (step < 2) step = 0;
  else if (step < 100) step = 100;
  table->random_step = step;
}

Result<Ref<Pid>> Pid::allocate(bool high) { return table->allocate(high); }
Result<Ref<Pid>> Pid::make_zero() { return Ref<Pid>(TRY(mem::make<Pid>(0))); }
Pid::~Pid() { table->release(*this); }

void Pid::attach(Process* process) {
  sync::SpinGuard guard(ids_lock);
  process_ = process;
}
void Pid::attach(ProcessGroup* group) {
  sync::SpinGuard guard(ids_lock);
  group_ = group;
}
void Pid::attach(Session* session) {
  sync::SpinGuard guard(ids_lock);
  session_ = session;
}

Ref<Process> find_process(PidNumber number) {
  Ref<Process> process = table->find_process(number);
  return process && process->life.load(std::memory_order_acquire) != LifeState::Embryo ? process : nullptr;
}
Ref<ProcessGroup> find_group(PidNumber number) { return table->find_group(number); }
Ref<Session> find_session(PidNumber number) { return table->find_session(number); }
Ref<Process> next_process(PidNumber after) { return table->next_process(after); }

Ref<Thread> find_thread(PidNumber shown_id) {
  if (shown_id > kThreadPidOffset) {
    Ref<Thread> thread = table->find_thread(shown_id - kThreadPidOffset);
    return thread && !thread->is_first() ? thread : nullptr;
  }
  const Ref<Process> process = find_process(shown_id);
  if (!process) return nullptr;
  sync::SpinGuard guard(process->lock);
  return process->first_thread;
}
void publish_thread_id(Thread& thread) { table->publish(thread); }
void withdraw_thread_id(Thread& thread) { table->withdraw(thread); }

Result<ThreadId> ThreadId::allocate() {
  ThreadId id;
  id.number_ = TRY(table->allocate_thread_id());
  return id;
}
ThreadId::ThreadId(ThreadId&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
ThreadId& ThreadId::operator=(ThreadId&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}
ThreadId::~ThreadId() {
  if (number_ != 0) table->release_thread_id(number_);
}

}  // namespace tine::process
