// SPDX-License-Identifier: BSD-2-Clause
// signalfd: the list of signal files, reading, readiness.
#include "event/signalfd.h"

#include "base/late.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::event {

using namespace file;
using process::SignalInfo;
using process::SignalSet;

namespace {

// struct signalfd_siginfo.
struct Record {
  uint32_t signo;
  int32_t error, code;
  uint32_t pid, uid;
  int32_t fd;
  uint32_t tid, band, overrun, trapno;
  int32_t status, int_value;
  uint64_t pointer, utime, stime, address;
  uint16_t address_lsb, padding2;
  int32_t syscall;
  uint64_t call_address;
  uint32_t arch;
  uint8_t padding[28];
};
static_assert(sizeof(Record) == 128);

// Which fields mean something depends on who sent the signal. Source: signalfd(2), sigaction(2).
Record to_record(const SignalInfo& info) {
  Record record{};
  record.signo = static_cast<uint32_t>(info.signal);
  record.error = info.error;
  record.code = info.code;
  const bool from_kernel = info.code > 0 && info.code != process::kFromKernel;
  if (info.code == process::kFromTimer) {
    record.tid = static_cast<uint32_t>(info.timer.timer_id);
    record.overrun = static_cast<uint32_t>(info.timer.overrun);
    record.pointer = info.timer.value;
    record.int_value = static_cast<int32_t>(info.timer.value);
  } else if (from_kernel && process::kSynchronousSignals.has(info.signal)) {
    record.address = info.fault.address;
    record.address_lsb = static_cast<uint16_t>(info.fault.address_lsb);
  } else if (from_kernel && info.signal == process::kSigIo) {
    record.band = static_cast<uint32_t>(info.poll.band);
    record.fd = info.poll.fd;
  } else {
    record.pid = static_cast<uint32_t>(info.sender.pid);
    record.uid = info.sender.uid;
    if (from_kernel && info.signal == process::kSigChld) {
      record.status = info.sender.status;
      record.utime = static_cast<uint64_t>(info.sender.utime);
      record.stime = static_cast<uint64_t>(info.sender.stime);
    } else {
      record.pointer = info.sender.value;
      record.int_value = static_cast<int32_t>(info.sender.value);
    }
  }
  return record;
}

sync::Spinlock list_lock{"signalfd list"};
using FileList = boost::intrusive::list<SignalFile, boost::intrusive::constant_time_size<false>>;
Late<FileList> files GUARDED_BY(list_lock);
std::atomic<unsigned> file_count{0};

FileList& list() REQUIRES(list_lock) {
  static bool made = false;
  if (!made) files.construct();
  made = true;
  return *files;
}

}  // namespace

SignalFile::SignalFile(SignalSet mask, uint32_t flags) : File(flags, Path()) {
  set_mask(mask);
  sync::SpinGuard guard(list_lock);
  list().push_back(*this);
  file_count.fetch_add(1);
}

SignalFile::~SignalFile() {
  sync::SpinGuard guard(list_lock);
  list().erase(list().iterator_to(*this));
  file_count.fetch_sub(1);
}

void SignalFile::set_mask(SignalSet mask) {
  mask_.store((mask & ~process::kUnblockable).bits());
  arrived_.wake(kPollIn | kPollRdNorm);
}

void tell_signal_files(int signal) {
  if (file_count.load() == 0) [[likely]]
    return;
  sync::SpinGuard guard(list_lock);
  for (SignalFile& file : list())
    if (file.mask().has(signal)) file.arrived_.wake(kPollIn | kPollRdNorm);
}

bool SignalFile::has_pending() const {
  return !(process::pending_signals(process::current()) & mask()).empty();
}

Result<size_t> SignalFile::read(IoBuffer& into, uint64_t*) {
  if (into.remaining() < sizeof(Record)) return Error(Errno::Inval);
  size_t done = 0;
  while (into.remaining() >= sizeof(Record)) {
    SignalInfo info;
    if (!process::take_signal(process::current(), mask(), info)) {
      if (done != 0) break;
      if (non_blocking()) return Error(Errno::Again);
      TRY(sched::wait_until(arrived_, {.name = "signalfd"}, [this] { return has_pending(); }));
      continue;
    }
    const Record record = to_record(info);
    const size_t moved = TRY(into.put(&record, sizeof record));
    done += moved;
    if (moved != sizeof record) break;
  }
  return done;
}

PollEvents SignalFile::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(arrived_);
  return has_pending() ? kPollIn | kPollRdNorm : 0;
}

void SignalFile::describe(file::DetailSink& sink) {
  sink.print("sigmask:\t%016llx\n", static_cast<unsigned long long>(mask_.load(std::memory_order_relaxed)));
}

}  // namespace tine::event
