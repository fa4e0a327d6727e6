// SPDX-License-Identifier: BSD-2-Clause
// The only instructions that touch user memory (SMAP is lifted here and nowhere else). A fault that cannot be
// resolved ends the routine with false; it never panics. Callers may not hold spinlocks: a fault may sleep.
// vm/user_ptr.h is the typed front of these.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tine::machine {

[[nodiscard]] bool copy_from_user(void* to, uintptr_t from, size_t size);
[[nodiscard]] bool copy_to_user(uintptr_t to, const void* from, size_t size);
[[nodiscard]] bool clear_user(uintptr_t to, size_t size);

// Copies up to and including the terminating 0. Returns the length without it; -1: fault; -2: no 0 within `size`.
[[nodiscard]] long copy_string_from_user(char* to, uintptr_t from, size_t size);

// Naturally aligned; for futexes and robust lists.
[[nodiscard]] bool load_user_word(uint32_t& value, uintptr_t from);
// *address == expected ? *address = desired : nothing; `seen` is what was there.
[[nodiscard]] bool compare_exchange_user_word(uintptr_t address, uint32_t expected, uint32_t desired, uint32_t& seen);

}  // namespace tine::machine
