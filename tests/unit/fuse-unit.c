/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to a session over the fake file system.
 */
#include "fuse-unit.h"

#include <glib.h>
#include <string.h>

#include "base/util.h"

/* What the head of the reply's place holds before, and must hold behind the reply afterwards. */
#define UNTOUCHED	0x5a
#define UNTOUCHED_BYTES 1024u

static void count_block(void *arg)
{
	((struct unit *)arg)->n_blocked++;
}

void unit_start(struct unit *unit, const struct fuse_session_options *options)
{
	const size_t sizes[ARENA_N_SECTIONS] = {
		[ARENA_SESSION] = fuse_session_section_bytes(),
	};

	*unit = (struct unit){ .room = UNIT_BYTES };
	fake = (struct fake_fs){ .target = "" };
	unit->in = g_malloc0(UNIT_BYTES);
	unit->out = g_malloc0(UNIT_BYTES);
	g_assert_cmpint(arena_init(&unit->arena, sizes), ==, 0);
	g_assert_cmpint(fuse_session_new(options, &unit->fs, &unit->arena, &unit->session), ==, 0);
	g_assert_cmpint(fuse_thread_new(unit->session, count_block, unit, &unit->thread), ==, 0);
}

void unit_start_ready(struct unit *unit)
{
	const struct fuse_session_options options = {
		.announce_submounts = true,
		.posix_lock = true,
		.flock = true,
		.xattr = true,
	};

	unit_start(unit, &options);
	g_assert_nonnull(unit_init(unit, WIRE_MINOR, UNIT_ALL_FLAGS));
}

void unit_stop(struct unit *unit)
{
	fuse_thread_free(unit->thread);
	fuse_session_free(unit->session);
	arena_deinit(&unit->arena);
	g_free(unit->in);
	g_free(unit->out);
}

struct fuse_in_header *unit_begin(struct unit *unit, uint32_t opcode, uint64_t nodeid)
{
	const struct fuse_in_header head = {
		.opcode = opcode,
		.unique = UNIT_UNIQUE,
		.nodeid = nodeid,
		.uid = UNIT_UID,
		.gid = UNIT_GID,
	};

	unit->in_bytes = 0;
	unit_add(unit, &head, sizeof(head));
	return (struct fuse_in_header *)unit->in;
}

void unit_add(struct unit *unit, const void *data, size_t len)
{
	g_assert_cmpuint(unit->in_bytes + len, <=, UNIT_BYTES);
	if (len)
		memcpy(unit->in + unit->in_bytes, data, len);
	unit->in_bytes += len;
}

void unit_add_string(struct unit *unit, const char *text)
{
	unit_add(unit, text, strlen(text) + 1);
}

static size_t writable_bytes(const struct fuse_message *message)
{
	size_t sum = 0;

	for (unsigned int i = 0; i < message->n_writable; i++)
		sum += message->writable[i].iov_len;
	return sum;
}

int unit_serve_raw(struct unit *unit, const struct fuse_message *message)
{
	const struct fuse_out_header *head = (const struct fuse_out_header *)unit->out;
	uint32_t bytes;

	memset(unit->out, UNTOUCHED, UNTOUCHED_BYTES);
	bytes = fuse_session_serve(unit->thread, message);
	for (size_t i = bytes; i < UNTOUCHED_BYTES; i++)
		g_assert_cmphex((unsigned char)unit->out[i], ==, UNTOUCHED);
	if (bytes == 0)
		return UNIT_NO_REPLY;
	g_assert_cmpuint(bytes, >=, sizeof(*head));
	g_assert_cmpuint(bytes, <=, writable_bytes(message));
	g_assert_cmpuint(head->len, ==, bytes);
	g_assert_cmphex(head->unique, ==, UNIT_UNIQUE);
	if (head->error)
		g_assert_cmpuint(bytes, ==, sizeof(*head));
	return head->error;
}

int unit_serve(struct unit *unit)
{
	const struct iovec in = { .iov_base = unit->in, .iov_len = unit->in_bytes };
	const struct iovec out = { .iov_base = unit->out, .iov_len = unit->room };
	const struct fuse_message message = {
		.readable = &in,
		.n_readable = 1,
		.writable = &out,
		.n_writable = 1,
		.inflight = unit->inflight,
	};

	((struct fuse_in_header *)unit->in)->len = (uint32_t)unit->in_bytes;
	return unit_serve_raw(unit, &message);
}

size_t unit_body_bytes(const struct unit *unit)
{
	const struct fuse_out_header *head = (const struct fuse_out_header *)unit->out;

	return head->len - sizeof(*head);
}

const void *unit_body(struct unit *unit, size_t len)
{
	g_assert_cmpuint(unit_body_bytes(unit), ==, len);
	return unit->out + sizeof(struct fuse_out_header);
}

const struct fuse_init_out *unit_init(struct unit *unit, uint32_t minor, uint64_t flags)
{
	const struct fuse_init_in in = {
		.major = WIRE_MAJOR,
		.minor = minor,
		.max_readahead = 131072,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};

	if (unit_call(unit, FUSE_INIT, 0, &in, sizeof(in), NULL) != 0)
		return NULL;
	return unit_body(unit, sizeof(struct fuse_init_out));
}

int unit_call(struct unit *unit, uint32_t opcode, uint64_t nodeid, const void *args, size_t len,
	      const char *name)
{
	unit_begin(unit, opcode, nodeid);
	unit_add(unit, args, len);
	if (name)
		unit_add_string(unit, name);
	return unit_serve(unit);
}
