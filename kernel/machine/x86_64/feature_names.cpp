// SPDX-License-Identifier: BSD-2-Clause
// The features of CPUs: where CPUID has each, what Linux calls it, and what the kernel must have turned on for it to be of
// use. A feature whose instructions trap because a control register says so is not shown, as on Linux; features that only
// a kernel can use are shown whether Tine uses them or not. Sources: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E;
// the names and their order: /proc/cpuinfo of Linux 6.1.
#include "machine/processor.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

using F = FeatureWord;
using Condition = bool (*)(const Processor&);

constexpr bool components_on(const Processor& cpu, uint64_t components) {
  return (cpu.xcr0 & components) == components;
}

// By the number of the state in XCR0: SDM vol. 1, 13.1; AMD APM vol. 2, 11.5.2.
constexpr Condition kAvx = [](const Processor& cpu) { return components_on(cpu, 1 << 2); };
constexpr Condition kAvx512 = [](const Processor& cpu) { return components_on(cpu, 7 << 5); };
constexpr Condition kAmx = [](const Processor& cpu) { return components_on(cpu, 3 << 17); };
constexpr Condition kBounds = [](const Processor& cpu) { return components_on(cpu, 3 << 3); };
constexpr Condition kLightweightProfiling = [](const Processor& cpu) { return components_on(cpu, uint64_t{1} << 62); };

template <uint64_t kBit>
constexpr Condition kControl = [](const Processor& cpu) { return (cpu.cr4 & kBit) != 0; };
constexpr Condition kXSave = kControl<kCr4XSave>, kFsGsBase = kControl<kCr4FsGsBase>, kUmip = kControl<kCr4Umip>,
                    kSmep = kControl<kCr4Smep>, kSmap = kControl<kCr4Smap>,
                    kProtectionKeys = kControl<kCr4ProtectionKeys>, kFiveLevels = kControl<kCr4FiveLevels>,
                    kControlFlow = kControl<kCr4ControlFlow>;

// Intel and AMD tell of these in different places.
constexpr Condition kIbrs = [](const Processor& cpu) { return cpu.has(F::Structured_edx, 26) || cpu.has(F::Capacity_ebx, 14); };
constexpr Condition kIbpb = [](const Processor& cpu) { return cpu.has(F::Structured_edx, 26) || cpu.has(F::Capacity_ebx, 12); };
constexpr Condition kStibp = [](const Processor& cpu) { return cpu.has(F::Structured_edx, 27) || cpu.has(F::Capacity_ebx, 15); };
constexpr Condition kSsbd = [](const Processor& cpu) { return cpu.has(F::Structured_edx, 31) || cpu.has(F::Capacity_ebx, 24); };

constexpr Condition kExtendedTopology = [](const Processor& cpu) { return cpu.extended_topology; };
constexpr Condition kAmd = [](const Processor& cpu) { return cpu.amd; };

// With bit 29, long mode: for what all such CPUs have, and for what the condition alone decides.
constexpr F kEvery64Bit = F::Extended_edx;

struct Feature {
  std::string_view name;
  F word;
  uint8_t bit;
  Condition condition = nullptr;
};

// clang-format off
constexpr Feature kFeatures[] = {
  {"fpu", F::Basic_edx, 0}, {"vme", F::Basic_edx, 1}, {"de", F::Basic_edx, 2}, {"pse", F::Basic_edx, 3},
  {"tsc", F::Basic_edx, 4}, {"msr", F::Basic_edx, 5}, {"pae", F::Basic_edx, 6}, {"mce", F::Basic_edx, 7},
  {"cx8", F::Basic_edx, 8}, {"apic", F::Basic_edx, 9}, {"sep", F::Basic_edx, 11}, {"mtrr", F::Basic_edx, 12},
  {"pge", F::Basic_edx, 13}, {"mca", F::Basic_edx, 14}, {"cmov", F::Basic_edx, 15}, {"pat", F::Basic_edx, 16},
  {"pse36", F::Basic_edx, 17}, {"pn", F::Basic_edx, 18}, {"clflush", F::Basic_edx, 19}, {"dts", F::Basic_edx, 21},
  {"acpi", F::Basic_edx, 22}, {"mmx", F::Basic_edx, 23}, {"fxsr", F::Basic_edx, 24}, {"sse", F::Basic_edx, 25},
  {"sse2", F::Basic_edx, 26}, {"ss", F::Basic_edx, 27}, {"ht", F::Basic_edx, 28}, {"tm", F::Basic_edx, 29},
  {"ia64", F::Basic_edx, 30}, {"pbe", F::Basic_edx, 31},
  {"syscall", F::Extended_edx, 11}, {"mp", F::Extended_edx, 19}, {"nx", F::Extended_edx, 20},
  {"mmxext", F::Extended_edx, 22}, {"fxsr_opt", F::Extended_edx, 25}, {"pdpe1gb", F::Extended_edx, 26},
  {"rdtscp", F::Extended_edx, 27}, {"lm", F::Extended_edx, 29}, {"3dnowext", F::Extended_edx, 30},
  {"3dnow", F::Extended_edx, 31},
  {"constant_tsc", F::Power_edx, 8}, {"nopl", kEvery64Bit, 29}, {"xtopology", kEvery64Bit, 29, kExtendedTopology},
  {"nonstop_tsc", F::Power_edx, 8}, {"cpuid", kEvery64Bit, 29},
  {"pni", F::Basic_ecx, 0}, {"pclmulqdq", F::Basic_ecx, 1}, {"dtes64", F::Basic_ecx, 2}, {"monitor", F::Basic_ecx, 3},
  {"ds_cpl", F::Basic_ecx, 4}, {"vmx", F::Basic_ecx, 5}, {"smx", F::Basic_ecx, 6}, {"est", F::Basic_ecx, 7},
  {"tm2", F::Basic_ecx, 8}, {"ssse3", F::Basic_ecx, 9}, {"cid", F::Basic_ecx, 10}, {"sdbg", F::Basic_ecx, 11},
  {"fma", F::Basic_ecx, 12, kAvx}, {"cx16", F::Basic_ecx, 13}, {"xtpr", F::Basic_ecx, 14}, {"pdcm", F::Basic_ecx, 15},
  {"pcid", F::Basic_ecx, 17}, {"dca", F::Basic_ecx, 18}, {"sse4_1", F::Basic_ecx, 19}, {"sse4_2", F::Basic_ecx, 20},
  {"x2apic", F::Basic_ecx, 21}, {"movbe", F::Basic_ecx, 22}, {"popcnt", F::Basic_ecx, 23},
  {"tsc_deadline_timer", F::Basic_ecx, 24}, {"aes", F::Basic_ecx, 25}, {"xsave", F::Basic_ecx, 26, kXSave},
  {"avx", F::Basic_ecx, 28, kAvx}, {"f16c", F::Basic_ecx, 29, kAvx}, {"rdrand", F::Basic_ecx, 30},
  {"hypervisor", F::Basic_ecx, 31},
  {"lahf_lm", F::Extended_ecx, 0}, {"cmp_legacy", F::Extended_ecx, 1}, {"svm", F::Extended_ecx, 2},
  {"extapic", F::Extended_ecx, 3}, {"cr8_legacy", F::Extended_ecx, 4}, {"abm", F::Extended_ecx, 5},
  {"sse4a", F::Extended_ecx, 6}, {"misalignsse", F::Extended_ecx, 7}, {"3dnowprefetch", F::Extended_ecx, 8},
  {"osvw", F::Extended_ecx, 9}, {"ibs", F::Extended_ecx, 10}, {"xop", F::Extended_ecx, 11, kAvx},
  {"skinit", F::Extended_ecx, 12}, {"wdt", F::Extended_ecx, 13}, {"lwp", F::Extended_ecx, 15, kLightweightProfiling},
  {"fma4", F::Extended_ecx, 16, kAvx}, {"tce", F::Extended_ecx, 17}, {"nodeid_msr", F::Extended_ecx, 19},
  {"tbm", F::Extended_ecx, 21}, {"topoext", F::Extended_ecx, 22}, {"perfctr_core", F::Extended_ecx, 23},
  {"perfctr_nb", F::Extended_ecx, 24}, {"bpext", F::Extended_ecx, 26}, {"ptsc", F::Extended_ecx, 27},
  {"perfctr_llc", F::Extended_ecx, 28}, {"mwaitx", F::Extended_ecx, 29},
  {"cpb", F::Power_edx, 9}, {"hw_pstate", F::Power_edx, 7}, {"ssbd", kEvery64Bit, 29, kSsbd},
  {"ibrs", kEvery64Bit, 29, kIbrs}, {"ibpb", kEvery64Bit, 29, kIbpb}, {"stibp", kEvery64Bit, 29, kStibp},
  {"vmmcall", kEvery64Bit, 29, kAmd},
  {"fsgsbase", F::Structured_ebx, 0, kFsGsBase}, {"tsc_adjust", F::Structured_ebx, 1}, {"sgx", F::Structured_ebx, 2},
  {"bmi1", F::Structured_ebx, 3}, {"hle", F::Structured_ebx, 4}, {"avx2", F::Structured_ebx, 5, kAvx},
  {"smep", F::Structured_ebx, 7, kSmep}, {"bmi2", F::Structured_ebx, 8}, {"erms", F::Structured_ebx, 9},
  {"invpcid", F::Structured_ebx, 10}, {"rtm", F::Structured_ebx, 11}, {"cqm", F::Structured_ebx, 12},
  {"mpx", F::Structured_ebx, 14, kBounds}, {"rdt_a", F::Structured_ebx, 15},
  {"avx512f", F::Structured_ebx, 16, kAvx512}, {"avx512dq", F::Structured_ebx, 17, kAvx512},
  {"rdseed", F::Structured_ebx, 18}, {"adx", F::Structured_ebx, 19}, {"smap", F::Structured_ebx, 20, kSmap},
  {"avx512ifma", F::Structured_ebx, 21, kAvx512}, {"clflushopt", F::Structured_ebx, 23},
  {"clwb", F::Structured_ebx, 24}, {"intel_pt", F::Structured_ebx, 25}, {"avx512pf", F::Structured_ebx, 26, kAvx512},
  {"avx512er", F::Structured_ebx, 27, kAvx512}, {"avx512cd", F::Structured_ebx, 28, kAvx512},
  {"sha_ni", F::Structured_ebx, 29}, {"avx512bw", F::Structured_ebx, 30, kAvx512},
  {"avx512vl", F::Structured_ebx, 31, kAvx512},
  {"xsaveopt", F::XSave_eax, 0, kXSave}, {"xsavec", F::XSave_eax, 1, kXSave}, {"xgetbv1", F::XSave_eax, 2, kXSave},
  {"xsaves", F::XSave_eax, 3, kXSave},
  {"avx_vnni", F::Structured1_eax, 4, kAvx}, {"avx512_bf16", F::Structured1_eax, 5, kAvx512},
  {"clzero", F::Capacity_ebx, 0}, {"irperf", F::Capacity_ebx, 1}, {"xsaveerptr", F::Capacity_ebx, 2},
  {"rdpru", F::Capacity_ebx, 4}, {"wbnoinvd", F::Capacity_ebx, 9}, {"amd_ppin", F::Capacity_ebx, 23},
  {"virt_ssbd", F::Capacity_ebx, 25}, {"cppc", F::Capacity_ebx, 27}, {"brs", F::Capacity_ebx, 31},
  {"dtherm", F::Thermal_eax, 0}, {"ida", F::Thermal_eax, 1}, {"arat", F::Thermal_eax, 2}, {"pln", F::Thermal_eax, 4},
  {"pts", F::Thermal_eax, 6}, {"hwp", F::Thermal_eax, 7}, {"hwp_notify", F::Thermal_eax, 8},
  {"hwp_act_window", F::Thermal_eax, 9}, {"hwp_epp", F::Thermal_eax, 10}, {"hwp_pkg_req", F::Thermal_eax, 11},
  {"hfi", F::Thermal_eax, 19},
  {"npt", F::Svm_edx, 0}, {"lbrv", F::Svm_edx, 1}, {"svm_lock", F::Svm_edx, 2}, {"nrip_save", F::Svm_edx, 3},
  {"tsc_scale", F::Svm_edx, 4}, {"vmcb_clean", F::Svm_edx, 5}, {"flushbyasid", F::Svm_edx, 6},
  {"decodeassists", F::Svm_edx, 7}, {"pausefilter", F::Svm_edx, 10}, {"pfthreshold", F::Svm_edx, 12},
  {"avic", F::Svm_edx, 13}, {"v_vmsave_vmload", F::Svm_edx, 15}, {"vgif", F::Svm_edx, 16}, {"x2avic", F::Svm_edx, 18},
  {"v_spec_ctrl", F::Svm_edx, 20},
  {"avx512vbmi", F::Structured_ecx, 1, kAvx512}, {"umip", F::Structured_ecx, 2, kUmip},
  {"pku", F::Structured_ecx, 3, kProtectionKeys}, {"ospke", F::Structured_ecx, 4, kProtectionKeys},
  {"waitpkg", F::Structured_ecx, 5}, {"avx512_vbmi2", F::Structured_ecx, 6, kAvx512}, {"gfni", F::Structured_ecx, 8},
  {"vaes", F::Structured_ecx, 9, kAvx}, {"vpclmulqdq", F::Structured_ecx, 10, kAvx},
  {"avx512_vnni", F::Structured_ecx, 11, kAvx512}, {"avx512_bitalg", F::Structured_ecx, 12, kAvx512},
  {"tme", F::Structured_ecx, 13}, {"avx512_vpopcntdq", F::Structured_ecx, 14, kAvx512},
  {"la57", F::Structured_ecx, 16, kFiveLevels}, {"rdpid", F::Structured_ecx, 22},
  {"bus_lock_detect", F::Structured_ecx, 24}, {"cldemote", F::Structured_ecx, 25}, {"movdiri", F::Structured_ecx, 27},
  {"movdir64b", F::Structured_ecx, 28}, {"enqcmd", F::Structured_ecx, 29}, {"sgx_lc", F::Structured_ecx, 30},
  {"overflow_recov", F::Reliability_ebx, 0}, {"succor", F::Reliability_ebx, 1}, {"smca", F::Reliability_ebx, 3},
  {"avx512_4vnniw", F::Structured_edx, 2, kAvx512}, {"avx512_4fmaps", F::Structured_edx, 3, kAvx512},
  {"fsrm", F::Structured_edx, 4}, {"avx512_vp2intersect", F::Structured_edx, 8, kAvx512},
  {"md_clear", F::Structured_edx, 10}, {"serialize", F::Structured_edx, 14}, {"tsxldtrk", F::Structured_edx, 16},
  {"pconfig", F::Structured_edx, 18}, {"arch_lbr", F::Structured_edx, 19},
  {"ibt", F::Structured_edx, 20, kControlFlow}, {"amx_bf16", F::Structured_edx, 22, kAmx},
  {"avx512_fp16", F::Structured_edx, 23, kAvx512}, {"amx_tile", F::Structured_edx, 24, kAmx},
  {"amx_int8", F::Structured_edx, 25, kAmx}, {"flush_l1d", F::Structured_edx, 28},
  {"arch_capabilities", F::Structured_edx, 29},
  {"sme", F::Encryption_eax, 0}, {"sev", F::Encryption_eax, 1}, {"sev_es", F::Encryption_eax, 3},
};
// clang-format on

}  // namespace

void for_each_feature(const Processor& processor, void (*take)(void* argument, std::string_view name), void* argument) {
  for (const Feature& feature : kFeatures)
    if (processor.has(feature.word, feature.bit) && (feature.condition == nullptr || feature.condition(processor)))
      take(argument, feature.name);
}

}  // namespace tine::machine
