// SPDX-License-Identifier: BSD-2-Clause
// Typed addresses of user memory. They cannot be dereferenced: the only way to the memory is a copy that
// can fail with Errno::Fault, because a program may pass any number, and another thread may unmap what
// was there a moment ago. A null pointer is an address like any other; whether it means "absent" is the
// system call's affair.
// Rule: a range is checked against machine::kUserEnd before machine/user_access.h sees it. Callers hold
// no spinlock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "machine/paging.h"
#include "machine/user_access.h"
#include "mem/buffer.h"

namespace tine::vm {

// Whether [address, address + size) lies in the user half, without overflow.
constexpr bool is_user_range(uintptr_t address, size_t size) {
  return size <= machine::kUserEnd && address <= machine::kUserEnd - size;
}

// Between pieces of this size a copy lets others run. It breaks off when the thread is to end.
inline constexpr size_t kCopyPiece = size_t{64} << 10;
Result<> copy_in_pieces(void* to, uintptr_t from, size_t size);
Result<> copy_out_pieces(uintptr_t to, const void* from, size_t size);
Result<> clear_in_pieces(uintptr_t to, size_t size);

inline Result<> copy_in(void* to, uintptr_t from, size_t size) {
  if (size > kCopyPiece) [[unlikely]] return copy_in_pieces(to, from, size);
  if (!is_user_range(from, size) || !machine::copy_from_user(to, from, size)) [[unlikely]]
    return Error(Errno::Fault);
  return {};
}
inline Result<> copy_out(uintptr_t to, const void* from, size_t size) {
  if (size > kCopyPiece) [[unlikely]] return copy_out_pieces(to, from, size);
  if (!is_user_range(to, size) || !machine::copy_to_user(to, from, size)) [[unlikely]]
    return Error(Errno::Fault);
  return {};
}
inline Result<> clear(uintptr_t to, size_t size) {
  if (size > kCopyPiece) [[unlikely]] return clear_in_pieces(to, size);
  if (!is_user_range(to, size) || !machine::clear_user(to, size)) [[unlikely]]
    return Error(Errno::Fault);
  return {};
}

// The address of a T in user memory; of a const T for what the kernel only reads.
template <class T>
  requires std::is_trivially_copyable_v<T>
class UserPtr {
 public:
  using Value = std::remove_const_t<T>;

  constexpr UserPtr() = default;
  constexpr UserPtr(std::nullptr_t) {}
  constexpr explicit UserPtr(uintptr_t address) : address_(address) {}
  constexpr operator UserPtr<const T>() const
    requires(!std::is_const_v<T>)
  {
    return UserPtr<const T>(address_);
  }

  constexpr uintptr_t address() const { return address_; }
  constexpr bool is_null() const { return address_ == 0; }
  constexpr explicit operator bool() const { return address_ != 0; }
  constexpr bool operator==(const UserPtr&) const = default;

  // Wraps around silently; load and store check the result.
  constexpr UserPtr operator+(size_t elements) const { return UserPtr(address_ + elements * sizeof(T)); }
  template <class U>
  constexpr UserPtr<U> as() const {
    return UserPtr<U>(address_);
  }
  template <class U>
  constexpr UserPtr<U> at_offset(size_t bytes) const {
    return UserPtr<U>(address_ + bytes);
  }

  Result<Value> load() const {
    Value value;
    TRY(copy_in(&value, address_, sizeof(T)));
    return value;
  }
  Result<> store(const Value& value) const
    requires(!std::is_const_v<T>)
  {
    return copy_out(address_, &value, sizeof(T));
  }

 private:
  uintptr_t address_ = 0;
};

// `size` elements of user memory that start at `start`.
template <class T>
class UserSpan {
 public:
  using Value = std::remove_const_t<T>;

  constexpr UserSpan() = default;
  constexpr UserSpan(UserPtr<T> start, size_t size) : start_(start), size_(size) {}
  constexpr UserSpan(uintptr_t start, size_t size) : start_(start), size_(size) {}
  constexpr operator UserSpan<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {start_.address(), size_};
  }

  constexpr UserPtr<T> data() const { return start_; }
  constexpr uintptr_t address() const { return start_.address(); }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }

  // Whether the whole span lies in the user half; a copy checks it by itself.
  constexpr bool valid() const {
    return size_ <= machine::kUserEnd / sizeof(T) && is_user_range(address(), size_ * sizeof(T));
  }

  constexpr UserPtr<T> operator[](size_t i) const { return start_ + i; }
  constexpr UserSpan subspan(size_t offset) const { return {start_ + offset, size_ - offset}; }
  constexpr UserSpan first(size_t count) const { return {start_, count}; }

  // Fills `to`, which may be shorter than the span, from its beginning.
  Result<> copy_in(std::span<Value> to) const {
    if (to.size() > size_) return Error(Errno::Fault);
    return vm::copy_in(to.data(), address(), to.size_bytes());
  }
  // Stores all of `from`, which may be shorter than the span, at its beginning.
  Result<> copy_out(std::span<const Value> from) const
    requires(!std::is_const_v<T>)
  {
    if (from.size() > size_) return Error(Errno::Fault);
    return vm::copy_out(address(), from.data(), from.size_bytes());
  }
  Result<> clear() const
    requires(!std::is_const_v<T>)
  {
    return valid() ? vm::clear(address(), size_ * sizeof(T)) : Error(Errno::Fault);
  }
  // The whole span in kernel memory of its own; NoMem when that is short, or the span larger than a Buffer
  // may be.
  Result<mem::Buffer<Value>> copy_in_all() const {
    auto buffer = TRY(mem::Buffer<Value>::make(size_));
    TRY(copy_in(buffer.span()));
    return buffer;
  }

 private:
  UserPtr<T> start_;
  size_t size_ = 0;
};

using UserBytes = UserSpan<std::byte>;
using ConstUserBytes = UserSpan<const std::byte>;

// The text at `from` up to its terminating 0, copied into `into` with the 0. Errors: Fault; NameTooLong when
// no 0 comes within into.size() bytes.
inline Result<std::string_view> copy_string(UserPtr<const char> from, std::span<char> into) {
  if (!is_user_range(from.address(), 1)) return Error(Errno::Fault);
  const size_t reachable = machine::kUserEnd - from.address();
  const size_t size = into.size() < reachable ? into.size() : reachable;
  const long length = machine::copy_string_from_user(into.data(), from.address(), size);
  if (length >= 0) return std::string_view(into.data(), static_cast<size_t>(length));
  return Error(length == -2 && size == into.size() ? Errno::NameTooLong : Errno::Fault);
}

// A string argument, in kernel memory of its own.
class UserString {
 public:
  // `limit`: most bytes, the terminating 0 included (PATH_MAX, ...). Errors: as copy_string; NoMem.
  static Result<UserString> copy_in(UserPtr<const char> from, size_t limit) {
    UserString string;
    string.buffer_ = TRY(mem::Buffer<char>::make(limit));
    string.length_ = TRY(copy_string(from, string.buffer_.span())).size();
    return string;
  }
  std::string_view view() const { return {buffer_.data(), length_}; }
  const char* c_str() const { return buffer_.data(); }

 private:
  mem::Buffer<char> buffer_;
  size_t length_ = 0;
};

}  // namespace tine::vm
