// SPDX-License-Identifier: BSD-2-Clause
// Job control: how a process stops as a whole and goes on. Running -> Stopping when a thread takes a stop
// signal -> Stopped when all threads have come to rest -> Running by SIGCONT or SIGKILL. Only signal_*.cpp
// and those of tracing include this. Source: POSIX 2.4.3 (signal actions), wait(2). Lock: functions marked (P) want Process::lock
// held.
#pragma once

#include "process/process.h"

namespace tine::process {

// The effects that a signal has when it is sent, whether blocked, caught or ignored: a stop signal takes back
// pending continues, SIGCONT pending stops; SIGCONT and SIGKILL set a stopped process going. (P)
void obey_job_control(Process& process, int signal) REQUIRES(process.lock);

// A thread has taken `signal`, whose default is to stop, and shall carry it out. Does nothing if SIGCONT came
// meanwhile.
void begin_stop(Process& process, int signal);

// Stops the running thread until the process goes on or ends.
void rest_while_stopped(Thread& thread);

// Makes a Stopping process Stopped if no thread is left to wait for; true: it did, and announce_stop() is
// due. (P)
bool complete_stop(Process& process) REQUIRES(process.lock);

// Tell the parent, by SIGCHLD and to its wait4. No lock held.
void announce_stop(Process& process);
void announce_continue(Process& process);

// Tells `whom`, a parent or a tracer, that `process` (by its thread `id`) has stopped or gone on. Callable with tree_lock
// held.
void tell_of_stop(Process& whom, const Process& process, PidNumber id, int code, int status);

// Terminal stops do nothing in an orphaned process group, which nobody could continue.
bool may_stop(Process& process, int signal);

}  // namespace tine::process
