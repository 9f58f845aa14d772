/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --subdirectory: one directory below the shared one is served, and made when it is missing.
 *
 * The shared directory may be served whole to another guest, which then has a hand in what lies
 * there: it may put a link in the place of a name, or change one for the other at any time. So the
 * name is opened without following anything; a new directory gets owner and mode before it gets its
 * name; and the sandbox, which opens by path, must arrive at the same directory.
 */
#include "daemon/subdirectory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

static int open_below(int dir, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)neg_errno(syscall(SYS_openat2, dir, name, &how, sizeof(how)));
}

/* `name` is one that nobody looks for. */
static int prepare(int dir, const char *name, const struct options *options)
{
	cleanup_fd int fd = -1;
	struct stat st;

	if (mkdirat(dir, name, 0700) < 0)
		return -errno;
	fd = open_below(dir, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	/* Another one in its place is not ours to give away. */
	if (st.st_uid != geteuid())
		return -EPERM;
	if (fchown(fd, options->subdirectory_uid, options->subdirectory_gid) < 0 ||
	    fchmod(fd, options->subdirectory_mode) < 0)
		return -errno;
	return 0;
}

/* 0 also when somebody else was faster. */
static int make(int dir, const char *name, const struct options *options)
{
	cleanup_free char *fresh = NULL;
	int r;

	if (asprintf(&fresh, ".%.200s.%d", name, getpid()) < 0) {
		fresh = NULL;
		return -ENOMEM;
	}
	r = prepare(dir, fresh, options);
	if (r == -EEXIST)
		return r;
	if (r == 0 && renameat2(dir, fresh, dir, name, RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, fresh, AT_REMOVEDIR); /* empty, or not ours */
	return r == -EEXIST ? 0 : r;
}

static int find_or_make(struct subdirectory *sub, const struct options *options)
{
	const char *name = options->subdirectory;
	cleanup_fd int dir = open(options->shared_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int fd = dir < 0 ? -errno : open_below(dir, name);
	struct stat st;

	if (fd == -ENOENT && dir >= 0) {
		int r = make(dir, name, options);

		fd = r < 0 ? r : open_below(dir, name);
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	sub->dev = st.st_dev;
	sub->ino = st.st_ino;
	return 0;
}

int subdirectory_open(struct subdirectory *sub, const struct options *options)
{
	int r = 0;

	*sub = (struct subdirectory){ .wanted = options->subdirectory != NULL };
	if (!sub->wanted)
		sub->path = strdup(options->shared_dir);
	else if (asprintf(&sub->path, "%s/%s", options->shared_dir, options->subdirectory) < 0)
		sub->path = NULL;
	if (!sub->path)
		r = -ENOMEM;
	else if (sub->wanted)
		r = find_or_make(sub, options);
	if (r < 0)
		log_error("Cannot open or make the directory '%s' in '%s': %s; nothing but a "
			  "directory may be in its place, no link either",
			  options->subdirectory ?: "", options->shared_dir, log_strerror(r));
	return r;
}

void subdirectory_deinit(struct subdirectory *sub)
{
	free(sub->path);
	sub->path = NULL;
}

bool subdirectory_is(const struct subdirectory *sub, int root_fd)
{
	struct stat st;

	if (!sub->wanted)
		return true;
	if (fstat(root_fd, &st) == 0 && st.st_dev == sub->dev && st.st_ino == sub->ino)
		return true;
	log_error("Somebody put another directory in the place of '%s' meanwhile: not serving it",
		  sub->path);
	return false;
}
