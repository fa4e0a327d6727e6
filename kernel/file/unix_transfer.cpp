// SPDX-License-Identifier: BSD-2-Clause
// AF_UNIX sockets: sending, receiving, readiness.
//
// Data is copied between user memory and a message outside all spinlocks. A message that is being read stays
// in the queue meanwhile: the reader lock keeps other readers off it, and the queue's other users only add.
#include <algorithm>
#include <utility>

#include "file/unix_endpoint.h"
#include "file/unix_in_flight.h"
#include "file/unix_wait.h"

namespace tine::file {
namespace {

constexpr size_t kStreamPiece = 16 * 1024;  // a stream's bytes travel in messages of at most this size

template <class Condition>
Result<> wait_to_send(sched::WaitQueue& queue, bool wait, Nanoseconds timeout, Condition&& ready) {
  if (ready()) return {};
  if (!wait) return Error(Errno::Again);
  return wait_with_timeout(queue, "unix send", timeout, ready);
}

}  // namespace

// --- Sending ---

bool UnixEndpoint::has_room(size_t charge) const {
  const size_t sent = sent_.load();
  return sent == 0 || sent + charge <= send_limit.load();
}

Result<> UnixEndpoint::wait_for_room(size_t charge, bool wait) {
  const auto ready = [this, charge] {
    if (has_room(charge)) return true;
    sync::SpinGuard guard(lock_);
    return (shut_ & kShutSend) != 0 || error_ != Errno{0};
  };
  return wait_to_send(changed_, wait, send_timeout.load(), ready);
}

bool UnixEndpoint::is_full() const {
  sync::SpinGuard guard(lock_);
  return queued_ > kMostQueued && state_ != State::Closed && !(shut_ & kShutReceive);
}

Result<UnixMessage*> UnixEndpoint::make_message(UnixSend& request, size_t size) {
  auto message = std::unique_ptr<UnixMessage>(TRY(mem::make<UnixMessage>()));
  message->data = TRY(mem::Buffer<std::byte>::make(size));
  if (size != 0 && TRY(request.data.take(message->data.data(), size)) != size) return Error(Errno::Fault);
  using Charge = identity::Charge<identity::Kept::MessageBytes>;
  message->kept = TRY(Charge::take(identity::current_payer(), Errno::NoBufs, message->charge()));
  message->credentials = request.credentials;
  message->files = std::move(request.files);
  message->sender = this;
  sent_.fetch_add(message->charge());
  return message.release();
}

// Takes the message over, unless it fails.
Result<> UnixEndpoint::push(UnixMessage& message) {
  {
    sync::SpinGuard guard(lock_);
    if (state_ == State::Closed) return Error(is_datagram() ? Errno::ConnRefused : Errno::Pipe);
    if (shut_ & kShutReceive) return Error(Errno::Pipe);
    queue_.push_back(message);
    if (is_datagram()) queued_ += message.charge();
  }
  changed_.wake(kPollIn | kPollRdNorm);
  return {};
}

Result<> UnixEndpoint::deliver(UnixEndpoint& target, UnixMessage& message) {
  Result<> result;
  if (message.files) {
    if (UnixInFlight::too_many(*message.files)) (void)UnixInFlight::collect_if_due();
    sync::MutexGuard guard(UnixInFlight::mutex);
    if (UnixInFlight::too_many(*message.files)) {
      result = Error(Errno::TooManyRefs);
    } else {
      UnixInFlight::enter(message, target);
      result = target.push(message);
      if (!result) UnixInFlight::leave(message);
    }
  } else {
    result = target.push(message);
  }
  if (!result) {
    UnixMessages refused;
    refused.push_back(message);
    dispose(refused);
  }
  return result;
}

Result<Ref<UnixEndpoint>> UnixEndpoint::target_of(const UnixSend& request) {
  sync::SpinGuard guard(lock_);
  if (shut_ & kShutSend) return Error(Errno::Pipe);
  if (error_ != Errno{0}) return Error(std::exchange(error_, Errno{0}));
  Ref<UnixEndpoint> target = request.to != nullptr ? request.to : peer_;
  if (target == nullptr || (!is_datagram() && state_ != State::Connected)) return Error(Errno::NotConn);
  return target;
}

Result<size_t> UnixEndpoint::send(UnixSend& request) {
  if (request.to != nullptr && !is_datagram())
    return Error(peer_address() ? Errno::IsConn : Errno::OpNotSupp);
  return is_stream() ? send_stream(request) : send_record(request);
}

Result<size_t> UnixEndpoint::send_stream(UnixSend& request) {
  size_t sent = 0;
  const auto piece = [&]() -> Result<> {
    Ref<UnixEndpoint> target = TRY(target_of(request));
    TRY(wait_for_room(UnixMessage::kOverhead + 1, request.wait));
    target = TRY(target_of(request));
    const size_t size = std::min(request.data.remaining(), kStreamPiece);
    UnixMessage* message = TRY(make_message(request, size));
    TRY(deliver(*target, *message));
    sent += size;
    return {};
  };
  TRY(target_of(request));
  while (request.data.remaining() != 0) {
    const Result<> result = piece();
    if (result) continue;
    if (sent != 0) break;
    return Error(result.error());
  }
  return sent;
}

Result<size_t> UnixEndpoint::send_record(UnixSend& request) {
  const size_t size = request.data.remaining();
  if (size + UnixMessage::kOverhead > send_limit.load()) return Error(Errno::MsgSize);
  TRY(target_of(request));
  TRY(wait_for_room(size + UnixMessage::kOverhead, request.wait));
  const Ref<UnixEndpoint> target = TRY(target_of(request));
  if (target->type != type) return Error(Errno::Prototype);
  if (is_datagram()) {
    sync::SpinGuard guard(target->lock_);
    if (target->peer_ != nullptr && target->peer_ != this) return Error(Errno::Perm);
  }
  // Whoever is told to come again polls this socket if it is connected: so that is asked about in the same way.
  const auto has_room = [&] { return !(request.to == nullptr ? peer_is_full() : target->is_full()); };
  TRY(wait_to_send(target->room_, request.wait, send_timeout.load(), has_room));
  UnixMessage* message = TRY(make_message(request, size));
  message->from = address();
  TRY(deliver(*target, *message));
  return size;
}

// --- Receiving ---

UnixMessage* UnixEndpoint::front() const {
  sync::SpinGuard guard(lock_);
  return queue_.empty() ? nullptr : const_cast<UnixMessage*>(&queue_.front());
}

// False: there will be no message, the other end has stopped sending.
Result<bool> UnixEndpoint::wait_for_message(UnixReceive& request) {
  enum class Found : uint8_t { Nothing, Message, Failure, End } found = Found::Nothing;
  Errno error{};
  const auto look = [&] {
    sync::SpinGuard guard(lock_);
    if (!queue_.empty()) {
      found = Found::Message;
    } else if (error_ != Errno{0}) {
      found = Found::Failure;
      error = std::exchange(error_, Errno{0});
    } else if (shut_ & kShutReceive) {
      found = Found::End;
    } else if (!is_datagram() && state_ != State::Connected) {
      found = Found::Failure;
      error = is_stream() ? Errno::Inval : Errno::NotConn;
    }
    return found != Found::Nothing;
  };
  if (!look()) {
    if (!request.wait) return Error(Errno::Again);
    TRY(wait_with_timeout(changed_, "unix receive", receive_timeout.load(), look));
  }
  if (found == Found::Failure) return Error(error);
  return found == Found::Message;
}

// The files of `message`, or with kMsgPeek references to them, go to the receiver.
Result<> UnixEndpoint::take_files(UnixReceive& request, UnixMessage& message) {
  if (!message.files) return {};
  PassedFilesPtr copy;
  if (request.flags & kMsgPeek) copy.reset(TRY(mem::make<PassedFiles>()));
  sync::MutexGuard guard(UnixInFlight::mutex);
  if (copy) {
    copy->count = message.files->count;
    std::copy_n(message.files->files, copy->count, copy->files);
    request.files = std::move(copy);
    UnixInFlight::note_change();
    return {};
  }
  UnixInFlight::leave(message);
  // A collection looks at `files` under the mutex and the queue's lock; the former is held.
  request.files = std::move(message.files);
  return {};
}

void UnixEndpoint::consume(UnixMessage& message, UnixReceive& request) {
  if (request.flags & kMsgPeek) return;
  {
    sync::SpinGuard guard(lock_);
    queue_.erase(queue_.iterator_to(message));
    if (is_datagram()) queued_ -= message.charge();
  }
  if (room_.has_waiters()) room_.wake(kPollOut | kPollWrNorm | kPollWrBand);
  delete &message;  // its files, if any, have been taken out
}

Result<> UnixEndpoint::receive_record(UnixReceive& request, UnixMessage& message) {
  const size_t whole = message.data.size();
  const size_t size = std::min(whole, request.data.remaining());
  if (size != 0 && TRY(request.data.put(message.data.data(), size)) != size) return Error(Errno::Fault);
  TRY(take_files(request, message));
  request.got_message = true;
  request.truncated = size < whole;
  request.size = request.flags & kMsgTrunc ? whole : size;
  request.credentials = message.credentials;
  request.from = message.from;
  consume(message, request);
  return {};
}

// True: the next message may be added to what this one gave.
Result<bool> UnixEndpoint::receive_stream(UnixReceive& request, UnixMessage& message) {
  if (request.size != 0 && pass_credentials && !(request.credentials == message.credentials)) return false;
  if (message.files && request.files) return false;  // files of two messages are not mixed
  const size_t size = std::min(message.left(), request.data.remaining());
  const size_t put = TRY(request.data.put(message.data.data() + message.start, size));
  request.credentials = message.credentials;
  request.got_message = true;
  request.from = message.sender->address();
  request.size += put;
  const bool had_files = message.files != nullptr;
  TRY(take_files(request, message));
  if (!(request.flags & kMsgPeek)) message.start += put;
  if (put != size) return Error(Errno::Fault);
  const bool whole = message.left() == 0;
  if (whole) consume(message, request);
  return whole && !had_files;
}

Result<> UnixEndpoint::receive(UnixReceive& request) {
  while (true) {
    if (!TRY(wait_for_message(request))) return {};
    {
      sync::MutexGuard guard(reader_lock_);
      UnixMessage* message = front();
      if (message == nullptr) continue;  // another reader was faster
      if (!is_stream()) return receive_record(request, *message);
      while (message != nullptr && request.data.remaining() != 0) {
        const auto more = receive_stream(request, *message);
        if (!more && request.size == 0) return Error(more.error());
        if (!more || !*more) return {};
        message = front();
      }
      if (request.data.remaining() == 0) return {};
    }
    if (!(request.flags & kMsgWaitAll) || (request.flags & kMsgPeek)) return {};
    // Wait for the rest; what there is so far is not lost when that fails.
    const auto more = wait_for_message(request);
    if (!more || !*more) return {};
  }
}

size_t UnixEndpoint::readable_bytes() const {
  sync::SpinGuard guard(lock_);
  size_t bytes = 0;
  for (const UnixMessage& message : queue_) {
    bytes += message.left();
    if (!is_stream()) break;  // the next record only
  }
  return bytes;
}

// --- Readiness ---

// If so, those who wait for this socket hear when the peer has room.
bool UnixEndpoint::peer_is_full() {
  Ref<UnixEndpoint> peer;
  {
    sync::SpinGuard guard(lock_);
    peer = peer_;
  }
  if (peer == nullptr || !peer->is_full()) return false;
  {
    sync::SpinGuard guard(lock_);
    if (peer_ != peer) return false;   // whoever changed that has woken the pollers
    peer->room_.remove(room_relay_);
    peer->room_.add(room_relay_);
  }
  return peer->is_full();
}

PollEvents UnixEndpoint::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(changed_);
  const bool writable = sent_.load() <= send_limit.load() / 2 &&  // room for more than a trickle
                        !(is_datagram() && peer_is_full());
  sync::SpinGuard guard(lock_);
  PollEvents events = 0;
  if (state_ == State::Listening) {
    if (!backlog_.empty()) events |= kPollIn | kPollRdNorm;
    return events;
  }
  if (error_ != Errno{0}) events |= kPollErr;
  if (shut_ == (kShutReceive | kShutSend)) events |= kPollHup;
  if (shut_ & kShutReceive) events |= kPollRdHup | kPollIn | kPollRdNorm;
  if (!queue_.empty()) events |= kPollIn | kPollRdNorm;
  if (!is_datagram() && state_ == State::Unconnected) events |= kPollHup;
  if (writable) events |= kPollOut | kPollWrNorm | kPollWrBand;
  return events;
}

}  // namespace tine::file
