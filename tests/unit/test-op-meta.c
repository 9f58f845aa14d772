/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what STATX, TMPFILE, IOCTL and COPY_FILE_RANGE_64 hand on and answer: the birth time, a
 * name that means nothing, sizes held against what was sent, 64 bit counts. And how long answers
 * hold in the guest, above all that a name does not exist.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "fuse-unit.h"

static struct unit unit;

static void statx_answers_the_birth_time(void)
{
	const struct fuse_statx_in in = { .getattr_flags = FUSE_GETATTR_FH, .fh = 9 };
	const struct fuse_statx_out *out;

	unit_start_ready(&unit);
	fake.attr.stx = (struct statx){
		.stx_mask = UINT32_MAX,
		.stx_size = 1234,
		.stx_mode = S_IFREG | 0644,
		.stx_btime = { .tv_sec = -5, .tv_nsec = 6 },
		.stx_rdev_major = 7,
	};
	g_assert_cmpint(unit_call(&unit, FUSE_STATX, 3, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpstr(fake.called, ==, "getattr");
	g_assert_cmpuint(fake.nodeid, ==, 3);
	g_assert_cmpuint(fake.fh, ==, 9);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->attr_valid, ==, 1);
	g_assert_cmphex(out->stat.mask, ==, STATX_BASIC_STATS | STATX_BTIME);
	g_assert_cmpuint(out->stat.size, ==, 1234);
	g_assert_cmpint(out->stat.btime.tv_sec, ==, -5);
	g_assert_cmpuint(out->stat.btime.tv_nsec, ==, 6);
	g_assert_cmpuint(out->stat.rdev_major, ==, 7);
	unit_stop(&unit);
}

static void statx_without_a_handle_asks_the_node(void)
{
	const struct fuse_statx_in in = { .fh = 9 };

	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_STATX, 3, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, FS_NO_FH);
	unit_stop(&unit);
}

static void tmpfile_passes_over_the_name(void)
{
	const struct fuse_create_in in = { .mode = 0640, .flags = 2, .umask = 022 };

	unit_start_ready(&unit);
	fake.opened.fh = 77;
	fake.entry.nodeid = 78;
	g_assert_cmpint(unit_call(&unit, FUSE_TMPFILE, 5, &in, sizeof(in), "/"), ==, 0);
	g_assert_cmpstr(fake.called, ==, "tmpfile");
	g_assert_cmpuint(fake.nodeid, ==, 5);
	g_assert_cmpuint(fake.mode, ==, 0640);
	g_assert_cmpuint(fake.caller.uid, ==, UNIT_UID);
	g_assert_cmpuint(unit_body_bytes(&unit), ==,
			 sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
	g_assert_cmpint(unit_call(&unit, FUSE_TMPFILE, 5, &in, sizeof(in), NULL), ==, -EINVAL);
	unit_stop(&unit);
}

static void a_64_bit_copy_has_a_64_bit_result(void)
{
	const struct fuse_copy_file_range_in in = { .len = UINT64_MAX, .fh_in = 1, .fh_out = 2 };
	const struct fuse_copy_file_range_out *out;

	unit_start_ready(&unit);
	fake.count = INT64_C(1) << 40;
	g_assert_cmpint(unit_call(&unit, FUSE_COPY_FILE_RANGE_64, 1, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.copy.length, ==, INT64_MAX);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->bytes_copied, ==, UINT64_C(1) << 40);
	unit_stop(&unit);
}

static int call_ioctl(const struct fuse_ioctl_in *in, size_t n_data)
{
	static const char data[64];

	unit_begin(&unit, FUSE_IOCTL, 4);
	unit_add(&unit, in, sizeof(*in));
	unit_add(&unit, data, n_data);
	return unit_serve(&unit);
}

static void an_ioctl_gets_exactly_what_it_said(void)
{
	struct fuse_ioctl_in in = { .fh = 6, .cmd = 0x1234, .in_size = 8, .out_size = 28 };
	const struct fuse_ioctl_out *out;

	unit_start_ready(&unit);
	fake.count = 28;
	g_assert_cmpint(call_ioctl(&in, 8), ==, 0);
	g_assert_cmpuint(fake.nodeid, ==, 4);
	g_assert_cmphex(fake.ioctl.command, ==, 0x1234);
	g_assert_cmpuint(fake.ioctl.in_size, ==, 8);
	g_assert_cmpuint(fake.ioctl.out_size, ==, 28);
	g_assert_cmpuint(fake.caller.uid, ==, UNIT_UID);
	out = unit_body(&unit, sizeof(*out) + 28);
	g_assert_cmpint(out->result, ==, 0);
	g_assert_cmphex(out->flags, ==, 0);
	g_assert_cmphex(*(const uint32_t *)(out + 1), ==, 0xa5a5a5a5);
	unit_stop(&unit);
}

static void ioctl_sizes_that_lie_are_refused(void)
{
	struct fuse_ioctl_in in = { .in_size = 8, .out_size = UINT32_MAX };

	unit_start_ready(&unit);
	g_assert_cmpint(call_ioctl(&in, 7), ==, -EINVAL);
	in.in_size = UINT32_MAX;
	g_assert_cmpint(call_ioctl(&in, 64), ==, -EINVAL);
	g_assert_cmpuint(fake.n_calls, ==, 0);
	/* A claim of much room is none of ours to check, but limits nothing. */
	in.in_size = 0;
	fake.count = 4;
	g_assert_cmpint(call_ioctl(&in, 0), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, sizeof(struct fuse_ioctl_out) + 4);
	/* The room that there is counts. */
	unit.room = sizeof(struct fuse_out_header) + sizeof(struct fuse_ioctl_out) + 3;
	g_assert_cmpint(call_ioctl(&in, 0), ==, -EINVAL);
	unit_stop(&unit);
}

static void start_with(const struct fuse_session_options *options)
{
	unit_start(&unit, options);
	g_assert_nonnull(unit_init(&unit, WIRE_MINOR, UNIT_ALL_FLAGS));
}

static void timeouts_are_told_to_the_nanosecond(void)
{
	const struct fuse_session_options options = {
		.attr = { true, UINT64_C(2500000001) },
		.entry = { true, 7 },
	};
	const struct fuse_getattr_in in = { 0 };
	const struct fuse_entry_out *entry;
	const struct fuse_attr_out *attr;

	start_with(&options);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	entry = unit_body(&unit, sizeof(*entry));
	g_assert_cmpuint(entry->entry_valid, ==, 0);
	g_assert_cmpuint(entry->entry_valid_nsec, ==, 7);
	g_assert_cmpuint(entry->attr_valid, ==, 2);
	g_assert_cmpuint(entry->attr_valid_nsec, ==, 500000001);
	g_assert_cmpint(unit_call(&unit, FUSE_GETATTR, 1, &in, sizeof(in), NULL), ==, 0);
	attr = unit_body(&unit, sizeof(*attr));
	g_assert_cmpuint(attr->attr_valid, ==, 2);
	g_assert_cmpuint(attr->attr_valid_nsec, ==, 500000001);
	unit_stop(&unit);
}

static uint64_t absence_holds_s(const struct fuse_session_options *options)
{
	const struct fuse_entry_out *entry;
	uint64_t seconds = 0;
	int r;

	start_with(options);
	fake.result = -ENOENT;
	r = unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name");
	if (r == 0) {
		entry = unit_body(&unit, sizeof(*entry));
		g_assert_cmpuint(entry->nodeid, ==, 0);
		seconds = entry->entry_valid;
		g_assert_cmpuint(seconds, >, 0);
	} else {
		g_assert_cmpint(r, ==, -ENOENT);
	}
	/* No other error is remembered, and no other operation's. */
	fake.result = -EACCES;
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EACCES);
	fake.result = -ENOENT;
	g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 1, NULL, 0, "name"), ==, -ENOENT);
	unit_stop(&unit);
	return seconds;
}

static void absence_is_remembered_where_names_stay_or_when_asked(void)
{
	struct fuse_session_options o = { .cache = FS_CACHE_AUTO };

	g_assert_cmpuint(absence_holds_s(&o), ==, 0);
	o.cache = FS_CACHE_NEVER;
	g_assert_cmpuint(absence_holds_s(&o), ==, 0);
	o.cache = FS_CACHE_ALWAYS;
	g_assert_cmpuint(absence_holds_s(&o), ==, 86400);
	o.cache = FS_CACHE_METADATA;
	g_assert_cmpuint(absence_holds_s(&o), ==, 86400);
	o.entry = (struct fuse_timeout){ true, 5 * WIRE_NSEC_PER_SEC };
	g_assert_cmpuint(absence_holds_s(&o), ==, 5);
	o.negative = (struct fuse_timeout){ true, 0 };
	g_assert_cmpuint(absence_holds_s(&o), ==, 0);
	o.cache = FS_CACHE_AUTO;
	o.negative = (struct fuse_timeout){ true, 2 * WIRE_NSEC_PER_SEC };
	g_assert_cmpuint(absence_holds_s(&o), ==, 2);
}

/* They would take node 0 for a node. */
static void guests_that_are_not_linux_get_the_error(void)
{
	const struct fuse_session_options options = { .cache = FS_CACHE_ALWAYS };

	unit_start(&unit, &options);
	g_assert_nonnull(unit_init(&unit, 31, FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES));
	fake.result = -ENOENT;
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -ENOENT);
	unit_stop(&unit);
}

static uint32_t open_flags(void)
{
	const struct fuse_open_in in = { 0 };

	g_assert_cmpint(unit_call(&unit, FUSE_OPEN, 1, &in, sizeof(in), NULL), ==, 0);
	return ((const struct fuse_open_out *)unit_body(&unit, 16))->open_flags;
}

static void flush_is_left_out_where_it_does_nothing(void)
{
	unit_start_ready(&unit);
	unit.session->state->flags &= ~(uint64_t)FUSE_POSIX_LOCKS;
	g_assert_cmphex(open_flags() & FOPEN_NOFLUSH, ==, 0);
	fake.opened.no_flush = true;
	g_assert_cmphex(open_flags() & FOPEN_NOFLUSH, ==, FOPEN_NOFLUSH);
	/* It is what tells that a process has let go of its locks. */
	unit.session->state->flags |= FUSE_POSIX_LOCKS;
	g_assert_cmphex(open_flags() & FOPEN_NOFLUSH, ==, 0);
	unit_stop(&unit);
}

/* Its cache may hold data where the host sees a hole. */
static void a_guest_that_writes_back_does_without_lseek(void)
{
	const struct fuse_session_options options = { .writeback = true };
	const struct fuse_lseek_in in = { .whence = SEEK_DATA };

	start_with(&options);
	g_assert_cmpint(unit_call(&unit, FUSE_LSEEK, 1, &in, sizeof(in), NULL), ==, -ENOSYS);
	unit_stop(&unit);
	unit_start_ready(&unit);
	g_assert_cmpint(unit_call(&unit, FUSE_LSEEK, 1, &in, sizeof(in), NULL), ==, 0);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op-meta/timeouts are told to the nanosecond",
			timeouts_are_told_to_the_nanosecond);
	g_test_add_func("/op-meta/absence is remembered where names stay or when asked",
			absence_is_remembered_where_names_stay_or_when_asked);
	g_test_add_func("/op-meta/guests that are not Linux get the error",
			guests_that_are_not_linux_get_the_error);
	g_test_add_func("/op-meta/FLUSH is left out where it does nothing",
			flush_is_left_out_where_it_does_nothing);
	g_test_add_func("/op-meta/a guest that writes back does without LSEEK",
			a_guest_that_writes_back_does_without_lseek);
	g_test_add_func("/op-meta/STATX answers the birth time", statx_answers_the_birth_time);
	g_test_add_func("/op-meta/STATX without a handle asks the node",
			statx_without_a_handle_asks_the_node);
	g_test_add_func("/op-meta/TMPFILE passes over the name", tmpfile_passes_over_the_name);
	g_test_add_func("/op-meta/a 64 bit copy has a 64 bit result",
			a_64_bit_copy_has_a_64_bit_result);
	g_test_add_func("/op-meta/an ioctl gets exactly what it said",
			an_ioctl_gets_exactly_what_it_said);
	g_test_add_func("/op-meta/ioctl sizes that lie are refused",
			ioctl_sizes_that_lie_are_refused);
	return g_test_run();
}
