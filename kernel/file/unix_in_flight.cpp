// SPDX-License-Identifier: BSD-2-Clause
// Sockets in flight: counting them, and collecting unreachable cycles.
#include "file/unix_in_flight.h"

#include "file/unix_socket.h"

namespace tine::file {

constinit sync::Mutex UnixInFlight::mutex{"unix sockets in flight"};
constinit UnixEndpoint* UnixInFlight::first = nullptr;
constinit std::atomic<unsigned> UnixInFlight::total{0};

namespace {

template <class Function>
void for_each_socket(PassedFiles& files, Function&& function) {
  for (unsigned i = 0; i < files.count; i++)
    if (auto* socket = file_cast<UnixSocket>(*files.files[i])) function(socket->endpoint());
}

}  // namespace

void UnixInFlight::enter(PassedFiles& files) {
  total.fetch_add(files.count);
  identity::charge_anyway(*files.user, identity::Kept::FilesInFlight, files.count);
  for_each_socket(files, [](UnixEndpoint& endpoint) NO_THREAD_SAFETY_ANALYSIS {
    auto& state = endpoint.in_flight;
    if (state.count++ != 0) return;
    state.previous = nullptr;
    state.next = first;
    if (first != nullptr) first->in_flight.previous = &endpoint;
    first = &endpoint;
  });
}

void UnixInFlight::leave(PassedFiles& files) {
  total.fetch_sub(files.count);
  identity::uncharge(*files.user, identity::Kept::FilesInFlight, files.count);
  for_each_socket(files, [](UnixEndpoint& endpoint) NO_THREAD_SAFETY_ANALYSIS {
    auto& state = endpoint.in_flight;
    if (--state.count != 0) return;
    (state.previous != nullptr ? state.previous->in_flight.next : first) = state.next;
    if (state.next != nullptr) state.next->in_flight.previous = state.previous;
  });
}

// Messages with files that can be received through `endpoint`: its own, and those sent to connections not yet
// accepted.
template <class Function>
void UnixInFlight::for_each_message(UnixEndpoint& endpoint, Function&& function) {
  sync::SpinGuard guard(endpoint.lock_);
  for (UnixMessage& message : endpoint.queue_)
    if (message.files) function(*message.files);
  for (UnixEndpoint& waiting : endpoint.backlog_) {
    waiting.lock_.lock_nested();
    for (UnixMessage& message : waiting.queue_)
      if (message.files) function(*message.files);
    waiting.lock_.unlock();
  }
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

void UnixInFlight::collect() {
  UnixMessages garbage;
  {
    sync::MutexGuard guard(mutex);
    for (UnixEndpoint* socket = first; socket != nullptr; socket = socket->in_flight.next) {
      auto& state = socket->in_flight;
      state.suspect = state.file != nullptr && state.file->ref_count() == state.count;
      state.unexplained = state.count;
    }
    for (UnixEndpoint* socket = first; socket != nullptr; socket = socket->in_flight.next) {
      if (!socket->in_flight.suspect) continue;
      for_each_message(*socket, [](PassedFiles& files) {
        for_each_socket(files, [](UnixEndpoint& found) { found.in_flight.unexplained--; });
      });
    }
    for (UnixEndpoint* socket = first; socket != nullptr; socket = socket->in_flight.next)
      if (socket->in_flight.suspect && socket->in_flight.unexplained != 0) forget_reachable(*socket);

    // The files leave the count only after the walk: that changes the list.
    for (UnixEndpoint* socket = first; socket != nullptr; socket = socket->in_flight.next) {
      if (!socket->in_flight.suspect) continue;
      sync::SpinGuard socket_guard(socket->lock_);
      garbage.splice(garbage.end(), socket->queue_);
      for (UnixEndpoint& waiting : socket->backlog_) {
        waiting.lock_.lock_nested();
        garbage.splice(garbage.end(), waiting.queue_);
        waiting.lock_.unlock();
      }
    }
    for (UnixMessage& message : garbage)
      if (message.files) leave(*message.files);
  }
  dispose(garbage);
}

}  // namespace tine::file
