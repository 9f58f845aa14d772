/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that replies have the exact bytes the protocol wants: attributes, entries, open flags,
 * lengths, and what happens when the guest leaves too little room.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"

static struct unit unit;

static const struct statx some_stat = {
	.stx_ino = 0x1234567890ull,
	.stx_size = 1ull << 40,
	.stx_blocks = 77,
	.stx_blksize = 4096,
	.stx_nlink = 3,
	.stx_uid = 1001,
	.stx_gid = 1002,
	.stx_mode = S_IFCHR | 0640,
	.stx_atime = { .tv_sec = 11, .tv_nsec = 111 },
	.stx_mtime = { .tv_sec = -22, .tv_nsec = 222 },
	.stx_ctime = { .tv_sec = 33, .tv_nsec = 333 },
	.stx_rdev_major = 0x123,
	.stx_rdev_minor = 0x45678,
};

static void check_attr(const struct fuse_attr *attr)
{
	g_assert_cmpuint(attr->ino, ==, 0x1234567890ull);
	g_assert_cmpuint(attr->size, ==, 1ull << 40);
	g_assert_cmpuint(attr->blocks, ==, 77);
	g_assert_cmpuint(attr->blksize, ==, 4096);
	g_assert_cmpuint(attr->nlink, ==, 3);
	g_assert_cmpuint(attr->uid, ==, 1001);
	g_assert_cmpuint(attr->gid, ==, 1002);
	g_assert_cmpuint(attr->mode, ==, S_IFCHR | 0640);
	g_assert_cmpint((int64_t)attr->atime, ==, 11);
	g_assert_cmpint((int64_t)attr->mtime, ==, -22);
	g_assert_cmpint((int64_t)attr->ctime, ==, 33);
	g_assert_cmpuint(attr->atimensec, ==, 111);
	g_assert_cmpuint(attr->mtimensec, ==, 222);
	g_assert_cmpuint(attr->ctimensec, ==, 333);
	/* 12 bits of major in the middle, 8 bits of minor below and 12 above. */
	g_assert_cmphex(attr->rdev, ==, 0x45612378);
}

static int getattr(const struct fuse_attr_out **ret_out)
{
	const struct fuse_getattr_in in = { 0 };
	int r;

	r = unit_call(&unit, FUSE_GETATTR, 7, &in, sizeof(in), NULL);
	*ret_out = r == 0 ? unit_body(&unit, sizeof(**ret_out)) : NULL;
	return r;
}

static const struct fuse_entry_out *lookup(void)
{
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 7, NULL, 0, "name"), ==, 0);
	return unit_body(&unit, sizeof(struct fuse_entry_out));
}

static void attributes_carry_every_field(void)
{
	const struct fuse_attr_out *out;

	unit_start_ready(&unit);
	fake.attr.stx = some_stat;
	g_assert_cmpint(getattr(&out), ==, 0);
	check_attr(&out->attr);
	g_assert_cmpuint(out->attr.flags, ==, 0);
	unit_stop(&unit);
}

static void an_entry_carries_node_generation_and_attributes(void)
{
	const struct fuse_entry_out *out;

	unit_start_ready(&unit);
	fake.entry = (struct fs_entry){ .nodeid = 99, .generation = 5, .attr.stx = some_stat };
	out = lookup();
	g_assert_cmpuint(out->nodeid, ==, 99);
	g_assert_cmpuint(out->generation, ==, 5);
	check_attr(&out->attr);
	unit_stop(&unit);
}

static void the_cache_mode_decides_how_long_things_hold(void)
{
	static const struct {
		enum fs_cache cache;
		uint64_t seconds;
	} modes[] = {
		{ FS_CACHE_NEVER, 0 },
		{ FS_CACHE_AUTO, 1 },
		{ FS_CACHE_ALWAYS, 86400 },
		{ FS_CACHE_METADATA, 86400 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		const struct fuse_session_options options = { .cache = modes[i].cache };
		const struct fuse_entry_out *entry;
		const struct fuse_attr_out *attr;

		unit_start(&unit, &options);
		g_assert_nonnull(unit_init(&unit, WIRE_MINOR, UNIT_ALL_FLAGS));
		entry = lookup();
		g_assert_cmpuint(entry->entry_valid, ==, modes[i].seconds);
		g_assert_cmpuint(entry->attr_valid, ==, modes[i].seconds);
		g_assert_cmpint(getattr(&attr), ==, 0);
		g_assert_cmpuint(attr->attr_valid, ==, modes[i].seconds);
		unit_stop(&unit);
	}
}

static void a_submount_is_marked_only_where_that_was_agreed(void)
{
	const struct fuse_session_options silent = { 0 };

	unit_start_ready(&unit);
	fake.entry.attr.submount = true;
	g_assert_cmpuint(lookup()->attr.flags, ==, FUSE_ATTR_SUBMOUNT);
	fake.entry.attr.submount = false;
	g_assert_cmpuint(lookup()->attr.flags, ==, 0);
	unit_init(&unit, WIRE_MINOR, UNIT_ALL_FLAGS & ~(uint64_t)FUSE_SUBMOUNTS);
	fake.entry.attr.submount = true;
	g_assert_cmpuint(lookup()->attr.flags, ==, 0);
	unit_stop(&unit);

	unit_start(&unit, &silent);
	unit_init(&unit, WIRE_MINOR, UNIT_ALL_FLAGS);
	fake.entry.attr.submount = true;
	g_assert_cmpuint(lookup()->attr.flags, ==, 0);
	unit_stop(&unit);
}

static uint32_t open_flags_for(struct fs_opened opened)
{
	const struct fuse_open_in in = { .flags = O_RDWR };
	const struct fuse_open_out *out;

	fake.opened = opened;
	g_assert_cmpint(unit_call(&unit, FUSE_OPEN, 7, &in, sizeof(in), NULL), ==, 0);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->fh, ==, opened.fh);
	return out->open_flags;
}

static void each_open_hint_has_its_flag(void)
{
	unit_start_ready(&unit);
	g_assert_cmphex(open_flags_for((struct fs_opened){ .fh = 1 }), ==, 0);
	g_assert_cmphex(open_flags_for((struct fs_opened){ .direct_io = true }), ==, 1);
	g_assert_cmphex(open_flags_for((struct fs_opened){ .keep_cache = true }), ==, 2);
	g_assert_cmphex(open_flags_for((struct fs_opened){ .cache_dir = true }), ==, 8);
	g_assert_cmphex(open_flags_for((struct fs_opened){ .parallel_direct_writes = true }), ==,
			64);
	unit_stop(&unit);
}

static void create_answers_entry_and_handle_in_one(void)
{
	const struct fuse_create_in in = { .flags = O_RDWR, .mode = 0644 };
	const struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} * out;

	unit_start_ready(&unit);
	fake.entry.nodeid = 12;
	fake.opened = (struct fs_opened){ .fh = 34, .keep_cache = true };
	g_assert_cmpint(unit_call(&unit, FUSE_CREATE, 7, &in, sizeof(in), "new"), ==, 0);
	out = unit_body(&unit, 144);
	g_assert_cmpuint(out->entry.nodeid, ==, 12);
	g_assert_cmpuint(out->open.fh, ==, 34);
	g_assert_cmpuint(out->open.open_flags, ==, FOPEN_KEEP_CACHE);
	unit_stop(&unit);
}

static void statfs_carries_every_field(void)
{
	const struct fuse_statfs_out *out;

	unit_start_ready(&unit);
	fake.statfs = (struct statvfs){
		.f_bsize = 4096,
		.f_frsize = 1024,
		.f_blocks = 1,
		.f_bfree = 2,
		.f_bavail = 3,
		.f_files = 4,
		.f_ffree = 5,
		.f_namemax = 255,
	};
	g_assert_cmpint(unit_call(&unit, FUSE_STATFS, 1, NULL, 0, NULL), ==, 0);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->st.bsize, ==, 4096);
	g_assert_cmpuint(out->st.frsize, ==, 1024);
	g_assert_cmpuint(out->st.blocks, ==, 1);
	g_assert_cmpuint(out->st.bfree, ==, 2);
	g_assert_cmpuint(out->st.bavail, ==, 3);
	g_assert_cmpuint(out->st.files, ==, 4);
	g_assert_cmpuint(out->st.ffree, ==, 5);
	g_assert_cmpuint(out->st.namelen, ==, 255);
	unit_stop(&unit);
}

/* Otherwise a node would be referenced that no guest knows of. */
static void too_little_room_is_refused_before_anything_happens(void)
{
	unit_start_ready(&unit);
	fake.called = NULL;
	for (unit.room = 16; unit.room < 16 + 128; unit.room++)
		g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 7, NULL, 0, "name"), ==, -EINVAL);
	g_assert_null(fake.called);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 7, NULL, 0, "name"), ==, 0);
	unit_stop(&unit);
}

static void without_room_for_a_header_there_is_no_reply_and_no_effect(void)
{
	unit_start_ready(&unit);
	fake.called = NULL;
	for (unit.room = 0; unit.room < 16; unit.room++) {
		g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 7, NULL, 0, "name"), ==,
				UNIT_NO_REPLY);
		g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 7, NULL, 0, ""), ==, UNIT_NO_REPLY);
	}
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void a_link_target_is_never_cut(void)
{
	unit_start_ready(&unit);
	fake.target = "/a/target";
	unit.room = 16 + 8;
	g_assert_cmpint(unit_call(&unit, FUSE_READLINK, 7, NULL, 0, NULL), ==, -EINVAL);
	unit.room = 16 + 9;
	g_assert_cmpint(unit_call(&unit, FUSE_READLINK, 7, NULL, 0, NULL), ==, 0);
	g_assert_cmpmem(unit_body(&unit, 9), 9, "/a/target", 9);
	unit_stop(&unit);
}

static void errors_stay_within_what_guests_accept(void)
{
	unit_start_ready(&unit);
	fake.result = -ENOENT;
	g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 7, NULL, 0, "name"), ==, -ENOENT);
	fake.result = -511;
	g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 7, NULL, 0, "name"), ==, -511);
	fake.result = -512;
	g_assert_cmpint(unit_call(&unit, FUSE_UNLINK, 7, NULL, 0, "name"), ==, -EIO);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/reply/attributes carry every field", attributes_carry_every_field);
	g_test_add_func("/reply/an entry carries node, generation and attributes",
			an_entry_carries_node_generation_and_attributes);
	g_test_add_func("/reply/the cache mode decides how long things hold",
			the_cache_mode_decides_how_long_things_hold);
	g_test_add_func("/reply/a submount is marked only where that was agreed",
			a_submount_is_marked_only_where_that_was_agreed);
	g_test_add_func("/reply/each open hint has its flag", each_open_hint_has_its_flag);
	g_test_add_func("/reply/create answers entry and handle in one",
			create_answers_entry_and_handle_in_one);
	g_test_add_func("/reply/statfs carries every field", statfs_carries_every_field);
	g_test_add_func("/reply/too little room is refused before anything happens",
			too_little_room_is_refused_before_anything_happens);
	g_test_add_func("/reply/without room for a header there is no reply and no effect",
			without_room_for_a_header_there_is_no_reply_and_no_effect);
	g_test_add_func("/reply/a link target is never cut", a_link_target_is_never_cut);
	g_test_add_func("/reply/errors stay within what guests accept",
			errors_stay_within_what_guests_accept);
	return g_test_run();
}
