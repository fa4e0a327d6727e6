// SPDX-License-Identifier: BSD-2-Clause
// The kinds of things that the kernel keeps for users, and what bounds each. Whatever a program can make the kernel keep,
// by calling often enough, is of one of these kinds and counted for a user (identity/charge.h), or belongs to something
// that is. /proc/tine/charges shows the counts.
// Some kinds outlive the processes that made them (`lasting`): ending processes does not give their memory back, and so
// all ordinary users together may have so many bytes of them, whatever each kind's own bound says.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tine::identity {

enum class Kept : uint8_t {
  Processes,       // zombies included
  Threads,         // a zombie counts as one
  Signals,         // pending real-time ones
  Timers,          // timer_create(2)
  OpenFiles,       // open file descriptions
  FilesInFlight,   // in messages of sockets
  Pipes,
  PipePages,       // what they may hold at most
  Sockets,
  MessageBytes,    // sent and not yet received
  EpollItems,
  Knotes,
  FileLocks,
  Ptys,
  FilePages,       // of files of tmpfs and memfd_create(2)
  Inodes,          // of tmpfs
  Names,           // in directories of tmpfs
  Segments,        // System V shared memory
  SegmentPages,
  kCount
};
inline constexpr size_t kKeptKinds = static_cast<size_t>(Kept::kCount);

struct KeptKind {
  const char* name;
  uint32_t bytes;          // of kernel memory that one takes, roughly
  bool has_total = false;  // Bound::of_all holds: all users' counts are added up as they change
  bool lasting = false;
};
inline constexpr KeptKind kKept[kKeptKinds] = {
    {.name = "processes", .bytes = 4096},
    {.name = "threads", .bytes = 16384},
    {.name = "signals", .bytes = 192},
    {.name = "timers", .bytes = 256},
    {.name = "open-files", .bytes = 256, .has_total = true},
    {.name = "files-in-flight", .bytes = 16},
    {.name = "pipes", .bytes = 512},
    {.name = "pipe-pages", .bytes = 4096},
    {.name = "sockets", .bytes = 768},
    {.name = "message-bytes", .bytes = 1},
    {.name = "epoll-items", .bytes = 256},
    {.name = "knotes", .bytes = 256},
    {.name = "file-locks", .bytes = 128},
    {.name = "ptys", .bytes = 16384, .has_total = true},
    {.name = "file-pages", .bytes = 4096, .lasting = true},
    {.name = "inodes", .bytes = 768, .lasting = true},
    {.name = "names", .bytes = 384, .lasting = true},
    {.name = "segments", .bytes = 512, .has_total = true, .lasting = true},
    {.name = "segment-pages", .bytes = 4096, .has_total = true, .lasting = true},
};
inline constexpr const KeptKind& description_of(Kept kind) { return kKept[static_cast<size_t>(kind)]; }

inline constexpr uint64_t kNoBound = ~uint64_t{0};

// How much of one kind there may be.
struct Bound {
  std::atomic<uint64_t> of_user{kNoBound};   // for each user
  std::atomic<uint64_t> of_all{kNoBound};    // for all users together ...
  std::atomic<uint64_t> reserve{0};          // ... of which the last so many are root's
};
Bound& bound_of(Kept kind);
uint64_t total_of(Kept kind);                // over all users, of a kind that has a total

// Bytes of lasting kinds that ordinary users together have, and may have.
uint64_t lasting_bytes();
std::atomic<uint64_t>& lasting_bound();

// Boot: sets the bounds that depend on the size of memory, in bytes.
void size_bounds(uint64_t memory);

}  // namespace tine::identity
