/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes whose device and number are not theirs alone.
 */
#include "fuse/passthrough/inode-alias.h"

#include <errno.h>
#include <sched.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/passthrough/inode-fd.h"

/* The working directory of a thread stays where this and extended attributes need it. */
static __thread bool in_fds;

void alias_init(struct inode_aliases *aliases, int32_t *saved)
{
	*aliases = (struct inode_aliases){ .proc_self_fd = -1, .fd = *saved - 1, .saved = saved };
	pthread_mutex_init(&aliases->lock, NULL);
}

void alias_deinit(struct inode_aliases *aliases)
{
	if (aliases->saved)
		*aliases->saved = 0;
	aliases->saved = NULL;
	fd_close(&aliases->fd);
}

/* inotify takes paths only: the magic link, by its name in /proc/self/fd. */
static int enter_fds(const struct inode_aliases *aliases)
{
	if (likely(in_fds))
		return 0;
	if (unshare(CLONE_FS) < 0 || fchdir(aliases->proc_self_fd) < 0)
		return -errno;
	in_fds = true;
	return 0;
}

int alias_watch(struct inode_aliases *aliases, int path_fd)
{
	struct fd_name name = fd_name(path_fd);
	int r = enter_fds(aliases);

	if (r < 0)
		return r;
	if (aliases->fd < 0) {
		r = neg_errno(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
		if (r < 0)
			return r;
		*aliases->saved = r + 1;
		__atomic_store_n(&aliases->fd, r, __ATOMIC_RELEASE);
	}
	/* An event that cannot come while the inode has its descriptor. */
	return neg_errno(inotify_add_watch(aliases->fd, name.text, IN_DELETE_SELF));
}

void alias_unwatch(struct inode_aliases *aliases, uint64_t number)
{
	int fd = __atomic_load_n(&aliases->fd, __ATOMIC_ACQUIRE);
	char events[16 * sizeof(struct inotify_event)];

	if (number & INODE_ALIAS_UNWATCHED || fd < 0)
		return;
	(void)inotify_rm_watch(fd, (int)number);
	(void)!read(fd, events, sizeof(events)); /* it says that the watch is gone */
}

uint64_t alias_unwatched(struct inode_aliases *aliases)
{
	return INODE_ALIAS_UNWATCHED |
	       __atomic_add_fetch(&aliases->n_unwatched, 1, __ATOMIC_RELAXED);
}

void alias_adopt(struct inode_aliases *aliases, uint64_t number)
{
	uint64_t unwatched = number & ~INODE_ALIAS_UNWATCHED;

	if (number & INODE_ALIAS_UNWATCHED)
		aliases->n_unwatched = MAX(aliases->n_unwatched, unwatched);
	else
		aliases->n_live++;
}
