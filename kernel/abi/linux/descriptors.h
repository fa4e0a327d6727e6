// SPDX-License-Identifier: BSD-2-Clause
// From descriptors to files and back, for handlers.
#pragma once

#include <algorithm>

#include "abi/linux/syscall.h"
#include "file/file.h"
#include "process/out_of_memory.h"

namespace tine::abi::linux_abi {

// The largest descriptor that the process may have, plus one.
inline unsigned descriptor_limit(const Call& call) {
  return static_cast<unsigned>(
      std::min<uint64_t>(call.process().limit(process::Resource::Files), file::kMaxDescriptors));
}

inline Result<Ref<file::File>> get_file(const Call& call, int descriptor) {
  return call.process().descriptors()->get(descriptor);
}

inline CallResult install_file(const Call& call, Ref<file::File> file, bool close_on_exec) {
  return static_cast<uint64_t>(
      TRY(call.process().descriptors()->install(std::move(file), close_on_exec, descriptor_limit(call))));
}

// For calls that do what could not be undone if install_file then found no descriptor. Only another thread can still take
// the last one.
inline Result<> check_descriptor_left(const Call& call) {
  TRY(file::File::check_room());
  return call.process().descriptors()->check_free(descriptor_limit(call));
}

// For what closes descriptors or marks them: Linux never lacks memory for it. See process/out_of_memory.h.
template <class Work>
auto until_there_is_room(const Call& call, Work&& work) {
  return process::until_there_is_room(call.thread, work);
}

inline Result<> mark_close_on_exec(const Call& call, int descriptor, bool value) {
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  return until_there_is_room(call, [&] { return table->set_close_on_exec(descriptor, value); });
}

// Closes a descriptor. BadF when there is none.
inline Result<Ref<file::File>> close_descriptor(const Call& call, file::DescriptorTable& table, int descriptor) {
  return until_there_is_room(call, [&] { return table.remove(descriptor); });
}

}  // namespace tine::abi::linux_abi
