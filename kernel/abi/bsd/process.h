// SPDX-License-Identifier: BSD-2-Clause
// rfork(2), __tfork(2) and their like: what makes processes and threads, and what they say of themselves.
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_rfork(const Call& call);
CallResult sys_tfork(const Call& call);
CallResult sys_threxit(const Call& call);
CallResult sys_getthrid(const Call& call);
CallResult sys_minherit(const Call& call);
CallResult sys_issetugid(const Call& call);
CallResult sys_getlogin(const Call& call);
CallResult sys_setlogin(const Call& call);
CallResult sys_closefrom(const Call& call);
CallResult sys_profil(const Call& call);
#if TINE_DEBUG
CallResult sys_self_test(const Call& call);
#endif

}  // namespace tine::abi::bsd
