/* SPDX-License-Identifier: BSD-2-Clause
 * openpty(3), forkpty(3), login_tty(3), where FreeBSD declares them. */
#include <util.h>
