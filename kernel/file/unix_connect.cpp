// SPDX-License-Identifier: BSD-2-Clause
// AF_UNIX sockets: names, connections, their end.
#include <utility>

#include "file/unix_endpoint.h"
#include "file/unix_in_flight.h"
#include "file/unix_wait.h"

namespace tine::file {

UnixEndpoint::~UnixEndpoint() { ASSERT(queue_.empty() && backlog_.empty()); }

void UnixEndpoint::pair(UnixEndpoint& a, UnixEndpoint& b) {
  const auto join = [](UnixEndpoint& from, UnixEndpoint& to, UnixCredentials credentials) {
    sync::SpinGuard guard(from.lock_);
    from.peer_ = &to;
    from.peer_credentials_ = credentials;
    from.state_ = State::Connected;
  };
  const auto credentials_of = [](UnixEndpoint& endpoint) {
    sync::SpinGuard guard(endpoint.lock_);
    return endpoint.credentials_;
  };
  join(a, b, credentials_of(b));
  join(b, a, credentials_of(a));
}

bool UnixEndpoint::is_bound() const {
  sync::SpinGuard guard(lock_);
  return address_ != nullptr;
}

Result<> UnixEndpoint::bind(Ref<UnixAddress> address) {
  {
    sync::SpinGuard guard(lock_);
    if (address_ != nullptr || state_ == State::Closed) return Error(Errno::Inval);
    address_ = address;
  }
  address->set_owner(this);
  return {};
}

Result<> UnixEndpoint::listen(unsigned backlog, UnixCredentials credentials) {
  if (is_datagram()) return Error(Errno::OpNotSupp);
  {
    sync::SpinGuard guard(lock_);
    if (address_ == nullptr || connecting_) return Error(Errno::Inval);
    if (state_ != State::Unconnected && state_ != State::Listening) return Error(Errno::Inval);
    state_ = State::Listening;
    backlog_limit_ = backlog;
    credentials_ = credentials;
  }
  UnixInFlight::note_listener(*this);
  changed_.wake_all(kAllEvents);  // a longer backlog may let somebody in
  return {};
}

Result<> UnixEndpoint::connect(UnixEndpoint& target, UnixCredentials credentials, bool wait) {
  if (target.type != type) return Error(Errno::Prototype);
  if (is_datagram()) {
    {
      sync::SpinGuard guard(target.lock_);
      if (target.state_ == State::Closed) return Error(Errno::ConnRefused);
      if (target.peer_ != nullptr && target.peer_ != this) return Error(Errno::Perm);
    }
    Ref<UnixEndpoint> before;
    {
      sync::SpinGuard guard(lock_);
      before = replace_peer(Ref<UnixEndpoint>(&target));
      state_ = State::Connected;
    }
    changed_.wake_all(kAllEvents);
    return {};
  }

  {
    sync::SpinGuard guard(lock_);
    if (state_ == State::Connected) return Error(Errno::IsConn);
    if (state_ != State::Unconnected) return Error(Errno::Inval);
    if (std::exchange(connecting_, true)) return Error(Errno::Already);
  }
  const auto attempt = [&]() -> Result<> {
    Ref<UnixEndpoint> server = TRY(mem::make_ref<UnixEndpoint>(type, UnixCredentials{}));
    const auto room = [&target] {
      sync::SpinGuard guard(target.lock_);
      return target.state_ != State::Listening || (target.shut_ & kShutReceive) ||
             target.backlog_.size() <= target.backlog_limit_;
    };
    while (true) {
      if (!room()) {
        if (!wait) return Error(Errno::Again);
        TRY(sched::wait_until(target.changed_, {.name = "unix connect"}, room));
      }
      UnixCredentials listener_credentials;
      {
        sync::SpinGuard guard(target.lock_);
        if (target.state_ != State::Listening || (target.shut_ & kShutReceive))
          return Error(Errno::ConnRefused);
        if (target.backlog_.size() > target.backlog_limit_) continue;
        server->lock_.lock_nested();  // listener before backlog; nobody else knows it yet
        server->state_ = State::Connected;
        server->peer_ = this;
        server->peer_credentials_ = credentials;
        server->credentials_ = target.credentials_;
        server->address_ = target.address_;
        server->never_accepted_ = true;
        server->lock_.unlock();
        listener_credentials = target.credentials_;
        // Both ends know each other before accept() can find the new one. Where it was, nobody can have sent.
        lock_.lock_nested();
        peer_ = server;
        peer_credentials_ = listener_credentials;
        credentials_ = credentials;
        state_ = State::Connected;
        lock_.unlock();
        target.backlog_.push_back(*server.detach());  // takes over the reference
      }
      target.changed_.wake(kPollIn | kPollRdNorm);
      changed_.wake_all(kAllEvents);
      return {};
    }
  };
  const Result<> result = attempt();
  sync::SpinGuard guard(lock_);
  connecting_ = false;
  return result;
}

Ref<UnixEndpoint> UnixEndpoint::replace_peer(Ref<UnixEndpoint> peer) {
  if (peer_ != nullptr) peer_->room_.remove(room_relay_);
  return std::exchange(peer_, std::move(peer));
}

void UnixEndpoint::disconnect() {
  Ref<UnixEndpoint> before;
  sync::SpinGuard guard(lock_);
  before = replace_peer({});
  if (state_ == State::Connected) state_ = State::Unconnected;
}

Result<Ref<UnixEndpoint>> UnixEndpoint::accept(bool wait) {
  if (is_datagram()) return Error(Errno::OpNotSupp);
  Ref<UnixEndpoint> accepted;
  bool listening = true;
  const auto take = [&] {
    sync::SpinGuard guard(lock_);
    listening = state_ == State::Listening && !(shut_ & kShutReceive);
    if (!listening || backlog_.empty()) return !listening;
    accepted = Ref<UnixEndpoint>(&backlog_.front(), false);
    backlog_.pop_front();
    return true;
  };
  if (!take()) {
    if (!wait) return Error(Errno::Again);
    TRY(wait_with_timeout(changed_, "unix accept", receive_timeout.load(), take));
  }
  if (!listening) return Error(Errno::Inval);
  {
    sync::SpinGuard guard(accepted->lock_);
    accepted->never_accepted_ = false;
  }
  changed_.wake(kPollOut | kPollWrNorm);  // room in the backlog
  return accepted;
}

Result<> UnixEndpoint::shut_down(bool receiving, bool sending) {
  Ref<UnixEndpoint> peer;
  {
    sync::SpinGuard guard(lock_);
    shut_ |= (receiving ? kShutReceive : 0) | (sending ? kShutSend : 0);
    if (!is_datagram()) peer = peer_;
  }
  changed_.wake_all(kAllEvents);
  room_.wake_all(kAllEvents);
  if (peer != nullptr) peer->shut_by_peer((receiving ? kShutSend : 0) | (sending ? kShutReceive : 0));
  return {};
}

void UnixEndpoint::shut_by_peer(uint8_t how) {
  {
    sync::SpinGuard guard(lock_);
    shut_ |= how;
  }
  changed_.wake_all(kAllEvents);
}

// A connection whose other end has left without reading everything was reset: unix(7), ECONNRESET.
void UnixEndpoint::peer_closed(UnixEndpoint& peer, bool lost_data) {
  {
    sync::SpinGuard guard(lock_);
    if (peer_ != &peer) return;
    if (!is_datagram()) {
      shut_ |= kShutReceive | kShutSend;
      if (lost_data) error_ = Errno::ConnReset;
    }
  }
  changed_.wake_all(kAllEvents);
}

void UnixEndpoint::close() {
  UnixMessages unread;
  boost::intrusive::list<UnixEndpoint> refused;
  Ref<UnixEndpoint> peer;
  Ref<UnixAddress> address;
  bool refused_connection;
  {
    sync::SpinGuard guard(lock_);
    // A connection that was never accepted shares its listener's name, which is not its own to give up.
    address = address_;
    refused_connection = never_accepted_;
    state_ = State::Closed;
    shut_ = kShutReceive | kShutSend;
    unread.splice(unread.end(), queue_);
    refused.splice(refused.end(), backlog_);
    peer = replace_peer({});
  }
  UnixInFlight::leave_all(unread);
  if (address != nullptr && address->owner() == this) {
    address->set_owner(nullptr);
    if (address->is_abstract()) withdraw_abstract(*address);
  }
  changed_.wake_all(kAllEvents);
  room_.wake_all(kAllEvents);
  if (peer != nullptr) peer->peer_closed(*this, !unread.empty() || refused_connection);
  while (!refused.empty()) {
    Ref<UnixEndpoint> connection(&refused.front(), false);
    refused.pop_front();
    connection->close();
  }
  dispose(unread);
}

Ref<UnixAddress> UnixEndpoint::address() const {
  sync::SpinGuard guard(lock_);
  return address_;
}

Result<Ref<UnixAddress>> UnixEndpoint::peer_address() const {
  Ref<UnixEndpoint> peer;
  {
    sync::SpinGuard guard(lock_);
    peer = peer_;
  }
  if (peer == nullptr) return Error(Errno::NotConn);
  return peer->address();
}

UnixCredentials UnixEndpoint::peer_credentials() const {
  sync::SpinGuard guard(lock_);
  return peer_credentials_;
}

UnixCredentials UnixEndpoint::own_credentials() const {
  sync::SpinGuard guard(lock_);
  return credentials_;
}

bool UnixEndpoint::is_listening() const {
  sync::SpinGuard guard(lock_);
  return state_ == State::Listening;
}

Errno UnixEndpoint::take_error() {
  sync::SpinGuard guard(lock_);
  return std::exchange(error_, Errno{0});
}

}  // namespace tine::file
