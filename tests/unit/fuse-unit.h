/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session over the fake file system, and messages to it, for the unit tests of fuse/.
 */
#ifndef TESTS_UNIT_FUSE_UNIT_H
#define TESTS_UNIT_FUSE_UNIT_H

#include "fake-fs.h"
#include "fuse/session-internal.h"
#include "fuse/wire.h"

#define UNIT_BYTES (3u << 20)

struct unit {
	struct arena arena;
	struct fs fs;
	struct fuse_session *session;
	struct fuse_thread *thread;
	unsigned int n_blocked; /* calls of about_to_block */
	char *in;		/* the message as the guest wrote it */
	size_t in_bytes;
	char *out;		   /* where the reply goes */
	size_t room;		   /* writable bytes of the next message */
	struct inflight *inflight; /* borrowed; of the next messages, or NULL */
};

/* Everything the guest of today offers. */
#define UNIT_ALL_FLAGS ((uint64_t)UINT64_MAX)

/* Clears `fake` and starts a session that has not seen INIT. */
void unit_start(struct unit *unit, const struct fuse_session_options *options);

/* The same with what is optional switched on, after an INIT that offered everything. */
void unit_start_ready(struct unit *unit);
void unit_stop(struct unit *unit);

/* Builds a message piece by piece; begin sets opcode and nodeid, unique and ids to known values. */
struct fuse_in_header *unit_begin(struct unit *unit, uint32_t opcode, uint64_t nodeid);
void unit_add(struct unit *unit, const void *data, size_t len);
void unit_add_string(struct unit *unit, const char *text);

#define UNIT_UNIQUE 0x1122334455667788ull
#define UNIT_UID    1000u
#define UNIT_GID    100u

/*
 * Sets the length and serves; checks what holds for every reply: id, length, that an error is the
 * header alone, that nothing behind the reply was touched. Returns the error of the reply, or
 * UNIT_NO_REPLY.
 */
int unit_serve(struct unit *unit);
#define UNIT_NO_REPLY 1

/* The same with the message as it is and the iovecs as given. */
int unit_serve_raw(struct unit *unit, const struct fuse_message *message);

/* The body of the last reply, which must have this length. */
const void *unit_body(struct unit *unit, size_t len);
size_t unit_body_bytes(const struct unit *unit);

/* Sends INIT; NULL when it was refused. */
const struct fuse_init_out *unit_init(struct unit *unit, uint32_t minor, uint64_t flags);

/* One call for operations with one argument struct and one or no name. */
int unit_call(struct unit *unit, uint32_t opcode, uint64_t nodeid, const void *args, size_t len,
	      const char *name);

#endif
