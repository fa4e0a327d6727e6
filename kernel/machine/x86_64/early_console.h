// SPDX-License-Identifier: BSD-2-Clause
// Where messages go until the UART driver takes over.
#pragma once

#include <string_view>

namespace tine::machine {

void write_early_console(std::string_view text);

}  // namespace tine::machine
