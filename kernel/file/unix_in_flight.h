// SPDX-License-Identifier: BSD-2-Clause
// Sockets in flight: AF_UNIX sockets that are in messages (SCM_RIGHTS). Two sockets that hold each other in
// their queues would never be closed, so that such cycles are looked for and broken: a socket is garbage if
// all references to its file are in messages, and every one of these messages is in the queue of a garbage
// socket.
//
// Lock: the mutex; whoever puts a message with files into a queue, or takes one out, or copies its files,
// holds it, so that a collection sees the graph stand still. A file in a message cannot gain other references
// meanwhile. Source of the method: mark and sweep over the in-flight graph, as in Linux's net/unix/garbage.c
// (described there).
#pragma once

#include "file/unix_endpoint.h"

namespace tine::file {

class UnixInFlight {
 public:
  static sync::Mutex mutex;

  // The files of a message enter and leave a queue.
  static void enter(PassedFiles& files) REQUIRES(mutex);
  static void leave(PassedFiles& files) REQUIRES(mutex);

  // Finds and closes garbage. Called when a socket closes and when much is in flight; no lock held.
  static void collect() EXCLUDES(mutex);
  static bool any() { return total.load(std::memory_order_relaxed) != 0; }
  static bool much() { return total.load(std::memory_order_relaxed) >= kMuch; }
  // The sender has as many in flight as it may: each user for itself, so that none keeps others from sending.
  static bool too_many(const PassedFiles& files) { return files.user->held(identity::Kept::FilesInFlight) > files.most_of_user; }

 private:
  static constexpr unsigned kMuch = 1u << 16;
  static void forget_reachable(UnixEndpoint& root) REQUIRES(mutex);
  template <class Function>
  static void for_each_message(UnixEndpoint& endpoint, Function&& function);
  static UnixEndpoint* first GUARDED_BY(mutex);  // all with in_flight.count != 0
  static std::atomic<unsigned> total;
};

}  // namespace tine::file
