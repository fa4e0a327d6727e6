// SPDX-License-Identifier: BSD-2-Clause
// WritableMapping: stands for an object in the regions that may write it through MAP_SHARED, so that the
// object knows whether there are any (F_SEAL_WRITE). Regions are shared by fork and cut by munmap; the last
// reference tells.
#pragma once

#include "vm/memory_object.h"

namespace tine::vm {

class WritableMapping final : public MemoryObject, public mem::FromCache<WritableMapping> {
 public:
  using mem::FromCache<WritableMapping>::operator new;
  using mem::FromCache<WritableMapping>::operator delete;

  explicit WritableMapping(Ref<MemoryObject> object) : MemoryObject(object->filter_bits()), object_(std::move(object)) {
    object_->writable_mapping_changed(1);
  }
  ~WritableMapping() override { object_->writable_mapping_changed(-1); }

  Result<mem::Frame*> page(uint64_t index, Access access) override { return object_->page(index, access); }
  void resident_pages(uint64_t first, std::span<mem::Frame*> into) override {
    object_->resident_pages(first, into);
  }
  uint64_t next_resident(uint64_t index) const override { return object_->next_resident(index); }
  uint64_t size() const override { return object_->size(); }
  Identity identity() const override { return object_->identity(); }
  std::string_view path(std::span<char> buffer) const override { return object_->path(buffer); }
  MemoryObject& itself() override { return *object_; }

 private:
  const Ref<MemoryObject> object_;
};

}  // namespace tine::vm
