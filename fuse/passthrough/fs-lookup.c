/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From names to nodes and back to nothing: lookup, forget, readlink.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#define UNKNOWN_RUN 4u /* so many new inodes in a row make the next one likely new */

void fs_fill_entry(struct fs *fs, const struct lookup_dir *dir, uint64_t nodeid,
		   const struct statx *stx, struct fs_entry *ret_entry)
{
	struct inode_seen seen;

	fs_seen_from(stx, &seen);
	ret_entry->nodeid = nodeid;
	ret_entry->generation = nodeid >> 32;
	ret_entry->attr.stx = *stx;
	ret_entry->attr.submount = __atomic_load_n(&fs->submounts, __ATOMIC_RELAXED) &&
				   (seen.id.dev != dir->slot->id.dev ||
				    seen.id.mnt_id != dir->slot->id.mnt_id);
}

int fs_lookup_fd(struct fs *fs, const struct lookup_dir *dir, int path_fd,
		 struct fs_entry *ret_entry)
{
	cleanup_fd int fd = path_fd;
	const struct inode_id *in = &dir->slot->id;
	struct inode_found found = { 0 };
	struct statx stx;
	uint64_t nodeid;
	int r = fs_statx(fd, "", &stx);

	if (r < 0)
		return r;
	fs_seen_from(&stx, &found.seen);
	if (found.seen.id.dev != in->dev || found.seen.id.mnt_id != in->mnt_id)
		found.flags = INODE_SUBMOUNT;
	found.backing = dir->slot->backing;
	if (found.seen.id.dev != in->dev)
		found.backing = (uint8_t)backing_of(fd);
	found.fd = take_fd(&fd);
	r = itab_lookup_found(&fs->inodes, &found, &nodeid);
	if (r < 0)
		return r;
	fs_fill_entry(fs, dir, nodeid, &stx, ret_entry);
	return r;
}

/* 1 when the name leads to a known node; 0 when it must be opened to be sure. */
static int lookup_known(struct fs *fs, const struct lookup_dir *dir, const char *name,
			struct fs_entry *ret_entry)
{
	struct inode_seen seen;
	struct statx stx;
	uint64_t nodeid;
	int r = fs_statx(dir->fd, name, &stx);

	if (r < 0)
		return r;
	fs_seen_from(&stx, &seen);
	nodeid = itab_lookup_known(&fs->inodes, &seen);
	if (!nodeid)
		return 0;
	fs_fill_entry(fs, dir, nodeid, &stx, ret_entry);
	return 1;
}

int fs_lookup_in(struct fs *fs, const struct lookup_dir *dir, const char *name, bool expect_known,
		 struct fs_entry *ret_entry)
{
	int fd;

	if (expect_known) {
		int r = lookup_known(fs, dir, name, ret_entry);

		if (r != 0)
			return r;
	}
	fd = openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fs_lookup_fd(fs, dir, fd, ret_entry);
}

/*
 * A guest either walks what it knows or reads a tree anew, rarely both at a time; the last few
 * results tell which. Guessing right saves a statx(2) of what must be opened, or the open of what
 * needs none.
 */
static void learn(struct fs_thread *thread, bool was_known)
{
	thread->n_unknown = was_known ? 0 : MIN(thread->n_unknown + 1, UNKNOWN_RUN);
}

int fs_lookup(struct fs_thread *thread, uint64_t parent, const char *name,
	      struct fs_entry *ret_entry)
{
	cleanup_node struct node_ref dir = node_get(thread->fs, parent);
	int r;

	if (!dir.slot)
		return -ESTALE;
	if (!fs_name_ok(name))
		return -EINVAL;
	fs_may_block_on(thread, dir.slot->backing);
	r = fs_lookup_in(thread->fs, &(struct lookup_dir){ dir.slot, dir.slot->fd }, name,
			 thread->n_unknown < UNKNOWN_RUN, ret_entry);
	if (r < 0)
		return r;
	learn(thread, r);
	return 0;
}

void fs_forget(struct fs *fs, uint64_t nodeid, uint64_t n_lookup)
{
	itab_forget(&fs->inodes, nodeid, n_lookup);
}

ssize_t fs_readlink(struct fs_thread *thread, uint64_t nodeid, char *buf, size_t size)
{
	cleanup_node struct node_ref node = node_get(thread->fs, nodeid);

	if (!node.slot)
		return -ESTALE;
	if (node.slot->type != S_IFLNK)
		return -EINVAL;
	fs_may_block_on(thread, node.slot->backing);
	return neg_errno(readlinkat(node.slot->fd, "", buf, size));
}
