/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From names to nodes and back to nothing: lookup, forget, readlink.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#define UNKNOWN_RUN 4u /* so many new inodes in a row make the next one likely new */

/* A file with a device of its own is one of another layer of an overlay, or a mount of one file. */
static bool is_submount(const struct inode_slot *dir, const struct inode_seen *seen)
{
	return seen->type == S_IFDIR &&
	       (seen->id.dev != dir->id.dev || seen->id.mnt_id != dir->id.mnt_id);
}

static void mark_if_submount(struct fs *fs, const struct inode_slot *dir, struct fs_attr *attr)
{
	struct inode_seen seen;

	fs_seen_from(&attr->stx, &seen);
	if (unlikely(is_submount(dir, &seen)) && __atomic_load_n(&fs->submounts, __ATOMIC_RELAXED))
		fs_mark_submount(attr, seen.id.dev != dir->id.dev);
}

void fs_fill_entry(struct fs *fs, const struct lookup_dir *dir, uint64_t nodeid,
		   struct fs_entry *entry)
{
	entry->nodeid = nodeid;
	entry->generation = nodeid >> 32;
	entry->attr.submount = false;
	if (S_ISDIR(entry->attr.stx.stx_mode))
		mark_if_submount(fs, dir->slot, &entry->attr);
}

/* What stays the same below a mount point, or is found out at it. */
static void inherit(struct fs *fs, const struct inode_slot *dir, struct inode_found *found)
{
	const struct inode_id *id = &found->seen.id;
	bool same_mount = id->mnt_id == dir->id.mnt_id;

	found->backing = dir->backing;
	found->flags = dir->flags & (INODE_HANDLES | INODE_NAMES | INODE_ALIASES | INODE_DIRS_LAST);
	/* Within a mount the device may change with each subvolume or layer, the rest does not. */
	if (!same_mount || (!id->mnt_id && id->dev != dir->id.dev)) {
		found->backing = (uint8_t)backing_of(found->fd);
		found->flags = fs_mount_flags(fs, found->fd, found->backing);
	}
	if (is_submount(dir, &found->seen))
		found->flags |= INODE_SUBMOUNT | (id->dev != dir->id.dev ? INODE_OTHER_DEV : 0);
}

/* `found->fd`, charged, is taken. */
static int add_found(struct fs *fs, struct inode_found *found, uint64_t *ret_nodeid)
{
	filled_later struct inode_handle handle;
	int r = itab_lookup_found(&fs->inodes, found, ret_nodeid);

	if (r != ITAB_ASKS_HANDLE)
		return r;
	/* Without a handle, which it had before, it is another file. */
	handle.n_bytes = 0;
	(void)file_handle_of(found->fd, "", &handle);
	found->handle = &handle;
	r = itab_lookup_found(&fs->inodes, found, ret_nodeid);
	found->handle = NULL; /* it ends here */
	return r;
}

static bool may_be_alias(uint8_t flags, const struct statx *stx)
{
	return unlikely(flags & INODE_ALIASES) && !S_ISDIR(stx->stx_mode);
}

/* Is the inode known by its number the one that the watch is on? */
static bool is_watched(struct fs *fs, const struct inode_seen *plain, const struct inode_id *alias)
{
	cleanup_node struct node_ref node = { fs, itab_find(&fs->inodes, plain), 0 };
	struct inode_id other = *alias;
	int number;

	if (node.slot && inode_is_cold(node.slot))
		node = node_warm(node);
	if (!node.slot)
		return false;
	number = alias_watch(&fs->inodes.aliases, node.slot->fd);
	if (number < 0 || (uint64_t)number == alias->ino)
		return number >= 0;
	other.ino = (uint64_t)number;
	if (!itab_probe(&fs->inodes, &other))
		alias_unwatch(&fs->inodes.aliases, other.ino);
	return false;
}

/*
 * Which identity has an inode that others may have the number of? As long as it has a single name,
 * its own; one that got its second name from the guest stays what it is. Otherwise its watch, which
 * stays the same when a copy-up changes the number. Without one it is known and never recognised.
 */
static void identify(struct fs *fs, const struct statx *stx, struct inode_found *found)
{
	struct inode_aliases *aliases = &fs->inodes.aliases;
	struct inode_id alias = { .dev = INODE_ALIAS_DEV, .mnt_id = found->seen.id.mnt_id };
	bool is_plain;
	int number;

	if (stx->stx_nlink == 1 &&
	    (!alias_any(aliases) || itab_probe(&fs->inodes, &found->seen.id)))
		return;
	number = alias_watch(aliases, found->fd);
	if (number < 0 && stx->stx_nlink == 1)
		return;
	alias.ino = number < 0 ? alias_unwatched(aliases) : (uint64_t)number;
	if (number >= 0 && !itab_probe(&fs->inodes, &alias)) {
		is_plain = stx->stx_nlink == 1 || is_watched(fs, &found->seen, &alias);
		if (is_plain || alias_full(aliases))
			alias_unwatch(aliases, alias.ino);
		if (is_plain)
			return;
		if (alias_full(aliases))
			alias.ino = alias_unwatched(aliases);
	}
	found->seen.id = alias;
	found->name = NULL; /* there is no way back to it from a name: it stays open */
}

static int add_alias(struct fs *fs, const struct statx *stx, struct inode_found *found,
		     uint64_t *ret_nodeid)
{
	struct inode_aliases *aliases = &fs->inodes.aliases;
	const struct inode_id *id = &found->seen.id;
	int r;

	scoped_lock(&aliases->lock);
	identify(fs, stx, found);
	r = add_found(fs, found, ret_nodeid);
	/* Nobody is known by a watch that was just begun. */
	if (r < 0 && id->dev == INODE_ALIAS_DEV && !itab_probe(&fs->inodes, id))
		alias_unwatch(aliases, id->ino);
	return r;
}

int fs_lookup_fd(struct fs *fs, const struct lookup_dir *dir, const char *name, int path_fd,
		 struct fs_room *room, struct fs_entry *ret_entry)
{
	cleanup_fd int fd = path_fd;
	struct inode_found found = { .fd = fd };
	struct statx *stx = &ret_entry->attr.stx;
	filled_later struct inode_name place;
	uint64_t nodeid;
	int r = fs_statx(fd, "", stx);

	if (r < 0)
		return r;
	fs_seen_from(stx, &found.seen);
	if (room) {
		found.reserved = room->inode;
		found.note = room->note_node;
	}
	inherit(fs, dir->slot, &found);
	found.name = fs_name_of(fs, dir->slot, name, &place);
	r = fs_room_charge(fs, room);
	if (r < 0)
		return r;
	(void)take_fd(&fd);
	if (may_be_alias(found.flags, stx))
		r = add_alias(fs, stx, &found, &nodeid);
	else
		r = add_found(fs, &found, &nodeid);
	if (r < 0)
		return r;
	if (room && r == ITAB_NEW)
		room->inode = 0;
	fs_fill_entry(fs, dir, nodeid, ret_entry);
	return r;
}

/* Lookups of a cold inode need not make it warm: its handle says as much as a descriptor. */
static __attribute__((__noinline__)) uint64_t lookup_cold(struct fs *fs,
							  const struct lookup_dir *dir,
							  const char *name,
							  const struct inode_cold *cold)
{
	cleanup_node struct node_ref node = node_pin(fs, cold->nodeid);
	filled_later struct inode_handle handle;

	if (!node.slot || file_handle_of(dir->fd, name, &handle) < 0 ||
	    !inode_handle_equal(&handle, &cold->key.handle))
		return 0;
	return itab_lookup_again(&fs->inodes, node.slot) == 0 ? cold->nodeid : 0;
}

static uint64_t find_known(struct fs *fs, const struct lookup_dir *dir, const char *name,
			   const struct inode_seen *seen)
{
	filled_later struct inode_cold cold;
	filled_later struct inode_name place;
	uint64_t nodeid;

	nodeid = itab_lookup_known(&fs->inodes, seen, fs_name_of(fs, dir->slot, name, &place),
				   &cold);
	if (nodeid || !cold.nodeid)
		return nodeid;
	return lookup_cold(fs, dir, name, &cold);
}

/* 1 when the name leads to a known node; 0 when it must be opened to be sure. */
static int lookup_known(struct fs *fs, const struct lookup_dir *dir, const char *name,
			struct fs_entry *ret_entry)
{
	struct statx *stx = &ret_entry->attr.stx;
	struct inode_seen seen;
	uint64_t nodeid;
	int r = fs_statx(dir->fd, name, stx);

	if (r < 0)
		return r;
	if (stx->stx_nlink > 1 && may_be_alias(dir->slot->flags, stx))
		return 0;
	fs_seen_from(stx, &seen);
	nodeid = find_known(fs, dir, name, &seen);
	if (!nodeid)
		return 0;
	fs_fill_entry(fs, dir, nodeid, ret_entry);
	return 1;
}

int fs_lookup_in(struct fs *fs, const struct lookup_dir *dir, const char *name, bool expect_known,
		 struct fs_entry *ret_entry)
{
	unsigned int n_tries = 0;
	int fd;

	if (expect_known) {
		int r = lookup_known(fs, dir, name, ret_entry);

		if (r != 0)
			return r;
	}
	do {
		fd = neg_errno(openat(dir->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	return fd < 0 ? fd : fs_lookup_fd(fs, dir, name, fd, NULL, ret_entry);
}

struct node_ref fs_hold_name(struct fs *fs, const struct inode_slot *dir, const char *name,
			     bool always)
{
	struct node_ref node = { .fs = fs };
	struct inode_seen seen;
	struct statx stx;

	if (likely(!always && !__atomic_load_n(&fs->may_be_cold, __ATOMIC_RELAXED)))
		return node;
	if (fs_statx(dir->fd, name, &stx) < 0)
		return node;
	/* As long as there are other names, a handle leads to the inode without this one. */
	if (!(dir->flags & INODE_NAMES) && !S_ISDIR(stx.stx_mode) && stx.stx_nlink > 1)
		return node;
	fs_seen_from(&stx, &seen);
	node.slot = itab_find(&fs->inodes, &seen);
	if (node.slot)
		inode_hold(node.slot);
	return node.slot && inode_is_cold(node.slot) ? node_warm(node) : node;
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
	cleanup_node struct node_ref dir = node_of(thread, parent);
	int r;

	if (!dir.slot)
		return dir.error;
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

static void forget_with_handle(struct fs *fs, uint64_t nodeid, uint64_t n_lookup)
{
	cleanup_node struct node_ref node = node_pin(fs, nodeid);

	itab_forget(&fs->inodes, nodeid, n_lookup);
	if (node.slot && !(__atomic_load_n(&node.slot->word, __ATOMIC_SEQ_CST) & SLOT_LIVE))
		fs_implicit_drop(fs, nodeid);
}

void fs_forget(struct fs *fs, uint64_t nodeid, uint64_t n_lookup)
{
	if (fs->implicit.handle)
		forget_with_handle(fs, nodeid, n_lookup);
	else
		itab_forget(&fs->inodes, nodeid, n_lookup);
}

ssize_t fs_readlink(struct fs_thread *thread, uint64_t nodeid, char *buf, size_t size)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);

	if (!node.slot)
		return node.error;
	if (node.slot->type != S_IFLNK)
		return -EINVAL;
	fs_may_block_on(thread, node.slot->backing);
	return neg_errno(readlinkat(node.slot->fd, "", buf, size));
}
