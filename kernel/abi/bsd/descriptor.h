// SPDX-License-Identifier: BSD-2-Clause
// Process descriptors: pdfork(2), pdkill(2), pdgetpid(2), pdwait(2), pdwait4(2).
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_pdfork(const Call& call);
CallResult sys_pdkill(const Call& call);
CallResult sys_pdgetpid(const Call& call);
CallResult sys_pdwait4(const Call& call);
CallResult sys_pdwait(const Call& call);

}  // namespace tine::abi::bsd
