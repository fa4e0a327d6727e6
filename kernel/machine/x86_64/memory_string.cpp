// SPDX-License-Identifier: BSD-2-Clause
// The functions of <string.h> that the compiler itself calls. Each iteration of a string instruction counts
// as one instruction under QEMU's -icount, so whole words come first. -ffreestanding keeps the compiler from
// turning a loop here into a call of itself.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
  void* cursor = to;
  size_t words = size >> 3, tail = size & 7;
  asm volatile("rep movsq" : "+D"(cursor), "+S"(from), "+c"(words)::"memory");
  asm volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(tail)::"memory");
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= size)
    return memcpy(to, from, size);
  // `to` lies inside [from, from + size): last byte first.
  auto* to_end = static_cast<std::byte*>(to) + size;
  auto* from_end = static_cast<const std::byte*>(from) + size;
  size_t tail = size & 7, words = size >> 3;
  asm volatile(
      "std\n\t"
      "decq %0\n\t"
      "decq %1\n\t"
      "rep movsb\n\t"
      "subq $7, %0\n\t"
      "subq $7, %1\n\t"
      "movq %3, %2\n\t"
      "rep movsq\n\t"
      "cld"
      : "+D"(to_end), "+S"(from_end), "+c"(tail)
      : "r"(words)
      : "memory");
  return to;
}

void* memset(void* to, int value, size_t size) {
  void* cursor = to;
  size_t words = size >> 3, tail = size & 7;
  const uint64_t pattern = uint64_t{0x0101010101010101} * static_cast<uint8_t>(value);
  asm volatile("rep stosq" : "+D"(cursor), "+c"(words) : "a"(pattern) : "memory");
  asm volatile("rep stosb" : "+D"(cursor), "+c"(tail) : "a"(pattern) : "memory");
  return to;
}

int memcmp(const void* left, const void* right, size_t size) {
  auto* a = static_cast<const uint8_t*>(left);
  auto* b = static_cast<const uint8_t*>(right);
  using Word [[gnu::aligned(1), gnu::may_alias]] = uint64_t;
  for (; size >= 8; a += 8, b += 8, size -= 8)
    if (*reinterpret_cast<const Word*>(a) != *reinterpret_cast<const Word*>(b)) break;
  for (; size != 0; a++, b++, size--)
    if (*a != *b) return *a - *b;
  return 0;
}

size_t strlen(const char* string) {
  const char* end = string;
  while (*end != 0) end++;
  return static_cast<size_t>(end - string);
}

void* memchr(const void* memory, int value, size_t size) {
  auto* bytes = static_cast<const uint8_t*>(memory);
  for (; size != 0; bytes++, size--)
    if (*bytes == static_cast<uint8_t>(value)) return const_cast<uint8_t*>(bytes);
  return nullptr;
}

int strcmp(const char* left, const char* right) {
  while (*left != 0 && *left == *right) left++, right++;
  return static_cast<uint8_t>(*left) - static_cast<uint8_t>(*right);
}

}  // extern "C"
