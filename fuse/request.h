/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: a private copy of what the guest sent, and a cursor over its arguments.
 */
#ifndef FUSE_REQUEST_H
#define FUSE_REQUEST_H

#include "base/iov.h"
#include "fuse/reply.h"
#include "fuse/session.h"
#include "fuse/wire.h"

struct request {
	struct fuse_thread *thread;	    /* borrowed */
	struct fuse_session *session;	    /* borrowed */
	const struct fuse_message *message; /* borrowed */
	struct fuse_in_header in;	    /* private copy; lengths checked, ids untrusted */
	int error;	  /* first failure of decoding; later takes change nothing */
	const char *args; /* private copy of what follows the header */
	size_t args_len;
	size_t args_pos;
	struct iov_cursor payload; /* guest memory behind what was copied */
	size_t payload_len;	   /* bytes of `payload` that belong to the message */
	struct reply reply;
};

enum req_result {
	REQ_OK,
	REQ_UNANSWERABLE, /* not even an id to answer to */
};

/*
 * Copies the header of `message`. A header that cannot be right leaves its reason in `error`, so
 * that it is answered like any other failure.
 */
enum req_result req_init(struct request *req, struct fuse_thread *thread,
			 const struct fuse_message *message);

/* Copies up to `max` bytes of arguments; once, before the first take. */
void req_load_args(struct request *req, size_t max);

/*
 * The takes move the cursor. On failure `error` is set if it was not yet, and the result is NULL:
 * handlers take all they need and look at `error` once.
 */

/* The next `size` bytes; aligned to 8 when it is the first take. -EINVAL when there are fewer. */
const void *req_take(struct request *req, size_t size);

/* A NUL-terminated string of 1 to `max_len` bytes: -EINVAL, or -ENAMETOOLONG. */
const char *req_take_string(struct request *req, size_t max_len);

/* A name that is one path component: also not ".", "..", and without '/' (-EINVAL). */
const char *req_take_name(struct request *req);

/* The name of an extended attribute: -EINVAL without its NUL, -ERANGE if empty or too long. */
const char *req_take_xattr_name(struct request *req);

/*
 * The next `size` bytes, which may go on behind the copied arguments: valid until something is
 * built in the thread's buffer for replies. -EINVAL when there are fewer.
 */
const void *req_take_value(struct request *req, size_t size);

/*
 * Last: who creates, from the header and the extensions behind the names. Returns `error`.
 * `umask` is left 0.
 */
int req_take_creator(struct request *req, struct fs_caller *ret_caller);

/*
 * Whether an open that truncates drops set-id bits. A guest that did not agree to say so leaves it to
 * the daemon, for any user but root. One that sends no ids either (since Linux 6.12) could be
 * anybody: then the bits stay, and go with the first thing that a user writes.
 */
bool req_kills_suidgid(const struct request *req, uint32_t open_flags);

/*
 * The same for changes whose requests have no flag for it. Other guests have dropped the bits
 * before; here they are dropped for anybody who might not be root.
 */
bool req_change_kills_suidgid(const struct request *req);

/* The umask to hand on: 0 where the guest has applied it already. */
uint32_t req_umask(const struct request *req, uint32_t umask);

/*
 * The open file that a request about `nodeid` means. A guest that INIT has told not to open sends 0
 * for all of them.
 */
uint64_t req_file(const struct request *req, uint64_t nodeid, uint64_t fh);

/* The fs side of the thread that serves this request. */
struct fs_thread *req_fs(struct request *req);

#endif
