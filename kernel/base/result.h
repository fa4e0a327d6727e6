// SPDX-License-Identifier: BSD-2-Clause
// Result<T>: a value or an error number; the kernel has no exceptions. TRY(e) is e's value, or makes the enclosing
// function return e's error. Source: DESIGN R6.
#pragma once

#include <expected>
#include <utility>

#include "base/errno.h"

namespace tine {

template <class T = void>
using Result = std::expected<T, Errno>;

using Error = std::unexpected<Errno>;  // return Error(Errno::Inval);

}  // namespace tine

// The value is moved out. A reference travels as Result<T*>.
#define TRY(expression)                                            \
  ({                                                               \
    auto&& try_result_ = (expression);                             \
    if (!try_result_.has_value()) [[unlikely]]                     \
      return ::std::unexpected(try_result_.error());               \
    *::std::move(try_result_);                                     \
  })
