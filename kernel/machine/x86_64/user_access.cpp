// SPDX-License-Identifier: BSD-2-Clause
// Range checks in front of the routines in user_copy.S.
#include "machine/user_access.h"

#include <algorithm>

#include "machine/paging.h"

namespace tine::machine {

extern "C" {
bool user_copy(void* to, const void* from, size_t size);
bool user_clear(void* to, size_t size);
long user_copy_string(char* to, const char* from, size_t size);
bool user_load_word(uint32_t* value, const uint32_t* from);
bool user_compare_exchange(uint32_t* address, uint32_t expected, uint32_t desired, uint32_t* seen);
}

namespace {

bool is_user_range(uintptr_t start, size_t size) { return size <= kUserEnd && start <= kUserEnd - size; }

template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

}  // namespace

bool copy_from_user(void* to, uintptr_t from, size_t size) {
  return is_user_range(from, size) && user_copy(to, pointer<const void>(from), size);
}

bool copy_to_user(uintptr_t to, const void* from, size_t size) {
  return is_user_range(to, size) && user_copy(pointer<void>(to), from, size);
}

bool clear_user(uintptr_t to, size_t size) {
  return is_user_range(to, size) && user_clear(pointer<void>(to), size);
}

long copy_string_from_user(char* to, uintptr_t from, size_t size) {
  if (from >= kUserEnd) return -1;
  const size_t reach = std::min(size, kUserEnd - from);
  const long result = user_copy_string(to, pointer<const char>(from), reach);
  return result == -2 && reach < size ? -1 : result;
}

bool load_user_word(uint32_t& value, uintptr_t from) {
  return is_user_range(from, sizeof value) && user_load_word(&value, pointer<const uint32_t>(from));
}

bool compare_exchange_user_word(uintptr_t address, uint32_t expected, uint32_t desired, uint32_t& seen) {
  return is_user_range(address, sizeof expected) &&
         user_compare_exchange(pointer<uint32_t>(address), expected, desired, &seen);
}

}  // namespace tine::machine
