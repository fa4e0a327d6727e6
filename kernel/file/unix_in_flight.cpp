// SPDX-License-Identifier: BSD-2-Clause
// Sockets in flight: counting them, and collecting unreachable cycles.
#include "file/unix_in_flight.h"

#include <algorithm>

#include "base/late.h"
#include "file/unix_socket.h"
#include "sched/clock.h"

namespace tine::file {

constinit sync::Mutex UnixInFlight::mutex{"unix sockets in flight"};
constinit UnixEndpoint* UnixInFlight::first = nullptr;
constinit uint64_t UnixInFlight::version = 0;
constinit std::atomic<unsigned> UnixInFlight::candidates{0};

namespace {

constexpr unsigned kPiece = 256;           // sockets that are looked at before others are let in
constexpr unsigned kMostInterrupted = 3;   // collections in a row
// A collection takes this part of the time at most.
constexpr unsigned kPauseFactor = 10;
constexpr Nanoseconds kLeastPause = kMillisecond;

constinit std::atomic<bool> wanted{false};
constinit std::atomic<Nanoseconds> next_due{0};
constinit Late<sched::WaitQueue> collector;

template <class Function>
void for_each_socket(PassedFiles& files, Function&& function) {
  for (unsigned i = 0; i < files.count; i++)
    if (auto* socket = file_cast<UnixSocket>(*files.files[i])) function(socket->endpoint());
}

}  // namespace

// --- The graph ---

// Puts the socket among the candidates, or takes it out.
void UnixInFlight::update(UnixEndpoint& endpoint) {
  version++;
  auto& state = endpoint.in_flight;
  const bool listed = state.count != 0 && (state.listens || !state.messages.empty());
  if (listed == state.listed) return;
  state.listed = listed;
  state.suspect = false;
  if (listed) {
    state.previous = nullptr;
    state.next = first;
    if (first != nullptr) first->in_flight.previous = &endpoint;
    first = &endpoint;
    candidates.fetch_add(1);
  } else {
    (state.previous != nullptr ? state.previous->in_flight.next : first) = state.next;
    if (state.next != nullptr) state.next->in_flight.previous = state.previous;
    candidates.fetch_sub(1);
  }
}

void UnixInFlight::enter(UnixMessage& message, UnixEndpoint& receiver) {
  PassedFiles& files = *message.files;
  identity::charge_anyway(*files.user, identity::Kept::FilesInFlight, files.count);
  message.receiver = &receiver;
  receiver.in_flight.messages.push_back(message);
  for_each_socket(files, [](UnixEndpoint& endpoint) NO_THREAD_SAFETY_ANALYSIS {
    endpoint.in_flight.count++;
    update(endpoint);
  });
  update(receiver);
}

void UnixInFlight::leave(UnixMessage& message) {
  PassedFiles& files = *message.files;
  UnixEndpoint& receiver = *message.receiver;
  identity::uncharge(*files.user, identity::Kept::FilesInFlight, files.count);
  receiver.in_flight.messages.erase(receiver.in_flight.messages.iterator_to(message));
  for_each_socket(files, [](UnixEndpoint& endpoint) NO_THREAD_SAFETY_ANALYSIS {
    endpoint.in_flight.count--;
    update(endpoint);
  });
  update(receiver);
}

void UnixInFlight::leave_all(UnixMessages& messages) {
  const auto has_files = [](const UnixMessage& message) { return message.files != nullptr; };
  if (std::none_of(messages.begin(), messages.end(), has_files)) return;
  sync::MutexGuard guard(mutex);
  for (UnixMessage& message : messages)
    if (message.files) leave(message);
}

void UnixInFlight::note_listener(UnixEndpoint& endpoint) {
  sync::MutexGuard guard(mutex);
  endpoint.in_flight.listens = true;
  update(endpoint);
}

// Messages with files that can be received through `endpoint`: its own, and those sent to connections not yet
// accepted.
template <class Function>
void UnixInFlight::for_each_message(UnixEndpoint& endpoint, Function&& function) {
  for (UnixMessage& message : endpoint.in_flight.messages) function(*message.files);
  if (!endpoint.in_flight.listens) return;
  sync::SpinGuard guard(endpoint.lock_);
  for (UnixEndpoint& waiting : endpoint.backlog_)
    for (UnixMessage& message : waiting.in_flight.messages) function(*message.files);
}

// --- A collection ---

// False: the graph has changed meanwhile.
bool UnixInFlight::let_others_in() {
  const uint64_t before = version;
  mutex.unlock();
  sched::maybe_yield();
  mutex.lock();
  return version == before;
}

// False: it was given up.
template <class Function>
bool UnixInFlight::for_each_candidate(bool in_one_go, Function&& function) {
  unsigned steps = 0;
  for (UnixEndpoint* socket = first; socket != nullptr; socket = socket->in_flight.next) {
    function(*socket);
    if (!in_one_go && ++steps % kPiece == 0 && !let_others_in()) return false;
  }
  return true;
}

// `root` can be reached from outside, and so can all that is in its queue, and so on.
void UnixInFlight::forget_reachable(UnixEndpoint& root) {
  root.in_flight.suspect = false;
  root.in_flight.next_to_visit = nullptr;
  for (UnixEndpoint* next = &root; next != nullptr;) {
    UnixEndpoint& visited = *next;
    next = visited.in_flight.next_to_visit;
    for_each_message(visited, [&next](PassedFiles& files) {
      for_each_socket(files, [&next](UnixEndpoint& found) {
        if (!found.in_flight.suspect) return;
        found.in_flight.suspect = false;
        found.in_flight.next_to_visit = next;
        next = &found;
      });
    });
  }
}

// Leaves `suspect` in those that are garbage. False: others have changed the graph.
bool UnixInFlight::find_garbage(bool in_one_go) {
  return for_each_candidate(in_one_go,
                            [](UnixEndpoint& socket) {
                              auto& state = socket.in_flight;
                              state.suspect = state.file->ref_count() == state.count;
                              state.unexplained = state.count;
                            }) &&
         for_each_candidate(in_one_go,
                            [](UnixEndpoint& socket) NO_THREAD_SAFETY_ANALYSIS {
                              if (!socket.in_flight.suspect) return;
                              for_each_message(socket, [](PassedFiles& files) {
                                for_each_socket(files, [](UnixEndpoint& found) { found.in_flight.unexplained--; });
                              });
                            }) &&
         for_each_candidate(in_one_go, [](UnixEndpoint& socket) NO_THREAD_SAFETY_ANALYSIS {
           if (socket.in_flight.suspect && socket.in_flight.unexplained != 0) forget_reachable(socket);
         });
}

bool UnixInFlight::collect(bool in_one_go) {
  UnixMessages garbage;
  {
    sync::MutexGuard guard(mutex);
    if (!find_garbage(in_one_go)) return false;
    // The files leave the count only after the walk: that changes the list.
    (void)for_each_candidate(/*in_one_go=*/true, [&garbage](UnixEndpoint& socket) NO_THREAD_SAFETY_ANALYSIS {
      if (!socket.in_flight.suspect) return;
      sync::SpinGuard socket_guard(socket.lock_);
      garbage.splice(garbage.end(), socket.queue_);
      for (UnixEndpoint& waiting : socket.backlog_) {
        waiting.lock_.lock_nested();
        garbage.splice(garbage.end(), waiting.queue_);
        waiting.lock_.unlock();
      }
    });
    for (UnixMessage& message : garbage)
      if (message.files) leave(message);
  }
  dispose(garbage);
  return true;
}

// --- When ---

void UnixInFlight::init() { collector.construct("unix collector"); }

bool UnixInFlight::collect_if_due() {
  if (candidates.load(std::memory_order_relaxed) == 0) return true;
  const Nanoseconds start = sched::uptime();
  Nanoseconds due = next_due.load();
  if (start < due || !next_due.compare_exchange_strong(due, kForever)) return false;  // now, or by somebody else
  for (unsigned interrupted = 0; !collect(interrupted == kMostInterrupted);) interrupted++;
  const Nanoseconds end = sched::uptime();
  next_due.store(end + std::max(kLeastPause, kPauseFactor * (end - start)));
  return true;
}

void UnixInFlight::request_collection() {
  if (candidates.load(std::memory_order_relaxed) == 0 || wanted.exchange(true)) return;
  collector->wake_all();
}

void UnixInFlight::run_collector(void*) {
  while (true) {
    (void)sched::wait_until(*collector, {.name = "unix gc"}, [] { return wanted.load(); });
    const Nanoseconds due = next_due.load();
    const Nanoseconds until = due == kForever ? sched::uptime() + kLeastPause : due;
    (void)sched::wait_until(*collector, {.name = "unix gc", .deadline = until}, [] { return false; });
    wanted.store(false);
    if (!collect_if_due()) wanted.store(true);
  }
}

}  // namespace tine::file
