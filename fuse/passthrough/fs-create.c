/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New names: mknod, mkdir, symlink, link; and what all that make something share.
 *
 * What is made belongs to the guest's caller because the thread that makes it has become that
 * caller for the moment. The process has no umask; a guest has applied its own, or sends it along.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#include "fuse/passthrough/creds.h"

int fs_may_create(struct fs_thread *thread, const struct node_ref *dir, const char *name)
{
	if (!dir->slot)
		return dir->error;
	if (!fs_name_ok(name))
		return -EINVAL;
	if (thread->fs->readonly)
		return -EROFS;
	fs_may_block_on(thread, dir->slot->backing);
	return 0;
}

int fs_label_new(struct fs_thread *thread, int dir_fd, const char *name, int fd,
		 const struct fs_label *label)
{
	struct statx stx;
	int r = fs_label_fd(thread, fd, label);

	if (r == 0)
		return 0;
	/* Without a label where one belongs is worse than not at all. */
	if (fs_statx(fd, "", &stx) == 0)
		(void)unlinkat(dir_fd, name, S_ISDIR(stx.stx_mode) ? AT_REMOVEDIR : 0);
	return r;
}

void fs_unmake(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) < 0 && errno == EISDIR)
		(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

static int open_new(struct fs *fs, int dir_fd, const char *name)
{
	unsigned int n_tries = 0;
	int fd;

	do {
		fd = neg_errno(openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	if (fd == -EMFILE || fd == -ENFILE)
		fs_unmake(dir_fd, name);
	return fd;
}

static int lookup_new(struct fs_thread *thread, const struct node_ref *dir, const char *name,
		      const struct fs_label *label, struct fs_room *room,
		      struct fs_entry *ret_entry)
{
	const struct lookup_dir in = { dir->slot, dir->slot->fd };
	cleanup_fd int fd = open_new(thread->fs, in.fd, name);
	int r = fd;

	if (r >= 0 && label->name)
		r = fs_label_new(thread, in.fd, name, fd, label);
	if (r >= 0)
		r = fs_lookup_fd(thread->fs, &in, name, take_fd(&fd), room, ret_entry);
	return r < 0 ? r : 0;
}

int fs_begin_make(struct fs_thread *thread, const struct node_ref *dir, const char *name, bool file,
		  struct fs_room *room)
{
	int r = fs_room_take(thread->fs, file, room);

	if (r < 0)
		return r;
	intent_make(thread, dir->slot, name);
	room->note_node = intent_place(thread->inflight, INTENT_NODE);
	room->note_handle = intent_place(thread->inflight, INTENT_HANDLE);
	return 0;
}

/* -EEXIST because a dead worker made it for this very request is no error. */
static int made_anyway(struct fs_thread *thread, const struct node_ref *dir, const char *name,
		       const struct intent_made *made, int r)
{
	cleanup_fd int fd = -1;

	if (r != -EEXIST)
		return r;
	fd = intent_open_made(thread, dir->slot, name, made);
	return fd < 0 ? fd : 0;
}

/* ---- Nodes without an open file ---- */

static int make_symlink(const struct fs_caller *caller, int dir_fd, const char *name,
			const char *target)
{
	cleanup_creds struct creds_scope scope;
	int r = creds_become(&scope, caller, 0);

	return r < 0 ? r : neg_errno(symlinkat(target, dir_fd, name));
}

int fs_symlink(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       const char *name, const char *target, struct fs_entry *ret_entry)
{
	const struct intent_made made = { .caller = caller, .mode = S_IFLNK, .target = target };
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = fs_may_create(thread, &dir, name);

	if (r == 0 && intent_entry(thread, &dir, INTENT_NODE, ret_entry))
		return 0;
	if (r == 0)
		r = fs_begin_make(thread, &dir, name, false, &room);
	if (r < 0)
		return r;
	r = make_symlink(caller, dir.slot->fd, name, target);
	r = made_anyway(thread, &dir, name, &made, r);
	return r < 0 ? r : lookup_new(thread, &dir, name, &caller->label, &room, ret_entry);
}

static int make_node(const struct fs_caller *caller, int dir_fd, const char *name, uint32_t mode,
		     uint32_t rdev)
{
	bool device = S_ISCHR(mode) || S_ISBLK(mode);
	/* The guest's kernel has asked its caller for the right to make devices. */
	unsigned int keep = device ? CREDS_KEEP_MKNOD : 0;
	cleanup_creds struct creds_scope scope;
	int r = creds_become(&scope, caller, keep);

	return r < 0 ? r : neg_errno(mknodat(dir_fd, name, mode, rdev));
}

int fs_mknod(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, uint32_t rdev, struct fs_entry *ret_entry)
{
	const uint32_t type = mode & S_IFMT ? 0 : S_IFREG;
	const struct intent_made made = { .caller = caller, .mode = mode | type, .rdev = rdev };
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = fs_may_create(thread, &dir, name);

	if (r == 0 && intent_entry(thread, &dir, INTENT_NODE, ret_entry))
		return 0;
	if (r == 0)
		r = fs_begin_make(thread, &dir, name, false, &room);
	if (r < 0)
		return r;
	r = make_node(caller, dir.slot->fd, name, mode, rdev);
	r = made_anyway(thread, &dir, name, &made, r);
	return r < 0 ? r : lookup_new(thread, &dir, name, &caller->label, &room, ret_entry);
}

static int make_dir(const struct fs_caller *caller, int dir_fd, const char *name, uint32_t mode)
{
	cleanup_creds struct creds_scope scope;
	int r = creds_become(&scope, caller, 0);

	return r < 0 ? r : neg_errno(mkdirat(dir_fd, name, mode & ~(uint32_t)S_IFMT));
}

int fs_mkdir(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, struct fs_entry *ret_entry)
{
	const uint32_t bits = mode & ~(uint32_t)S_IFMT;
	const struct intent_made made = { .caller = caller, .mode = S_IFDIR | bits };
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = fs_may_create(thread, &dir, name);

	if (r == 0 && intent_entry(thread, &dir, INTENT_NODE, ret_entry))
		return 0;
	if (r == 0)
		r = fs_begin_make(thread, &dir, name, false, &room);
	if (r < 0)
		return r;
	r = make_dir(caller, dir.slot->fd, name, mode);
	r = made_anyway(thread, &dir, name, &made, r);
	return r < 0 ? r : lookup_new(thread, &dir, name, &caller->label, &room, ret_entry);
}

/* ---- Another name for a known node ---- */

static void remember_name(struct fs *fs, const struct node_ref *dir, const char *name,
			  struct inode_slot *slot)
{
	struct inode_name place;

	if (fs_name_of(fs, dir->slot, name, &place))
		itab_set_name(&fs->inodes, slot, &place);
}

/* The name may be there already because a dead worker has made it. */
static int link_node(struct fs_thread *thread, const struct node_ref *node,
		     const struct node_ref *dir, const char *new_name)
{
	struct fd_name source = fd_name(node->slot->fd);
	struct statx stx, here;
	int r;

	intent_begin(thread->inflight);
	/* The magic link is the only one followed: a symbolic link is linked itself. */
	r = neg_errno(linkat(thread->fs->proc_self_fd, source.text, dir->slot->fd, new_name,
			     AT_SYMLINK_FOLLOW));
	if (r != -EEXIST || !intent_repeats(thread->inflight))
		return r;
	if (fs_statx(node->slot->fd, "", &stx) < 0 || fs_statx(dir->slot->fd, new_name, &here) < 0)
		return r;
	return stx.stx_ino == here.stx_ino && stx.stx_dev_major == here.stx_dev_major &&
			       stx.stx_dev_minor == here.stx_dev_minor
		       ? 0
		       : r;
}

int fs_link(struct fs_thread *thread, uint64_t nodeid, uint64_t new_parent, const char *new_name,
	    struct fs_entry *ret_entry)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	cleanup_node struct node_ref dir = node_of(thread, new_parent);
	struct fs *fs = thread->fs;
	bool counted;
	int r;

	if (!node.slot)
		return node.error;
	r = fs_may_create(thread, &dir, new_name);
	if (r < 0)
		return r;
	counted = intent_is_done(thread->inflight, &r);
	if (!counted)
		r = link_node(thread, &node, &dir, new_name);
	if (r < 0)
		return r;
	r = fs_statx(node.slot->fd, "", &ret_entry->attr.stx);
	if (r < 0)
		return r;
	if (!counted)
		r = itab_lookup_again(&fs->inodes, node.slot);
	if (r < 0)
		return r;
	intent_done(thread->inflight, 0);
	remember_name(fs, &dir, new_name, node.slot);
	fs_fill_entry(fs, &(struct lookup_dir){ dir.slot, dir.slot->fd }, nodeid, ret_entry);
	return 0;
}
