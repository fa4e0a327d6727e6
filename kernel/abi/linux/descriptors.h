// SPDX-License-Identifier: BSD-2-Clause
// From descriptors to files and back, for handlers.
#pragma once

#include <algorithm>

#include "abi/linux/syscall.h"
#include "file/file.h"

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

}  // namespace tine::abi::linux_abi
