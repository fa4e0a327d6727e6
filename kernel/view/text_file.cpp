// SPDX-License-Identifier: BSD-2-Clause
#include "view/text_file.h"

namespace tine::view {

Result<size_t> TextFile::read(file::IoBuffer& into, uint64_t* offset) {
  sync::MutexGuard guard(snapshot_lock_);
  if (*offset == 0 || snapshot_.text().empty()) {
    TextSink fresh;
    TRY(print(fresh));
    TRY(fresh.result());
    snapshot_ = std::move(fresh);
  }
  const std::string_view text = snapshot_.text();
  if (*offset >= text.size()) return 0;
  const std::string_view rest = text.substr(*offset);
  const size_t done = TRY(into.put(rest.data(), rest.size()));
  *offset += done;
  return done;
}

Result<size_t> TextFile::write(file::IoBuffer& from, uint64_t* offset) {
  if (from.remaining() > kLongestWrite) return Error(Errno::Inval);
  auto buffer = TRY(mem::Buffer<char>::make(from.remaining() + 1));
  const size_t size = TRY(from.take(buffer.data(), from.remaining()));
  std::string_view text(buffer.data(), size);
  if (text.ends_with('\n')) text.remove_suffix(1);
  TRY(store(text));
  *offset += size;
  return size;
}

Result<> TextFile::store(std::string_view) { return Error(Errno::Perm); }

}  // namespace tine::view
