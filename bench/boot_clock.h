// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace bench {
inline constexpr char kBootNote[] = "/bench/boot-note";
}
