// SPDX-License-Identifier: BSD-2-Clause
// ktrace: who is traced, what is inherited, and how a record is put together.
#include "trace/ktrace.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/late.h"
#include "file/inode.h"
#include "process/life_events.h"
#include "sched/clock.h"
#include "vm/user_ptr.h"

namespace tine::trace {

namespace {

using process::Process;
using process::Thread;

// --- The table of traced processes ---

struct Traced : RefCounted<Traced>, mem::FromCache<Traced>, boost::intrusive::list_base_hook<> {
  const Process* process = nullptr;
  Ref<file::File> file;
  identity::CredentialsRef credentials;   // who asked: they stay with the file when children inherit it
  Facilities facilities = 0;
  uint64_t made_by = 0;                   // the call that made a child, for the record of its own return
};
using TracedList = boost::intrusive::list<Traced, boost::intrusive::constant_time_size<false>>;
constexpr size_t kBuckets = 64;

constinit sync::Spinlock traced_lock{"ktrace"};
Late<std::array<TracedList, kBuckets>> buckets;
std::atomic<uint32_t> traced_count{0};

TracedList& bucket_of(const Process& process) { return (*buckets)[static_cast<size_t>(process.pid()) % kBuckets]; }

Traced* find(const Process& process) REQUIRES(traced_lock) {
  for (Traced& traced : bucket_of(process))
    if (traced.process == &process) return &traced;
  return nullptr;
}

void insert(Traced& traced, const Process& process) REQUIRES(traced_lock) {
  traced.process = &process;
  bucket_of(process).push_back(traced);
  intrusive_ptr_add_ref(&traced);
  traced_count.fetch_add(1);
}

void erase(Traced& traced) REQUIRES(traced_lock) {
  TracedList& bucket = bucket_of(*traced.process);
  bucket.erase(bucket.iterator_to(traced));
  traced_count.fetch_sub(1);
}

void switch_threads(Process& process, bool traced) {
  sync::SpinGuard guard(process.lock);
  for (Thread& thread : process.threads) {
    if (traced) {
      thread.call_watch.fetch_or(process::kWatchedByKtrace);
    } else {
      thread.call_watch.fetch_and(~uint32_t{process::kWatchedByKtrace});
    }
  }
}

// A copy of the entry, for use without the lock; null: not traced for this.
Ref<Traced> traced_for(const Process& process, Facilities wanted) {
  if (traced_count.load(std::memory_order_relaxed) == 0) return nullptr;
  sync::SpinGuard guard(traced_lock);
  Traced* traced = find(process);
  return traced != nullptr && traced->facilities & wanted ? Ref<Traced>(traced) : nullptr;
}

void stop_tracing(Process& process) {
  Ref<Traced> gone;   // its file is closed after the lock is let go
  {
    sync::SpinGuard guard(traced_lock);
    Traced* traced = find(process);
    if (traced == nullptr) return;
    gone = Ref<Traced>(traced, false);
    erase(*traced);
  }
  switch_threads(process, false);
}

bool may_change(const Traced& traced, const identity::Credentials& by) {
  return by.euid == 0 || (!(traced.facilities & kFacilityRoot) && traced.credentials->euid == by.euid);
}

// --- Records ---

// struct ktr_header.
struct Header {
  uint32_t type;
  int32_t pid, tid;
  int32_t padding;
  int64_t seconds, nanoseconds;
  char command[24];
  uint64_t size;
};
static_assert(sizeof(Header) == 64);

constexpr size_t kMostIo = 4096;   // of one read or write

// A record in the making: one write puts it into the file as a whole.
class Writer {
 public:
  Writer(Record record, size_t most) : record_(record) {
    process_ = &process::current().process();
    traced_ = traced_for(*process_, facility(record));
    if (traced_ == nullptr) return;
    auto buffer = mem::Buffer<std::byte>::make(sizeof(Header) + most);
    if (buffer) buffer_ = std::move(*buffer);
    else traced_ = nullptr;   // a record is lost, the process goes on
  }
  ~Writer() {
    if (traced_ != nullptr) write();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  explicit operator bool() const { return traced_ != nullptr; }
  void put(const void* bytes, size_t size) {
    size = std::min(size, room());
    std::memcpy(buffer_.data() + used_, bytes, size);
    used_ += size;
  }
  template <class T>
  void put(const T& value) { put(&value, sizeof value); }
  void put_user(uintptr_t address, size_t size) {
    size = std::min(size, room());
    if (vm::copy_in(buffer_.data() + used_, address, size)) used_ += size;
  }

 private:
  size_t room() const { return buffer_.size() - used_; }

  void write() {
    const Thread& thread = process::current();
    const Nanoseconds now = sched::wall_clock();
    Header header{};
    header.type = static_cast<uint32_t>(record_);
    header.pid = process_->pid();
    header.tid = thread.shown_id();
    header.seconds = static_cast<int64_t>(now / kSecond);
    header.nanoseconds = static_cast<int64_t>(now % kSecond);
    std::copy_n(thread.name, sizeof thread.name, header.command);
    header.size = used_ - sizeof header;
    std::memcpy(buffer_.data(), &header, sizeof header);
    file::IoBuffer from = file::IoBuffer::kernel(std::span<const std::byte>(buffer_.data(), used_));
    uint64_t offset = 0;   // the file is open for appending
    const Result<size_t> written = traced_->file->write(from, &offset);
    if (!written || *written != used_) stop_tracing(*process_);
  }

  const Record record_;
  Process* process_;
  Ref<Traced> traced_;
  mem::Buffer<std::byte> buffer_;
  size_t used_ = sizeof(Header);
};

// --- Life events ---

class Subscriber final : public process::LifeSubscriber {
 public:
  Result<> reserve_fork(Process& parent, const process::ForkRequest&, uintptr_t& token) override {
    token = 0;
    const Ref<Traced> traced = traced_for(parent, kFacilityInherit);
    if (traced == nullptr) return {};
    Ref<Traced> childs = TRY(mem::make_ref<Traced>());
    childs->file = traced->file;
    childs->credentials = traced->credentials;
    childs->facilities = traced->facilities;
    childs->made_by = process::current().frame().system_call_number();
    token = reinterpret_cast<uintptr_t>(childs.detach());
    return {};
  }
  void cancel_fork(uintptr_t token) override { take_back(token); }
  void forked(Process&, Process& child, const process::ForkRequest&, uintptr_t token) override {
    const Ref<Traced> traced = take_back(token);
    if (traced == nullptr) return;
    {
      sync::SpinGuard guard(traced_lock);
      if (find(child) != nullptr) return;   // somebody has been faster: the child is visible already
      insert(*traced, child);
    }
    switch_threads(child, true);
  }
  void thread_made(Thread& creator, Thread& made) override {
    made.call_watch.fetch_or(creator.call_watch.load() & process::kWatchedByKtrace);
  }
  void first_return(Thread& thread) override {
    if (!thread.is_first()) return;   // a thread's creator has recorded the call
    uint64_t made_by;
    {
      sync::SpinGuard guard(traced_lock);
      Traced* traced = find(thread.process());
      if (traced == nullptr || traced->made_by == 0) return;
      made_by = traced->made_by;
    }
    record_return(made_by, 0);
  }
  void signal_taken(Thread&, const process::SignalInfo& info, uintptr_t handler) override {
    Writer record(Record::Signal, 24 + sizeof info);
    if (!record) return;
    record.put<int32_t>(info.signal);
    record.put<int32_t>(info.code);
    record.put<uint64_t>(handler);
    record.put<uint64_t>(process::current().mask.bits());
    record.put(info);
  }
  void executed(Process& process) override {
    if (traced_count.load() == 0) return;
    // What a program does that its user may not look into is not for the user to see.
    if (!process.has(process::kDumpable) && traced_for(process, kFacilityRoot) == nullptr) stop_tracing(process);
    const Ref<process::ArgumentBlock> arguments = process.arguments();
    if (arguments == nullptr) return;
    Writer record(Record::Arguments, arguments->text.size());
    if (record) record.put(arguments->text.data(), arguments->text.size());
  }
  void exited(Process& process) override {
    if (traced_count.load() != 0) stop_tracing(process);
  }

 private:
  static Ref<Traced> take_back(uintptr_t token) { return Ref<Traced>(reinterpret_cast<Traced*>(token), false); }
};

Late<Subscriber> subscriber;

}  // namespace

// --- Switching on and off ---

Result<> set_trace(Process& process, const Ref<file::File>& file, const process::Inspector& inspector,
                   identity::CredentialsRef credentials, Facilities facilities) {
  Ref<Traced> fresh = TRY(mem::make_ref<Traced>());
  fresh->file = file;
  fresh->facilities = facilities | (credentials->euid == 0 ? kFacilityRoot : 0);
  fresh->credentials = std::move(credentials);
  Ref<Traced> old, late;
  {
    sync::SpinGuard guard(traced_lock);
    if (Traced* traced = find(process)) {
      if (!may_change(*traced, *fresh->credentials)) return Error(Errno::Perm);
      if (traced->file->inode() == file->inode()) fresh->facilities |= traced->facilities;
      old = Ref<Traced>(traced, false);
      erase(*traced);
    }
    insert(*fresh, process);
  }
  // Looked at after the entry is there: the end, and exec of a program that its user may not look into, first close the
  // process and then look for an entry.
  const Result<> allowed = inspector.check(process);
  if (!allowed || process.has(process::kExiting)) {
    sync::SpinGuard guard(traced_lock);
    if (find(process) == fresh.get()) {
      late = Ref<Traced>(fresh.get(), false);
      erase(*fresh);
    }
  }
  if (!allowed) return allowed;
  if (process.has(process::kExiting)) return Error(Errno::Srch);
  switch_threads(process, true);
  return {};
}

Result<> clear_trace(Process& process, const identity::Credentials& by, Facilities facilities) {
  {
    sync::SpinGuard guard(traced_lock);
    Traced* traced = find(process);
    if (traced == nullptr) return {};
    if (!may_change(*traced, by)) return Error(Errno::Perm);
    traced->facilities &= ~facilities;
    if ((traced->facilities & ~(kFacilityRoot | kFacilityInherit)) != 0) return {};
  }
  stop_tracing(process);
  return {};
}

void clear_trace_file(const file::Inode& inode, const identity::Credentials& by) {
  for (Ref<Process> each = process::next_process(0); each; each = process::next_process(each->pid())) {
    const Ref<Traced> traced = traced_for(*each, ~Facilities{0});
    if (traced != nullptr && traced->file->inode() == &inode && may_change(*traced, by)) stop_tracing(*each);
  }
}

// --- What is recorded ---

void record_call(uint64_t number, std::span<const uint64_t> arguments) {
  Writer record(Record::Call, 8 + arguments.size_bytes());
  if (!record) return;
  record.put(static_cast<int32_t>(number));
  record.put(static_cast<int32_t>(arguments.size_bytes()));
  record.put(arguments.data(), arguments.size_bytes());
}

void record_return(uint64_t number, Result<uint64_t> result) {
  Writer record(Record::Return, 16);
  if (!record) return;
  record.put(static_cast<int32_t>(number));
  record.put<int32_t>(result ? 0 : static_cast<int32_t>(result.error()));
  if (result) record.put(*result);
}

void record_name(std::string_view path) {
  Writer record(Record::Name, path.size());
  if (record) record.put(path.data(), path.size());
}

void record_io(int descriptor, Direction direction, uintptr_t user_address, size_t size) {
  size = std::min(size, kMostIo);
  Writer record(Record::Io, 8 + size);
  if (!record) return;
  record.put<int32_t>(descriptor);
  record.put(direction);
  record.put_user(user_address, size);
}

void record_struct(std::string_view name, std::span<const std::byte> contents) {
  Writer record(Record::Struct, name.size() + 1 + contents.size());
  if (!record) return;
  record.put(name.data(), name.size());
  record.put('\0');
  record.put(contents.data(), contents.size());
}

void record_user(std::string_view label, std::span<const std::byte> contents) {
  char id[20] = {};
  label.copy(id, sizeof id - 1);
  Writer record(Record::User, sizeof id + contents.size());
  if (!record) return;
  record.put(id);
  record.put(contents.data(), contents.size());
}

Result<> init_ktrace() {
  buckets.construct();
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::trace
