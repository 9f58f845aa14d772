/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows how a guest is told that it need not open, what INIT then leaves out, and that handle 0
 * of every operation stands for the file of its node, and nothing else a guest may send does.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"

#define NODE	 7u
#define NODE_FH	 (NODE | FS_FH_OF_NODE)
#define NO_OPENS ((uint64_t)(FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT))

static struct unit unit;
static const struct fuse_session_options options = { .posix_lock = true, .flock = true };

static bool exclusive;

static uint64_t start(bool files, bool dirs, uint64_t offered)
{
	const struct fuse_init_out *out;

	unit_start(&unit, &options);
	fake.exclusive = exclusive;
	fake.opens_optional = files;
	fake.opendirs_optional = dirs;
	out = unit_init(&unit, 46, offered);
	g_assert_nonnull(out);
	return out->flags | (uint64_t)out->flags2 << 32;
}

static void init_leaves_out_what_needs_opens(void)
{
	const uint64_t all = UNIT_ALL_FLAGS & ~FUSE_ALLOW_IDMAP;
	const uint64_t without = FUSE_ATOMIC_O_TRUNC | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

	g_assert_cmphex(start(true, true, all) & (without | NO_OPENS), ==, NO_OPENS);
	g_assert_true(fake.negotiated.no_open && fake.negotiated.no_opendir);
	unit_stop(&unit);
	g_assert_cmphex(start(true, false, all) & (without | NO_OPENS), ==, FUSE_NO_OPEN_SUPPORT);
	g_assert_true(fake.negotiated.no_open && !fake.negotiated.no_opendir);
	unit_stop(&unit);
	g_assert_cmphex(start(false, false, all) & (without | NO_OPENS), ==, without);
	g_assert_false(fake.negotiated.no_open || fake.negotiated.no_opendir);
	unit_stop(&unit);
	/* Each is the guest's to offer. */
	g_assert_cmphex(start(true, true, all & ~NO_OPENS) & (without | NO_OPENS), ==, without);
	unit_stop(&unit);
	g_assert_cmphex(start(true, true, all & ~(uint64_t)FUSE_NO_OPEN_SUPPORT) &
				(without | NO_OPENS),
			==, without | FUSE_NO_OPENDIR_SUPPORT);
	unit_stop(&unit);
}

static void alone_the_guest_trusts_what_it_has(void)
{
	const uint64_t asked = FUSE_AUTO_INVAL_DATA | FUSE_READDIRPLUS_AUTO;
	const uint64_t kept = FUSE_EXPLICIT_INVAL_DATA | FUSE_DO_READDIRPLUS;
	const uint64_t plus = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;

	/* Also where files have to be opened. */
	exclusive = true;
	g_assert_cmphex(start(false, false, UNIT_ALL_FLAGS) & (asked | kept), ==, kept);
	unit_stop(&unit);
	g_assert_cmphex(start(false, false, UNIT_ALL_FLAGS & ~kept) & (asked | kept), ==, 0);
	unit_stop(&unit);
	/* With others about it has to look. */
	exclusive = false;
	g_assert_cmphex(start(true, true, UNIT_ALL_FLAGS) & (asked | kept), ==,
			FUSE_AUTO_INVAL_DATA | plus);
	unit_stop(&unit);
}

static int call_open(uint32_t opcode)
{
	const struct fuse_open_in in = { 0 };

	return unit_call(&unit, opcode, NODE, &in, sizeof(in), NULL);
}

static int call_flush(void)
{
	const struct fuse_flush_in in = { 0 };

	return unit_call(&unit, FUSE_FLUSH, NODE, &in, sizeof(in), NULL);
}

static void opens_are_answered_with_not_known(void)
{
	(void)start(true, false, UNIT_ALL_FLAGS);
	g_assert_cmpint(call_open(FUSE_OPEN), ==, -ENOSYS);
	g_assert_cmpint(call_flush(), ==, -ENOSYS);
	g_assert_cmpuint(fake.n_calls, ==, 0);
	g_assert_cmpint(call_open(FUSE_OPENDIR), ==, 0);
	g_assert_cmpstr(fake.called, ==, "opendir");
	unit_stop(&unit);
	(void)start(true, true, UNIT_ALL_FLAGS);
	g_assert_cmpint(call_open(FUSE_OPENDIR), ==, -ENOSYS);
	g_assert_cmpuint(fake.n_calls, ==, 0);
	unit_stop(&unit);
	(void)start(false, false, UNIT_ALL_FLAGS);
	g_assert_cmpint(call_open(FUSE_OPEN), ==, 0);
	g_assert_cmpint(call_flush(), ==, 0);
	unit_stop(&unit);
}

static int call_fsync(uint64_t nodeid, uint64_t fh)
{
	const struct fuse_fsync_in in = { .fh = fh };

	return unit_call(&unit, FUSE_FSYNC, nodeid, &in, sizeof(in), NULL);
}

static void handle_0_is_the_file_of_the_node(void)
{
	const struct fuse_read_in readdir = { .size = 4096 };
	const struct fuse_lseek_in lseek = { .whence = 3 };
	const struct fuse_getattr_in getattr = { .getattr_flags = FUSE_GETATTR_FH };
	const struct fuse_setattr_in setattr = { .valid = FATTR_FH | FATTR_SIZE };
	const struct fuse_copy_file_range_in copy = { .nodeid_out = 9, .len = 1 };
	static const char *const names[] = { NULL };

	(void)start(true, true, UNIT_ALL_FLAGS);
	fake.names = names;
	g_assert_cmpint(call_fsync(NODE, 0), ==, 0);
	g_assert_cmphex(fake.fh, ==, NODE_FH);
	g_assert_cmpint(unit_call(&unit, FUSE_LSEEK, NODE, &lseek, sizeof(lseek), NULL), <=, 0);
	g_assert_cmphex(fake.fh, ==, NODE_FH);
	g_assert_cmpint(unit_call(&unit, FUSE_READDIR, NODE, &readdir, sizeof(readdir), NULL), ==,
			0);
	g_assert_cmphex(fake.fh, ==, NODE_FH);
	g_assert_cmpint(unit_call(&unit, FUSE_GETATTR, NODE, &getattr, sizeof(getattr), NULL), ==,
			0);
	g_assert_cmphex(fake.fh, ==, NODE_FH);
	g_assert_cmpint(unit_call(&unit, FUSE_SETATTR, NODE, &setattr, sizeof(setattr), NULL), ==,
			0);
	g_assert_cmphex(fake.set.fh, ==, NODE_FH);
	(void)unit_call(&unit, FUSE_COPY_FILE_RANGE, NODE, &copy, sizeof(copy), NULL);
	g_assert_cmphex(fake.copy.fh_in, ==, NODE_FH);
	g_assert_cmphex(fake.copy.fh_out, ==, 9 | FS_FH_OF_NODE);
	unit_stop(&unit);
}

static void made_up_numbers_are_no_file_of_a_node(void)
{
	(void)start(true, true, UNIT_ALL_FLAGS);
	(void)call_fsync(NODE, NODE_FH);
	g_assert_cmphex(fake.fh, ==, 0);
	(void)call_fsync(NODE, UINT64_MAX);
	g_assert_cmphex(fake.fh, ==, 0);
	(void)call_fsync(NODE_FH, 0);
	g_assert_cmphex(fake.fh, ==, 0);
	(void)call_fsync(NODE, 5);
	g_assert_cmphex(fake.fh, ==, 5);
	unit_stop(&unit);
	/* Nor is 0 where the guest opens its files. */
	(void)start(false, false, UNIT_ALL_FLAGS);
	(void)call_fsync(NODE, 0);
	g_assert_cmphex(fake.fh, ==, 0);
	(void)call_fsync(NODE, NODE_FH);
	g_assert_cmphex(fake.fh, ==, 0);
	unit_stop(&unit);
}

static void a_release_of_what_was_not_opened_does_nothing(void)
{
	const struct fuse_release_in in = { .release_flags = FUSE_RELEASE_FLOCK_UNLOCK };

	(void)start(true, true, UNIT_ALL_FLAGS);
	g_assert_cmpint(unit_call(&unit, FUSE_RELEASE, NODE, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.n_calls, ==, 0);
	unit_stop(&unit);
}

static void write_once(uint32_t flags)
{
	const struct fuse_write_in in = { .size = 4, .flags = flags };
	char message[sizeof(in) + 4];

	memcpy(message, &in, sizeof(in));
	memcpy(message + sizeof(in), "data", 4);
	g_assert_cmpint(unit_call(&unit, FUSE_WRITE, NODE, message, sizeof(message), NULL), ==, 0);
}

static void writes_are_as_synchronous_as_their_file(void)
{
	char room[64];

	(void)start(true, true, UNIT_ALL_FLAGS & ~(uint64_t)FUSE_WRITEBACK_CACHE);
	fake.written = room;
	fake.file_bytes = sizeof(room);
	write_once(0);
	g_assert_cmphex(fake.write.fh, ==, NODE_FH);
	g_assert_false(fake.write.sync || fake.write.dsync || fake.write.append);
	write_once(WIRE_O_DSYNC | WIRE_O_APPEND);
	g_assert_true(fake.write.dsync && !fake.write.sync && fake.write.append);
	write_once(WIRE_O_SYNC);
	g_assert_true(fake.write.sync && !fake.write.dsync);
	fake.written = NULL;
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op-implicit/INIT leaves out what needs opens",
			init_leaves_out_what_needs_opens);
	g_test_add_func("/op-implicit/alone the guest trusts what it has",
			alone_the_guest_trusts_what_it_has);
	g_test_add_func("/op-implicit/opens are answered with not known",
			opens_are_answered_with_not_known);
	g_test_add_func("/op-implicit/handle 0 is the file of the node",
			handle_0_is_the_file_of_the_node);
	g_test_add_func("/op-implicit/made-up numbers are no file of a node",
			made_up_numbers_are_no_file_of_a_node);
	g_test_add_func("/op-implicit/a release of what was not opened does nothing",
			a_release_of_what_was_not_opened_does_nothing);
	g_test_add_func("/op-implicit/writes are as synchronous as their file",
			writes_are_as_synchronous_as_their_file);
	return g_test_run();
}
