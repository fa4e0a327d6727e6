// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace tine {
class AuditReport;
}

namespace tine::process {

// For /proc/tine/audit: counters against lists, links, life states. May sleep.
void audit_processes(AuditReport& report);

}  // namespace tine::process
