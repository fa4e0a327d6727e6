/* SPDX-License-Identifier: BSD-2-Clause
 * openpty(3), forkpty(3), login_tty(3), where OpenBSD and NetBSD declare them. */
#ifndef _TINE_UTIL_H_
#define _TINE_UTIL_H_

#include <pty.h>
#include <utmp.h>

#endif
