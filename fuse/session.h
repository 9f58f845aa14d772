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
#include "fuse/passthrough/fs.h"

struct fuse_session;

struct fuse_session_options {
	enum fs_cache cache; /* decides timeouts and readdirplus */
	bool readonly;	     /* modifying operations are refused in the op table already */
	bool no_readdirplus;
	bool announce_submounts;
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

/* One request as the ring delivered it. All memory is borrowed for the call. */
struct fuse_message {
	const struct iovec *readable;
	const struct iovec *writable;
	unsigned int n_readable;
	unsigned int n_writable;
	bool damaged; /* some part had no valid guest address: answer -EIO if possible */
};

/*
 * Serves one message; returns the number of bytes written to `writable` from its start (0: no
 * reply was due, or none was possible). Many threads at once.
 */
uint32_t fuse_session_serve(struct fuse_thread *thread, const struct fuse_message *message);

#endif
