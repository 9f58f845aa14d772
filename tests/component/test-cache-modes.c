/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each --cache mode tells the guest: timeouts of entries and attributes,
 * the flags of open files and directories, READDIRPLUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "tests/component/fixture.h"

#define DAY_S	    86400
#define CACHE_FLAGS (FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR)

struct mode {
	const char *name;
	const char *args[3];
	uint64_t timeout_s;
	uint32_t file_flags;
	uint32_t dir_flags;
	bool readdirplus;
};

static void populate(const struct share *share)
{
	share_write_text(share, "file", "text");
	share_mkdir(share, "dir", 0755);
}

static void check_timeouts(struct fixture *f, const struct mode *mode)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, "file", &entry), ==, 0);
	g_assert_cmpuint(entry.entry_valid, ==, mode->timeout_s);
	g_assert_cmpuint(entry.attr_valid, ==, mode->timeout_s);
	g_assert_cmpuint(entry.entry_valid_nsec, ==, 0);
	g_assert_cmpuint(entry.attr_valid_nsec, ==, 0);
	g_assert_cmpint(fuse_getattr(c, entry.nodeid, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr_valid, ==, mode->timeout_s);
	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, "new", 0644, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpuint(entry.entry_valid, ==, mode->timeout_s);
	g_assert_cmphex(open.open_flags & CACHE_FLAGS, ==, mode->file_flags);
}

static void check_open_flags(struct fixture *f, const struct mode *mode)
{
	struct fuse_client *c = &f->client;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(c, fuse_node(c, "file"), O_RDONLY, &open), ==, 0);
	g_assert_cmphex(open.open_flags & CACHE_FLAGS, ==, mode->file_flags);
	/* Parallel direct writes mean something on direct files only. */
	if (open.open_flags & FOPEN_PARALLEL_DIRECT_WRITES)
		g_assert_true(open.open_flags & FOPEN_DIRECT_IO);
	g_assert_cmpint(fuse_opendir(c, fuse_node(c, "dir"), 0, &open), ==, 0);
	g_assert_cmphex(open.open_flags & CACHE_FLAGS, ==, mode->dir_flags);
}

static void test_mode(gconstpointer data)
{
	const struct mode *mode = data;
	struct fixture_config config = { .populate = populate, .args = mode->args };
	struct fixture *f = fixture_start(&config);

	g_assert_cmpint(!!(f->client.init_flags & FUSE_DO_READDIRPLUS), ==, mode->readdirplus);
	check_timeouts(f, mode);
	check_open_flags(f, mode);
	fixture_stop(f);
}

static void test_absent_names(void)
{
	struct fixture_config config = {
		.populate = populate,
		.args = (const char *const[]){ "--cache=always", "-o", "timeout=0.5", NULL },
	};
	struct fixture *f = fixture_start(&config);
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_lookup(&f->client, FUSE_ROOT_ID, "absent", &entry), ==, 0);
	g_assert_cmpuint(entry.nodeid, ==, 0);
	g_assert_cmpuint(entry.entry_valid, ==, 0);
	g_assert_cmpuint(entry.entry_valid_nsec, ==, 500000000);
	g_assert_cmpint(fuse_lookup(&f->client, FUSE_ROOT_ID, "file", &entry), ==, 0);
	g_assert_cmpuint(entry.attr_valid_nsec, ==, 500000000);
	fixture_stop(f);
}

/* The host's mode forbids the daemon nothing, but a partial page must be readable to be written. */
static void test_writeback(void)
{
	struct fixture_config config = {
		.populate = populate,
		.args = (const char *const[]){ "--writeback", NULL },
	};
	struct fixture *f = fixture_start(&config);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	char text[8] = { 0 };
	uint64_t offset;

	g_assert_true(c->init_flags & FUSE_WRITEBACK_CACHE);
	g_assert_cmpint(
		fuse_create(c, FUSE_ROOT_ID, "new", 0644, O_WRONLY | O_APPEND, &entry, &open), ==,
		0);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, 6, "abcdef", FUSE_WRITE_CACHE), ==,
			6);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 2, 1, "X", 0), ==, 1);
	g_assert_cmpint(fuse_read(c, entry.nodeid, open.fh, 0, 8, text), ==, 6);
	g_assert_cmpstr(text, ==, "abXdef");
	g_assert_cmpint(fuse_lseek(c, entry.nodeid, open.fh, 0, SEEK_HOLE, &offset), ==, -ENOSYS);
	fixture_stop(f);
}

static void check_init(struct fixture *f)
{
	const struct fuse_init_out *init = &f->client.init;

	g_assert_cmpuint(init->major, ==, 7);
	g_assert_cmpuint(init->minor, >=, 31);
	g_assert_cmpuint(init->minor, <=, 46);
	g_assert_cmpuint(init->max_write, >=, 4096);
	g_assert_cmpuint(init->max_pages, >=, init->max_write / 4096);
	g_assert_cmpuint(init->time_gran, ==, 1);
	g_assert_cmpuint(init->max_readahead, ==, 131072);
}

static void test_init(void)
{
	struct fixture_config config = { .populate = populate };
	struct fixture *f = fixture_start(&config);
	const uint64_t wanted = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES |
				FUSE_PARALLEL_DIROPS | FUSE_ASYNC_DIO | FUSE_AUTO_INVAL_DATA |
				FUSE_INIT_EXT | FUSE_SUBMOUNTS | FUSE_CREATE_SUPP_GROUP;
	const uint64_t impossible = FUSE_SPLICE_READ | FUSE_SPLICE_WRITE | FUSE_SPLICE_MOVE |
				    FUSE_HAS_RESEND | FUSE_HAS_EXPIRE_ONLY | FUSE_PASSTHROUGH |
				    FUSE_MAP_ALIGNMENT | FUSE_OVER_IO_URING;

	check_init(f);
	g_assert_cmphex(f->client.init_flags & wanted, ==, wanted);
	g_assert_cmphex(f->client.init_flags & impossible, ==, 0);
	/* Nothing that the guest did not offer. */
	g_assert_cmphex(f->client.init_flags & ~FUSE_TEST_LINUX_FLAGS, ==, 0);
	fixture_stop(f);
}

static void test_other_guests(void)
{
	/* Windows and firmware: 7.31, 16 bytes, few flags. */
	static const uint64_t flags[] = { FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES, FUSE_DO_READDIRPLUS,
					  0 };

	for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
		struct fixture_config config = { .populate = populate, .no_init = true };
		struct fixture *f = fixture_start(&config);

		g_assert_cmpint(fuse_init(&f->client, 31, flags[i]), ==, 0);
		g_assert_cmpuint(f->client.init.minor, >=, 31);
		g_assert_cmpuint(f->client.init.max_write, >=, 4096);
		g_assert_cmphex(f->client.init_flags & ~flags[i], ==, 0);
		g_assert_cmphex(f->client.init_flags & FUSE_DO_READDIRPLUS, ==,
				flags[i] & FUSE_DO_READDIRPLUS);
		g_assert_cmpuint(fuse_node(&f->client, "file"), !=, 0);
		fixture_stop(f);
	}
}

static const struct mode modes[] = {
	{ "never", { "--cache=never" }, 0, FOPEN_DIRECT_IO, 0, false },
	{ "metadata",
	  { "--cache", "metadata" },
	  DAY_S,
	  FOPEN_DIRECT_IO,
	  FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR,
	  true },
	{ "auto", { "--cache=auto" }, 1, 0, 0, true },
	{ "always",
	  { "--cache=always" },
	  DAY_S,
	  FOPEN_KEEP_CACHE,
	  FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR,
	  true },
	{ "none", { "-o", "cache=none" }, 0, FOPEN_DIRECT_IO, 0, false },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
		g_autofree char *path = g_strdup_printf(
			"/cache-modes/%s-gives-its-timeouts-and-flags", modes[i].name);

		g_test_add_data_func(path, &modes[i], test_mode);
	}
	g_test_add_func("/cache-modes/absent-names-can-be-remembered", test_absent_names);
	g_test_add_func("/cache-modes/write-back-reads-through-any-handle", test_writeback);
	g_test_add_func("/cache-modes/init-agrees-on-what-works", test_init);
	g_test_add_func("/cache-modes/init-of-other-guests", test_other_guests);
	return g_test_run();
}
