// SPDX-License-Identifier: BSD-2-Clause
#include "process/unshare.h"

#include "process/process.h"
#include "process/thread.h"

namespace tine::process {

namespace {

// The process has one reference, the caller of this another. A passing reader's makes a private part look shared: then
// it is copied in vain, in constant time.
template <class T>
bool is_shared(const Ref<T>& part) { return part->ref_count() > 2; }

}  // namespace

Result<> unshare(Thread& caller, const UnshareRequest& request) {
  Process& process = caller.process();
  if (process.thread_count.load() > 1) return Error(Errno::Busy);

  // Everything that can fail.
  Ref<vm::AddressSpace> memory;
  if (const Ref<vm::AddressSpace> now = process.address_space(); request.memory && is_shared(now)) memory = TRY(now->fork());
  Ref<file::DescriptorTable> files;
  Ref<file::FsContext> fs;
  if (request.files == UnshareFiles::Empty) {
    files = TRY(file::DescriptorTable::create());
  } else if (request.files == UnshareFiles::Copy) {
    if (const Ref<file::DescriptorTable> now = process.descriptors(); is_shared(now)) files = TRY(now->fork());
  }
  if (const Ref<file::FsContext> now = process.fs(); request.directories && is_shared(now))
    fs = TRY(now->clone());

  if (memory) process.switch_address_space(std::move(memory));
  if (files) process.set_descriptors(std::move(files));
  if (fs) process.set_fs(std::move(fs));
  return {};
}

Result<> unshare_descriptors(Process& process) {
  if (const Ref<file::DescriptorTable> now = process.descriptors(); is_shared(now)) process.set_descriptors(TRY(now->fork()));
  return {};
}

Result<> unshare_fs(Process& process) {
  if (const Ref<file::FsContext> now = process.fs(); is_shared(now)) process.set_fs(TRY(now->clone()));
  return {};
}

}  // namespace tine::process
