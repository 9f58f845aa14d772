/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that walks 20,000 files through a daemon that may open 512: everything is listed, looked
 * up, read, renamed and removed as ever, with file handles and without; and what one more known
 * file costs in descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define N_DIRS	  100u
#define N_FILES	  200u /* in each */
#define N_ALL	  (N_DIRS * N_FILES)
#define LIMIT	  512u
#define LIMIT_ARG "--rlimit-nofile=512"

static const char *const by_handle[] = { LIMIT_ARG, "--inode-file-handles=mandatory", NULL };
static const char *const by_name[] = { LIMIT_ARG, "--inode-file-handles=never", NULL };

struct world {
	struct fixture *f;
	uint64_t dir[N_DIRS];
	uint64_t file[N_ALL];
};

static void populate(const struct share *share)
{
	for (unsigned int d = 0; d < N_DIRS; d++) {
		g_autofree char *dir = g_strdup_printf("d%u", d);

		share_mkdir(share, dir, 0755);
		for (unsigned int i = 0; i < N_FILES; i++) {
			g_autofree char *path = g_strdup_printf("d%u/f%u", d, i);

			share_write_text(share, path, path);
		}
	}
}

static char *dir_name(unsigned int d)
{
	return g_strdup_printf("d%u", d);
}

/* Lists a directory with lookups and keeps the nodes; every name must have one. */
static void learn_dir(struct world *world, unsigned int d)
{
	struct fuse_client *client = &world->f->client;
	struct fuse_open_out open;
	uint8_t bytes[8192];
	unsigned int n_names = 0;
	uint64_t offset = 0;
	int n;

	g_assert_cmpint(fuse_opendir(client, world->dir[d], 0, &open), ==, 0);
	while ((n = fuse_readdir(client, world->dir[d], open.fh, offset, sizeof(bytes), bytes,
				 true)) > 0) {
		const struct fuse_direntplus *entry;
		size_t at = 0;

		while ((entry = fuse_direntplus_next(bytes, (size_t)n, &at))) {
			unsigned int i;

			offset = entry->dirent.off;
			if (sscanf(entry->dirent.name, "f%u", &i) != 1)
				continue;
			g_assert_cmpuint(entry->entry_out.nodeid, !=, 0);
			world->file[d * N_FILES + i] = entry->entry_out.nodeid;
			n_names++;
		}
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpuint(n_names, ==, N_FILES);
	g_assert_cmpint(fuse_releasedir(client, world->dir[d], open.fh), ==, 0);
}

static void check_fds(struct world *world)
{
	g_assert_cmpuint(daemon_n_fds(world->f->daemon), <, LIMIT);
}

static struct world *start(gconstpointer args)
{
	const struct fixture_config config = {
		.populate = populate,
		.args = args,
		.client = { .reply_bytes = 16384, .data_bytes = 16384 },
	};
	struct world *world = g_new0(struct world, 1);

	world->f = fixture_start(&config);
	for (unsigned int d = 0; d < N_DIRS; d++) {
		g_autofree char *name = dir_name(d);

		world->dir[d] = fuse_node(&world->f->client, name);
		learn_dir(world, d);
	}
	check_fds(world);
	return world;
}

static void stop(struct world *world)
{
	check_fds(world);
	fixture_stop(world->f);
	g_free(world);
}

static struct fuse_attr attr_of(struct world *world, uint64_t node)
{
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_getattr(&world->f->client, node, UINT64_MAX, &attr), ==, 0);
	return attr.attr;
}

static void check_content(struct world *world, uint64_t node, const char *want)
{
	struct fuse_client *client = &world->f->client;
	struct fuse_open_out open;
	char text[100] = { 0 };

	g_assert_cmpint(fuse_open(client, node, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(fuse_read(client, node, open.fh, 0, sizeof(text) - 1, text), ==,
			(int)strlen(want));
	g_assert_cmpstr(text, ==, want);
	g_assert_cmpint(fuse_release(client, node, open.fh), ==, 0);
}

/* All that was not used lately becomes cold. */
static void use_all(struct world *world)
{
	for (unsigned int i = 0; i < N_ALL; i += 3)
		g_assert_cmpuint(attr_of(world, world->file[i]).nlink, ==, 1);
}

static void every_file_answers_and_reads(gconstpointer args)
{
	struct world *world = start(args);

	for (unsigned int i = 0; i < N_ALL; i++) {
		g_autofree char *path = g_strdup_printf("d%u/f%u", i / N_FILES, i % N_FILES);
		struct fuse_entry_out entry;

		check_content(world, world->file[i], path);
		if (i % 4)
			continue;
		g_assert_cmpint(fuse_lookup(&world->f->client, world->dir[i / N_FILES],
					    strchr(path, '/') + 1, &entry),
				==, 0);
		g_assert_cmpuint(entry.nodeid, ==, world->file[i]);
	}
	check_fds(world);
	stop(world);
}

static void files_renamed_while_known_are_the_same(gconstpointer args)
{
	struct world *world = start(args);
	struct fuse_client *client = &world->f->client;

	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("f%u", i);
		g_autofree char *new_name = g_strdup_printf("renamed-%u", i);

		g_assert_cmpint(fuse_rename(client, world->dir[1], name, world->dir[2], new_name),
				==, 0);
	}
	use_all(world);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *path = g_strdup_printf("d1/f%u", i);

		check_content(world, world->file[N_FILES + i], path);
	}
	stop(world);
}

static void files_removed_while_open_or_known_answer(gconstpointer args)
{
	const unsigned int n_open = 30, n_known = 30;
	struct world *world = start(args);
	struct fuse_client *client = &world->f->client;
	struct fuse_open_out open[30];

	for (unsigned int i = 0; i < n_open; i++)
		g_assert_cmpint(fuse_open(client, world->file[i], O_RDONLY, &open[i]), ==, 0);
	for (unsigned int i = 0; i < n_open + n_known; i++) {
		g_autofree char *name = g_strdup_printf("f%u", i);

		g_assert_cmpint(fuse_unlink(client, world->dir[0], name), ==, 0);
	}
	for (unsigned int i = N_FILES; i < N_ALL; i += 3)
		(void)attr_of(world, world->file[i]);
	for (unsigned int i = 0; i < n_open; i++) {
		char byte;

		g_assert_cmpint(fuse_read(client, world->file[i], open[i].fh, 0, 1, &byte), ==, 1);
		g_assert_cmpint(fuse_release(client, world->file[i], open[i].fh), ==, 0);
	}
	for (unsigned int i = 0; i < n_open + n_known; i++) {
		g_autofree char *path = g_strdup_printf("d0/f%u", i);

		g_assert_cmpuint(attr_of(world, world->file[i]).nlink, ==, 0);
		check_content(world, world->file[i], path);
	}
	stop(world);
}

static void a_directory_renamed_by_the_host_is_the_same(gconstpointer args)
{
	struct world *world = start(args);
	g_autofree char *from = g_strdup(share_path(&world->f->share, "d7"));

	use_all(world);
	g_assert_cmpint(rename(from, share_path(&world->f->share, "moved")), ==, 0);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *path = g_strdup_printf("d7/f%u", i);

		check_content(world, world->file[7 * N_FILES + i], path);
	}
	stop(world);
}

static void too_many_open_files_are_refused_and_nothing_else(gconstpointer args)
{
	struct world *world = start(args);
	struct fuse_client *client = &world->f->client;
	g_autofree struct fuse_open_out *open = g_new0(struct fuse_open_out, LIMIT);
	unsigned int n = 0;
	int r;

	while ((r = fuse_open(client, world->file[n], O_RDONLY, &open[n])) == 0)
		g_assert_cmpuint(++n, <, LIMIT);
	g_assert_cmpint(r, ==, -ENFILE);
	/* A useful share of the limit, though. */
	g_assert_cmpuint(n, >, LIMIT / 4);
	use_all(world);
	for (unsigned int i = 0; i < n; i++)
		g_assert_cmpint(fuse_release(client, world->file[i], open[i].fh), ==, 0);
	check_content(world, world->file[0], "d0/f0");
	stop(world);
}

/* ---- Where handles cannot be had ---- */

static struct daemon_process *spawn_without_capability(const char *dir, const char *option)
{
	const char *const args[] = { "--log-level=debug", option, NULL };
	const struct daemon_config config = {
		.shared_dir = dir,
		.args = args,
		.wrapper = "setpriv --bounding-set=-dac_read_search "
			   "--inh-caps=-dac_read_search",
	};

	return daemon_spawn(&config);
}

static void mandatory_handles_without_the_capability_are_an_error(void)
{
	struct share share;
	struct daemon_process *daemon;
	g_autofree char *text = NULL;
	int status;

	share_init(&share);
	daemon = spawn_without_capability(share.dir, "--inode-file-handles=mandatory");
	status = daemon_wait(daemon);
	text = daemon_stderr(daemon);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 1);
	g_assert_nonnull(strstr(text, "CAP_DAC_READ_SEARCH"));
	daemon_free(daemon);
	share_deinit(&share);
}

static void preferred_handles_without_the_capability_are_not(void)
{
	struct share share;
	struct daemon_process *daemon;

	share_init(&share);
	daemon = spawn_without_capability(share.dir, "--inode-file-handles=prefer");
	daemon_wait_stderr(daemon, "found again by name");
	daemon_wait_stderr(daemon, "Waiting for vhost-user socket connection");
	daemon_free(daemon);
	share_deinit(&share);
}

struct both {
	const char *name;
	void (*fn)(gconstpointer args);
};

static const struct both tests[] = {
	{ "every-file-answers-and-reads", every_file_answers_and_reads },
	{ "files-renamed-while-known-are-the-same", files_renamed_while_known_are_the_same },
	{ "files-removed-while-open-or-known-answer", files_removed_while_open_or_known_answer },
	{ "a-directory-renamed-by-the-host-is-the-same",
	  a_directory_renamed_by_the_host_is_the_same },
	{ "too-many-open-files-are-refused-and-nothing-else",
	  too_many_open_files_are_refused_and_nothing_else },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *handle = g_strdup_printf("/budget/by-handle/%s", tests[i].name);
		g_autofree char *name = g_strdup_printf("/budget/by-name/%s", tests[i].name);

		g_test_add_data_func(handle, by_handle, tests[i].fn);
		g_test_add_data_func(name, by_name, tests[i].fn);
	}
	g_test_add_func("/budget/mandatory-handles-without-the-capability-are-an-error",
			mandatory_handles_without_the_capability_are_an_error);
	g_test_add_func("/budget/preferred-handles-without-the-capability-are-not",
			preferred_handles_without_the_capability_are_not);
	return g_test_run();
}
