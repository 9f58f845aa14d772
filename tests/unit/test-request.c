/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that whatever a guest sends is decoded within its bounds: broken headers, short and
 * overlong messages, names that are no names, and extensions behind the names.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "fuse-unit.h"

static struct unit unit;

static int lookup(const char *name)
{
	fake.called = NULL;
	return unit_call(&unit, FUSE_LOOKUP, 7, NULL, 0, name);
}

static void a_name_reaches_the_file_system_as_sent(void)
{
	g_autofree char *longest = g_strnfill(255, 'n');

	unit_start_ready(&unit);
	g_assert_cmpint(lookup("..."), ==, 0);
	g_assert_cmpstr(fake.name, ==, "...");
	g_assert_cmpuint(fake.nodeid, ==, 7);
	g_assert_cmpint(lookup("\xff\x01 b"), ==, 0);
	g_assert_cmpstr(fake.name, ==, "\xff\x01 b");
	g_assert_cmpint(lookup(longest), ==, 0);
	g_assert_cmpstr(fake.name, ==, longest);
	unit_stop(&unit);
}

static void what_is_not_one_component_is_refused(void)
{
	static const char *const bad[] = { "", ".", "..", "/", "a/b", "../x", "x/", "/etc" };

	unit_start_ready(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_cmpint(lookup(bad[i]), ==, -EINVAL);
		g_assert_null(fake.called);
	}
	unit_stop(&unit);
}

static void a_name_over_255_bytes_is_too_long(void)
{
	g_autofree char *name = g_strnfill(256, 'n');
	g_autofree char *longer = g_strnfill(5000, 'n');

	unit_start_ready(&unit);
	g_assert_cmpint(lookup(name), ==, -ENAMETOOLONG);
	g_assert_cmpint(lookup(longer), ==, -ENAMETOOLONG);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void a_name_without_an_end_is_refused(void)
{
	unit_start_ready(&unit);
	unit_begin(&unit, FUSE_LOOKUP, 1);
	unit_add(&unit, "name", 4);
	/* The end stands behind the message: still inside the guest's memory, but not sent. */
	unit.in[unit.in_bytes] = '\0';
	fake.called = NULL;
	g_assert_cmpint(unit_serve(&unit), ==, -EINVAL);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, NULL), ==, -EINVAL);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void the_second_name_is_checked_like_the_first(void)
{
	const struct fuse_rename_in in = { .newdir = 9 };

	unit_start_ready(&unit);
	fake.called = NULL;
	unit_begin(&unit, FUSE_RENAME, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add_string(&unit, "old");
	g_assert_cmpint(unit_serve(&unit), ==, -EINVAL);
	unit_add_string(&unit, "..");
	g_assert_cmpint(unit_serve(&unit), ==, -EINVAL);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void a_link_target_is_any_path_of_up_to_4095_bytes(void)
{
	g_autofree char *longest = g_strnfill(4095, 't');
	g_autofree char *too_long = g_strnfill(4096, 't');

	unit_start_ready(&unit);
	unit_begin(&unit, FUSE_SYMLINK, 7);
	unit_add_string(&unit, "link");
	unit_add_string(&unit, "../a//b/");
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	g_assert_cmpstr(fake.name, ==, "link");
	g_assert_cmpstr(fake.second, ==, "../a//b/");

	unit_begin(&unit, FUSE_SYMLINK, 7);
	unit_add_string(&unit, "link");
	unit_add_string(&unit, longest);
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	g_assert_cmpstr(fake.second, ==, longest);

	unit_begin(&unit, FUSE_SYMLINK, 7);
	unit_add_string(&unit, "link");
	unit_add_string(&unit, too_long);
	g_assert_cmpint(unit_serve(&unit), ==, -ENAMETOOLONG);
	unit_begin(&unit, FUSE_SYMLINK, 7);
	unit_add_string(&unit, "link");
	unit_add_string(&unit, "");
	g_assert_cmpint(unit_serve(&unit), ==, -EINVAL);
	unit_stop(&unit);
}

/* Serves the first `bytes` of a LOOKUP with the header's length as given. */
static int serve_cut(size_t bytes, uint32_t header_len)
{
	const struct iovec in = { .iov_base = unit.in, .iov_len = bytes };
	const struct iovec out = { .iov_base = unit.out, .iov_len = 4096 };
	const struct fuse_message message = {
		.readable = bytes ? &in : NULL,
		.n_readable = bytes ? 1 : 0,
		.writable = &out,
		.n_writable = 1,
	};

	unit_begin(&unit, FUSE_LOOKUP, 7)->len = header_len;
	unit_add_string(&unit, "name");
	return unit_serve_raw(&unit, &message);
}

static void a_cut_header_is_refused_when_it_can_be_answered_at_all(void)
{
	unit_start_ready(&unit);
	for (size_t n = 0; n < 16; n++)
		g_assert_cmpint(serve_cut(n, 45), ==, UNIT_NO_REPLY);
	for (size_t n = 16; n < 40; n++)
		g_assert_cmpint(serve_cut(n, 45), ==, -EINVAL);
	unit_stop(&unit);
}

static void a_length_in_the_header_that_lies_does_no_harm(void)
{
	unit_start_ready(&unit);
	for (uint32_t len = 0; len < 45; len++)
		g_assert_cmpint(serve_cut(45, len), ==, -EINVAL);
	g_assert_cmpint(serve_cut(45, 45), ==, 0);
	g_assert_cmpint(serve_cut(45, UINT32_MAX), ==, 0);
	g_assert_cmpint(serve_cut(44, UINT32_MAX), ==, -EINVAL);
	unit_stop(&unit);
}

static void bytes_behind_the_arguments_are_ignored(void)
{
	static const char junk[100000];

	unit_start_ready(&unit);
	fake.target = "target";
	g_assert_cmpint(unit_call(&unit, FUSE_READLINK, 7, junk, sizeof(junk), NULL), ==, 0);
	g_assert_cmpmem(unit_body(&unit, 6), 6, "target", 6);
	unit_begin(&unit, FUSE_LOOKUP, 7);
	unit_add_string(&unit, "name");
	unit_add(&unit, junk, sizeof(junk));
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	g_assert_cmpstr(fake.name, ==, "name");
	unit_stop(&unit);
}

static void a_message_in_single_bytes_is_read_like_any_other(void)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	struct iovec pieces[80];
	const struct iovec out = { .iov_base = NULL, .iov_len = 4096 };
	struct iovec room = out;

	unit_start_ready(&unit);
	room.iov_base = unit.out;
	unit_begin(&unit, FUSE_MKDIR, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add_string(&unit, "directory");
	((struct fuse_in_header *)unit.in)->len = (uint32_t)unit.in_bytes;
	for (size_t i = 0; i < unit.in_bytes; i++)
		pieces[i] = (struct iovec){ .iov_base = unit.in + i, .iov_len = 1 };
	const struct fuse_message message = {
		.readable = pieces,
		.n_readable = (unsigned int)unit.in_bytes,
		.writable = &room,
		.n_writable = 1,
	};
	g_assert_cmpint(unit_serve_raw(&unit, &message), ==, 0);
	g_assert_cmpstr(fake.called, ==, "mkdir");
	g_assert_cmpstr(fake.name, ==, "directory");
	g_assert_cmpuint(fake.mode, ==, 0755);
	unit_stop(&unit);
}

/* A MKDIR with `units` of 8 bytes announced as extensions and `ext` behind the name. */
static int mkdir_with(uint16_t units, const uint32_t *ext, size_t ext_bytes)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };

	unit_begin(&unit, FUSE_MKDIR, 7)->total_extlen = units;
	unit_add(&unit, &in, sizeof(in));
	unit_add_string(&unit, "odd"); /* leaves the extensions unaligned on purpose */
	unit_add_string(&unit, "");
	unit.in_bytes--;
	unit_add(&unit, ext, ext_bytes);
	fake.called = NULL;
	return unit_serve(&unit);
}

static void who_creates_comes_from_the_header(void)
{
	unit_start_ready(&unit);
	g_assert_cmpint(mkdir_with(0, NULL, 0), ==, 0);
	g_assert_cmpuint(fake.caller.uid, ==, UNIT_UID);
	g_assert_cmpuint(fake.caller.gid, ==, UNIT_GID);
	g_assert_false(fake.caller.has_group);
	g_assert_cmpuint(fake.caller.umask, ==, 0);
	unit_stop(&unit);
}

static void the_supplementary_group_is_found_beside_other_extensions(void)
{
	static const uint32_t group[] = { 16, FUSE_EXT_GROUPS, 1, 4242 };
	/* One security context of 13 bytes in all, padded to 16, before the group. */
	static const uint32_t both[] = { 13, 1, 0, 0, 16, FUSE_EXT_GROUPS, 1, 4243 };
	static const uint32_t none[] = { 12, FUSE_EXT_GROUPS, 0, 0 };

	unit_start_ready(&unit);
	g_assert_cmpint(mkdir_with(2, group, sizeof(group)), ==, 0);
	g_assert_true(fake.caller.has_group);
	g_assert_cmpuint(fake.caller.group, ==, 4242);
	g_assert_cmpint(mkdir_with(4, both, sizeof(both)), ==, 0);
	g_assert_true(fake.caller.has_group);
	g_assert_cmpuint(fake.caller.group, ==, 4243);
	g_assert_cmpint(mkdir_with(2, none, sizeof(none)), ==, 0);
	g_assert_false(fake.caller.has_group);
	unit_stop(&unit);
}

static void broken_extensions_are_refused(void)
{
	static const uint32_t zero_size[] = { 0, FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t tiny[] = { 7, FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t beyond[] = { 17, FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t huge[] = { UINT32_MAX, FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t no_count[] = { 8, FUSE_EXT_GROUPS };
	static const uint32_t no_group[] = { 12, FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t many[] = { 16, FUSE_EXT_GROUPS, 2, 1 };
	static const uint32_t twice[] = { 16, FUSE_EXT_GROUPS, 1, 1, 16, FUSE_EXT_GROUPS, 1, 2 };

	unit_start_ready(&unit);
	g_assert_cmpint(mkdir_with(2, zero_size, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(2, tiny, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(2, beyond, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(2, huge, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(1, no_count, 8), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(2, no_group, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(2, many, 16), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(4, twice, 32), ==, -EINVAL);
	/* Announced but not sent. */
	g_assert_cmpint(mkdir_with(2, NULL, 0), ==, -EINVAL);
	g_assert_cmpint(mkdir_with(UINT16_MAX, zero_size, 16), ==, -EINVAL);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void nobody_creates_with_the_id_that_means_no_id(void)
{
	unit_start_ready(&unit);
	unit_begin(&unit, FUSE_SYMLINK, 7)->uid = UINT32_MAX;
	unit_add_string(&unit, "name");
	unit_add_string(&unit, "target");
	fake.called = NULL;
	g_assert_cmpint(unit_serve(&unit), ==, -EOVERFLOW);
	unit_begin(&unit, FUSE_SYMLINK, 7)->gid = UINT32_MAX;
	unit_add_string(&unit, "name");
	unit_add_string(&unit, "target");
	g_assert_cmpint(unit_serve(&unit), ==, -EOVERFLOW);
	g_assert_null(fake.called);
	/* All other requests come with it once id-mapped mounts were agreed on. */
	unit_begin(&unit, FUSE_LOOKUP, 7)->uid = UINT32_MAX;
	unit_add_string(&unit, "name");
	g_assert_cmpint(unit_serve(&unit), ==, 0);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/request/a name reaches the file system as sent",
			a_name_reaches_the_file_system_as_sent);
	g_test_add_func("/request/what is not one component is refused",
			what_is_not_one_component_is_refused);
	g_test_add_func("/request/a name over 255 bytes is too long",
			a_name_over_255_bytes_is_too_long);
	g_test_add_func("/request/a name without an end is refused",
			a_name_without_an_end_is_refused);
	g_test_add_func("/request/the second name is checked like the first",
			the_second_name_is_checked_like_the_first);
	g_test_add_func("/request/a link target is any path of up to 4095 bytes",
			a_link_target_is_any_path_of_up_to_4095_bytes);
	g_test_add_func("/request/a cut header is refused when it can be answered at all",
			a_cut_header_is_refused_when_it_can_be_answered_at_all);
	g_test_add_func("/request/a length in the header that lies does no harm",
			a_length_in_the_header_that_lies_does_no_harm);
	g_test_add_func("/request/bytes behind the arguments are ignored",
			bytes_behind_the_arguments_are_ignored);
	g_test_add_func("/request/a message in single bytes is read like any other",
			a_message_in_single_bytes_is_read_like_any_other);
	g_test_add_func("/request/who creates comes from the header",
			who_creates_comes_from_the_header);
	g_test_add_func("/request/the supplementary group is found beside other extensions",
			the_supplementary_group_is_found_beside_other_extensions);
	g_test_add_func("/request/broken extensions are refused", broken_extensions_are_refused);
	g_test_add_func("/request/nobody creates with the id that means no id",
			nobody_creates_with_the_id_that_means_no_id);
	return g_test_run();
}
