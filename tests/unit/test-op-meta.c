/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what STATX, TMPFILE, IOCTL and COPY_FILE_RANGE_64 hand on and answer: the birth time, a
 * name that means nothing, sizes held against what was sent, 64 bit counts.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

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

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
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
