// SPDX-License-Identifier: BSD-2-Clause
// ktrace(2): records of what a process does, written to a file by its own threads at the system-call boundary. A process
// that is not traced pays one test of Thread::call_watch for each call. Source: ktrace(2), <sys/ktrace.h> of OpenBSD,
// whose record layout this is. Seed rows T8, C16.
// Lock: traced_lock guards the table of traced processes; it is never held while writing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "file/file.h"
#include "identity/credentials.h"
#include "process/inspection.h"
#include "process/process.h"

namespace tine::trace {

enum class Record : uint32_t {
  Call = 1, Return = 2, Name = 3, Io = 4, Signal = 5, Struct = 8, User = 9, Arguments = 10,
};
// What to record: bit n for Record n, and two more.
using Facilities = uint32_t;
constexpr Facilities facility(Record record) { return 1u << static_cast<uint32_t>(record); }
inline constexpr Facilities kFacilityRoot = 0x80000000,      // root set it: others may not change it
                            kFacilityInherit = 0x40000000;   // children are traced too (C16)

// KTROP_SET, KTROP_CLEAR, for one process. Exec of a program that its user may not look into ends what root has not set.
// Errors: Perm, Srch, NoMem.
Result<> set_trace(process::Process& process, const Ref<file::File>& file, const process::Inspector& inspector,
                   identity::CredentialsRef credentials, Facilities facilities);
Result<> clear_trace(process::Process& process, const identity::Credentials& by, Facilities facilities);
// KTROP_CLEARFILE: nobody writes to this file any more.
void clear_trace_file(const file::Inode& inode, const identity::Credentials& by);

// Records of the running thread; no effect if its process is not traced for them. A file that cannot be written ends the
// tracing, as it does in the BSDs. May sleep.
void record_call(uint64_t number, std::span<const uint64_t> arguments);
void record_return(uint64_t number, Result<uint64_t> result);
void record_name(std::string_view path);
enum class Direction : uint32_t { Read = 0, Write = 1 };
void record_io(int descriptor, Direction direction, uintptr_t user_address, size_t size);
void record_struct(std::string_view name, std::span<const std::byte> contents);
void record_user(std::string_view label, std::span<const std::byte> contents);

Result<> init_ktrace();   // boot

}  // namespace tine::trace
