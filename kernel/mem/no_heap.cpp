// SPDX-License-Identifier: BSD-2-Clause
// There is no general heap. The compiler still refers to the global operator delete from the deleting destructors of
// abstract bases; every object that is really deleted has an operator of its own (mem::FromCache).
#include <new>

#include "base/assert.h"

void operator delete(void* object) noexcept { tine::panic("%p deleted without a cache", object); }
void operator delete(void* object, std::size_t) noexcept { tine::panic("%p deleted without a cache", object); }
void operator delete(void* object, std::align_val_t) noexcept { tine::panic("%p deleted without a cache", object); }
void operator delete(void* object, std::size_t, std::align_val_t) noexcept {
  tine::panic("%p deleted without a cache", object);
}
