// SPDX-License-Identifier: BSD-2-Clause
// System calls about sockets. Only AF_UNIX exists: other families are EAFNOSUPPORT.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// socket.cpp
CallResult sys_socket(const Call&);
CallResult sys_socketpair(const Call&);
CallResult sys_bind(const Call&);
CallResult sys_listen(const Call&);
CallResult sys_accept(const Call&);
CallResult sys_accept4(const Call&);
CallResult sys_connect(const Call&);
CallResult sys_getsockname(const Call&);
CallResult sys_getpeername(const Call&);
CallResult sys_shutdown(const Call&);

// socket_message.cpp
CallResult sys_sendto(const Call&);
CallResult sys_recvfrom(const Call&);
CallResult sys_sendmsg(const Call&);
CallResult sys_recvmsg(const Call&);
CallResult sys_sendmmsg(const Call&);
CallResult sys_recvmmsg(const Call&);

// socket_option.cpp
CallResult sys_setsockopt(const Call&);
CallResult sys_getsockopt(const Call&);

}  // namespace tine::abi::linux_abi
