// SPDX-License-Identifier: BSD-2-Clause
#include "trace/accounting.h"

#include <algorithm>
#include <bit>

#include "base/late.h"
#include "process/life_events.h"
#include "process/process.h"
#include "sched/clock.h"
#include "view/proc_state.h"

namespace tine::trace {

namespace {

using process::Process;

constexpr uint8_t kForkedOnly = 0x01, kSuperUser = 0x02, kCoreDumped = 0x08, kKilled = 0x10;   // AFORK, ASU, ACORE, AXSIG
constexpr uint8_t kVersion = 3;
constexpr uint64_t kTicks = 100;   // AHZ

// struct acct_v3.
struct Record {
  uint8_t flag, version;
  uint16_t tty;
  uint32_t exit_code, uid, gid, pid, parent, begin;
  uint32_t elapsed;   // a float: ticks
  uint16_t user_time, system_time, memory, characters, blocks, minor_faults, major_faults, swaps;
  char command[16];
};
static_assert(sizeof(Record) == 64);

constexpr uint64_t to_ticks(Nanoseconds time) { return time / (kSecond / kTicks); }

// comp_t: a 13-bit fraction and a 3-bit exponent of 8.
constexpr uint16_t compress(uint64_t value) {
  unsigned exponent = 0;
  for (; value >= 1u << 13; exponent++) value = (value + 4) >> 3;
  return exponent < 8 ? static_cast<uint16_t>(exponent << 13 | value) : 0xffff;
}
static_assert(compress(5) == 5 && compress(8192) == (1 << 13 | 1024));

// IEEE single precision, rounded down: the kernel has no floating point.
constexpr uint32_t to_float_bits(uint64_t value) {
  if (value == 0) return 0;
  const unsigned top = static_cast<unsigned>(std::bit_width(value)) - 1;
  const uint64_t fraction = top > 23 ? value >> (top - 23) : value << (23 - top);
  return (127 + top) << 23 | (static_cast<uint32_t>(fraction) & 0x7fffff);
}
static_assert(to_float_bits(1) == std::bit_cast<uint32_t>(1.0f) && to_float_bits(100) == std::bit_cast<uint32_t>(100.0f));

uint8_t flags_of(const Process& process, const identity::Credentials& who) {
  uint8_t flags = 0;
  if (process.has(process::kForked)) flags |= kForkedOnly;
  if (who.euid == 0) flags |= kSuperUser;
  if (process.exit_status & 0x7f) flags |= kKilled;
  if (process.exit_status & 0x80) flags |= kCoreDumped;
  return flags;
}

Record make_record(const Process& process) {
  const identity::CredentialsRef who = process.credentials();
  const process::Usage usage = process_usage(process);
  const Nanoseconds lived = machine::now() - process.start_time;
  Record record{};
  record.flag = flags_of(process, *who);
  record.version = kVersion;
  record.exit_code = static_cast<uint32_t>(process.exit_status);
  record.uid = who->ruid;
  record.gid = who->rgid;
  record.pid = static_cast<uint32_t>(process.pid());
  const view::Place place = view::place_of(process);
  record.parent = static_cast<uint32_t>(place.parent);
  record.tty = static_cast<uint16_t>(place.terminal);
  record.begin = static_cast<uint32_t>((sched::wall_clock() - lived) / kSecond);
  record.elapsed = to_float_bits(to_ticks(lived));
  record.user_time = compress(to_ticks(usage.user_time));
  record.system_time = compress(to_ticks(usage.system_time));
  record.memory = compress(usage.peak_resident * 4);   // KiB
  record.minor_faults = compress(usage.minor_faults);
  record.major_faults = compress(usage.major_faults);
  std::copy_n(process::current().name, sizeof record.command, record.command);
  return record;
}

constinit sync::Spinlock file_lock{"accounting"};
Late<Ref<file::File>> accounting_file;
std::atomic<bool> accounting_on{false};

class Subscriber final : public process::LifeSubscriber {
 public:
  void exited(Process& process) override {
    if (!accounting_on.load(std::memory_order_acquire)) return;
    Ref<file::File> file;
    {
      sync::SpinGuard guard(file_lock);
      file = *accounting_file;
    }
    if (file == nullptr) return;
    const Record record = make_record(process);
    file::IoBuffer from = file::IoBuffer::kernel(std::as_bytes(std::span(&record, 1)));
    uint64_t offset = 0;   // it is open for appending
    (void)file->write(from, &offset);   // a full file system loses records, as everywhere
  }
};

Late<Subscriber> subscriber;

}  // namespace

void set_accounting_file(Ref<file::File> file) {
  sync::SpinGuard guard(file_lock);
  accounting_file->swap(file);   // the old one is closed after the guard is gone: arguments outlive the body
  accounting_on.store(*accounting_file != nullptr, std::memory_order_release);
}

Result<> init_accounting() {
  accounting_file.construct();
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::trace
