// SPDX-License-Identifier: BSD-2-Clause
#include "mem/buffer.h"

#include <algorithm>
#include <array>
#include <bit>

#include "mem/frame.h"
#include "mem/object_cache.h"

namespace tine::mem {

namespace {

// Powers of two and the steps halfway, so that at most a third is wasted.
constinit std::array<ObjectCache, 15> size_classes{{
    {"buffer-16", 16, 16},     {"buffer-32", 32, 16},     {"buffer-64", 64, 16},     {"buffer-96", 96, 16},
    {"buffer-128", 128, 16},   {"buffer-192", 192, 16},   {"buffer-256", 256, 16},   {"buffer-384", 384, 16},
    {"buffer-512", 512, 16},   {"buffer-768", 768, 16},   {"buffer-1024", 1024, 16}, {"buffer-1536", 1536, 16},
    {"buffer-2048", 2048, 16}, {"buffer-3072", 3072, 16}, {"buffer-4096", 4096, 16},
}};
constexpr size_t kLargestClass = 4096;

ObjectCache& class_for(size_t size) {
  return *std::ranges::lower_bound(size_classes, size, {}, [](const ObjectCache& c) { return c.object_size(); });
}

unsigned order_for(size_t size) {
  return static_cast<unsigned>(std::bit_width((size - 1) >> machine::kPageShift));
}

}  // namespace

void* allocate_bytes(size_t size) {
  if (size <= kLargestClass) return class_for(size).allocate();
  auto block = allocate_block(FrameUse::Kernel, order_for(size), Contents::Undefined);
  return block ? contents_of<void>(**block) : nullptr;
}

void free_bytes(void* memory, size_t size) {
  if (memory == nullptr) return;
  if (size <= kLargestClass) return class_for(size).free(memory);
  free_block(frame_of(machine::virtual_to_physical(memory)));
}

}  // namespace tine::mem
