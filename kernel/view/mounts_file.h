// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/mounts and mountinfo: a text that can be waited for. It is always readable; POLLPRI and POLLERR say that what is
// mounted has changed since the file was opened or last looked at. Source: proc(5).
#pragma once

#include "view/procfs.h"
#include "view/text_file.h"

namespace tine::view {

class MountsFile final : public TextFile, public mem::FromCache<MountsFile> {
 public:
  static constexpr char kType = 0;
  using Print = Result<> (*)(TextSink& sink, const Subject& subject);
  MountsFile(uint32_t flags, const file::Path& path, Print print_text, const Subject& subject);

  file::PollEvents poll(file::Poller* poller) override;
  const void* type() const override { return &kType; }

 private:
  Result<> print(TextSink& sink) override { return print_text_(sink, subject_); }

  const Print print_text_;
  const Subject subject_;
  std::atomic<uint64_t> seen_;   // the last change that poll() has told of
};

Result<Ref<file::File>> open_mounts(const file::Path& path, uint32_t flags, const Subject& subject);
Result<Ref<file::File>> open_mountinfo(const file::Path& path, uint32_t flags, const Subject& subject);

}  // namespace tine::view
