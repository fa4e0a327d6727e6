// SPDX-License-Identifier: BSD-2-Clause
// memfd_create(2): a file in memory that no directory names, with seals.
#pragma once

#include <string_view>

#include "file/file.h"
#include "identity/credentials.h"

namespace tine::file {

enum class Sealing : uint8_t { Forbidden, Allowed };
// `name` is for /proc only. NameTooLong beyond 249 bytes.
Result<Ref<File>> make_memory_file(std::string_view name, Sealing sealing, const identity::Credentials& owner);

// F_ADD_SEALS and F_GET_SEALS. Inval for files that have none; Perm when sealed against it or not open for writing; Busy
// for F_SEAL_WRITE with writable shared mappings.
Result<> add_seals(File& file, uint32_t seals);
Result<uint32_t> get_seals(File& file);

}  // namespace tine::file
