// SPDX-License-Identifier: BSD-2-Clause
// The CMOS real-time clock, read once at boot. Taken to run in UTC. Where there is none its registers read as all ones, or
// as zeros (Firecracker, libkrun), which is no date. Source: the MC146818 data sheet.
#include "machine/x86_64/real_time_clock.h"

#include <cstdint>

#include "machine/io.h"
#include "machine/x86_64/acpi.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

enum Register : uint8_t {
  kSeconds = 0,
  kMinutes = 2,
  kHours = 4,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kStatusA = 0xa,
  kStatusB = 0xb
};
constexpr uint8_t kUpdating = 0x80, kBinary = 0x04, kHours24 = 0x02, kAfternoon = 0x80;

struct Time {
  uint8_t seconds, minutes, hours, day, month, year, century;
  bool operator==(const Time&) const = default;
};

uint8_t read_cmos(uint8_t index) {
  write_port8(0x70, index);
  return read_port8(0x71);
}

Time read_raw() {
  const uint8_t century = acpi_info().century_register;
  return {read_cmos(kSeconds),
          read_cmos(kMinutes),
          read_cmos(kHours),
          read_cmos(kDay),
          read_cmos(kMonth),
          read_cmos(kYear),
          century != 0 ? read_cmos(century) : uint8_t{0}};
}

// Twice the same, with no update in progress: then no field changed half-way. An update takes two milliseconds at most.
bool read_stable(Time& time) {
  constexpr int kLeastTries = 1000;
  const uint64_t start = read_tsc(), patience = tsc_frequency() / 50;
  for (int i = 0; i < kLeastTries || read_tsc() - start < patience; i++) {
    if (read_cmos(kStatusA) & kUpdating) continue;
    time = read_raw();
    if (!(read_cmos(kStatusA) & kUpdating) && read_raw() == time) return true;
  }
  return false;
}

constexpr unsigned from_bcd(uint8_t value) { return value / 16 * 10 + value % 16; }

// Days since 1970-01-01 of a date in the Gregorian calendar, with years that start in March.
constexpr int64_t days_since_epoch(int64_t year, unsigned month, unsigned day) {
  if (month <= 2) year--;
  const int64_t era = year / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}
static_assert(days_since_epoch(1970, 1, 1) == 0 && days_since_epoch(2000, 3, 1) == 11017);

}  // namespace

Nanoseconds read_real_time_clock() {
  Time raw;
  if (read_cmos(kStatusB) == 0xff || !read_stable(raw)) return 0;
  const uint8_t format = read_cmos(kStatusB);
  const auto number = [&](uint8_t value) { return format & kBinary ? unsigned{value} : from_bcd(value); };

  // A clock of twelve hours has none but 1 to 12. Cloud Hypervisor's gives 0 to 23 and leaves the bit of the format clear.
  const bool afternoon = raw.hours & kAfternoon;
  unsigned hours = number(raw.hours & ~kAfternoon);
  const bool hours12 = !(format & kHours24) && hours >= 1 && hours <= 12;
  if (hours12) hours = hours % 12 + (afternoon ? 12 : 0);
  const unsigned minutes = number(raw.minutes), seconds = number(raw.seconds);
  unsigned year = number(raw.year);
  if (const unsigned century = number(raw.century); century >= 19 && century < 30)
    year += century * 100;
  else
    year += year < 70 ? 2000 : 1900;

  const unsigned month = number(raw.month), day = number(raw.day);
  if (month < 1 || month > 12 || day < 1 || day > 31 || year < 1970 || hours > 23 || minutes > 59 || seconds > 60)
    return 0;
  const int64_t days = days_since_epoch(year, month, day);
  return (static_cast<uint64_t>(days) * 86400 + hours * 3600 + minutes * 60 + seconds) * kSecond;
}

}  // namespace tine::machine
