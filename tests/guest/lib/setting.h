// SPDX-License-Identifier: BSD-2-Clause
// The kernel's settings: NAME is /proc/sys/kern/NAME, /NAME is /proc/sys/NAME, which Linux may have too. What a test changes it puts back at its end; what a test that fails has changed the
// runner puts back.
#pragma once

#include "check.h"

namespace check {

const char* setting_path(const char* name);
long long setting(const char* name);

// A whole number that is still falling while processes of an earlier test end: waits until it stays.
long long settled(const char* name);

// Returns false, with errno, if the kernel refuses.
bool try_set(const char* name, const char* value);

class ChangedSetting {
 public:
  ChangedSetting(const char* name, const char* value);
  ChangedSetting(const char* name, long long value);
  ~ChangedSetting();
  ChangedSetting(const ChangedSetting&) = delete;
  ChangedSetting& operator=(const ChangedSetting&) = delete;

 private:
  const char* name_;
  char before_[64];
};

}  // namespace check
