// SPDX-License-Identifier: BSD-2-Clause
// TextFile: an open file whose text is made up. It is printed when offset 0 is read, and then stays as it was for reads
// that go on from there, so that a reader in small pieces sees one consistent text. A write is taken as a whole.
#pragma once

#include "file/open_file.h"
#include "view/text_sink.h"

namespace tine::view {

class TextFile : public file::SeekableFile {
 public:
  using SeekableFile::SeekableFile;

  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override;
  Result<size_t> write(file::IoBuffer& from, uint64_t* offset) override;

 protected:
  virtual Result<> print(TextSink& sink) = 0;
  // The text that was written, without a newline at its end. Default: Perm.
  virtual Result<> store(std::string_view text);

 private:
  static constexpr size_t kLongestWrite = 4096;

  sync::Mutex snapshot_lock_{"proc text"};
  TextSink snapshot_ GUARDED_BY(snapshot_lock_);
};

}  // namespace tine::view
