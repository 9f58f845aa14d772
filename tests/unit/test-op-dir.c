/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that directory listings are laid out as guests parse them, end where the guest's room
 * ends, and never leave a node referenced that was not delivered.
 */
#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"

static struct unit unit;

static const char *const names[] = { ".", "..", "one", "lost", "exactly8", NULL };

static void start(void)
{
	unit_start_ready(&unit);
	fake.names = names;
	fake.nameless = "lost";
	fake.entry.nodeid = 4711;
}

static int list(uint32_t opcode, uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = 8, .offset = offset, .size = size };

	return unit_call(&unit, opcode, 7, &in, sizeof(in), NULL);
}

/* Checks one record at *at and moves on. */
static void check_record(const char **at, bool plus, unsigned int index)
{
	const struct fuse_dirent *dirent = (const struct fuse_dirent *)(*at + (plus ? 128 : 0));
	size_t len = strlen(names[index]);
	size_t size = align_up((plus ? 152 : 24) + len, 8);
	const char *pad = dirent->name + len;

	g_assert_cmpuint(dirent->ino, ==, 1000 + index);
	g_assert_cmpuint(dirent->off, ==, index + 1);
	g_assert_cmpuint(dirent->type, ==, DT_REG);
	g_assert_cmpmem(dirent->name, dirent->namelen, names[index], len);
	for (; pad < *at + size; pad++)
		g_assert_cmpint(*pad, ==, 0);
	*at += size;
}

static void a_listing_holds_every_name_in_order(void)
{
	const char *at;

	start();
	g_assert_cmpint(list(FUSE_READDIR, 0, 4096), ==, 0);
	at = unit_body(&unit, 32 * 5);
	for (unsigned int i = 0; i < 5; i++)
		check_record(&at, false, i);
	g_assert_cmpuint(fake.fh, ==, 8);
	g_assert_cmpint(list(FUSE_READDIR, 3, 4096), ==, 0);
	at = unit_body(&unit, 64);
	check_record(&at, false, 3);
	g_assert_cmpint(list(FUSE_READDIR, 5, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 0);
	unit_stop(&unit);
}

static void a_listing_with_entries_keeps_names_that_were_not_found(void)
{
	const char *at;

	start();
	g_assert_cmpint(list(FUSE_READDIRPLUS, 0, 4096), ==, 0);
	at = unit_body(&unit, 160 * 5);
	for (unsigned int i = 0; i < 5; i++) {
		const struct fuse_entry_out *entry = (const struct fuse_entry_out *)at;
		bool lost = strcmp(names[i], "lost") == 0;

		g_assert_cmpuint(entry->nodeid, ==, lost ? 0 : 4711);
		g_assert_cmpuint(entry->entry_valid, ==, lost ? 0 : 1);
		check_record(&at, true, i);
	}
	unit_stop(&unit);
}

static void a_listing_ends_where_the_size_or_the_room_ends(void)
{
	start();
	g_assert_cmpint(list(FUSE_READDIR, 0, 32 * 3 + 31), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 32 * 3);
	unit.room = 16 + 32 * 2;
	g_assert_cmpint(list(FUSE_READDIR, 0, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 32 * 2);
	g_assert_cmpuint(fake.size, ==, 64);
	unit.room = 16 + 160 + 159;
	g_assert_cmpint(list(FUSE_READDIRPLUS, 0, UINT32_MAX), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 160);
	unit_stop(&unit);
}

/* An empty reply would tell the guest that the directory ends here. */
static void no_room_for_a_single_entry_is_an_error(void)
{
	start();
	g_assert_cmpint(list(FUSE_READDIR, 0, 31), ==, -EINVAL);
	g_assert_cmpint(list(FUSE_READDIR, 0, 0), ==, -EINVAL);
	unit.room = 16;
	g_assert_cmpint(list(FUSE_READDIRPLUS, 0, 4096), ==, -EINVAL);
	unit_stop(&unit);
}

static void a_failure_after_some_entries_delivers_them(void)
{
	start();
	fake.readdir_result = -EIO;
	g_assert_cmpint(list(FUSE_READDIRPLUS, 0, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 160 * 5);
	g_assert_cmpint(list(FUSE_READDIRPLUS, 5, 4096), ==, -EIO);
	unit_stop(&unit);
}

static void a_huge_size_is_cut_to_the_buffer(void)
{
	enum { MANY = 6000 };
	g_autofree const char **many = g_new0(const char *, MANY + 1);

	start();
	for (int i = 0; i < MANY; i++)
		many[i] = "a-name-of-some-length";
	fake.names = many;
	g_assert_cmpint(list(FUSE_READDIR, 0, UINT32_MAX), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, SESSION_OUT_BYTES / 48 * 48);
	unit_stop(&unit);
}

static void directories_open_sync_and_close(void)
{
	const struct fuse_open_in open_in = { 0 };
	const struct fuse_fsync_in fsync_in = { .fh = 2 };
	const struct fuse_release_in release_in = { .fh = 3 };
	const struct fuse_open_out *out;

	start();
	fake.opened = (struct fs_opened){ .fh = 8, .cache_dir = true, .keep_cache = true };
	g_assert_cmpint(unit_call(&unit, FUSE_OPENDIR, 7, &open_in, sizeof(open_in), NULL), ==, 0);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->fh, ==, 8);
	g_assert_cmpuint(out->open_flags, ==, FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE);
	g_assert_cmpint(unit_call(&unit, FUSE_FSYNCDIR, 7, &fsync_in, sizeof(fsync_in), NULL), ==,
			0);
	g_assert_cmpstr(fake.called, ==, "fsyncdir");
	g_assert_false(fake.datasync);
	g_assert_cmpint(unit_call(&unit, FUSE_RELEASEDIR, 7, &release_in, sizeof(release_in), NULL),
			==, 0);
	g_assert_cmpstr(fake.called, ==, "releasedir");
	g_assert_cmpuint(fake.fh, ==, 3);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dir/a listing holds every name in order",
			a_listing_holds_every_name_in_order);
	g_test_add_func("/dir/a listing with entries keeps names that were not found",
			a_listing_with_entries_keeps_names_that_were_not_found);
	g_test_add_func("/dir/a listing ends where the size or the room ends",
			a_listing_ends_where_the_size_or_the_room_ends);
	g_test_add_func("/dir/no room for a single entry is an error",
			no_room_for_a_single_entry_is_an_error);
	g_test_add_func("/dir/a failure after some entries delivers them",
			a_failure_after_some_entries_delivers_them);
	g_test_add_func("/dir/a huge size is cut to the buffer", a_huge_size_is_cut_to_the_buffer);
	g_test_add_func("/dir/directories open, sync and close", directories_open_sync_and_close);
	return g_test_run();
}
