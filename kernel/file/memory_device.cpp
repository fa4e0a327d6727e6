// SPDX-License-Identifier: BSD-2-Clause
// The memory devices, major 1: null, zero, full, random, urandom, kmsg. Source: null(4), full(4), random(4), syslog(2).
#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "file/device.h"
#include "file/open_file.h"
#include "sched/scheduler.h"
#include "vm/memory_object.h"

namespace tine::file {
namespace {

constexpr uint32_t kMemoryMajor = 1;
enum Minor : uint32_t { kNull = 3, kZero = 5, kFull = 7, kRandom = 8, kUrandom = 9, kKmsg = 11 };

// Null, zero and full differ in what they read and whether they take writes. A position exists and means nothing.
class MemoryDevice final : public SeekableFile, public mem::FromCache<MemoryDevice> {
 public:
  MemoryDevice(uint32_t minor, uint32_t flags, const Path& path) : SeekableFile(flags, path), minor_(minor) {}

  Result<size_t> read(IoBuffer& into, uint64_t*) override {
    if (minor_ == kNull) return 0;
    size_t done = 0;
    while (into.remaining() != 0) {
      const size_t part = std::min<size_t>(into.remaining(), kPart);
      const Result<size_t> moved = into.put_zeroes(part);
      if (!moved) return done != 0 ? Result<size_t>(done) : moved;
      done += *moved;
      if (*moved < part) break;
      if (sched::interrupt_pending()) break;
      sched::maybe_yield();
    }
    return done;
  }
  Result<size_t> write(IoBuffer& from, uint64_t*) override {
    if (minor_ == kFull) return Error(Errno::NoSpc);
    return from.remaining();      // all of it, kept nowhere
  }
  Result<uint64_t> seek(int64_t, int) override REQUIRES(offset_lock) { return 0; }
  Result<Ref<vm::MemoryObject>> memory_object() override {
    if (minor_ != kZero) return Error(Errno::NoDev);
    return Ref<vm::MemoryObject>(TRY(mem::make_ref<vm::AnonymousObject>(vm::PageStore::kMaxPages)));
  }

 private:
  static constexpr size_t kPart = 64 * 1024;
  const uint32_t minor_;
};

// The generator never runs dry, so random and urandom are the same.
class RandomDevice final : public File, public mem::FromCache<RandomDevice> {
 public:
  RandomDevice(uint32_t flags, const Path& path) : File(flags, path) {}

  Result<size_t> read(IoBuffer& into, uint64_t*) override {
    std::byte bytes[256];
    size_t done = 0;
    while (into.remaining() != 0) {
      const size_t part = std::min(into.remaining(), sizeof(bytes));
      random_bytes({bytes, part});
      const Result<size_t> moved = into.put(bytes, part);
      if (!moved) return done != 0 ? Result<size_t>(done) : moved;
      done += *moved;
      if (*moved < part || (done % kCheckEvery == 0 && sched::interrupt_pending())) break;
      sched::maybe_yield();
    }
    return done;
  }
  Result<size_t> write(IoBuffer& from, uint64_t*) override {
    std::byte bytes[256];
    size_t done = 0;
    while (from.remaining() != 0) {
      const Result<size_t> moved = from.take(bytes, sizeof(bytes));
      if (!moved) return done != 0 ? Result<size_t>(done) : moved;
      add_entropy({bytes, *moved});
      done += *moved;
      if (sched::interrupt_pending()) break;
      sched::maybe_yield();
    }
    return done;
  }

 private:
  static constexpr size_t kCheckEvery = 4096;
};

// The kernel's messages. A write adds one; its "<level>" in front is honoured.
class MessageDevice final : public File, public mem::FromCache<MessageDevice> {
 public:
  MessageDevice(uint32_t flags, const Path& path) : File(flags, path) {}

  Result<size_t> read(IoBuffer& into, uint64_t*) override {
    char text[256];
    const LogRead read = read_log(position_, text, std::min(sizeof(text), into.remaining()));
    if (read.copied == 0) return non_blocking() ? Error(Errno::Again) : Result<size_t>(0);
    const size_t moved = TRY(into.put(text, read.copied));
    position_ = read.next - (read.copied - moved);
    return moved;
  }
  Result<size_t> write(IoBuffer& from, uint64_t*) override {
    char text[256];
    const size_t size = from.remaining();
    size_t length = TRY(from.take(text, sizeof(text)));
    std::string_view message(text, length);
    LogLevel level = LogLevel::Notice;
    if (message.size() >= 3 && message[0] == '<' && message[2] == '>' && message[1] >= '0' && message[1] <= '7') {
      level = static_cast<LogLevel>(std::clamp(message[1] - '0', 3, 7));
      message.remove_prefix(3);
    }
    while (message.ends_with('\n')) message.remove_suffix(1);
    log(level, "%.*s\n", static_cast<int>(message.size()), message.data());
    return size;
  }

 private:
  uint64_t position_ = 0;
};

Result<Ref<File>> open_memory(DeviceNumber number, const Path& path, uint32_t flags) {
  return Ref<File>(TRY(mem::make_ref<MemoryDevice>(minor_of(number), flags, path)));
}
Result<Ref<File>> open_random(DeviceNumber, const Path& path, uint32_t flags) {
  return Ref<File>(TRY(mem::make_ref<RandomDevice>(flags, path)));
}
Result<Ref<File>> open_messages(DeviceNumber, const Path& path, uint32_t flags) {
  return Ref<File>(TRY(mem::make_ref<MessageDevice>(flags, path)));
}

constinit Device devices[] = {
    {"null", 0666, kMemoryMajor, kNull, 1, open_memory},        {"zero", 0666, kMemoryMajor, kZero, 1, open_memory},
    {"full", 0666, kMemoryMajor, kFull, 1, open_memory},        {"random", 0666, kMemoryMajor, kRandom, 1, open_random},
    {"urandom", 0666, kMemoryMajor, kUrandom, 1, open_random},  {"kmsg", 0644, kMemoryMajor, kKmsg, 1, open_messages},
};

}  // namespace

Result<> init_memory_devices() {
  for (Device& device : devices) TRY(register_device(device));
  return {};
}

}  // namespace tine::file
