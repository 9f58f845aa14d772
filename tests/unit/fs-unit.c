/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system on a folder of its own, for the tests of fuse/passthrough.
 */
#include "fs-unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

unsigned int fs_unit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	g_assert_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct fs_options fs_unit_options(void)
{
	return (struct fs_options){
		.root_fd = -1,
		.proc_self_fd = -1,
		.cache = FS_CACHE_AUTO,
		.max_inodes = 1000,
		.max_handles = 200,
		.max_lock_owners = 20,
		.max_fds = 1200,
		.max_watches = 100,
	};
}

static struct fs_unit *blocking_unit;

static void count_block(struct fs_thread *thread)
{
	g_assert_nonnull(thread);
	blocking_unit->n_blocks++;
}

struct fs_thread *fs_unit_thread(struct fs_unit *unit)
{
	struct fs_thread *thread = g_new0(struct fs_thread, 1);

	g_assert_cmpint(fs_thread_init(thread, unit->fs), ==, 0);
	return thread;
}

static void start(struct fs_unit *unit, const struct fs_options *from)
{
	struct fs_options options = *from;
	const size_t sizes[ARENA_N_SECTIONS] = {
		[ARENA_INODES] = fs_inode_section_bytes(options.max_inodes),
		[ARENA_KEYS] = fs_key_section_bytes(options.max_inodes),
		[ARENA_HANDLES] = fs_handle_section_bytes(options.max_handles),
		[ARENA_LOCKS] = fs_lock_section_bytes(options.max_lock_owners),
		[ARENA_FDS] = fs_fds_section_bytes(),
	};

	unit->dir_fd = open(unit->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_assert_cmpint(unit->dir_fd, >=, 0);
	g_assert_cmpint(arena_init(&unit->arena, sizes), ==, 0);
	options.root_fd = open(unit->path, O_PATH | O_CLOEXEC);
	options.proc_self_fd = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	g_assert_cmpint(fs_new(&options, &unit->arena, &unit->fs), ==, 0);
	unit->thread = fs_unit_thread(unit);
	unit->thread->about_to_block = count_block;
	blocking_unit = unit;
}

void fs_unit_start_on(struct fs_unit *unit, const char *path, const struct fs_options *options)
{
	*unit = (struct fs_unit){ .n_fds = fs_unit_count_fds() };
	unit->path = g_strdup(path);
	start(unit, options);
}

void fs_unit_start_with(struct fs_unit *unit, const char *base, const struct fs_options *options)
{
	*unit = (struct fs_unit){ .n_fds = fs_unit_count_fds() };
	unit->path = g_build_filename(base ? base : g_get_tmp_dir(), "fs-unit-XXXXXX", NULL);
	g_assert_nonnull(g_mkdtemp_full(unit->path, 0755));
	start(unit, options);
}

void fs_unit_start(struct fs_unit *unit)
{
	struct fs_options options = fs_unit_options();

	fs_unit_start_with(unit, NULL, &options);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void fs_unit_stop(struct fs_unit *unit)
{
	fs_free(unit->fs);
	arena_deinit(&unit->arena);
	close(unit->dir_fd);
	g_free(unit->thread);
	g_assert_cmpuint(fs_unit_count_fds(), ==, unit->n_fds);
	if (strstr(unit->path, "fs-unit-"))
		g_assert_cmpint(nftw(unit->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
	g_free(unit->path);
}

void fs_unit_write(struct fs_unit *unit, const char *name, const char *text)
{
	int fd = openat(unit->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
	close(fd);
}

char *fs_unit_read(struct fs_unit *unit, const char *name)
{
	g_autofree char *path = g_build_filename(unit->path, name, NULL);
	char *text;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

uint64_t fs_unit_lookup(struct fs_unit *unit, const char *name)
{
	struct fs_entry entry;

	g_assert_cmpint(fs_lookup(unit->thread, FS_ROOT_ID, name, &entry), ==, 0);
	return entry.nodeid;
}

uint64_t fs_unit_open(struct fs_unit *unit, const char *name, uint32_t flags)
{
	struct fs_opened opened;
	uint64_t nodeid = fs_unit_lookup(unit, name);

	g_assert_cmpint(fs_open(unit->thread, nodeid, flags, false, &opened), ==, 0);
	return opened.fh;
}
