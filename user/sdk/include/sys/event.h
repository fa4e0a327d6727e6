/* SPDX-License-Identifier: BSD-2-Clause
 * kqueue(2): struct kevent and its constants, as FreeBSD has them. */
#ifndef _SYS_EVENT_H_
#define _SYS_EVENT_H_

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EVFILT_PROCDESC (-8)
#define EVFILT_USER (-11)

struct kevent {
  uintptr_t ident;
  short filter;
  unsigned short flags;
  unsigned int fflags;
  int64_t data;
  void *udata;
  uint64_t ext[4];
};

#define EV_SET(event, id, filt, how, filter_flags, value, user) \
  do {                                                          \
    struct kevent *tine_event_ = (event);                       \
    tine_event_->ident = (uintptr_t)(id);                       \
    tine_event_->filter = (filt);                               \
    tine_event_->flags = (how);                                 \
    tine_event_->fflags = (filter_flags);                       \
    tine_event_->data = (value);                                \
    tine_event_->udata = (user);                                \
    tine_event_->ext[0] = 0;                                    \
    tine_event_->ext[1] = 0;                                    \
    tine_event_->ext[2] = 0;                                    \
    tine_event_->ext[3] = 0;                                    \
  } while (0)

/* flags */
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_FORCEONESHOT 0x0100
#define EV_KEEPUDATA 0x0200
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

/* EVFILT_READ, EVFILT_WRITE */
#define NOTE_LOWAT 0x0001
#define NOTE_EOF 0x0002       /* of a regular file: report its end too */
#define NOTE_FILE_POLL 0x0002 /* the same */

/* EVFILT_VNODE */
#define NOTE_DELETE 0x0001
#define NOTE_WRITE 0x0002
#define NOTE_EXTEND 0x0004
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK 0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040 /* never: there is no revoke(2) */
#define NOTE_TRUNCATE 0x0080

/* EVFILT_PROC; of these EVFILT_PROCDESC has NOTE_EXIT. The data of NOTE_FORK is the child's pid, of NOTE_CHILD the parent's, of NOTE_EXIT the wait status. */
#define NOTE_EXIT 0x80000000
#define NOTE_FORK 0x40000000
#define NOTE_EXEC 0x20000000
#define NOTE_PCTRLMASK 0xf0000000
#define NOTE_PDATAMASK 0x000fffff
#define NOTE_TRACK 0x00000001
#define NOTE_TRACKERR 0x00000002
#define NOTE_CHILD 0x00000004

/* EVFILT_TIMER */
#define NOTE_SECONDS 0x00000001
#define NOTE_MSECONDS 0x00000002
#define NOTE_USECONDS 0x00000004
#define NOTE_NSECONDS 0x00000008
#define NOTE_ABSTIME 0x00000010

/* EVFILT_USER */
#define NOTE_FFNOP 0x00000000
#define NOTE_FFAND 0x40000000
#define NOTE_FFOR 0x80000000
#define NOTE_FFCOPY 0xc0000000
#define NOTE_FFCTRLMASK 0xc0000000
#define NOTE_FFLAGSMASK 0x00ffffff
#define NOTE_TRIGGER 0x01000000

int kqueue(void);
int kqueue1(int flags);
int kevent(int kq, const struct kevent *changes, int change_count, struct kevent *events, int event_count,
           const struct timespec *timeout);

#ifdef __cplusplus
}
#endif

#endif
