// SPDX-License-Identifier: BSD-2-Clause
// The audit: the kernel checks its own invariants (reference counts of the trees, counters against lists, free frames)
// when a program reads /proc/tine/audit. Each layer registers its checks at boot. Rule: a check changes nothing that a
// program can see, and takes a lock only for short sections; it is exact when nothing else runs.
#pragma once

#include <string_view>

namespace tine {

// What the checks write to. A problem is one line, without a newline.
class AuditReport {
 public:
  [[gnu::format(printf, 2, 3)]] void problem(const char* format, ...);
  unsigned problems() const { return problems_; }

 protected:
  ~AuditReport() = default;

 private:
  friend void run_audits(AuditReport& report);
  virtual void add_line(std::string_view line) = 0;
  const char* check_ = "";
  unsigned problems_ = 0;
};

using AuditCheck = void (*)(AuditReport& report);

// `name` prefixes the check's problems and must live for ever. Boot only; panics when there are more than 64 checks.
void register_audit(const char* name, AuditCheck check);

// Runs all checks, in the order in which they were registered.
void run_audits(AuditReport& report);

}  // namespace tine
