// SPDX-License-Identifier: BSD-2-Clause
// /proc/cpuinfo tells what CPUID tells to a program on that CPU, without what the kernel has not turned on; and the clocks
// that come from the machine are sane.
#include <ctype.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>

#include "check.h"

namespace {

struct Leaf {
  uint32_t eax, ebx, ecx, edx;
};

Leaf raw_cpuid(uint32_t leaf, uint32_t subleaf) {
  Leaf out;
  asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "a"(leaf), "c"(subleaf));
  return out;
}

// All zero where there is no such leaf.
Leaf cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  return leaf <= raw_cpuid(leaf & 0x80000000, 0).eax ? raw_cpuid(leaf, subleaf) : Leaf{};
}

// The states that XSAVE keeps; 0 when the kernel does not use it.
uint64_t enabled_states() {
  constexpr uint32_t kOsXSave = 1 << 27;
  if (!(cpuid(1).ecx & kOsXSave)) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

using Names = const char*[];   // there is no std::initializer_list here

char text[256 * 1024];

void read_cpuinfo() {
  const int file = open("/proc/cpuinfo", O_RDONLY);
  CHECK(file >= 0);
  size_t size = 0;
  for (ssize_t got; (got = read(file, text + size, sizeof text - 1 - size)) > 0;) size += static_cast<size_t>(got);
  text[size] = '\0';
  close(file);
}

// Where the part for this CPU begins, or null.
const char* part_of(unsigned cpu) {
  char line[32];
  snprintf(line, sizeof line, "processor\t: %u\n", cpu);
  return strstr(text, line);
}

// The value of a field in a part, terminated; empty for an empty one, null where there is none.
const char* field(const char* part, const char* name) {
  static char value[8192];
  const size_t length = strlen(name);
  for (const char* line = part; *line != '\0' && *line != '\n';) {
    const size_t size = strcspn(line, "\n");
    const char* colon = static_cast<const char*>(memchr(line, ':', size));
    if (colon != nullptr && strncmp(line, name, length) == 0 && (line[length] == '\t' || line[length] == ':')) {
      const char* start = colon + 1 + (colon[1] == ' ');
      snprintf(value, sizeof value, "%.*s", static_cast<int>(line + size - start), start);
      return value;
    }
    line += size + (line[size] == '\n');
  }
  return nullptr;
}

uint32_t number(const char* part, const char* name) {
  const char* value = field(part, name);
  if (value == nullptr) check::fail(__FILE__, __LINE__, "there is no field \"%s\"", name);
  return static_cast<uint32_t>(strtoul(value, nullptr, 0));
}

bool has_flag(const char* part, const char* name) {
  const char* flags = field(part, "flags");
  CHECK(flags != nullptr);
  const size_t length = strlen(name);
  for (const char* at = flags; (at = strstr(at, name)) != nullptr; at += length)
    if ((at == flags || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
  return false;
}

// Runs `body` with the part of each CPU, on that CPU.
template <class Body>
void on_each_cpu(Body body) {
  read_cpuinfo();
  const auto online = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));   // musl counts those that we may run on
  unsigned count = 0;
  for (unsigned cpu = 0; cpu < 1024; cpu++) {
    const char* part = part_of(cpu);
    if (part == nullptr) continue;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    CHECK_OK(sched_setaffinity(0, sizeof set, &set));
    body(part);
    count++;
  }
  CHECK_EQ(count, online);
}

}  // namespace

TEST(names_and_numbers_are_those_of_cpuid) {
  on_each_cpu([](const char* part) {
    const Leaf first = cpuid(0), basic = cpuid(1), sizes = cpuid(0x80000008);
    char vendor[13] = {};
    memcpy(vendor, &first.ebx, 4);
    memcpy(vendor + 4, &first.edx, 4);
    memcpy(vendor + 8, &first.ecx, 4);
    CHECK_EQ(field(part, "vendor_id"), static_cast<const char*>(vendor));
    CHECK_EQ(number(part, "cpuid level"), first.eax);

    uint32_t family = basic.eax >> 8 & 0xf, model = basic.eax >> 4 & 0xf;
    if (family == 0xf) family += basic.eax >> 20 & 0xff;
    if (family >= 6) model += (basic.eax >> 16 & 0xf) << 4;
    CHECK_EQ(number(part, "cpu family"), family);
    CHECK_EQ(number(part, "model"), model);
    CHECK_EQ(number(part, "stepping"), basic.eax & 0xf);

    char brand[49] = {};
    for (uint32_t i = 0; i < 3; i++) {
      const Leaf leaf = cpuid(0x80000002 + i);
      memcpy(brand + 16 * i, &leaf, 16);
    }
    const char* name = brand;
    while (*name == ' ') name++;
    for (size_t end = strlen(brand); end > 0 && brand[end - 1] == ' '; end--) brand[end - 1] = '\0';
    if (*name != '\0') CHECK_EQ(field(part, "model name"), name);

    CHECK_EQ(number(part, "clflush size"), (basic.ebx >> 8 & 0xff) * 8);
    if (sizes.eax != 0) {
      char expected[64];
      snprintf(expected, sizeof expected, "%u bits physical, %u bits virtual", sizes.eax & 0xff, sizes.eax >> 8 & 0xff);
      CHECK_EQ(field(part, "address sizes"), static_cast<const char*>(expected));
    }
    for (const char* yes : Names{"fpu", "fpu_exception", "wp"}) CHECK_EQ(field(part, yes), "yes");
  });
}

TEST(each_cpu_shows_its_own_apic_id) {
  on_each_cpu([](const char* part) {
    const Leaf topology = cpuid(0xb);
    CHECK_EQ(number(part, "initial apicid"), topology.ebx != 0 ? topology.edx : cpuid(1).ebx >> 24);
    CHECK_EQ(number(part, "apicid"), number(part, "initial apicid"));
  });
}

TEST(siblings_and_cores_are_those_that_are_listed) {
  on_each_cpu([](const char* part) {
    const uint32_t package = number(part, "physical id");
    unsigned siblings = 0, cores = 0;
    uint64_t seen[16] = {};   // by number of the core
    for (unsigned cpu = 0; cpu < 1024; cpu++) {
      const char* other = part_of(cpu);
      if (other == nullptr || number(other, "physical id") != package) continue;
      siblings++;
      const uint32_t core = number(other, "core id");
      CHECK(core < 1024);
      cores += !(seen[core / 64] >> core % 64 & 1);
      seen[core / 64] |= uint64_t{1} << core % 64;
    }
    CHECK_EQ(number(part, "siblings"), siblings);
    CHECK_EQ(number(part, "cpu cores"), cores);
  });
}

// A sample of what programs look for, each by its place in CPUID. Not those that Linux corrects for some CPUs (rdseed).
TEST(flags_are_the_bits_of_cpuid) {
  struct Flag {
    const char* name;
    uint32_t leaf;
    char word;  // a, b, c, d
    uint8_t bit;
    uint64_t states;  // that XSAVE must keep; 0: none
  };
  constexpr uint64_t kSse = 3, kAvx = 7, kAvx512 = 0xe7;
  static constexpr Flag kFlags[] = {
      {"fpu", 1, 'd', 0, 0},          {"tsc", 1, 'd', 4, 0},         {"cx8", 1, 'd', 8, 0},
      {"cmov", 1, 'd', 15, 0},        {"clflush", 1, 'd', 19, 0},    {"mmx", 1, 'd', 23, 0},
      {"fxsr", 1, 'd', 24, 0},        {"sse", 1, 'd', 25, 0},        {"sse2", 1, 'd', 26, 0},
      {"pni", 1, 'c', 0, 0},          {"pclmulqdq", 1, 'c', 1, 0},   {"ssse3", 1, 'c', 9, 0},
      {"fma", 1, 'c', 12, kAvx},      {"cx16", 1, 'c', 13, 0},       {"sse4_1", 1, 'c', 19, 0},
      {"sse4_2", 1, 'c', 20, 0},      {"movbe", 1, 'c', 22, 0},      {"popcnt", 1, 'c', 23, 0},
      {"aes", 1, 'c', 25, 0},         {"xsave", 1, 'c', 26, kSse},   {"avx", 1, 'c', 28, kAvx},
      {"f16c", 1, 'c', 29, kAvx},     {"rdrand", 1, 'c', 30, 0},     {"hypervisor", 1, 'c', 31, 0},
      {"syscall", 0x80000001, 'd', 11, 0}, {"nx", 0x80000001, 'd', 20, 0}, {"rdtscp", 0x80000001, 'd', 27, 0},
      {"lm", 0x80000001, 'd', 29, 0}, {"lahf_lm", 0x80000001, 'c', 0, 0}, {"abm", 0x80000001, 'c', 5, 0},
      {"sse4a", 0x80000001, 'c', 6, 0},
      {"bmi1", 7, 'b', 3, 0},         {"avx2", 7, 'b', 5, kAvx},     {"bmi2", 7, 'b', 8, 0},
      {"erms", 7, 'b', 9, 0},         {"adx", 7, 'b', 19, 0},
      {"smap", 7, 'b', 20, 0},        {"clflushopt", 7, 'b', 23, 0}, {"clwb", 7, 'b', 24, 0},
      {"sha_ni", 7, 'b', 29, 0},      {"avx512f", 7, 'b', 16, kAvx512}, {"avx512vl", 7, 'b', 31, kAvx512},
      {"avx512vbmi", 7, 'c', 1, kAvx512}, {"umip", 7, 'c', 2, 0},    {"vaes", 7, 'c', 9, kAvx},
      {"rdpid", 7, 'c', 22, 0},       {"fsrm", 7, 'd', 4, 0},
  };
  on_each_cpu([](const char* part) {
    for (const Flag& flag : kFlags) {
      const Leaf leaf = cpuid(flag.leaf);
      const uint32_t word = flag.word == 'a' ? leaf.eax : flag.word == 'b' ? leaf.ebx : flag.word == 'c' ? leaf.ecx : leaf.edx;
      const bool expected = (word >> flag.bit & 1) && (enabled_states() & flag.states) == flag.states;
      if (has_flag(part, flag.name) != expected)
        check::fail(__FILE__, __LINE__, "flag %s is %s, and CPUID says otherwise", flag.name, expected ? "missing" : "shown");
    }
  });
}

// Instructions that trap unless the kernel allows them.
TEST(flags_do_not_promise_what_the_kernel_has_not_turned_on) {
  constexpr unsigned long kFsGsBase = 1 << 1;
  constexpr uint32_t kProtectionKeysOn = 1 << 4;
  on_each_cpu([](const char* part) {
    CHECK_EQ(has_flag(part, "fsgsbase"), (getauxval(AT_HWCAP2) & kFsGsBase) != 0);
    const bool keys = cpuid(7).ecx & kProtectionKeysOn;
    CHECK_EQ(has_flag(part, "ospke"), keys);
    CHECK_EQ(has_flag(part, "pku"), keys);
  });
}

TEST(auxiliary_vector_names_the_processor) {
  CHECK_EQ(reinterpret_cast<const char*>(getauxval(AT_PLATFORM)), "x86_64");
  constexpr unsigned long kSse2 = 1 << 26, kTsc = 1 << 4, kFxsr = 1 << 24;
  constexpr unsigned long kAll = kSse2 | kTsc | kFxsr;
  CHECK_EQ(getauxval(AT_HWCAP) & kAll, kAll);
  CHECK_EQ(getauxval(AT_HWCAP) & ~static_cast<unsigned long>(cpuid(1).edx), 0ul);
}

// The rate that is shown is the one at which the counter runs. Loose: a busy host takes the machine's CPU away between the
// readings of the two clocks.
TEST(cpu_rate_is_the_tsc_rate) {
  on_each_cpu([](const char* part) {
    const char* shown = field(part, "cpu MHz");
    CHECK(shown != nullptr);
    const double megahertz = strtod(shown, nullptr);
    CHECK(strtod(field(part, "bogomips"), nullptr) > 0);
    bool fits = false;
    for (int i = 0; i < 5 && !fits; i++) {
      const int64_t before = check::now_ns();
      const uint64_t start = __builtin_ia32_rdtsc();
      check::sleep_ms(20);
      const uint64_t end = __builtin_ia32_rdtsc();
      const double measured = static_cast<double>(end - start) * 1000 / static_cast<double>(check::now_ns() - before);
      fits = measured > megahertz * 0.97 && measured < megahertz * 1.03;
    }
    CHECK(fits);
  });
}

// Whatever the machine took it from: no earlier than these tests were written, and the three ways to ask agree.
TEST(date_is_sane) {
  constexpr time_t kWritten = 1'750'000'000;
  timespec date, boot;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &date));
  CHECK_OK(clock_gettime(CLOCK_BOOTTIME, &boot));
  CHECK(date.tv_sec > kWritten);
  CHECK(date.tv_sec < kWritten + 100ll * 365 * 86400);
  const int file = open("/proc/stat", O_RDONLY);
  const ssize_t size = read(file, text, sizeof text - 1);
  CHECK(size > 0);
  text[size] = '\0';
  close(file);
  const char* line = strstr(text, "\nbtime ");
  CHECK(line != nullptr);
  const long long at_boot = strtoll(line + strlen("\nbtime "), nullptr, 10);
  CHECK(llabs(at_boot + boot.tv_sec - date.tv_sec) <= 2);
  const time_t now = time(nullptr);
  CHECK(now - date.tv_sec >= 0 && now - date.tv_sec <= 2);
}
