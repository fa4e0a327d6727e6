// SPDX-License-Identifier: BSD-2-Clause
#include "process/ids.h"

#include <bit>
#include <boost/intrusive/unordered_set.hpp>

#include "base/late.h"
#include "mem/buffer.h"
#include "process/group.h"
#include "process/pid_space.h"
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
  Result<> init(PidNumber pid_max) {
    max_ = pid_max;
    pid_storage_ = TRY(mem::Buffer<std::byte>::make_zeroed(IdSpace::storage_bytes(pid_max)));
    tid_storage_ = TRY(mem::Buffer<std::byte>::make_zeroed(IdSpace::storage_bytes(kTidMask + 1)));
    const size_t buckets = std::min(kMaxBuckets, std::bit_ceil(static_cast<size_t>(pid_max) / 4 + 1));
    pid_buckets_ = TRY(mem::Buffer<std::byte>::make_zeroed(buckets * sizeof(PidNumbers::bucket_type)));
    tid_buckets_ = TRY(mem::Buffer<std::byte>::make_zeroed(buckets * sizeof(ThreadNumbers::bucket_type)));
    sync::SpinGuard guard(ids_lock);
    pids_.init(IdSpace(1, static_cast<uint32_t>(pid_max), pid_storage_.span()));
    tids_ = IdSpace(1, kTidMask + 1, tid_storage_.span());
    pid_numbers_.construct(PidNumbers::bucket_traits(new (pid_buckets_.data()) PidNumbers::bucket_type[buckets], buckets));
    tid_numbers_.construct(
        ThreadNumbers::bucket_traits(new (tid_buckets_.data()) ThreadNumbers::bucket_type[buckets], buckets));
    return {};
  }

  Result<Ref<Pid>> allocate(bool high) EXCLUDES(ids_lock) {
    if (mem::should_fail()) return Error(Errno::Again);
    sync::SpinGuard guard(ids_lock);
    const uint32_t number = high ? pids_.choose_high() : pids_.choose();
    if (number == 0) return Error(Errno::Again);
    Pid* pid = TRY(mem::make<Pid>(static_cast<PidNumber>(number), high));
    pids_.take(number);
    pid_numbers_->insert(*pid);
    return Ref<Pid>(pid);
  }

  Result<Ref<Pid>> allocate_number(PidNumber wanted) EXCLUDES(ids_lock) {
    if (wanted < 1 || wanted > max_) return Error(Errno::Inval);
    if (mem::should_fail()) return Error(Errno::Again);
    sync::SpinGuard guard(ids_lock);
    const auto number = static_cast<uint32_t>(wanted);
    if (pid_numbers_->find(wanted) != pid_numbers_->end()) return Error(Errno::Exist);
    Pid* pid = TRY(mem::make<Pid>(wanted, /*high=*/true));
    pids_.take_exactly(number);
    pid_numbers_->insert(*pid);
    return Ref<Pid>(pid);
  }

  // From here on it is somebody's.
  void use(Pid& pid) REQUIRES(ids_lock) {
    pid.used_ = true;
    if (!pid.high_) pids_.use(static_cast<uint32_t>(pid.number()));
  }

  void release(Pid& pid) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    pid_numbers_->erase(pid_numbers_->iterator_to(pid));
    const auto number = static_cast<uint32_t>(pid.number());
    pid.used_ ? pids_.release(number) : pids_.give_back(number);
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

  PidNumber max() const { return max_; }
  PidNumber last_used() EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    return static_cast<PidNumber>(pids_.last_used());
  }
  PidMode mode() EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    return pids_.mode;
  }
  void set_mode(PidMode mode) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    pids_.mode = mode;
  }
  int random_step() EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    return static_cast<int>(pids_.random_step());
  }
  void set_random_step(int step) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    pids_.set_random_step(step);
  }

  // The user of the lowest number above `after`, embryos left out.
  Ref<Process> next_process(PidNumber after) EXCLUDES(ids_lock) {
    sync::SpinGuard guard(ids_lock);
    for (uint32_t number = static_cast<uint32_t>(after) + 1; number <= pids_.last(); ++number) {
      const std::optional<uint32_t> taken = pids_.ids().next_taken(number);
      if (!taken) return nullptr;
      number = *taken;
      const auto found = pid_numbers_->find(static_cast<PidNumber>(number));
      if (found == pid_numbers_->end() || found->process_ == nullptr) continue;
      if (found->process_->life.load() != LifeState::Embryo && found->process_->try_ref())
        return Ref<Process>(found->process_, /*add_ref=*/false);
    }
    return nullptr;
  }

 private:
  mem::Buffer<std::byte> pid_storage_, tid_storage_, pid_buckets_, tid_buckets_;
  PidSpace<> pids_ GUARDED_BY(ids_lock);
  IdSpace tids_ GUARDED_BY(ids_lock);
  Late<PidNumbers> pid_numbers_ GUARDED_BY(ids_lock);
  Late<ThreadNumbers> tid_numbers_ GUARDED_BY(ids_lock);
  PidNumber max_ = 0;   // does not change after init()
};

namespace {
constinit Late<PidTable> table;
}

Result<> init_ids(PidNumber pid_max) { return table.construct().init(pid_max); }
PidNumber pid_max() { return table->max(); }
PidMode pid_mode() { return table->mode(); }
void set_pid_mode(PidMode mode) { table->set_mode(mode); }
PidNumber last_pid() { return table->last_used(); }
int random_pid_step() { return table->random_step(); }
void set_random_pid_step(int step) { table->set_random_step(step); }

Result<Ref<Pid>> Pid::allocate(bool high) { return table->allocate(high); }
Result<Ref<Pid>> Pid::allocate_number(PidNumber number) { return table->allocate_number(number); }
Result<Ref<Pid>> Pid::make_zero() { return Ref<Pid>(TRY(mem::make<Pid>(0, /*high=*/true))); }
Pid::~Pid() { table->release(*this); }

void Pid::attach(Process* process) {
  sync::SpinGuard guard(ids_lock);
  process_ = process;
  if (process != nullptr) table->use(*this);
}
// A group or session that goes says so when its last reference has gone: what is attached and has one is another, newer.
void Pid::attach(ProcessGroup* group) {
  sync::SpinGuard guard(ids_lock);
  if (group != nullptr || (group_ != nullptr && group_->ref_count() == 0)) group_ = group;
}
void Pid::attach(Session* session) {
  sync::SpinGuard guard(ids_lock);
  if (session != nullptr || (session_ != nullptr && session_->ref_count() == 0)) session_ = session;
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

Ref<Process> find_process_of(PidNumber shown_id) {
  if (shown_id <= kThreadPidOffset) return find_process(shown_id);
  const Ref<Thread> thread = find_thread(shown_id);
  return thread ? Ref<Process>(&thread->process()) : nullptr;
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
