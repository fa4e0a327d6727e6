// SPDX-License-Identifier: BSD-2-Clause
// Error numbers, with Linux's values, because Linux programs see them. Source: errno(3).
#pragma once

namespace tine {

enum class Errno : int {
  Perm = 1, NoEnt = 2, Srch = 3, Intr = 4, Io = 5, Nxio = 6, TooBig = 7, NoExec = 8, BadF = 9, Child = 10,
  Again = 11, NoMem = 12, Acces = 13, Fault = 14, NotBlk = 15, Busy = 16, Exist = 17, Xdev = 18, NoDev = 19,
  NotDir = 20, IsDir = 21, Inval = 22, Nfile = 23, Mfile = 24, NotTty = 25, TxtBsy = 26, FBig = 27, NoSpc = 28,
  Spipe = 29, RoFs = 30, Mlink = 31, Pipe = 32, Dom = 33, Range = 34, Deadlk = 35, NameTooLong = 36, NoLck = 37,
  NoSys = 38, NotEmpty = 39, Loop = 40, NoData = 61, Time = 62, Overflow = 75, Ilseq = 84, NotSock = 88,
  DestAddrReq = 89, MsgSize = 90, Prototype = 91, NoProtoOpt = 92, ProtoNoSupport = 93, SockTNoSupport = 94,
  OpNotSupp = 95, AfNoSupport = 97, AddrInUse = 98, AddrNotAvail = 99, ConnAborted = 103, ConnReset = 104,
  NoBufs = 105, IsConn = 106, NotConn = 107, TooManyRefs = 109, TimedOut = 110, ConnRefused = 111,
  Already = 114, InProgress = 115, Canceled = 125, OwnerDead = 130, NotRecoverable = 131,
  // Never seen by a program: how a sleeping call asks to be started again after a signal (Linux's ERESTART*).
  RestartSys = 512,         // again if the handler has SA_RESTART, or if no handler ran; else EINTR
  RestartAlways = 513,      // again whatever the handler says: the call has not begun
  RestartNoHandler = 514,   // again only if no handler ran; else EINTR
  RestartBlock = 516,       // again through restart_syscall(2) with what is left of a timeout
};

}  // namespace tine
