/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors within their budget.
 */
#include "fuse/passthrough/fs-cold.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "fuse/passthrough/fs-internal.h"

#define DEPTH_MAX    32u  /* cold directories that are warm at once for one below them */
#define STAGES_MAX   512u /* so often; beyond, it is a ring that renames have made */
#define TRIES_MAX    3u
#define FREE_AT_ONCE 16u /* when the kernel, not our budget, has run out */

/* ---- Handles ---- */

/* The root's own handle is opened for a test, on what all others will be opened on. */
static int probe(struct fs *fs, const struct inode_slot *root)
{
	cleanup_fd int mount_fd = fd_reopen(fs->proc_self_fd, root->fd, O_RDONLY | O_DIRECTORY);
	cleanup_fd int again = -1;
	struct inode_handle handle;
	int r = mount_fd;

	if (r >= 0)
		r = file_handle_of(root->fd, "", &handle);
	if (r >= 0)
		r = again = file_handle_open(mount_fd, &handle);
	if (r < 0)
		return r;
	fs->inodes.mounts.root_mnt_id = root->id.mnt_id;
	fs->inodes.mounts.root_fd = take_fd(&mount_fd);
	return 0;
}

int fs_use_handles(struct fs *fs)
{
	cleanup_node struct node_ref root = node_get(fs, FS_ROOT_ID);
	int r;

	if (!root.slot)
		return root.error;
	r = probe(fs, root.slot);
	if (r < 0)
		return r;
	fs->handles_work = true;
	root.slot->flags = fs_mount_flags(fs, root.slot->fd, root.slot->backing);
	return 0;
}

uint8_t fs_mount_flags(const struct fs *fs, int fd, uint8_t backing)
{
	struct inode_handle handle;
	uint8_t flags = 0;

	if (fs->handles_work && file_handle_of(fd, "", &handle) == 0)
		flags = INODE_HANDLES;
	/* A remote server may not find a handle again that it has given out. */
	if (!flags || backing == BACKING_REMOTE)
		flags |= INODE_NAMES;
	/* An overlay gives handles only if it has an index, which keeps hard links together. */
	if (!(flags & INODE_HANDLES) && fd_on_overlay(fd))
		flags |= INODE_ALIASES;
	if (fs->implicit.handle && dir_positions_last(fd, fs->implicit.on_tmpfs))
		flags |= INODE_DIRS_LAST;
	return flags;
}

const struct inode_name *fs_name_of(const struct fs *fs, const struct inode_slot *dir,
				    const char *text, struct inode_name *name)
{
	if (!(dir->flags & INODE_NAMES) || !text)
		return NULL;
	return inode_name_set(name, itab_nodeid(&fs->inodes, dir), text) ? name : NULL;
}

/* ---- Warm to cold ---- */

static int statx_seen(int dir_fd, const char *name, struct inode_seen *ret_seen)
{
	struct statx stx;
	int r = fs_statx(dir_fd, name, &stx);

	if (r < 0)
		return r;
	if (!stx.stx_nlink && !name[0])
		return -ESTALE; /* it has no name any more */
	fs_seen_from(&stx, ret_seen);
	return 0;
}

/* Does the name lead to the inode now? A cold directory is not opened to find out. */
static bool name_leads_here(struct fs *fs, const struct inode_slot *slot,
			    const struct inode_name *name, struct inode_seen *ret_now)
{
	cleanup_node struct node_ref dir = node_pin(fs, name->parent);
	int r = -ESTALE;

	if (dir.slot && inode_is_cold(dir.slot))
		r = statx_seen(slot->fd, "", ret_now);
	else if (dir.slot)
		r = statx_seen(dir.slot->fd, name->text, ret_now);
	return r == 0 && inode_id_equal(&ret_now->id, &slot->id);
}

/*
 * Whether the inode would be found again. A removed file has neither a name nor, once nobody
 * holds it, an inode.
 */
static bool will_be_found(struct fs *fs, struct inode_slot *slot)
{
	struct inode_seen seen, now;
	struct inode_key key;
	bool found;

	itab_copy_key(&fs->inodes, slot, &seen, &key);
	if (slot->flags & INODE_HANDLES && !key.handle.n_bytes &&
	    file_handle_of(slot->fd, "", &key.handle) == 0)
		itab_set_handle(&fs->inodes, slot, &key.handle);
	found = key.handle.n_bytes && statx_seen(slot->fd, "", &now) == 0;
	if (!found)
		found = key.name.parent && name_leads_here(fs, slot, &key.name, &now);
	/* A copy-up of overlayfs changes it; what counts is how it was when last seen warm. */
	if (found && now.birth != seen.birth)
		itab_set_birth(&fs->inodes, slot, now.birth);
	return found;
}

/* The mount's descriptor stays open for as long as the inode is cold. */
static int use_mount(struct fs *fs, const struct inode_slot *slot)
{
	int fd = mount_fds_get(&fs->inodes.mounts, slot->id.mnt_id);

	if (fd != -ENOENT)
		return fd;
	if (slot->type != S_IFDIR && slot->type != S_IFREG)
		return -ENOENT;
	fd = fd_reopen(fs->proc_self_fd, slot->fd, O_RDONLY);
	return fd < 0 ? fd : mount_fds_add(&fs->inodes.mounts, slot->id.mnt_id, fd);
}

/* Takes the descriptor of a pinned inode away, if that can be made good again. */
static bool cool(struct fs *fs, struct inode_slot *slot)
{
	uint16_t holds = inode_holds(slot);
	struct inode_seen seen;
	struct inode_key key;

	if (!will_be_found(fs, slot)) {
		itab_keep_warm(&fs->inodes, slot);
		return false;
	}
	itab_copy_key(&fs->inodes, slot, &seen, &key);
	if (key.handle.n_bytes && use_mount(fs, slot) < 0)
		return false;
	if (itab_cool(&fs->inodes, slot, holds))
		return true;
	if (key.handle.n_bytes)
		mount_fds_put(&fs->inodes.mounts, slot->id.mnt_id);
	return false;
}

static bool cool_one(struct fs *fs)
{
	uint64_t left = itab_clock_rounds(&fs->inodes);
	struct inode_slot *slot;

	while ((slot = itab_clock_next(&fs->inodes, &left))) {
		bool done = cool(fs, slot);

		itab_put(&fs->inodes, slot);
		if (done)
			return true;
	}
	return false;
}

/* Of both sorts some are kept: each that is in use would soon be opened again. */
static bool free_one(struct fs *fs)
{
	if (fs_implicit_are_many(fs) && fs_implicit_close_one(fs))
		return true;
	return cool_one(fs) || fs_implicit_close_one(fs);
}

int fs_charge(struct fs *fs)
{
	struct fd_budget *budget = &fs->budget;
	bool room = fd_budget_take(budget);

	if (unlikely(fd_budget_is_tight(budget)) &&
	    !__atomic_load_n(&fs->may_be_cold, __ATOMIC_RELAXED))
		__atomic_store_n(&fs->may_be_cold, true, __ATOMIC_RELAXED);
	if (likely(room) || free_one(fs))
		return 0;
	fd_budget_give(budget);
	return -ENFILE;
}

bool fs_try_again(struct fs *fs, int error, unsigned int *n_tries)
{
	unsigned int n_freed = 0;

	if ((error != -EMFILE && error != -ENFILE) || (*n_tries)++ >= TRIES_MAX)
		return false;
	__atomic_store_n(&fs->may_be_cold, true, __ATOMIC_RELAXED);
	while (n_freed < FREE_AT_ONCE && free_one(fs))
		n_freed++;
	return n_freed;
}

/* ---- Cold to warm ---- */

/*
 * The number of an overlay's directory may be one that it got when it was first needed, and is gone
 * when the kernel forgets the directory; a copy-up makes a directory that is born later.
 */
static bool is_same_unsteady(const struct inode_seen *want, const struct inode_seen *seen)
{
	return seen->id.dev == want->id.dev && seen->id.mnt_id == want->id.mnt_id &&
	       (seen->id.ino == want->id.ino || (want->birth && seen->birth == want->birth));
}

/* `fd` is taken; returned when it is on the inode, -ESTALE otherwise. */
static int if_same(const struct inode_seen *want, bool by_handle, int fd)
{
	cleanup_fd int owned = fd;
	struct inode_seen seen;
	struct statx stx;
	int r = fs_statx(fd, "", &stx);

	if (r < 0)
		return r;
	fs_seen_from(&stx, &seen);
	if (seen.type != want->type)
		return -ESTALE;
	if (want->unsteady && is_same_unsteady(want, &seen))
		return take_fd(&owned);
	if (!inode_id_equal(&seen.id, &want->id))
		return -ESTALE;
	/* The number may be that of a younger file; a handle has the generation in it. */
	if (!by_handle && seen.birth != want->birth)
		return -ESTALE;
	return take_fd(&owned);
}

static int open_handle(struct fs *fs, const struct inode_seen *want,
		       const struct inode_handle *handle)
{
	int mount_fd = mount_fds_get(&fs->inodes.mounts, want->id.mnt_id);
	int fd;

	if (mount_fd < 0)
		return -ESTALE;
	fd = file_handle_open(mount_fd, handle);
	mount_fds_put(&fs->inodes.mounts, want->id.mnt_id);
	return fd < 0 ? fd : if_same(want, true, fd);
}

static int open_at(int dir_fd, const char *name, const struct inode_seen *want)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : if_same(want, false, fd);
}

/* A getdents64(2) record. */
struct dir_record {
	uint64_t ino;
	int64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Renamed behind our back, but perhaps not far: under which name has the directory the number? */
static __attribute__((__noinline__)) int search_dir(struct fs *fs, int dir_path_fd,
						    const struct inode_seen *want,
						    struct inode_name *name)
{
	cleanup_fd int dir = fd_reopen(fs->proc_self_fd, dir_path_fd, O_RDONLY | O_DIRECTORY);
	char buf[4096] __attribute__((__aligned__(8)));
	long n;

	if (dir < 0)
		return dir;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		const struct dir_record *record;

		for (long at = 0; at < n; at += record->len) {
			int fd;

			record = (const struct dir_record *)(buf + at);
			if (record->ino != want->id.ino || !fs_name_ok(record->name))
				continue;
			fd = open_at(dir, record->name, want);
			if (fd < 0)
				continue;
			(void)inode_name_set(name, name->parent, record->name);
			return fd;
		}
	}
	return -ESTALE;
}

static int warm(struct fs *fs, struct inode_slot *slot, unsigned int depth);

static int open_name(struct fs *fs, struct inode_slot *slot, const struct inode_seen *want,
		     struct inode_name *name, unsigned int depth)
{
	cleanup_node struct node_ref dir = node_pin(fs, name->parent);
	int r;

	if (!dir.slot || depth >= DEPTH_MAX)
		return -ESTALE;
	/* Pinned, each directory stays warm until the one below it is. */
	if (inode_is_cold(dir.slot)) {
		r = warm(fs, dir.slot, depth + 1);
		if (r < 0)
			return r;
	}
	inode_touch(dir.slot);
	r = open_at(dir.slot->fd, name->text, want);
	if (r != -ENOENT && r != -ESTALE && r != -ENOTDIR)
		return r;
	r = search_dir(fs, dir.slot->fd, want, name);
	if (r >= 0)
		itab_set_name(&fs->inodes, slot, name);
	return r;
}

/* The host may have removed or replaced what was cold, but an open file is there until released. */
static int open_opened(struct fs *fs, const struct inode_slot *slot, const struct inode_seen *want)
{
	cleanup_file struct file_ref file = { fs, htab_find(&fs->handles,
							    itab_nodeid(&fs->inodes, slot)) };
	int fd;

	if (!file.slot)
		return -ESTALE;
	fd = fd_reopen_path(fs->proc_self_fd, file.slot->fd);
	return fd < 0 ? fd : if_same(want, true, fd);
}

static int open_cold(struct fs *fs, struct inode_slot *slot, unsigned int depth)
{
	struct inode_seen want;
	struct inode_key key;
	int r = -ESTALE;

	itab_copy_key(&fs->inodes, slot, &want, &key);
	if (key.handle.n_bytes)
		r = open_handle(fs, &want, &key.handle);
	if (r < 0 && r != -EMFILE && r != -ENFILE && key.name.parent)
		r = open_name(fs, slot, &want, &key.name, depth);
	if (r == -ESTALE || r == -ENOENT)
		r = open_opened(fs, slot, &want);
	return r;
}

static int warm(struct fs *fs, struct inode_slot *slot, unsigned int depth)
{
	unsigned int n_tries = 0;
	int r = fs_charge(fs);

	if (r < 0)
		return r;
	do {
		r = open_cold(fs, slot, depth);
	} while (r < 0 && fs_try_again(fs, r, &n_tries));
	if (r < 0) {
		fd_budget_give(&fs->budget);
		/* Somebody who moves it may have made it warm, and the name was the old one. */
		if (!inode_is_cold(slot))
			return 0;
		return r == -ENOENT ? -ESTALE : r;
	}
	itab_warm(&fs->inodes, slot, r);
	return 0;
}

/* The directory that a cold inode is found again in, if that is cold, too; 0 otherwise. */
static uint64_t cold_parent(struct fs *fs, struct inode_slot *slot)
{
	struct inode_seen want;
	struct inode_key key;

	itab_copy_key(&fs->inodes, slot, &want, &key);
	if (key.handle.n_bytes || !key.name.parent)
		return 0;
	{
		cleanup_node struct node_ref dir = node_pin(fs, key.name.parent);

		return dir.slot && inode_is_cold(dir.slot) ? key.name.parent : 0;
	}
}

/* So many levels up; 0 where the cold ones end before. */
static uint64_t cold_ancestor(struct fs *fs, uint64_t nodeid, unsigned int levels)
{
	while (levels--) {
		cleanup_node struct node_ref node = node_pin(fs, nodeid);
		uint64_t parent = node.slot ? cold_parent(fs, node.slot) : 0;

		if (!parent)
			return 0;
		nodeid = parent;
	}
	return nodeid;
}

/*
 * Far below the nearest warm directory those in between are made warm in stages, from above, so
 * that few of them are at a time. The way up is gone once: a guest can make it long.
 */
int fs_warm(struct fs *fs, struct inode_slot *slot)
{
	cleanup_node struct node_ref above = { .fs = fs };
	uint64_t stages[STAGES_MAX];
	uint64_t nodeid = itab_nodeid(&fs->inodes, slot);
	unsigned int n = 0;

	while ((nodeid = cold_ancestor(fs, nodeid, DEPTH_MAX - 1))) {
		if (n == STAGES_MAX)
			return -ESTALE;
		stages[n++] = nodeid;
	}
	while (n--) {
		struct node_ref below = node_pin(fs, stages[n]);
		int r = -ESTALE;

		if (below.slot)
			r = inode_is_cold(below.slot) ? warm(fs, below.slot, 0) : 0;
		/* Pinned until the next one is warm. */
		node_put(&above);
		above = below;
		if (r < 0)
			return r;
	}
	return warm(fs, slot, 0);
}
