/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a repeated request recognises its predecessor's work on the host.
 */
#include "fuse/passthrough/fs-intent.h"

#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fuse/passthrough/creds.h"
#include "fuse/passthrough/fs-internal.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
/* Clocks of files tick this seldom. */
#define TICK_NS	     UINT64_C(10000000)

static uint64_t ns_of(const struct statx_timestamp *time)
{
	return (uint64_t)time->tv_sec * NSEC_PER_SEC + time->tv_nsec;
}

/* File systems that keep whole seconds round down. */
static bool is_since(const struct statx_timestamp *time, uint64_t began_ns)
{
	uint64_t since = began_ns > TICK_NS ? began_ns - TICK_NS : 0;

	if (!time->tv_nsec)
		since -= since % NSEC_PER_SEC;
	return ns_of(time) >= since;
}

static bool is_known(struct fs *fs, const struct statx *stx)
{
	struct inode_seen seen;
	struct inode_slot *slot;

	fs_seen_from(stx, &seen);
	slot = itab_find(&fs->inodes, &seen);
	if (slot)
		itab_put(&fs->inodes, slot);
	return slot;
}

/* ---- Names that go ---- */

/*
 * Where inodes change their number, or have several, one that is not known is told by its birth. In
 * doubt, in the same tick of the clock, it was later: to remove too little is the lesser harm.
 */
static bool changed_since(const struct inode_slot *dir, const struct statx *stx, uint64_t began_ns)
{
	bool birth = dir->flags & INODE_ALIASES && stx->stx_mask & STATX_BTIME;

	return is_since(birth ? &stx->stx_btime : &stx->stx_ctime, began_ns);
}

/* Nothing has been removed here since: the name was not there before. */
static bool is_untouched(const struct inode_slot *dir, uint64_t began_ns)
{
	struct statx stx;

	return dir->backing != BACKING_REMOTE && fs_statx(dir->fd, "", &stx) == 0 &&
	       !is_since(&stx.stx_mtime, began_ns);
}

int intent_name(struct fs_thread *thread, const struct inode_slot *dir, const char *name)
{
	struct statx stx;
	int r = fs_statx(dir->fd, name, &stx);

	if (r == -ENOENT && !is_untouched(dir, thread->inflight->began_ns))
		return INTENT_NAME_GONE;
	if (r < 0)
		return r;
	if (is_known(thread->fs, &stx))
		return INTENT_NAME_SAME;
	/* A server's clock says nothing; but what a guest removes it has looked up. */
	if (dir->backing == BACKING_REMOTE || changed_since(dir, &stx, thread->inflight->began_ns))
		return INTENT_NAME_ELSEWHERE;
	return INTENT_NAME_SAME;
}

/* ---- Names that are made ---- */

void intent_make(struct fs_thread *thread, const struct inode_slot *dir, const char *name)
{
	struct inflight *record = thread->inflight;
	struct statx stx;
	bool absent;

	if (!record || intent_repeats(record))
		return;
	absent = name && dir->backing == BACKING_REMOTE && fs_statx(dir->fd, name, &stx) == -ENOENT;
	intent_begin_timed(record);
	intent_set(record, INTENT_ABSENT, absent);
}

static bool is_new(const struct fs_thread *thread, const struct inode_slot *dir,
		   const struct statx *stx)
{
	const struct inflight *record = thread->inflight;
	bool birth = stx->stx_mask & STATX_BTIME;

	if (dir->backing == BACKING_REMOTE)
		return record->word[INTENT_ABSENT];
	return is_since(birth ? &stx->stx_btime : &stx->stx_mtime, record->began_ns) &&
	       is_since(&stx->stx_ctime, record->began_ns) &&
	       ns_of(birth ? &stx->stx_btime : &stx->stx_mtime) <= thread->fs->started_ns;
}

/* Of the same kind, and not more open than asked for: an ACL or umask may have taken away. */
static bool looks_as_asked(const struct statx *stx, const struct intent_made *made)
{
	if ((stx->stx_mode ^ made->mode) & S_IFMT)
		return false;
	switch (made->mode & S_IFMT) {
	case S_IFLNK:
		return true;
	case S_IFCHR:
	case S_IFBLK:
		if (makedev(stx->stx_rdev_major, stx->stx_rdev_minor) != made->rdev)
			return false;
		break;
	case S_IFREG:
		if (stx->stx_size)
			return false;
		break;
	default:
		break;
	}
	return !(stx->stx_mode & 0777 & ~made->mode);
}

static bool has_target(int fd, const char *target)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(fd, "", buf, sizeof(buf));

	return n >= 0 && (size_t)n == strlen(target) && memcmp(buf, target, (size_t)n) == 0;
}

int intent_open_made(struct fs_thread *thread, const struct inode_slot *dir, const char *name,
		     const struct intent_made *made)
{
	cleanup_fd int fd = -1;
	struct statx stx;
	int r;

	if (likely(!intent_repeats(thread->inflight)))
		return -EEXIST;
	fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -EEXIST;
	r = fs_statx(fd, "", &stx);
	if (r < 0 || !looks_as_asked(&stx, made) || !is_new(thread, dir, &stx) ||
	    is_known(thread->fs, &stx))
		return -EEXIST;
	if (dir->backing != BACKING_REMOTE && stx.stx_uid != creds_owner(made->caller))
		return -EEXIST;
	if (made->target && !has_target(fd, made->target))
		return -EEXIST;
	return take_fd(&fd);
}

bool intent_entry(struct fs_thread *thread, const struct node_ref *dir, enum intent_word which,
		  struct fs_entry *ret_entry)
{
	uint64_t nodeid = intent_get(thread->inflight, which);
	cleanup_node struct node_ref node = { 0 };

	if (likely(!nodeid))
		return false;
	node = node_of(thread, nodeid);
	if (!node.slot || fs_statx(node.slot->fd, "", &ret_entry->attr.stx) < 0)
		return false;
	fs_fill_entry(thread->fs, &(struct lookup_dir){ dir->slot, dir->slot->fd }, nodeid,
		      ret_entry);
	return true;
}

/* ---- Names that change places ---- */

static uint64_t dev_of(const struct statx *stx)
{
	return (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

int intent_exchange(struct fs_thread *thread, int dir_fd, const char *name, int new_dir_fd,
		    const char *new_name)
{
	struct inflight *record = thread->inflight;
	struct statx old;
	int r;

	if (!record)
		return 0;
	if (unlikely(intent_repeats(record))) {
		r = fs_statx(new_dir_fd, new_name, &old);
		return r < 0 ? r
			     : old.stx_ino == record->word[INTENT_OLD] &&
				       dev_of(&old) == record->word[INTENT_OLD + 1];
	}
	/* If it is not there, nothing will happen. */
	if (fs_statx(dir_fd, name, &old) < 0)
		return 0;
	record->word[INTENT_OLD] = old.stx_ino;
	record->word[INTENT_OLD + 1] = dev_of(&old);
	intent_step(record, INFLIGHT_INTENT);
	return 0;
}

/* ---- Data that move ---- */

int intent_resize(struct fs_thread *thread, int fd, int64_t delta)
{
	struct inflight *record = thread->inflight;
	struct stat st;

	if (!record)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (unlikely(intent_repeats(record)))
		return (uint64_t)st.st_size == record->word[INTENT_SIZE] + (uint64_t)delta;
	record->word[INTENT_SIZE] = (uint64_t)st.st_size;
	intent_step(record, INFLIGHT_INTENT);
	return 0;
}
