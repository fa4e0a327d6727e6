// SPDX-License-Identifier: BSD-2-Clause
#include "file/init.h"

#include "file/device.h"
#include "file/tmpfs.h"

namespace tine::file {

Result<> init() {
  TRY(init_tmpfs());
  return init_devices();
}

}  // namespace tine::file
