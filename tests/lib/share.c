/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch trees to share, with canaries beside them. */
#include "tests/lib/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/bounded.h"

#define CANARY_TEXT "nobody writes here\n"
#define CANARY_TIME 1000000000

static const char *const canaries[] = { "canary-file", "canary-secret" };

static char *join(const char *folder, const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static void write_all(int fd, const void *bytes, size_t n_bytes, const char *path)
{
	const char *place = bytes;

	while (n_bytes) {
		ssize_t n = write(fd, place, n_bytes);

		if (n < 0)
			test_die("write %s: %s", path, strerror(errno));
		place += n;
		n_bytes -= (size_t)n;
	}
}

static void write_file(const char *path, const void *bytes, size_t n_bytes, mode_t mode)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		test_die("create %s: %s", path, strerror(errno));
	write_all(fd, bytes, n_bytes, path);
	if (fchmod(fd, mode))
		test_die("chmod %s: %s", path, strerror(errno));
}

void share_init(struct share *share)
{
	const char *root = getenv("TEST_SCRATCH");
	const struct timespec times[2] = { { .tv_sec = CANARY_TIME }, { .tv_sec = CANARY_TIME } };

	share->base = join(root ? root : g_get_tmp_dir(), "share-XXXXXX");
	if (!g_mkdtemp_full(share->base, 0755))
		test_die("make %s: %s", share->base, strerror(errno));
	share->dir = join(share->base, "share");
	if (mkdir(share->dir, 0755) || chmod(share->dir, 0755))
		test_die("make %s: %s", share->dir, strerror(errno));
	for (size_t i = 0; i < G_N_ELEMENTS(canaries); i++) {
		g_autofree char *path = join(share->base, canaries[i]);

		write_file(path, CANARY_TEXT, strlen(CANARY_TEXT), 0644);
		if (utimensat(AT_FDCWD, path, times, 0))
			test_die("utimensat %s: %s", path, strerror(errno));
	}
}

/* The entries of a directory in @top become entries of @top. */
static int raise_contents(int top, const char *name, unsigned int *n_moved)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -1;
	while (!r && (entry = readdir(dir))) {
		char moved[32];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		g_snprintf(moved, sizeof(moved), "removed-%u", (*n_moved)++);
		r = renameat(fd, entry->d_name, top, moved);
	}
	closedir(dir);
	return r;
}

static int remove_entry(int top, const char *name, unsigned int *n_moved)
{
	if (!unlinkat(top, name, 0))
		return 0;
	if (errno != EISDIR)
		return -1;
	if (!unlinkat(top, name, AT_REMOVEDIR))
		return 0;
	return errno == ENOTEMPTY ? raise_contents(top, name, n_moved) : -1;
}

/*
 * Empties a directory from where it is: its path may be longer than a path can be. What is found in a
 * subdirectory moves up before that goes, so that depth costs nothing.
 */
static int empty_dir(int top)
{
	unsigned int n_moved = 0;

	for (;;) {
		DIR *dir = fdopendir(openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		struct dirent *entry;
		unsigned int n = 0;

		if (!dir)
			return -1;
		while ((entry = readdir(dir))) {
			if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
				continue;
			n++;
			if (remove_entry(top, entry->d_name, &n_moved))
				break;
		}
		closedir(dir);
		if (entry)
			return -1;
		if (!n)
			return 0;
	}
}

void share_deinit(struct share *share)
{
	int fd = share->base ? open(share->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (share->base && (fd < 0 || empty_dir(fd) || rmdir(share->base)))
		test_die("remove %s: %s", share->base, strerror(errno));
	if (fd >= 0)
		close(fd);
	g_clear_pointer(&share->base, g_free);
	g_clear_pointer(&share->dir, g_free);
}

const char *share_path(const struct share *share, const char *name)
{
	static char *ring[16];
	static unsigned int next;
	char **place = &ring[next++ % G_N_ELEMENTS(ring)];

	g_free(*place);
	*place = join(share->dir, name);
	return *place;
}

void share_write(const struct share *share, const char *name, const void *bytes, size_t n_bytes,
		 mode_t mode)
{
	write_file(share_path(share, name), bytes, n_bytes, mode);
}

void share_write_text(const struct share *share, const char *name, const char *text)
{
	share_write(share, name, text, strlen(text), 0644);
}

void share_write_pattern(const struct share *share, const char *name, size_t n_bytes)
{
	g_autofree uint8_t *bytes = g_malloc(n_bytes + 1);

	for (size_t i = 0; i < n_bytes; i++)
		bytes[i] = share_pattern(i);
	share_write(share, name, bytes, n_bytes, 0644);
}

bool share_pattern_matches(const void *bytes, size_t n_bytes, uint64_t offset)
{
	for (size_t i = 0; i < n_bytes; i++)
		if (((const uint8_t *)bytes)[i] != share_pattern(offset + i))
			return false;
	return true;
}

void share_mkdir(const struct share *share, const char *name, mode_t mode)
{
	const char *path = share_path(share, name);

	if (mkdir(path, 0700) || chmod(path, mode))
		test_die("mkdir %s: %s", path, strerror(errno));
}

void share_symlink(const struct share *share, const char *name, const char *target)
{
	if (symlink(target, share_path(share, name)))
		test_die("symlink %s: %s", name, strerror(errno));
}

void share_mknod(const struct share *share, const char *name, mode_t mode, dev_t dev)
{
	const char *path = share_path(share, name);

	if (mknod(path, mode, dev) || chmod(path, mode & 07777))
		test_die("mknod %s: %s", path, strerror(errno));
}

struct stat share_lstat(const struct share *share, const char *name)
{
	struct stat st;

	if (lstat(share_path(share, name), &st))
		test_die("lstat %s: %s", name, strerror(errno));
	return st;
}

bool share_exists(const struct share *share, const char *name)
{
	struct stat st;

	return lstat(share_path(share, name), &st) == 0;
}

char *share_read(const struct share *share, const char *name, size_t *ret_n_bytes)
{
	char *bytes = NULL;

	if (!g_file_get_contents(share_path(share, name), &bytes, ret_n_bytes, NULL))
		test_die("%s cannot be read on the host", name);
	return bytes;
}

static void check_canary(const struct share *share, const char *name)
{
	g_autofree char *path = join(share->base, name);
	g_autofree char *text = NULL;
	struct stat st;

	if (lstat(path, &st) || !g_file_get_contents(path, &text, NULL, NULL))
		test_die("%s beside the share is gone", name);
	if (strcmp(text, CANARY_TEXT) != 0 || st.st_mtim.tv_sec != CANARY_TIME ||
	    st.st_nlink != 1 || (st.st_mode & 07777) != 0644 || st.st_uid != geteuid())
		test_die("%s beside the share was changed", name);
}

void share_check_canaries(const struct share *share)
{
	g_autoptr(GDir) dir = g_dir_open(share->base, 0, NULL);
	unsigned int n = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(canaries); i++)
		check_canary(share, canaries[i]);
	while (dir && g_dir_read_name(dir))
		n++;
	if (n != G_N_ELEMENTS(canaries) + 1)
		test_die("something appeared or went beside the share");
}
