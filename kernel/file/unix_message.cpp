// SPDX-License-Identifier: BSD-2-Clause
// The end of messages.
#include "file/unix_message.h"

#include "base/late.h"
#include "file/unix_endpoint.h"

namespace tine::file {

UnixMessage::~UnixMessage() {
  if (sender == nullptr) return;
  sender->sent_.fetch_sub(charge());
  sender->changed_.wake(kPollOut | kPollWrNorm);
}

namespace {

sync::Spinlock graveyard_lock{"unix graveyard"};
Late<UnixMessages> graveyard GUARDED_BY(graveyard_lock);
bool graveyard_made GUARDED_BY(graveyard_lock) = false;
bool digging GUARDED_BY(graveyard_lock) = false;  // somebody works the list off

UnixMessage* next_to_delete() {
  sync::SpinGuard guard(graveyard_lock);
  if (graveyard->empty()) {
    digging = false;
    return nullptr;
  }
  UnixMessage& message = graveyard->front();
  graveyard->pop_front();
  return &message;
}

// True: the caller is the one to work the list off.
bool bury(UnixMessage& message) {
  sync::SpinGuard guard(graveyard_lock);
  if (!graveyard_made) graveyard.construct();
  graveyard_made = true;
  graveyard->push_back(message);
  return !std::exchange(digging, true);
}

}  // namespace

void dispose(UnixMessages& messages) {
  bool dig = false;
  while (!messages.empty()) {
    UnixMessage& message = messages.front();
    messages.pop_front();
    if (message.files) {
      dig |= bury(message);
    } else {
      delete &message;
    }
  }
  if (!dig) return;
  while (UnixMessage* message = next_to_delete()) delete message;
}

}  // namespace tine::file
