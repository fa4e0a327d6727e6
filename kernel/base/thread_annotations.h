// SPDX-License-Identifier: BSD-2-Clause
// Names for Clang's thread-safety attributes. Source: https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#if defined(__clang__)
#define TINE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define TINE_THREAD_ATTRIBUTE(x)
#endif

#define CAPABILITY(name) TINE_THREAD_ATTRIBUTE(capability(name))
#define SCOPED_CAPABILITY TINE_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(lock) TINE_THREAD_ATTRIBUTE(guarded_by(lock))
#define PT_GUARDED_BY(lock) TINE_THREAD_ATTRIBUTE(pt_guarded_by(lock))
#define REQUIRES(...) TINE_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) TINE_THREAD_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define ACQUIRE(...) TINE_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) TINE_THREAD_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) TINE_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) TINE_THREAD_ATTRIBUTE(release_shared_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) TINE_THREAD_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) TINE_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define EXCLUDES(...) TINE_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ASSERT_CAPABILITY(x) TINE_THREAD_ATTRIBUTE(assert_capability(x))
#define RETURN_CAPABILITY(x) TINE_THREAD_ATTRIBUTE(lock_returned(x))
#define NO_THREAD_SAFETY_ANALYSIS TINE_THREAD_ATTRIBUTE(no_thread_safety_analysis)
