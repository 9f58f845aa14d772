/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE server for one share: takes one message as two iovec arrays, answers into the second.
 *
 * The bytes come from a guest and may be anything and change at any time: header and arguments are
 * copied out once, checked, and only the copy is used. Every message that asks for a reply and
 * has room for one gets exactly one.
 */
#ifndef FUSE_SESSION_H
#define FUSE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/inflight.h"
#include "fuse/passthrough/fs.h"

struct fuse_session;

/* How long an answer holds in the guest; not set: as the cache mode has it. */
struct fuse_timeout {
	bool set;
	uint64_t ns;
};

/* What the guest has to do its part for. */
enum fuse_feature {
	FUSE_FEATURE_NEVER,
	FUSE_FEATURE_AUTO,   /* with guests that can */
	FUSE_FEATURE_ALWAYS, /* other guests are refused */
};

struct fuse_session_options {
	enum fs_cache cache; /* decides timeouts and readdirplus */
	struct fuse_timeout attr;
	struct fuse_timeout entry;
	struct fuse_timeout negative; /* of names that do not exist */
	bool readonly;		      /* modifying operations are refused in the op table already */
	bool no_readdirplus;
	bool announce_submounts;
	bool posix_lock;  /* byte range locks are the host's; otherwise each guest has its own */
	bool flock;	  /* the same for locks of whole files */
	bool writeback;	  /* the guest may hold back what it writes to cached files */
	bool allow_mmap;  /* shared mappings of files that are not cached */
	bool xattr;	  /* extended attributes; implied by the next two */
	bool killpriv_v2; /* the daemon drops set-id bits on every change, as it does anyway */
	enum fuse_feature posix_acl;
	enum fuse_feature security_label;
};

/* Bytes that fuse_session_new() needs in the section ARENA_SESSION. */
size_t fuse_session_section_bytes(void);

/* `fs` and `arena` are borrowed and must outlive the session. */
int fuse_session_new(const struct fuse_session_options *options, struct fs *fs, struct arena *arena,
		     struct fuse_session **ret_session);
void fuse_session_free(struct fuse_session *session);

/*
 * Back to the state before INIT: nodes forgotten, handles closed. For device reset; safe while
 * requests run.
 */
void fuse_session_reset(struct fuse_session *session);

/* ---- Per thread ---- */

struct fuse_thread;

/*
 * `about_to_block` is called on this thread before the first system call of a message that may take
 * long; another call for the same message means nothing new.
 */
int fuse_thread_new(struct fuse_session *session, void (*about_to_block)(void *arg), void *arg,
		    struct fuse_thread **ret_thread);
void fuse_thread_free(struct fuse_thread *thread);

/*
 * A message whose answer comes later. The caller of fuse_session_serve() makes it, and embeds it in
 * what it needs to bring the answer home.
 */
#define FUSE_PARKED_SEGMENTS 16u

struct fuse_parked {
	/* Where the answer goes: the first segments; none is empty, so that its header fits. */
	struct iovec writable[FUSE_PARKED_SEGMENTS];
	unsigned int n_writable;
	const void *group; /* for fuse_session_unpark() */
	/*
	 * The answer is complete, as fuse_session_serve() would have returned it. Called exactly
	 * once, by any thread, with a lock of the session held: must not call the session.
	 */
	void (*done)(struct fuse_parked *parked, uint32_t written);
};

/* One request as the ring delivered it. All memory is borrowed for the call. */
struct fuse_message {
	const struct iovec *readable;
	const struct iovec *writable;
	unsigned int n_readable;
	unsigned int n_writable;
	bool damaged; /* some part had no valid guest address: answer -EIO if possible */
	struct inflight *inflight; /* NULL: served once for sure */
	/*
	 * Moves what the answer needs out of the message, which is not touched any more. NULL when
	 * it cannot; the function itself may be NULL. Then what would have to wait is refused.
	 */
	struct fuse_parked *(*park)(const struct fuse_message *message);
};

/* The message has been parked and may be answered already. */
#define FUSE_PARKED UINT32_MAX

/*
 * Serves one message; returns the number of bytes written to `writable` from its start (0: no
 * reply was due, or none was possible), or FUSE_PARKED. Many threads at once.
 */
uint32_t fuse_session_serve(struct fuse_thread *thread, const struct fuse_message *message);

/*
 * Answers every parked message of the group with an error; all have been answered when this
 * returns, except those that are parked meanwhile.
 */
void fuse_session_unpark(struct fuse_session *session, const void *group);

#endif
