// SPDX-License-Identifier: BSD-2-Clause
#include "view/init.h"

#include "view/console.h"
#include "view/procfs.h"
#include "view/pty.h"

namespace tine::view {

Result<> init() {
  TRY(init_console());
  TRY(init_ptys());
  return init_procfs();
}

}  // namespace tine::view
