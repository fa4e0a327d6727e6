// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/fail-nth and task/TID/fail-nth (debug kernels): writing n makes the n-th allocation or reservation of the
// thread fail; reading tells how many are left, 0 once one has failed or when nothing is armed. Reading and writing
// allocate nothing, so that they do not count themselves. Source: Linux's fault-injection.rst. Seed row A1.
#include "view/procfs.h"

#if TINE_DEBUG

#include "base/format.h"
#include "file/open_file.h"

namespace tine::view {
namespace {

class FailNthFile final : public file::SeekableFile, public mem::FromCache<FailNthFile> {
 public:
  FailNthFile(uint32_t flags, const file::Path& path, Ref<process::Thread> thread)
      : SeekableFile(flags, path), thread_(std::move(thread)) {}

  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override {
    char buffer[16];
    const std::string_view text = format(buffer, "%u\n", thread_->fail_nth.remaining);
    if (*offset >= text.size()) return 0;
    const size_t done = TRY(into.put(text.data() + *offset, text.size() - *offset));
    *offset += done;
    return done;
  }

  Result<size_t> write(file::IoBuffer& from, uint64_t*) override {
    char buffer[16];
    const size_t size = TRY(from.take(buffer, sizeof buffer));
    thread_->fail_nth.remaining = TRY(parse_number<uint32_t>({buffer, size}, 0, INT32_MAX));
    thread_->fail_nth.fired = false;
    return size;
  }

 private:
  const Ref<process::Thread> thread_;
};

}  // namespace

// In /proc/self it is the calling thread's, whichever that is.
Result<Ref<file::File>> open_fail_nth(const file::Path& path, uint32_t flags, const Subject& subject) {
  process::Thread& caller = process::current();
  const bool own = subject.tid == 0 && subject.pid == caller.process().pid();
  auto thread = own ? Ref<process::Thread>(&caller) : TRY(thread_of(subject));
  TRY(inspector().check(thread->process()));
  return Ref<file::File>(TRY(mem::make_ref<FailNthFile>(flags, path, std::move(thread))));
}

}  // namespace tine::view

#endif
