// SPDX-License-Identifier: BSD-2-Clause
// Where sysctl(2) puts a value: the caller's buffer and the word with its size.
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>

#include "vm/user_ptr.h"

namespace tine::abi::bsd {

struct OldValue {
  vm::UserPtr<std::byte> to;
  vm::UserPtr<uint64_t> size;

  // As sysctl(3): without a buffer only the size is told; with too small a one, what fits is stored and NoMem returned.
  Result<> store(std::span<const std::byte> value) const {
    if (!size) return {};
    const uint64_t room = TRY(size.load());
    if (!to) return size.store(value.size());
    const size_t stored = std::min<uint64_t>(room, value.size());
    TRY(vm::copy_out(to.address(), value.data(), stored));
    TRY(size.store(stored));
    return stored < value.size() ? Error(Errno::NoMem) : Result<>();
  }
  template <class T>
  Result<> store_object(const T& object) const {
    static_assert(std::has_unique_object_representations_v<T>);  // padding would tell what lay on the kernel's stack
    return store(std::as_bytes(std::span(&object, 1)));
  }
};

}  // namespace tine::abi::bsd
