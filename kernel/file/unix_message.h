// SPDX-License-Identifier: BSD-2-Clause
// What lies in the receive queue of an AF_UNIX socket: data, and what was sent along with it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "base/ref.h"
#include "file/file.h"
#include "file/unix_address.h"
#include "identity/charge.h"
#include "mem/buffer.h"

namespace tine::file {

// struct ucred: who sent a message, or made a connection.
struct UnixCredentials {
  int32_t pid = 0;
  uint32_t uid = ~0u;
  uint32_t gid = ~0u;
  bool operator==(const UnixCredentials&) const = default;
};

// SCM_RIGHTS: open files on their way to another process.
struct PassedFiles : mem::FromCache<PassedFiles> {
  static constexpr unsigned kMost = 253;  // SCM_MAX_FD
  unsigned count = 0;
  Ref<File> files[kMost];
  Ref<identity::UserRecord> user;   // who sends them, and how many of this user's may be on their way before
  uint64_t most_of_user = 0;
};
using PassedFilesPtr = std::unique_ptr<PassedFiles>;

struct UnixFilesTag;
using UnixFilesHook = boost::intrusive::list_base_hook<boost::intrusive::tag<UnixFilesTag>>;

struct UnixMessage : boost::intrusive::list_base_hook<>, UnixFilesHook, mem::FromCache<UnixMessage> {
  // What a message costs its sender besides the data, so that many small ones are bounded too.
  static constexpr size_t kOverhead = 256;
  // A message's share of its sender's buffer is given back when the message goes.
  ~UnixMessage();

  mem::Buffer<std::byte> data;
  size_t start = 0;  // a stream reader may take a part
  Ref<UnixEndpoint> sender;
  Ref<UnixAddress> from;  // datagrams: the sender's name then
  UnixCredentials credentials;
  PassedFilesPtr files;
  UnixEndpoint* receiver = nullptr;  // in whose queue it is: of messages with files, under UnixInFlight::mutex
  identity::Charge<identity::Kept::MessageBytes> kept;

  size_t left() const { return data.size() - start; }
  size_t charge() const { return data.size() + kOverhead; }
};

using UnixMessages = boost::intrusive::list<UnixMessage, boost::intrusive::constant_time_size<false>>;
using UnixFilesMessages = boost::intrusive::list<UnixMessage, boost::intrusive::base_hook<UnixFilesHook>,
                                                 boost::intrusive::constant_time_size<false>>;

// Deletes messages. Dropping the last reference to a passed socket closes it and so drops the messages in its
// queue, with sockets in them in turn: the recursion is made a list, which one thread at a time works off. No
// lock held.
void dispose(UnixMessages& messages);

}  // namespace tine::file
