/* SPDX-License-Identifier: Apache-2.0 */
/*
 * READDIR and READDIRPLUS list each name once, in any buffer size and from any
 * offset they gave out, and PLUS counts its lookups.
 */
#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define N_FILES 1000

static void populate(const struct share *share)
{
	share_mkdir(share, "big", 0755);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("big/name-%u", i);

		share_write(share, name, "", 0, 0644);
	}
	share_mkdir(share, "small", 0755);
	share_mkdir(share, "small/dir", 0755);
	share_symlink(share, "small/link", "nowhere");
	share_mknod(share, "small/fifo", S_IFIFO | 0644, 0);
	share_mkdir(share, "empty", 0755);
}

static struct fixture *start(void)
{
	struct fixture_config config = { .populate = populate };

	return fixture_start(&config);
}

static uint64_t open_dir(struct fixture *f, const char *path, uint64_t *ret_node)
{
	struct fuse_open_out open;

	*ret_node = fuse_node(&f->client, path);
	g_assert_cmpint(fuse_opendir(&f->client, *ret_node, 0, &open), ==, 0);
	return open.fh;
}

static const struct fuse_dirent *next_of(const void *bytes, size_t n, size_t *at, bool plus,
					 const struct fuse_entry_out **ret_entry)
{
	const struct fuse_direntplus *entry;

	*ret_entry = NULL;
	if (!plus)
		return fuse_dirent_next(bytes, n, at);
	entry = fuse_direntplus_next(bytes, n, at);
	if (!entry)
		return NULL;
	*ret_entry = &entry->entry_out;
	return &entry->dirent;
}

/* Reads one buffer from @offset: adds names to the set, gives nodes back. */
static uint64_t collect(struct fixture *f, uint64_t node, uint64_t fh, uint64_t offset,
			uint32_t size, bool plus, GHashTable *names, bool *ret_end)
{
	g_autofree uint8_t *bytes = g_malloc(size);
	int n = fuse_readdir(&f->client, node, fh, offset, size, bytes, plus);
	const struct fuse_dirent *dirent;
	const struct fuse_entry_out *entry;
	size_t at = 0;

	g_assert_cmpint(n, >=, 0);
	*ret_end = n == 0;
	while ((dirent = next_of(bytes, (size_t)n, &at, plus, &entry))) {
		char *name = g_strndup(dirent->name, dirent->namelen);

		if (!g_hash_table_add(names, name))
			g_error("%s is listed twice", name);
		offset = dirent->off;
		if (entry && entry->nodeid) {
			g_assert_cmpuint(entry->attr.ino, ==, dirent->ino);
			fuse_forget(&f->client, entry->nodeid, 1);
		}
	}
	return offset;
}

static unsigned int list_all(struct fixture *f, const char *path, uint32_t size, bool plus)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	uint64_t node, fh = open_dir(f, path, &node);
	uint64_t offset = 0;
	bool end = false;

	while (!end)
		offset = collect(f, node, fh, offset, size, plus, names, &end);
	g_assert_cmpint(fuse_releasedir(&f->client, node, fh), ==, 0);
	g_assert_true(g_hash_table_contains(names, ".") || !g_hash_table_contains(names, ".."));
	g_hash_table_remove(names, ".");
	g_hash_table_remove(names, "..");
	return g_hash_table_size(names);
}

static void test_all_names(void)
{
	static const uint32_t sizes[] = { 256, 1000, 4096, 32768, 131072, 1 << 20 };
	struct fixture *f = start();

	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_assert_cmpuint(list_all(f, "big", sizes[i], false), ==, N_FILES);
		g_assert_cmpuint(list_all(f, "big", sizes[i], true), ==, N_FILES);
	}
	g_assert_cmpuint(list_all(f, "empty", 4096, false), ==, 0);
	g_assert_cmpuint(list_all(f, "empty", 4096, true), ==, 0);
	fixture_stop(f);
}

static void test_types(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_dir(f, "small", &node);
	uint8_t bytes[4096];
	const struct fuse_dirent *dirent;
	unsigned int n_seen = 0;
	size_t at = 0;
	int n = fuse_readdir(&f->client, node, fh, 0, sizeof(bytes), bytes, false);

	while ((dirent = fuse_dirent_next(bytes, (size_t)n, &at))) {
		g_autofree char *name = g_strndup(dirent->name, dirent->namelen);
		g_autofree char *path = g_strdup_printf("small/%s", name);

		if (name[0] == '.')
			continue;
		n_seen++;
		g_assert_cmpuint(dirent->ino, ==, share_lstat(&f->share, path).st_ino);
		g_assert_cmpuint(dirent->type, ==, IFTODT(share_lstat(&f->share, path).st_mode));
	}
	g_assert_cmpuint(n_seen, ==, 3);
	fixture_stop(f);
}

static void test_plus_gives_nodes(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_dir(f, "small", &node);
	uint8_t bytes[4096];
	const struct fuse_direntplus *plus;
	unsigned int n_nodes = 0;
	size_t at = 0;
	int n = fuse_readdir(&f->client, node, fh, 0, sizeof(bytes), bytes, true);

	while ((plus = fuse_direntplus_next(bytes, (size_t)n, &at))) {
		g_autofree char *name = g_strndup(plus->dirent.name, plus->dirent.namelen);
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;

		if (name[0] == '.') {
			/* "." and ".." carry no node: Linux would not count them. */
			g_assert_cmpuint(plus->entry_out.nodeid, ==, 0);
			continue;
		}
		n_nodes++;
		g_assert_cmpint(fuse_lookup(&f->client, node, name, &entry), ==, 0);
		g_assert_cmpuint(entry.nodeid, ==, plus->entry_out.nodeid);
		fuse_forget(&f->client, entry.nodeid, 1);
		g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==, 0);
		fuse_forget(&f->client, entry.nodeid, 1);
		g_assert_cmpint(fuse_getattr(&f->client, entry.nodeid, UINT64_MAX, &attr), ==,
				-ESTALE);
	}
	g_assert_cmpuint(n_nodes, ==, 3);
	fixture_stop(f);
}

static void test_every_offset_resumes(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_dir(f, "big", &node);
	uint8_t bytes[4096], again[4096];
	const struct fuse_dirent *dirent, *first;
	size_t at = 0;
	int n = fuse_readdir(&f->client, node, fh, 0, sizeof(bytes), bytes, false);

	dirent = fuse_dirent_next(bytes, (size_t)n, &at);
	for (const struct fuse_dirent *next; (next = fuse_dirent_next(bytes, (size_t)n, &at));
	     dirent = next) {
		size_t start = 0;
		int m = fuse_readdir(&f->client, node, fh, dirent->off, sizeof(again), again,
				     false);

		first = fuse_dirent_next(again, (size_t)m, &start);
		g_assert_nonnull(first);
		g_assert_cmpmem(first->name, first->namelen, next->name, next->namelen);
	}
	fixture_stop(f);
}

static void test_rewind_sees_changes(void)
{
	struct fixture *f = start();
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	uint64_t node, fh = open_dir(f, "small", &node);
	bool end;

	collect(f, node, fh, 0, 4096, false, names, &end);
	share_write_text(&f->share, "small/later", "x");
	g_assert_cmpint(unlink(share_path(&f->share, "small/link")), ==, 0);
	g_hash_table_remove_all(names);
	collect(f, node, fh, 0, 4096, false, names, &end);
	g_assert_true(g_hash_table_contains(names, "later"));
	g_assert_false(g_hash_table_contains(names, "link"));
	g_assert_cmpint(fuse_fsyncdir(&f->client, node, fh, false), ==, 0);
	g_assert_cmpint(fuse_fsyncdir(&f->client, node, fh, true), ==, 0);
	fixture_stop(f);
}

static void test_tiny_buffer(void)
{
	struct fixture *f = start();
	uint64_t node, fh = open_dir(f, "big", &node);
	uint8_t bytes[512];

	/* No room for a single entry: an empty reply or an error, nothing else. */
	for (uint32_t size = 0; size < 24; size++)
		g_assert_cmpint(fuse_readdir(&f->client, node, fh, 0, size, bytes, false), <=, 0);
	for (uint32_t size = 0; size < 152; size += 8)
		g_assert_cmpint(fuse_readdir(&f->client, node, fh, 0, size, bytes, true), <=, 0);
	fixture_stop(f);
}

static void test_odd_names(void)
{
	static const char *const odd[] = { " ", "...", "\xff\xfe", "new\nline", "-rf", "a\\b" };
	struct fixture *f = start();
	g_autofree char *n255 = g_strnfill(255, 'z');
	struct fuse_entry_out entry;
	uint64_t dir = fuse_node(&f->client, "empty");

	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++)
		g_assert_cmpint(fuse_mkdir(&f->client, dir, odd[i], 0755, &entry), ==, 0);
	g_assert_cmpint(fuse_mkdir(&f->client, dir, n255, 0755, &entry), ==, 0);
	g_assert_cmpuint(list_all(f, "empty", 512, false), ==, G_N_ELEMENTS(odd) + 1);
	g_assert_cmpuint(list_all(f, "empty", 512, true), ==, G_N_ELEMENTS(odd) + 1);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ops-dirs/each-name-is-listed-once-in-any-buffer", test_all_names);
	g_test_add_func("/ops-dirs/entries-carry-type-and-inode", test_types);
	g_test_add_func("/ops-dirs/readdirplus-counts-its-lookups", test_plus_gives_nodes);
	g_test_add_func("/ops-dirs/every-offset-resumes", test_every_offset_resumes);
	g_test_add_func("/ops-dirs/a-rewind-sees-changes", test_rewind_sees_changes);
	g_test_add_func("/ops-dirs/buffers-too-small-for-an-entry", test_tiny_buffer);
	g_test_add_func("/ops-dirs/names-are-any-bytes", test_odd_names);
	return g_test_run();
}
