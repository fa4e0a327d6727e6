// SPDX-License-Identifier: BSD-2-Clause
// /proc/cpuinfo, as Linux prints it on x86. A line that Linux leaves out where the CPU does not tell is left out here too.
// There is no line "bugs": Tine keeps no list of which CPUs have which, and an empty line would say that there are none.
// Source: Linux, proc_cpuinfo(5).
#include "machine/cpu.h"
#include "machine/processor.h"
#include "view/procfs.h"

namespace tine::view {
namespace {

using machine::Processor;

// Of the CPUs that run: the threads in this one's package, and the cores.
struct Package {
  unsigned siblings = 0, cores = 0;
};
Package count_package(const Processor& cpu) {
  Package package;
  uint32_t seen[machine::kMaxCpus];
  for (unsigned other = 0; other < machine::cpu_count(); ++other) {
    const Processor& candidate = machine::processor(other);
    if (candidate.package != cpu.package) continue;
    package.siblings++;
    bool known = false;
    for (unsigned i = 0; i < package.cores; ++i) known |= seen[i] == candidate.core;
    if (!known) seen[package.cores++] = candidate.core;
  }
  return package;
}

void put_feature(void* sink, std::string_view name) {
  static_cast<TextSink*>(sink)->put(' ');
  static_cast<TextSink*>(sink)->put(name);
}

// The power features by bit of CPUID's register; one without a name shows its number.
void put_power_features(TextSink& sink, const Processor& cpu) {
  constexpr const char* kNames[] = {"ts",       "fid", "vid", "ttp",         "tm",            "stc",      "100mhzsteps",
                                    "hwpstate", "",    "cpb", "eff_freq_ro", "proc_feedback", "acc_power"};
  for (unsigned bit = 0; bit < 32; ++bit) {
    if (!cpu.has(machine::FeatureWord::Power_edx, bit)) continue;
    if (bit >= std::size(kNames))
      sink.print(" [%u]", bit);
    else if (*kNames[bit] != '\0')   // bit 8 is shown among the features
      sink.print(" %s", kNames[bit]);
  }
}

void print_cpu(TextSink& sink, unsigned number) {
  const Processor& cpu = machine::processor(number);
  const Package package = count_package(cpu);
  const uint64_t hertz = machine::cycles_per_second();
  const auto part = [](uint64_t value) { return static_cast<unsigned long long>(value); };

  sink.print("processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n", number,
             cpu.vendor, cpu.family, cpu.model, *cpu.model_name != '\0' ? cpu.model_name : "unknown", cpu.stepping);
  if (cpu.microcode != 0) sink.print("microcode\t: %#x\n", cpu.microcode);
  sink.print("cpu MHz\t\t: %llu.%03llu\n", part(hertz / 1'000'000), part(hertz / 1000 % 1000));
  if (cpu.cache_kilobytes != 0) sink.print("cache size\t: %u KB\n", cpu.cache_kilobytes);
  sink.print("physical id\t: %u\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\ninitial apicid\t: %u\n",
             cpu.package, package.siblings, cpu.core, package.cores, cpu.apic_id, cpu.initial_apic_id);
  sink.print("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:", cpu.highest_leaf);
  machine::for_each_feature(cpu, put_feature, &sink);
  // Linux's measure of a loop of two instructions, which it takes from the TSC's rate.
  sink.print("\nbogomips\t: %llu.%02llu\n", part(hertz / 500'000), part(hertz / 5000 % 100));
  if (cpu.tlb_entries != 0) sink.print("TLB size\t: %u 4K pages\n", cpu.tlb_entries);
  sink.print("clflush size\t: %u\ncache_alignment\t: %u\naddress sizes\t: %u bits physical, %u bits virtual\n", cpu.flush_size,
             cpu.flush_size, cpu.physical_bits, cpu.virtual_bits);
  sink.put("power management:");
  put_power_features(sink, cpu);
  sink.put("\n\n");
}

}  // namespace

Result<> print_cpuinfo(TextSink& sink, const Subject&) {
  for (unsigned cpu = 0; cpu < machine::cpu_count(); ++cpu) print_cpu(sink, cpu);
  return {};
}

}  // namespace tine::view
