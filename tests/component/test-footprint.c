/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What 100,000 known files cost: few descriptors, at most 256 bytes of memory each, and all of it
 * is used again once they are forgotten.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/fixture.h"

#define N_FILES	       100000u
#define BYTES_EACH     256u
#define LIMIT	       4096u
#define LIMIT_ARG      "--rlimit-nofile=4096"
/* Of the long kind that mail and caches have; 40 bytes. */
#define NAME_FORMAT    "a-name-as-long-as-many-are-%013u"
#define FORGET_AT_ONCE 128u

static const char *const by_handle[] = { LIMIT_ARG, "--inode-file-handles=mandatory", NULL };
static const char *const by_name[] = { LIMIT_ARG, "--inode-file-handles=never", NULL };

static void populate(const struct share *share)
{
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf(NAME_FORMAT, i);

		share_mknod(share, name, S_IFREG | 0644, 0);
	}
}

static void learn_all(struct fixture *f, uint64_t *nodes)
{
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf(NAME_FORMAT, i);
		struct fuse_entry_out entry;

		g_assert_cmpint(fuse_lookup(&f->client, FUSE_ROOT_ID, name, &entry), ==, 0);
		nodes[i] = entry.nodeid;
	}
}

static void forget_all(struct fixture *f, const uint64_t *nodes)
{
	struct fuse_forget_one items[FORGET_AT_ONCE];

	for (unsigned int i = 0; i < N_FILES;) {
		unsigned int n = 0;

		while (n < FORGET_AT_ONCE && i < N_FILES)
			items[n++] = (struct fuse_forget_one){ nodes[i++], 1 };
		fuse_batch_forget(&f->client, items, n);
	}
}

static void known_files_are_cheap(gconstpointer args)
{
	const struct fixture_config config = { .populate = populate, .args = args };
	struct fixture *f = fixture_start(&config);
	g_autofree uint64_t *nodes = g_new(uint64_t, N_FILES);
	struct fuse_attr_out attr;
	unsigned long before;
	unsigned long after;
	unsigned long again;

	(void)fuse_getattr(&f->client, FUSE_ROOT_ID, UINT64_MAX, &attr);
	before = daemon_rss_kib(f->daemon);
	learn_all(f, nodes);
	after = daemon_rss_kib(f->daemon);
	g_test_message("%lu bytes each", (after - before) * 1024 / N_FILES);
	g_assert_cmpuint(after - before, <=, N_FILES * BYTES_EACH / 1024);
	g_assert_cmpuint(daemon_n_fds(f->daemon), <, LIMIT);
	for (int i = 0; i < 3; i++) {
		forget_all(f, nodes);
		learn_all(f, nodes);
	}
	again = daemon_rss_kib(f->daemon);
	g_assert_cmpuint(again, <=, after + after / 10);
	g_assert_cmpint(fuse_getattr(&f->client, nodes[N_FILES / 2], UINT64_MAX, &attr), ==, 0);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_data_func("/footprint/known-files-are-cheap-by-handle", by_handle,
			     known_files_are_cheap);
	g_test_add_data_func("/footprint/known-files-are-cheap-by-name", by_name,
			     known_files_are_cheap);
	return g_test_run();
}
