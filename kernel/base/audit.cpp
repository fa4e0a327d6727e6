// SPDX-License-Identifier: BSD-2-Clause
#include "base/audit.h"

#include <array>
#include <cstdarg>

#include "base/assert.h"
#include "base/format.h"

namespace tine {
namespace {

struct Registered {
  const char* name;
  AuditCheck check;
};
constinit std::array<Registered, 64> checks{};
constinit unsigned check_count = 0;

}  // namespace

void AuditReport::problem(const char* format, ...) {
  char line[256];
  const size_t prefix = tine::format(line, "%s: ", check_).size();
  va_list arguments;
  va_start(arguments, format);
  const size_t length = prefix + format_v(std::span(line).subspan(prefix), format, arguments).size();
  va_end(arguments);
  ++problems_;
  add_line({line, length});
}

void register_audit(const char* name, AuditCheck check) {
  ASSERT(check_count < checks.size());
  checks[check_count++] = {name, check};
}

void run_audits(AuditReport& report) {
  for (const Registered& registered : std::span(checks).first(check_count)) {
    report.check_ = registered.name;
    registered.check(report);
  }
}

}  // namespace tine
