/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a directory is listed with each name exactly once, however small the replies are and
 * wherever a reader stops and goes on, and that lookups on the way never cost a name.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define N_FILES 300

/* Collects what is delivered, `room_bytes` of a made-up reply at a time. */
struct lister {
	struct fs_dir_sink sink;
	GHashTable *names; /* name -> times */
	GArray *nodeids;   /* one per entry that came */
	size_t left;
	uint64_t next;
	unsigned int n_here; /* delivered by the last call */
	unsigned int n_without;
};

static bool lister_room(struct fs_dir_sink *sink, uint32_t name_len)
{
	struct lister *lister = container_of(sink, struct lister, sink);

	return lister->left >= (sink->plus ? 160u : 32u) + name_len;
}

static void lister_add(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
		       const struct fs_entry *entry)
{
	struct lister *lister = container_of(sink, struct lister, sink);
	char *name = g_strdup(dirent->name);
	gpointer times = g_hash_table_lookup(lister->names, name);

	g_assert_cmpuint(strlen(name), ==, dirent->name_len);
	g_hash_table_insert(lister->names, name, GUINT_TO_POINTER(GPOINTER_TO_UINT(times) + 1));
	lister->left -= (sink->plus ? 160u : 32u) + dirent->name_len;
	lister->next = dirent->next_offset;
	lister->n_here++;
	if (entry)
		g_array_append_val(lister->nodeids, entry->nodeid);
	else
		lister->n_without++;
}

static void lister_init(struct lister *lister, bool plus)
{
	*lister = (struct lister){
		.sink = { .plus = plus, .room = lister_room, .add = lister_add },
		.names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
		.nodeids = g_array_new(false, false, sizeof(uint64_t)),
	};
}

static void lister_deinit(struct lister *lister)
{
	g_hash_table_unref(lister->names);
	g_array_unref(lister->nodeids);
}

static int list_some(struct fs_unit *unit, uint64_t fh, struct lister *lister, uint32_t size)
{
	lister->left = size;
	lister->n_here = 0;
	return fs_readdir(unit->thread, FS_ROOT_ID, fh, lister->next, size, &lister->sink);
}

static void list_all(struct fs_unit *unit, uint64_t fh, struct lister *lister, uint32_t size)
{
	do {
		g_assert_cmpint(list_some(unit, fh, lister, size), ==, 0);
	} while (lister->n_here);
}

static void make_files(struct fs_unit *unit)
{
	char name[256];

	/* Short and long names in turn, so that replies end everywhere. */
	for (int i = 0; i < N_FILES; i++) {
		int len = snprintf(name, sizeof(name), "%d-", i);
		int wanted = i % 7 == 0 ? 255 : len + i % 40;

		memset(name + len, 'x', (size_t)(wanted - len));
		name[wanted] = '\0';
		fs_unit_write(unit, name, "");
	}
}

static uint64_t open_root(struct fs_unit *unit)
{
	struct fs_opened opened;

	g_assert_cmpint(fs_opendir(unit->thread, FS_ROOT_ID, 0, &opened), ==, 0);
	return opened.fh;
}

static void check_complete(struct lister *lister)
{
	GHashTableIter iter;
	gpointer times;

	g_assert_cmpuint(g_hash_table_size(lister->names), ==, N_FILES + 2);
	g_hash_table_iter_init(&iter, lister->names);
	while (g_hash_table_iter_next(&iter, NULL, &times))
		g_assert_cmpuint(GPOINTER_TO_UINT(times), ==, 1);
}

static void list_with_sizes(const char *base, bool plus)
{
	static const uint32_t sizes[] = { 420, 600, 1024, 4096, 65536, 1000000 };
	struct fs_unit unit;
	struct fs_options options = fs_unit_options();

	fs_unit_start_with(&unit, base, &options);
	make_files(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		struct lister lister;

		lister_init(&lister, plus);
		list_all(&unit, open_root(&unit), &lister, sizes[i]);
		check_complete(&lister);
		lister_deinit(&lister);
	}
	fs_unit_stop(&unit);
}

static void replies_of_any_size_list_each_name_once(void)
{
	list_with_sizes(NULL, false);
	list_with_sizes("/dev/shm", false);
}

static void replies_with_attributes_list_each_name_once(void)
{
	list_with_sizes(NULL, true);
	list_with_sizes("/dev/shm", true);
}

static void a_reader_can_go_back_to_where_it_was(void)
{
	struct lister lister;
	struct fs_unit unit;
	uint64_t middle;
	uint64_t fh;

	fs_unit_start(&unit);
	make_files(&unit);
	fh = open_root(&unit);
	lister_init(&lister, false);
	g_assert_cmpint(list_some(&unit, fh, &lister, 1024), ==, 0);
	middle = lister.next;
	list_all(&unit, fh, &lister, 4096);
	check_complete(&lister);
	/* The rest again: the names of the first reply are those that come once only. */
	lister.next = middle;
	list_all(&unit, fh, &lister, 512);
	lister.next = 0;
	g_assert_cmpint(list_some(&unit, fh, &lister, 1024), ==, 0);
	while (lister.next != middle)
		g_assert_cmpint(list_some(&unit, fh, &lister, 320), ==, 0);
	g_assert_cmpuint(g_hash_table_size(lister.names), ==, N_FILES + 2);
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

/* Replies are cut from what was read ahead; removals and other readers make that void. */
static void what_is_read_ahead_is_not_out_of_date(void)
{
	struct lister one, other;
	struct fs_unit unit;
	uint64_t first, second;
	g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);

	fs_unit_start(&unit);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		fs_unit_write(&unit, name, "");
	}
	first = open_root(&unit);
	second = open_root(&unit);
	lister_init(&one, false);
	lister_init(&other, false);
	while (one.next == 0 || g_hash_table_size(one.names) < N_FILES / 2) {
		g_assert_cmpint(list_some(&unit, first, &one, 512), ==, 0);
		g_assert_cmpint(list_some(&unit, second, &other, 512), ==, 0);
	}
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		if (g_hash_table_contains(one.names, name) || i % 2)
			continue;
		g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, name), ==, 0);
		g_ptr_array_add(removed, g_steal_pointer(&name));
	}
	g_assert_cmpuint(removed->len, >, 0);
	list_all(&unit, first, &one, 512);
	for (guint i = 0; i < removed->len; i++)
		g_assert_false(g_hash_table_contains(one.names, removed->pdata[i]));
	g_assert_cmpuint(g_hash_table_size(one.names), ==, N_FILES + 2 - removed->len);
	lister_deinit(&one);
	lister_deinit(&other);
	fs_unit_stop(&unit);
}

static void list_by(struct fs_thread *thread, uint64_t fh, struct lister *lister)
{
	lister->left = 4096;
	lister->n_here = 0;
	g_assert_cmpint(fs_readdir(thread, FS_ROOT_ID, fh, lister->next, 4096, &lister->sink), ==,
			0);
}

/* The first reply by one thread, the others by another. */
static void list_in_turns(struct fs_thread *begins, struct fs_thread *ends, uint64_t fh,
			  const char *expected)
{
	struct lister lister;

	lister_init(&lister, false);
	list_by(begins, fh, &lister);
	do
		list_by(ends, fh, &lister);
	while (lister.n_here);
	if (expected)
		g_assert_true(g_hash_table_contains(lister.names, expected));
	lister_deinit(&lister);
}

/* Wherever the file lies: some of them come after the first reply. */
static void a_listing_has_what_was_made_before_it_began(void)
{
	struct fs_unit unit;
	struct fs_thread *other;
	uint64_t fh;

	fs_unit_start(&unit);
	make_files(&unit);
	other = fs_unit_thread(&unit);
	fh = open_root(&unit);
	for (int i = 0; i < 20; i++) {
		g_autofree char *name = g_strdup_printf("new-%d", i);

		/* The one that begins keeps what it has read and not delivered. */
		list_in_turns(unit.thread, other, fh, NULL);
		fs_unit_write(&unit, name, "");
		list_in_turns(other, unit.thread, fh, name);
	}
	g_assert_cmpint(fs_releasedir(unit.thread, fh), ==, 0);
	g_free(other);
	fs_unit_stop(&unit);
}

/* On ext4 such a descriptor finds nothing at first. */
static void a_reader_that_begins_at_the_end_can_go_to_the_start(void)
{
	struct lister lister;
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "file", "");
	fh = open_root(&unit);
	lister_init(&lister, false);
	lister.next = INT64_MAX;
	g_assert_cmpint(list_some(&unit, fh, &lister, 1024), ==, 0);
	g_hash_table_remove_all(lister.names);
	lister.next = 0;
	list_all(&unit, fh, &lister, 1024);
	g_assert_cmpuint(g_hash_table_size(lister.names), ==, 3);
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

static void each_entry_is_a_lookup_and_dots_are_none(void)
{
	struct lister lister;
	struct fs_unit unit;

	fs_unit_start(&unit);
	make_files(&unit);
	(void)fs_unit_lookup(&unit, "1-x");
	lister_init(&lister, true);
	list_all(&unit, open_root(&unit), &lister, 4096);
	g_assert_cmpuint(lister.nodeids->len, ==, N_FILES);
	g_assert_cmpuint(lister.n_without, ==, 2);
	for (unsigned int i = 0; i < lister.nodeids->len; i++) {
		uint64_t nodeid = g_array_index(lister.nodeids, uint64_t, i);
		struct fs_attr attr;
		bool twice;

		g_assert_cmpint(fs_getattr(unit.thread, nodeid, FS_NO_FH, &attr), ==, 0);
		fs_forget(unit.fs, nodeid, 1);
		twice = fs_getattr(unit.thread, nodeid, FS_NO_FH, &attr) == 0;
		g_assert_cmpint(twice, ==, nodeid == fs_unit_lookup(&unit, "1-x"));
	}
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

static void names_stay_listed_when_descriptors_run_out(void)
{
	struct rlimit old;
	struct rlimit none;
	struct lister lister;
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	make_files(&unit);
	fh = open_root(&unit);
	lister_init(&lister, true);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	list_all(&unit, fh, &lister, 4096);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
	check_complete(&lister);
	g_assert_cmpuint(lister.nodeids->len, ==, 0);
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

static void names_stay_listed_when_the_table_is_full(void)
{
	struct fs_options options = fs_unit_options();
	struct lister lister;
	struct fs_unit unit;

	options.max_inodes = 11;
	fs_unit_start_with(&unit, NULL, &options);
	make_files(&unit);
	lister_init(&lister, true);
	list_all(&unit, open_root(&unit), &lister, 4096);
	check_complete(&lister);
	g_assert_cmpuint(lister.nodeids->len, ==, 10);
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

static void offsets_and_handles_that_cannot_be_are_refused(void)
{
	struct fs_opened opened;
	struct lister lister;
	struct fs_unit unit;
	uint64_t file;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fh = open_root(&unit);
	file = fs_unit_open(&unit, "a", O_RDONLY);
	lister_init(&lister, false);
	lister.next = (uint64_t)INT64_MAX + 1;
	g_assert_cmpint(list_some(&unit, fh, &lister, 4096), ==, -EINVAL);
	lister.next = UINT64_MAX;
	g_assert_cmpint(list_some(&unit, fh, &lister, 4096), ==, -EINVAL);
	lister.next = 0;
	g_assert_cmpint(list_some(&unit, file, &lister, 4096), ==, -EBADF);
	g_assert_cmpint(list_some(&unit, FS_NO_FH, &lister, 4096), ==, -EBADF);
	g_assert_cmpint(fs_opendir(unit.thread, fs_unit_lookup(&unit, "a"), 0, &opened), ==,
			-ENOTDIR);
	g_assert_cmpint(fs_fsyncdir(unit.thread, fh, false), ==, 0);
	g_assert_cmpint(fs_releasedir(unit.thread, fh), ==, 0);
	g_assert_cmpint(list_some(&unit, fh, &lister, 4096), ==, -EBADF);
	lister_deinit(&lister);
	fs_unit_stop(&unit);
}

static void the_cache_mode_decides_what_a_guest_may_keep(void)
{
	static const bool keep[] = {
		[FS_CACHE_AUTO] = false,
		[FS_CACHE_ALWAYS] = true,
		[FS_CACHE_NEVER] = false,
		[FS_CACHE_METADATA] = true,
	};

	for (unsigned int mode = 0; mode < G_N_ELEMENTS(keep); mode++) {
		struct fs_options options = fs_unit_options();
		struct fs_opened opened;
		struct fs_unit unit;

		options.cache = (enum fs_cache)mode;
		fs_unit_start_with(&unit, NULL, &options);
		g_assert_cmpint(fs_opendir(unit.thread, FS_ROOT_ID, 0, &opened), ==, 0);
		g_assert_cmpint(opened.cache_dir, ==, keep[mode]);
		g_assert_cmpint(opened.keep_cache, ==, keep[mode]);
		g_assert_false(opened.direct_io);
		fs_unit_stop(&unit);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-dir/replies of any size list each name once",
			replies_of_any_size_list_each_name_once);
	g_test_add_func("/fs-dir/replies with attributes list each name once",
			replies_with_attributes_list_each_name_once);
	g_test_add_func("/fs-dir/a reader can go back to where it was",
			a_reader_can_go_back_to_where_it_was);
	g_test_add_func("/fs-dir/what is read ahead is not out of date",
			what_is_read_ahead_is_not_out_of_date);
	g_test_add_func("/fs-dir/a listing has what was made before it began",
			a_listing_has_what_was_made_before_it_began);
	g_test_add_func("/fs-dir/a reader that begins at the end can go to the start",
			a_reader_that_begins_at_the_end_can_go_to_the_start);
	g_test_add_func("/fs-dir/each entry is a lookup and dots are none",
			each_entry_is_a_lookup_and_dots_are_none);
	g_test_add_func("/fs-dir/names stay listed when descriptors run out",
			names_stay_listed_when_descriptors_run_out);
	g_test_add_func("/fs-dir/names stay listed when the table is full",
			names_stay_listed_when_the_table_is_full);
	g_test_add_func("/fs-dir/offsets and handles that cannot be are refused",
			offsets_and_handles_that_cannot_be_are_refused);
	g_test_add_func("/fs-dir/the cache mode decides what a guest may keep",
			the_cache_mode_decides_what_a_guest_may_keep);
	return g_test_run();
}
