// SPDX-License-Identifier: BSD-2-Clause
// Descriptors that go through a socket. Source: cmsg(3), unix(7).
#pragma once

#include <string.h>
#include <sys/socket.h>

namespace check {

// One byte with a descriptor: what sendmsg says.
inline ssize_t send_descriptor(int socket, int descriptor) {
  char byte = 'x';
  iovec vector = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(socket, &message, 0);
}

}  // namespace check
