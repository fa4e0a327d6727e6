// SPDX-License-Identifier: BSD-2-Clause
// UnixEndpoint: an AF_UNIX socket under its open file: name, connection, receive queue. It is apart from the
// file because a connection exists before accept(2) makes a file for it, and because the other end may still
// hold on to it after its file has closed. Source: unix(7).
//
// A message is charged to its sender until it is received: that is the flow control (SO_SNDBUF), and also what bounds the
// kernel memory that a program can fill. Datagrams outlive their senders, so that their receiver's queue has a bound too.
//
// Locks, in order: reader_lock_ (sleeping; one reader at a time copies out of the queue) -> the mutex of
// unix_in_flight.h, for queues' messages with files in them -> lock_. No two endpoints' lock_ at once, except
// a listener's before those of its backlog and of who connects to it. lock_ -> the peer's room_ -> changed_.
#pragma once

#include <boost/intrusive/list.hpp>

#include "file/unix_message.h"
#include "sched/wait_queue.h"
#include "sync/mutex.h"

namespace tine::file {

enum class UnixType : uint8_t { Stream = 1, Datagram = 2, SeqPacket = 5 };  // SOCK_*

enum UnixMessageFlag : uint32_t {  // MSG_*
  kMsgOob = 1,
  kMsgPeek = 2,
  kMsgCtrunc = 8,
  kMsgTrunc = 0x20,
  kMsgDontWait = 0x40,
  kMsgEor = 0x80,
  kMsgWaitAll = 0x100,
  kMsgNoSignal = 0x4000,
  kMsgCmsgCloexec = 0x40000000,
};

struct UnixSend {
  IoBuffer& data;
  UnixCredentials credentials;
  PassedFilesPtr files = {};
  Ref<UnixEndpoint> to = {};  // datagrams: null for the connected peer
  bool wait = true;
};

struct UnixReceive {
  // In.
  IoBuffer& data;
  uint32_t flags = 0;  // kMsgPeek, kMsgWaitAll, kMsgTrunc
  bool wait = true;
  // Out.
  size_t size = 0;           // bytes put; with kMsgTrunc the datagram's full size
  bool got_message = false;  // false: the end of the stream
  bool truncated = false;
  UnixCredentials credentials = {};
  PassedFilesPtr files = {};
  Ref<UnixAddress> from = {};  // null: the sender has no name
};

class UnixEndpoint : public RefCounted<UnixEndpoint>,
                     public mem::FromCache<UnixEndpoint>,
                     public boost::intrusive::list_base_hook<> {  // in a listener's backlog
 public:
  UnixEndpoint(UnixType type, UnixCredentials credentials) : type(type), credentials_(credentials) {}   // no lock held
  ~UnixEndpoint();

  const UnixType type;
  bool is_stream() const { return type == UnixType::Stream; }
  bool is_datagram() const { return type == UnixType::Datagram; }

  // --- Connections (unix_connect.cpp) ---
  // Makes `a` and `b` each other's peer. Nobody else knows them yet.
  static void pair(UnixEndpoint& a, UnixEndpoint& b);
  Result<> bind(Ref<UnixAddress> address);  // Inval when it has a name
  bool is_bound() const;
  Result<> listen(unsigned backlog, UnixCredentials credentials);
  // A connection waits for a place in the backlog, a datagram socket just remembers. Errors: Again,
  // RestartSys, ConnRefused, Prototype, IsConn, Inval, Perm, NoMem.
  Result<> connect(UnixEndpoint& target, UnixCredentials credentials, bool wait);
  void disconnect();  // datagrams: AF_UNSPEC
  Result<Ref<UnixEndpoint>> accept(bool wait);
  Result<> shut_down(bool receiving, bool sending);
  // The file closes. The endpoint then refuses everything; the peer hears of it.
  void close();

  // --- Transfer (unix_transfer.cpp) ---
  // Errors: Pipe, NotConn, ConnRefused, MsgSize, Again, RestartSys, Fault, NoMem, and an error set by the
  // peer's end.
  Result<size_t> send(UnixSend& request);
  Result<> receive(UnixReceive& request);
  size_t readable_bytes() const;                        // FIONREAD
  size_t unread_bytes() const { return sent_.load(); }  // SIOCOUTQ
  PollEvents poll(Poller* poller);

  // --- Names and options ---
  Ref<UnixAddress> address() const;
  Result<Ref<UnixAddress>> peer_address() const;  // NotConn; null: unnamed
  UnixCredentials peer_credentials() const;
  UnixCredentials own_credentials() const;
  bool is_listening() const;
  Errno take_error();                         // SO_ERROR; Errno{0}: none
  std::atomic<bool> pass_credentials{false};  // SO_PASSCRED
  std::atomic<uint64_t> inert_options{0};     // set but without a meaning here: SO_REUSEADDR and the like
  std::atomic<size_t> send_limit{212992};     // SO_SNDBUF
  std::atomic<size_t> receive_limit{212992};  // SO_RCVBUF: only remembered
  std::atomic<Nanoseconds> send_timeout{kForever}, receive_timeout{kForever};

 private:
  friend class UnixInFlight;
  friend struct UnixMessage;

  enum class State : uint8_t { Unconnected, Listening, Connected, Closed };
  static constexpr uint8_t kShutReceive = 1, kShutSend = 2;
  static constexpr PollEvents kAllEvents = ~0u;
  // Datagrams are refused while more than this is queued: net.core.rmem_default. Who was let in at once may go over it.
  static constexpr size_t kMostQueued = 212992;

  // Tells those who wait to send on a datagram socket that its peer has room.
  class RoomRelay final : public sched::Waiter {
   public:
    explicit RoomRelay(UnixEndpoint& sender) : sender_(sender) {}
    bool on_wake(uint32_t events) override { return sender_.changed_.wake(events) != 0; }

   private:
    UnixEndpoint& sender_;
  };

  Result<> push(UnixMessage& message);
  Result<> deliver(UnixEndpoint& target, UnixMessage& message);
  Result<Ref<UnixEndpoint>> target_of(const UnixSend& request);
  Result<UnixMessage*> make_message(UnixSend& request, size_t size);
  Result<> wait_for_room(size_t charge, bool wait);
  bool is_full() const;
  bool peer_is_full();
  Ref<UnixEndpoint> replace_peer(Ref<UnixEndpoint> peer) REQUIRES(lock_);
  Result<size_t> send_stream(UnixSend& request);
  Result<size_t> send_record(UnixSend& request);
  bool has_room(size_t charge) const;

  UnixMessage* front() const;
  Result<> receive_record(UnixReceive& request, UnixMessage& message);
  Result<bool> receive_stream(UnixReceive& request, UnixMessage& message);
  Result<> take_files(UnixReceive& request, UnixMessage& message);
  void consume(UnixMessage& message, UnixReceive& request);
  Result<bool> wait_for_message(UnixReceive& request);
  void peer_closed(UnixEndpoint& peer, bool lost_data);
  void shut_by_peer(uint8_t how);

  mutable sync::Spinlock lock_{"unix socket"};
  State state_ GUARDED_BY(lock_) = State::Unconnected;
  bool connecting_ GUARDED_BY(lock_) = false;
  bool never_accepted_ GUARDED_BY(lock_) = false;  // a connection in a listener's backlog
  uint8_t shut_ GUARDED_BY(lock_) = 0;
  Errno error_ GUARDED_BY(lock_) = Errno{0};
  Ref<UnixAddress> address_ GUARDED_BY(lock_);
  Ref<UnixEndpoint> peer_ GUARDED_BY(lock_);       // also when that one has closed
  UnixCredentials credentials_ GUARDED_BY(lock_);  // what a peer sees: at creation, connect or listen
  UnixCredentials peer_credentials_ GUARDED_BY(lock_);
  UnixMessages queue_ GUARDED_BY(lock_);
  size_t queued_ GUARDED_BY(lock_) = 0;            // charge of the datagrams in the queue
  boost::intrusive::list<UnixEndpoint> backlog_ GUARDED_BY(lock_);  // holds references
  unsigned backlog_limit_ GUARDED_BY(lock_) = 0;
  std::atomic<size_t> sent_{0};  // charge of what peers have not received yet
  sync::Mutex reader_lock_{"unix reader"};
  sched::WaitQueue changed_{"unix socket queue"};
  sched::WaitQueue room_{"unix socket room"};  // datagrams: senders to this socket
  // Bounded by open files and by the backlogs of listeners.
  const identity::Charge<identity::Kept::Sockets> charge_ =
      identity::Charge<identity::Kept::Sockets>::take_anyway(identity::current_payer());
  RoomRelay room_relay_{*this};                // in the peer's room_, once that was found full

 public:
  // For unix_in_flight.cpp, under its mutex.
  struct InFlight {
    File* file = nullptr;      // the open file, while there is one
    unsigned count = 0;        // references that messages hold to it
    unsigned unexplained = 0;  // during a collection: those not seen in a suspect's queue
    bool suspect = false;
    bool listens = false;
    bool listed = false;         // among those that a collection looks at
    UnixFilesMessages messages;  // with files, in its queue
    UnixEndpoint* previous = nullptr;
    UnixEndpoint* next = nullptr;
    UnixEndpoint* next_to_visit = nullptr;
  } in_flight;
};

}  // namespace tine::file
