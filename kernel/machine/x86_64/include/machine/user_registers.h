// SPDX-License-Identifier: BSD-2-Clause
// The registers of a stopped program as a debugger reads and writes them: in the layouts of the architecture's ABI, and
// with nothing let through that the kernel or the CPU could not bear. Source: <sys/user.h> of Linux x86-64 (struct
// user_regs_struct); Intel SDM vol. 1, 13.4 (the XSAVE area).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "machine/context.h"

namespace tine::machine {

struct UserRegisters {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags, rsp, ss,
      fs_base, gs_base, ds, es, fs, gs;
};

UserRegisters read_registers(const TrapFrame& frame, const UserState& state);
// False, and nothing is changed: a base that is no user address, or a segment other than the one that is loaded.
[[nodiscard]] bool write_registers(TrapFrame& frame, UserState& state, const UserRegisters& registers);

// Debug register `number`, as the CPU knows it. False: there is none of that number, or the value is not for programs.
[[nodiscard]] bool read_debug_register(const UserState& state, unsigned number, uint64_t& value);
[[nodiscard]] bool write_debug_register(UserState& state, unsigned number, uint64_t value);

// x87 and vector registers: `image` is what the kernel keeps of a thread (context.h), `view` what debuggers know: the
// first 512 bytes as FXSAVE lays them out, all of it as XSAVE's standard form with XCR0 at byte 464.
inline constexpr size_t kFxSaveSize = 512;
void read_extended_state(std::span<const std::byte> image, std::span<std::byte> view);
// Puts a whole view, or its first kFxSaveSize bytes, into an image. False: the CPU would not load it.
[[nodiscard]] bool write_extended_state(std::span<std::byte> image, std::span<const std::byte> view);
size_t extended_view_size();   // kFxSaveSize when there is no more

}  // namespace tine::machine
