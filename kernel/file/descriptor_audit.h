// SPDX-License-Identifier: BSD-2-Clause
// Checks the descriptor trees of all processes: each node's reference count against the parents and tables that are found
// to hold it. Who knows the processes shows each table once; exact when nothing else runs.
#pragma once

#include "base/audit.h"
#include "file/descriptor_table.h"
#include "mem/buffer.h"

namespace tine::file {

class DescriptorAudit {
 public:
  explicit DescriptorAudit(AuditReport& report) : report_(report) {}
  void add(const DescriptorTable& table);
  void finish();

 private:
  struct Seen {
    const void* node;
    uint32_t references;     // what the node says
    uint32_t holders;        // how many were found
  };
  Seen* find(const void* node);    // the node's place in the table, or a free one; null: no room
  bool make_room();

  AuditReport& report_;
  mem::Buffer<Seen> seen_;         // a hash table with open addressing
  size_t used_ = 0;
  unsigned tables_ = 0;
  bool gave_up_ = false;
};

}  // namespace tine::file
