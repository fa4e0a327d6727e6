// SPDX-License-Identifier: BSD-2-Clause
// The receiving end of a TLB shoot-down.
#pragma once

namespace tine::machine {

void serve_tlb_requests();  // interrupts off

}  // namespace tine::machine
