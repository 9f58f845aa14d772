/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share about a session and its threads.
 */
#ifndef FUSE_SESSION_INTERNAL_H
#define FUSE_SESSION_INTERNAL_H

#include <limits.h>
#include <pthread.h>

#include "fuse/session.h"

/* The most file data one READ or WRITE moves; what INIT announces as max_write and max_pages. */
#define SESSION_DATA_BYTES (1u << 20)

/*
 * Arguments of one request except file data: the longest is SYMLINK with two strings and its
 * extensions. What a message has beyond is not looked at.
 */
#define SESSION_ARGS_BYTES 16384u

/* Replies that are built before they are copied out: directory entries, link targets. */
#define SESSION_OUT_BYTES  131072u

#define SESSION_IOVS	   IOV_MAX

/*
 * What INIT agreed on; the whole of ARENA_SESSION. Written by INIT, DESTROY and reset under the
 * session's lock; read by every request without it, hence atomically. `initialised` is stored
 * last.
 */
struct session_state {
	uint32_t initialised;
	uint32_t minor;
	uint64_t flags; /* flags and flags2 of the INIT reply */
};

struct lock_waiters;

struct fuse_session {
	struct fuse_session_options options;
	struct fs *fs;		      /* borrowed */
	struct lock_waiters *waiters; /* owned */
	struct session_state *state;  /* in the arena */
	pthread_mutex_t lock; /* one INIT, DESTROY or reset at a time; taken before fs locks */
	/* How long these hold in the guest. */
	uint64_t attr_ns;
	uint64_t entry_ns;
	uint64_t negative_ns; /* names that do not exist; 0: they are an error */
};

struct fuse_thread {
	struct fuse_session *session; /* borrowed */
	void (*about_to_block)(void *arg);
	void *about_to_block_arg;
	struct iovec iov[SESSION_IOVS];
	char args[SESSION_ARGS_BYTES] __attribute__((__aligned__(8)));
	char out[SESSION_OUT_BYTES] __attribute__((__aligned__(8)));
	struct fs_thread fs;
};

/* Takes effect at once for all threads: resets the file system, then publishes the state. */
void session_start(struct fuse_session *session, uint32_t minor, uint64_t flags);

static inline bool session_initialised(const struct fuse_session *session)
{
	return __atomic_load_n(&session->state->initialised, __ATOMIC_ACQUIRE);
}

/* True when INIT agreed on this flag (FUSE_*, 64 bits). */
static inline bool session_has(const struct fuse_session *session, uint64_t flag)
{
	return __atomic_load_n(&session->state->flags, __ATOMIC_RELAXED) & flag;
}

#endif
