/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that walks 20,000 files through a daemon that may open 512: everything is listed, looked
 * up, read, renamed and removed as ever, with file handles and without.
 *
 * Making the tree takes longest, so that the tests of one kind share a daemon; each changes
 * directories of its own.
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

static void world_start(struct world *world, const char *const *args)
{
	const struct fixture_config config = {
		.populate = populate,
		.args = args,
		.client = { .reply_bytes = 16384, .data_bytes = 16384 },
	};

	world->f = fixture_start(&config);
	for (unsigned int d = 0; d < N_DIRS; d++) {
		g_autofree char *name = dir_name(d);

		world->dir[d] = fuse_node(&world->f->client, name);
		learn_dir(world, d);
	}
}

enum kind {
	BY_HANDLE,
	BY_NAME,
	N_KINDS,
};

static struct world worlds[N_KINDS];

static struct world *world_of(gconstpointer kind)
{
	struct world *world = &worlds[GPOINTER_TO_INT(kind)];

	if (!world->f)
		world_start(world, GPOINTER_TO_INT(kind) == BY_NAME ? by_name : by_handle);
	check_fds(world);
	return world;
}

static void world_stop(struct world *world)
{
	if (world->f)
		fixture_stop(world->f);
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
	for (unsigned int i = N_FILES; i < N_ALL; i += 3)
		g_assert_cmpuint(attr_of(world, world->file[i]).nlink, ==, 1);
}

static void every_file_answers_and_reads(gconstpointer kind)
{
	struct world *world = world_of(kind);

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
}

static void files_renamed_while_known_are_the_same(gconstpointer kind)
{
	struct world *world = world_of(kind);
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
	check_fds(world);
}

static void files_removed_while_open_or_known_answer(gconstpointer kind)
{
	const unsigned int n_open = 30, n_known = 30;
	struct world *world = world_of(kind);
	struct fuse_client *client = &world->f->client;
	struct fuse_open_out open[30];

	for (unsigned int i = 0; i < n_open; i++)
		g_assert_cmpint(fuse_open(client, world->file[i], O_RDONLY, &open[i]), ==, 0);
	for (unsigned int i = 0; i < n_open + n_known; i++) {
		g_autofree char *name = g_strdup_printf("f%u", i);

		g_assert_cmpint(fuse_unlink(client, world->dir[0], name), ==, 0);
	}
	use_all(world);
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
	check_fds(world);
}

/* Cold by then, the inode has no name any more, nor, to most file systems, a handle. */
static void files_replaced_by_the_host_while_open_answer(gconstpointer kind)
{
	const unsigned int n_open = 30, first = 100;
	struct world *world = world_of(kind);
	struct fuse_client *client = &world->f->client;
	struct fuse_open_out open[30];

	for (unsigned int i = 0; i < n_open; i++)
		g_assert_cmpint(fuse_open(client, world->file[first + i], O_RDONLY, &open[i]), ==,
				0);
	use_all(world);
	use_all(world);
	for (unsigned int i = 0; i < n_open; i++) {
		g_autofree char *path = g_strdup_printf("d0/f%u", first + i);
		g_autofree char *to = g_strdup(share_path(&world->f->share, path));

		share_write_text(&world->f->share, "new", "new");
		g_assert_cmpint(rename(share_path(&world->f->share, "new"), to), ==, 0);
	}
	for (unsigned int i = 0; i < n_open; i++) {
		g_autofree char *path = g_strdup_printf("d0/f%u", first + i);
		uint64_t node = world->file[first + i];
		struct fuse_entry_out entry;

		g_assert_cmpuint(attr_of(world, node).nlink, ==, 0);
		check_content(world, node, path);
		g_assert_cmpint(fuse_release(client, node, open[i].fh), ==, 0);
		g_assert_cmpint(fuse_lookup(client, world->dir[0], strchr(path, '/') + 1, &entry),
				==, 0);
		g_assert_cmpuint(entry.nodeid, !=, node);
		check_content(world, entry.nodeid, "new");
		/* As often as it was looked up: what has no name keeps its descriptor. */
		fuse_batch_forget(client, &(struct fuse_forget_one){ node, i % 4 ? 1 : 2 }, 1);
	}
	check_fds(world);
}

static void a_directory_renamed_by_the_host_is_the_same(gconstpointer kind)
{
	struct world *world = world_of(kind);
	g_autofree char *from = g_strdup(share_path(&world->f->share, "d7"));

	use_all(world);
	g_assert_cmpint(rename(from, share_path(&world->f->share, "moved")), ==, 0);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *path = g_strdup_printf("d7/f%u", i);

		check_content(world, world->file[7 * N_FILES + i], path);
	}
	check_fds(world);
}

static void too_many_open_files_are_refused_and_nothing_else(gconstpointer kind)
{
	struct world *world = world_of(kind);
	struct fuse_client *client = &world->f->client;
	const uint64_t *file = &world->file[20 * N_FILES];
	g_autofree struct fuse_open_out *open = g_new0(struct fuse_open_out, LIMIT);
	unsigned int n = 0;
	int r;

	while ((r = fuse_open(client, file[n], O_RDONLY, &open[n])) == 0)
		g_assert_cmpuint(++n, <, LIMIT);
	g_assert_cmpint(r, ==, -ENFILE);
	/* A useful share of the limit, though. */
	g_assert_cmpuint(n, >, LIMIT / 4);
	use_all(world);
	for (unsigned int i = 0; i < n; i++)
		g_assert_cmpint(fuse_release(client, file[i], open[i].fh), ==, 0);
	check_content(world, file[0], "d20/f0");
	check_fds(world);
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
	void (*fn)(gconstpointer kind);
};

static const struct both tests[] = {
	{ "every-file-answers-and-reads", every_file_answers_and_reads },
	{ "files-renamed-while-known-are-the-same", files_renamed_while_known_are_the_same },
	{ "files-removed-while-open-or-known-answer", files_removed_while_open_or_known_answer },
	{ "files-replaced-by-the-host-while-open-answer",
	  files_replaced_by_the_host_while_open_answer },
	{ "a-directory-renamed-by-the-host-is-the-same",
	  a_directory_renamed_by_the_host_is_the_same },
	{ "too-many-open-files-are-refused-and-nothing-else",
	  too_many_open_files_are_refused_and_nothing_else },
};

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *handle = g_strdup_printf("/budget/by-handle/%s", tests[i].name);
		g_autofree char *name = g_strdup_printf("/budget/by-name/%s", tests[i].name);

		g_test_add_data_func(handle, GINT_TO_POINTER(BY_HANDLE), tests[i].fn);
		g_test_add_data_func(name, GINT_TO_POINTER(BY_NAME), tests[i].fn);
	}
	g_test_add_func("/budget/mandatory-handles-without-the-capability-are-an-error",
			mandatory_handles_without_the_capability_are_an_error);
	g_test_add_func("/budget/preferred-handles-without-the-capability-are-not",
			preferred_handles_without_the_capability_are_not);
	status = g_test_run();
	for (unsigned int i = 0; i < N_KINDS; i++)
		world_stop(&worlds[i]);
	return status;
}
