// SPDX-License-Identifier: BSD-2-Clause
// acct(2): one record for each process that ends, in the layout of Linux's struct acct_v3, which Debian's lastcomm and
// user/lastcomm read. Seed row T6.
// Lock: the file is replaced under a spinlock and written without it.
#pragma once

#include "file/file.h"

namespace tine::trace {

void set_accounting_file(Ref<file::File> file);   // open for appending; null: off
Result<> init_accounting();                       // boot

}  // namespace tine::trace
