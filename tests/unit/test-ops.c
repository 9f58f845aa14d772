/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the table answers every opcode in every state as it should, and that each operation
 * hands its arguments to the file system as the guest meant them.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "base/intent.h"
#include "base/util.h"
#include "fuse-unit.h"
#include "fuse/ops.h"

static struct unit unit;

static const char zeros[4096];

/* Opcodes whose guests wait for no reply. */
static bool is_silent(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

static void unknown_opcodes_are_enosys(void)
{
	static const uint32_t unknown[] = {
		0, 7, 19, FUSE_BMAP, FUSE_POLL, FUSE_NOTIFY_REPLY, 54, 4096, 436207616, UINT32_MAX
	};

	unit_start_ready(&unit);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		g_assert_cmpint(unit_call(&unit, unknown[i], 1, zeros, 64, NULL), ==, -ENOSYS);
	unit_stop(&unit);
}

static void before_init_only_init_and_silent_operations_are_served(void)
{
	const struct fuse_session_options options = { .xattr = true };

	unit_start(&unit, &options);
	for (uint32_t op = 0; op < 64; op++) {
		int r;

		if (!ops_find(op) || op == FUSE_INIT || op == FUSE_DESTROY)
			continue;
		r = unit_call(&unit, op, 1, zeros, 128, NULL);
		g_assert_cmpint(r, ==, is_silent(op) ? UNIT_NO_REPLY : -EIO);
	}
	g_assert_cmpuint(fake.n_calls, ==, 0);
	unit_stop(&unit);
}

static void every_operation_with_too_few_bytes_is_refused_without_effect(void)
{
	unit_start_ready(&unit);
	for (uint32_t op = 0; op < 64; op++) {
		const struct op *row = ops_find(op);

		for (size_t n = 0; row && n < row->min_args; n++) {
			int r = unit_call(&unit, op, 1, zeros, n, NULL);

			g_assert_cmpint(r, ==, is_silent(op) ? UNIT_NO_REPLY : -EINVAL);
		}
	}
	g_assert_cmpuint(fake.n_calls, ==, 0);
	g_assert_cmpuint(fake.n_forgets, ==, 0);
	unit_stop(&unit);
}

static void a_read_only_share_refuses_every_change(void)
{
	static const uint32_t changing[] = {
		FUSE_SETATTR,	      FUSE_SYMLINK,
		FUSE_MKNOD,	      FUSE_MKDIR,
		FUSE_UNLINK,	      FUSE_RMDIR,
		FUSE_RENAME,	      FUSE_LINK,
		FUSE_WRITE,	      FUSE_CREATE,
		FUSE_RENAME2,	      FUSE_FALLOCATE,
		FUSE_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE_64,
		FUSE_TMPFILE,	      FUSE_SETXATTR,
		FUSE_REMOVEXATTR,
	};
	const struct fuse_session_options options = { .readonly = true, .xattr = true };
	const struct fuse_open_in in = { .flags = O_RDONLY };

	/* The list has all that the table says of it, and nothing else. */
	for (uint32_t op = 0; op < 64; op++) {
		bool listed = false;

		for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
			listed = listed || changing[i] == op;
		g_assert_cmpint(ops_find(op) && ops_find(op)->flags & OP_MODIFIES, ==, listed);
	}
	unit_start(&unit, &options);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		g_assert_cmpint(unit_call(&unit, changing[i], 1, zeros, 128, NULL), ==, -EROFS);
	g_assert_cmpuint(fake.n_calls, ==, 0);
	g_assert_cmpint(unit_call(&unit, FUSE_OPEN, 1, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	unit_stop(&unit);
}

/* A guest would take it for "this operation does not exist" until it is mounted anew. */
static void answers_that_mean_another_thing_in_the_guest_are_not_passed_on(void)
{
	const struct fuse_fsync_in in = { 0 };

	unit_start_ready(&unit);
	fake.result = -ENOSYS;
	g_assert_cmpint(unit_call(&unit, FUSE_FSYNC, 1, &in, sizeof(in), NULL), ==, -EOPNOTSUPP);
	/* The descriptors are the daemon's, not those of the guest's process. */
	fake.result = -EMFILE;
	g_assert_cmpint(unit_call(&unit, FUSE_FSYNC, 1, &in, sizeof(in), NULL), ==, -ENFILE);
	unit_stop(&unit);
}

static int serve_damaged(uint32_t opcode, size_t in_bytes, size_t room)
{
	const struct iovec in = { .iov_base = unit.in, .iov_len = in_bytes };
	const struct iovec out = { .iov_base = unit.out, .iov_len = room };
	const struct fuse_message message = {
		.readable = &in,
		.n_readable = 1,
		.writable = &out,
		.n_writable = 1,
		.damaged = true,
	};

	unit_begin(&unit, opcode, 1)->len = 45;
	unit_add_string(&unit, "name");
	return unit_serve_raw(&unit, &message);
}

static void a_damaged_message_is_eio_where_that_can_be_told(void)
{
	unit_start_ready(&unit);
	fake.called = NULL;
	g_assert_cmpint(serve_damaged(FUSE_LOOKUP, 45, 200), ==, -EIO);
	g_assert_cmpint(serve_damaged(FUSE_LOOKUP, 16, 16), ==, -EIO);
	g_assert_cmpint(serve_damaged(FUSE_LOOKUP, 45, 15), ==, UNIT_NO_REPLY);
	g_assert_cmpint(serve_damaged(FUSE_LOOKUP, 15, 200), ==, UNIT_NO_REPLY);
	g_assert_cmpint(serve_damaged(FUSE_FORGET, 45, 200), ==, UNIT_NO_REPLY);
	g_assert_cmpint(serve_damaged(999, 45, 200), ==, -EIO);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void forget_gives_counts_back_without_a_reply(void)
{
	const struct fuse_forget_in in = { .nlookup = 3 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_FORGET, 77, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	unit.room = 0;
	g_assert_cmpint(unit_call(&unit, FUSE_FORGET, 78, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	g_assert_cmpuint(fake.n_forgets, ==, 2);
	g_assert_cmpuint(fake.forgotten[0], ==, 77);
	g_assert_cmpuint(fake.forgotten_counts[0], ==, 3);
	g_assert_cmpuint(fake.forgotten[1], ==, 78);
	unit_stop(&unit);
}

static unsigned int batch_forget(uint32_t claimed, unsigned int sent)
{
	const struct fuse_batch_forget_in in = { .count = claimed };

	fake.n_forgets = 0;
	unit_begin(&unit, FUSE_BATCH_FORGET, 0);
	unit_add(&unit, &in, sizeof(in));
	for (unsigned int i = 0; i < sent; i++) {
		const struct fuse_forget_one one = { .nodeid = 100 + i, .nlookup = i };

		unit_add(&unit, &one, sizeof(one));
	}
	g_assert_cmpint(unit_serve(&unit), ==, UNIT_NO_REPLY);
	return fake.n_forgets;
}

static void batch_forget_takes_what_was_both_claimed_and_sent(void)
{
	unit_start_ready(&unit);
	g_assert_cmpuint(batch_forget(200, 200), ==, 200);
	g_assert_cmpuint(fake.forgotten[199], ==, 299);
	g_assert_cmpuint(fake.forgotten_counts[199], ==, 199);
	g_assert_cmpuint(batch_forget(UINT32_MAX, 3), ==, 3);
	g_assert_cmpuint(batch_forget(2, 3), ==, 2);
	g_assert_cmpuint(batch_forget(0, 3), ==, 0);
	g_assert_cmpuint(batch_forget(5, 0), ==, 0);
	/* As many as fit into the longest request; descriptors can make any list endless. */
	g_assert_cmpuint(batch_forget(100000, 100000), ==, 65536);
	unit_stop(&unit);
}

/* A worker died over them: at worst one lookup is not given back, never one twice. */
static void what_was_forgotten_before_a_death_is_not_forgotten_again(void)
{
	const struct fuse_forget_in in = { .nlookup = 3 };
	struct inflight record = { .order = 1 };

	unit_start_ready(&unit);
	unit.inflight = &record;
	g_assert_cmpint(unit_call(&unit, FUSE_FORGET, 77, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	g_assert_cmpuint(fake.n_forgets, ==, 1);
	record.attempts = 1;
	unit_call(&unit, FUSE_FORGET, 77, &in, sizeof(in), NULL);
	g_assert_cmpuint(fake.n_forgets, ==, 1);

	record = (struct inflight){ .order = 2, .attempts = 1 };
	g_assert_cmpuint(batch_forget(10, 10), ==, 10);
	record.word[INTENT_COUNT] = 4; /* it died in the midst of the fourth, or behind it */
	g_assert_cmpuint(batch_forget(10, 10), ==, 6);
	g_assert_cmpuint(fake.forgotten[0], ==, 104);
	g_assert_cmpuint(record.word[INTENT_COUNT], ==, 10);
	g_assert_cmpuint(batch_forget(10, 10), ==, 0);
	unit.inflight = NULL;
	unit_stop(&unit);
}

static void interrupt_is_taken_silently(void)
{
	const struct fuse_interrupt_in in = { .unique = 1 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	unit_stop(&unit);
}

static void getattr_uses_the_handle_when_told(void)
{
	struct fuse_getattr_in in = { .fh = 5 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_GETATTR, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_true(fake.fh == FS_NO_FH);
	in.getattr_flags = FUSE_GETATTR_FH;
	g_assert_cmpint(unit_call(&unit, FUSE_GETATTR, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 5);
	unit_stop(&unit);
}

static void setattr_passes_what_is_valid(void)
{
	struct fuse_setattr_in in = {
		.valid = FATTR_MODE | FATTR_SIZE | FATTR_FH | FATTR_ATIME | FATTR_MTIME |
			 FATTR_MTIME_NOW | FATTR_KILL_SUIDGID,
		.fh = 5,
		.size = 1ull << 33,
		.atime = (uint64_t)-7,
		.atimensec = 999999999,
		.mode = S_IFREG | 06755,
	};

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_SETATTR, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.set.fh, ==, 5);
	g_assert_true(fake.set.set_mode && fake.set.set_size && fake.set.kill_suidgid);
	g_assert_false(fake.set.set_uid || fake.set.set_gid);
	g_assert_true(fake.set.set_atime && !fake.set.atime_now);
	g_assert_true(fake.set.set_mtime && fake.set.mtime_now);
	g_assert_cmpuint(fake.set.mode, ==, 06755);
	g_assert_cmpuint(fake.set.size, ==, 1ull << 33);
	g_assert_cmpint(fake.set.atime.tv_sec, ==, -7);
	g_assert_cmpint(fake.set.atime.tv_nsec, ==, 999999999);
	in = (struct fuse_setattr_in){ .valid = FATTR_UID | FATTR_GID, .uid = 1, .gid = 2 };
	g_assert_cmpint(unit_call(&unit, FUSE_SETATTR, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_true(fake.set.fh == FS_NO_FH);
	g_assert_true(fake.set.set_uid && fake.set.set_gid && !fake.set.set_mode);
	g_assert_cmpuint(fake.set.uid, ==, 1);
	g_assert_cmpuint(fake.set.gid, ==, 2);
	unit_stop(&unit);
}

static void nanoseconds_with_a_meaning_to_the_host_are_refused(void)
{
	const struct fuse_setattr_in in = { .valid = FATTR_ATIME, .atimensec = UTIME_OMIT };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_SETATTR, 7, &in, sizeof(in), NULL), ==, -EINVAL);
	unit_stop(&unit);
}

static void creating_operations_pass_name_mode_and_caller(void)
{
	const struct fuse_mknod_in mknod_in = { .mode = S_IFCHR | 0600,
						.rdev = 0x103,
						.umask = 022 };
	const struct fuse_mkdir_in mkdir_in = { .mode = 0700, .umask = 022 };
	const struct fuse_create_in create_in = {
		.flags = O_WRONLY | O_EXCL,
		.mode = 0640,
		.umask = 022,
		.open_flags = FUSE_OPEN_KILL_SUIDGID,
	};

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_MKNOD, 7, &mknod_in, sizeof(mknod_in), "n"), ==, 0);
	g_assert_cmpstr(fake.called, ==, "mknod");
	g_assert_cmpuint(fake.mode, ==, S_IFCHR | 0600);
	g_assert_cmphex(fake.rdev, ==, 0x103);
	g_assert_cmpint(unit_call(&unit, FUSE_MKDIR, 7, &mkdir_in, sizeof(mkdir_in), "d"), ==, 0);
	g_assert_cmpstr(fake.called, ==, "mkdir");
	g_assert_cmpuint(fake.mode, ==, 0700);
	g_assert_cmpint(unit_call(&unit, FUSE_CREATE, 7, &create_in, sizeof(create_in), "f"), ==,
			0);
	g_assert_cmpstr(fake.called, ==, "create");
	g_assert_cmpstr(fake.name, ==, "f");
	g_assert_cmpuint(fake.mode, ==, 0640);
	g_assert_cmphex(fake.flags, ==, O_WRONLY | O_EXCL);
	g_assert_true(fake.kill_suidgid);
	g_assert_cmpuint(fake.caller.uid, ==, UNIT_UID);
	/* The guest has applied it: nobody agreed on DONT_MASK. */
	g_assert_cmpuint(fake.caller.umask, ==, 0);
	unit_stop(&unit);
}

static void link_and_rename_keep_both_sides_apart(void)
{
	const struct fuse_link_in link_in = { .oldnodeid = 55 };
	const struct fuse_rename2_in rename_in = { .newdir = 66, .flags = 1 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_LINK, 7, &link_in, sizeof(link_in), "l"), ==, 0);
	g_assert_cmpuint(fake.nodeid, ==, 55);
	g_assert_cmpuint(fake.new_parent, ==, 7);
	g_assert_cmpstr(fake.name, ==, "l");

	unit_begin(&unit, FUSE_RENAME2, 7);
	unit_add(&unit, &rename_in, sizeof(rename_in));
	unit_add_string(&unit, "from");
	unit_add_string(&unit, "to");
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	g_assert_cmpuint(fake.nodeid, ==, 7);
	g_assert_cmpuint(fake.new_parent, ==, 66);
	g_assert_cmpstr(fake.name, ==, "from");
	g_assert_cmpstr(fake.second, ==, "to");
	g_assert_cmpuint(fake.flags, ==, 1);

	unit_begin(&unit, FUSE_RENAME, 7);
	unit_add(&unit, &rename_in, sizeof(struct fuse_rename_in));
	unit_add_string(&unit, "from");
	unit_add_string(&unit, "to");
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	g_assert_cmpuint(fake.new_parent, ==, 66);
	g_assert_cmpuint(fake.flags, ==, 0);
	unit_stop(&unit);
}

static void removing_tells_files_from_directories(void)
{
	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 7, NULL, 0, "f"), ==, 0);
	g_assert_cmpstr(fake.called, ==, "unlink");
	g_assert_cmpint(unit_call(&unit, FUSE_RMDIR, 7, NULL, 0, "d"), ==, 0);
	g_assert_cmpstr(fake.called, ==, "rmdir");
	g_assert_cmpstr(fake.name, ==, "d");
	unit_stop(&unit);
}

static void access_and_syncfs_are_answered(void)
{
	const struct fuse_access_in in = { .mask = 6 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_ACCESS, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.mask, ==, 6);
	g_assert_cmpuint(fake.caller.gid, ==, UNIT_GID);
	g_assert_cmpint(unit_call(&unit, FUSE_SYNCFS, 7, zeros, 8, NULL), ==, 0);
	g_assert_cmpstr(fake.called, ==, "syncfs");
	g_assert_cmpuint(fake.nodeid, ==, 7);
	unit_stop(&unit);
}

static void a_call_that_blocks_is_announced_to_the_thread(void)
{
	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	g_assert_cmpuint(unit.n_blocked, ==, 0);
	fake.blocks = true;
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	g_assert_cmpuint(unit.n_blocked, ==, 1);
	unit_stop(&unit);
}

static void random_bytes_always_get_a_well_formed_answer(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	static const char *const names[] = { "a", NULL };
	g_autofree char *file = g_malloc0(4096);

	unit_start_ready(&unit);
	fake.names = names;
	fake.file = fake.written = file;
	fake.file_bytes = 4096;
	for (int i = 0; i < 20000; i++) {
		uint32_t op = (uint32_t)g_rand_int_range(rand, 0, 56);
		int n = g_rand_int_range(rand, 0, 200);

		unit.room = (size_t)g_rand_int_range(rand, 0, 300);
		unit_begin(&unit, op, 1)->total_extlen = (uint16_t)g_rand_int_range(rand, 0, 4);
		while (n-- > 0) {
			char byte = (char)g_rand_int_range(rand, 0, 4);

			unit_add(&unit, &byte, 1);
		}
		unit_serve(&unit);
	}
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops/unknown opcodes are ENOSYS", unknown_opcodes_are_enosys);
	g_test_add_func("/ops/before INIT only INIT and silent operations are served",
			before_init_only_init_and_silent_operations_are_served);
	g_test_add_func("/ops/every operation with too few bytes is refused without effect",
			every_operation_with_too_few_bytes_is_refused_without_effect);
	g_test_add_func("/ops/a read-only share refuses every change",
			a_read_only_share_refuses_every_change);
	g_test_add_func("/ops/answers that mean another thing in the guest are not passed on",
			answers_that_mean_another_thing_in_the_guest_are_not_passed_on);
	g_test_add_func("/ops/a damaged message is EIO where that can be told",
			a_damaged_message_is_eio_where_that_can_be_told);
	g_test_add_func("/ops/FORGET gives counts back without a reply",
			forget_gives_counts_back_without_a_reply);
	g_test_add_func("/ops/what was forgotten before a death is not forgotten again",
			what_was_forgotten_before_a_death_is_not_forgotten_again);
	g_test_add_func("/ops/BATCH_FORGET takes what was both claimed and sent",
			batch_forget_takes_what_was_both_claimed_and_sent);
	g_test_add_func("/ops/INTERRUPT is taken silently", interrupt_is_taken_silently);
	g_test_add_func("/ops/GETATTR uses the handle when told",
			getattr_uses_the_handle_when_told);
	g_test_add_func("/ops/SETATTR passes what is valid", setattr_passes_what_is_valid);
	g_test_add_func("/ops/nanoseconds with a meaning to the host are refused",
			nanoseconds_with_a_meaning_to_the_host_are_refused);
	g_test_add_func("/ops/creating operations pass name, mode and caller",
			creating_operations_pass_name_mode_and_caller);
	g_test_add_func("/ops/LINK and RENAME keep both sides apart",
			link_and_rename_keep_both_sides_apart);
	g_test_add_func("/ops/removing tells files from directories",
			removing_tells_files_from_directories);
	g_test_add_func("/ops/ACCESS and SYNCFS are answered", access_and_syncfs_are_answered);
	g_test_add_func("/ops/a call that blocks is announced to the thread",
			a_call_that_blocks_is_announced_to_the_thread);
	g_test_add_func("/ops/random bytes always get a well-formed answer",
			random_bytes_always_get_a_well_formed_answer);
	return g_test_run();
}
