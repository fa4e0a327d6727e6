// SPDX-License-Identifier: BSD-2-Clause
#include "file/file_system.h"

#include "file/entry.h"
#include "sync/spinlock.h"

namespace tine::file {
namespace {

constinit sync::Spinlock types_lock{"file system types"};
constinit FileSystemType* types GUARDED_BY(types_lock) = nullptr;

// Anonymous devices, as Linux numbers file systems that have no disk: major 0.
constinit std::atomic<uint32_t> next_minor{1};

}  // namespace

FileSystem::FileSystem(const char* type_name)
    : type_name(type_name), device(device_number(0, next_minor.fetch_add(1, std::memory_order_relaxed))) {}

FileSystem::~FileSystem() = default;

void register_file_system(FileSystemType& type) {
  sync::SpinGuard guard(types_lock);
  FileSystemType** last = &types;
  while (*last != nullptr) last = &(*last)->next;
  *last = &type;
}

FileSystemType* first_file_system() {
  sync::SpinGuard guard(types_lock);
  return types;
}

FileSystemType* find_file_system(std::string_view name) {
  for (FileSystemType* type = first_file_system(); type != nullptr; type = type->next)
    if (name == type->name) return type;
  return nullptr;
}

}  // namespace tine::file
