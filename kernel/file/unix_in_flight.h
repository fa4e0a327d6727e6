// SPDX-License-Identifier: BSD-2-Clause
// Sockets in flight: AF_UNIX sockets that are in messages (SCM_RIGHTS). Two sockets that hold each other in
// their queues would never be closed, so that such cycles are looked for and broken: a socket is garbage if
// all references to its file are in messages, and every one of these messages is in the queue of a garbage
// socket.
//
// Only a socket that is in flight and has files in its own queue, or listens, can be in a cycle: a collection
// looks at these alone. It runs in a process of its own, at times, so that nobody who closes a socket waits
// for it. What it keeps others from is passing files; it lets them in now and then, and begins anew when they
// have changed the graph, unless that has happened too often.
//
// Lock: the mutex; whoever puts a message with files into a queue, or takes one out, or copies its files,
// holds it. A file in a message cannot gain other references meanwhile. Source of the method: mark and sweep
// over the in-flight graph, as in Linux's net/unix/garbage.c (described there).
#pragma once

#include "file/unix_endpoint.h"

namespace tine::file {

class UnixInFlight {
 public:
  static sync::Mutex mutex;

  // A message with files enters the queue of `receiver`, and leaves it.
  static void enter(UnixMessage& message, UnixEndpoint& receiver) REQUIRES(mutex);
  static void leave(UnixMessage& message) REQUIRES(mutex);
  // Those with files among `messages`, which are in no queue any more. No lock held.
  static void leave_all(UnixMessages& messages) EXCLUDES(mutex);
  // Files in a queue got another reference.
  static void note_change() REQUIRES(mutex) { version++; }
  static void note_listener(UnixEndpoint& endpoint) EXCLUDES(mutex);

  // A socket has closed: there may be garbage now. Any context but under a socket's lock.
  static void request_collection();
  // Finds and closes garbage; false: that is being done, or has been just now. No lock held.
  static bool collect_if_due() EXCLUDES(mutex);
  static void init();  // boot, before the process that collects
  // What that process does. It never returns.
  [[noreturn]] static void run_collector(void*);

  // The sender has as many in flight as it may: each user for itself, so that none keeps others from sending.
  static bool too_many(const PassedFiles& files) { return files.user->held(identity::Kept::FilesInFlight) > files.most_of_user; }

 private:
  static void update(UnixEndpoint& endpoint) REQUIRES(mutex);
  static void forget_reachable(UnixEndpoint& root) REQUIRES(mutex);
  static bool collect(bool in_one_go) EXCLUDES(mutex);
  static bool find_garbage(bool in_one_go) REQUIRES(mutex);
  static bool let_others_in() REQUIRES(mutex);
  template <class Function>
  static bool for_each_candidate(bool in_one_go, Function&& function) REQUIRES(mutex);
  template <class Function>
  static void for_each_message(UnixEndpoint& endpoint, Function&& function) REQUIRES(mutex);

  static UnixEndpoint* first GUARDED_BY(mutex);          // the candidates
  static uint64_t version GUARDED_BY(mutex);             // of the graph
  static std::atomic<unsigned> candidates;
};

}  // namespace tine::file
