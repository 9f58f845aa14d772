/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New names: mknod, mkdir, symlink, link, create; and files without one.
 *
 * What is made belongs to the guest's caller because the thread that makes it has become that
 * caller for the moment. The process has no umask; a guest has applied its own, or sends it along.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#include "fuse/passthrough/creds.h"

/* The checks that all creating operations share. */
static int may_create(struct fs_thread *thread, const struct node_ref *dir, const char *name)
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

/*
 * A label that comes after the node. In the guest nobody can see the node yet, because its kernel
 * holds the directory until the reply.
 */
static int label_new(struct fs_thread *thread, int dir_fd, const char *name, int fd,
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

/* Whoever is told that a creation failed must not find what it made. */
static void unmake(int dir_fd, const char *name)
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
		unmake(dir_fd, name);
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
		r = label_new(thread, in.fd, name, fd, label);
	if (r >= 0)
		r = fs_lookup_fd(thread->fs, &in, name, take_fd(&fd), room, ret_entry);
	return r < 0 ? r : 0;
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
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = may_create(thread, &dir, name);

	if (r == 0)
		r = fs_room_take(thread->fs, false, &room);
	if (r < 0)
		return r;
	r = make_symlink(caller, dir.slot->fd, name, target);
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
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = may_create(thread, &dir, name);

	if (r == 0)
		r = fs_room_take(thread->fs, false, &room);
	if (r < 0)
		return r;
	r = make_node(caller, dir.slot->fd, name, mode, rdev);
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
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	int r = may_create(thread, &dir, name);

	if (r == 0)
		r = fs_room_take(thread->fs, false, &room);
	if (r < 0)
		return r;
	r = make_dir(caller, dir.slot->fd, name, mode);
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

int fs_link(struct fs_thread *thread, uint64_t nodeid, uint64_t new_parent, const char *new_name,
	    struct fs_entry *ret_entry)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	cleanup_node struct node_ref dir = node_of(thread, new_parent);
	struct fs *fs = thread->fs;
	struct fd_name source;
	int r;

	if (!node.slot)
		return node.error;
	r = may_create(thread, &dir, new_name);
	if (r < 0)
		return r;
	/* The magic link is the only one followed: a symbolic link is linked itself. */
	source = fd_name(node.slot->fd);
	r = neg_errno(
		linkat(fs->proc_self_fd, source.text, dir.slot->fd, new_name, AT_SYMLINK_FOLLOW));
	if (r < 0)
		return r;
	r = fs_statx(node.slot->fd, "", &ret_entry->attr.stx);
	if (r < 0)
		return r;
	r = itab_lookup_again(&fs->inodes, node.slot);
	if (r < 0)
		return r;
	remember_name(fs, &dir, new_name, node.slot);
	fs_fill_entry(fs, &(struct lookup_dir){ dir.slot, dir.slot->fd }, nodeid, ret_entry);
	return 0;
}

/* ---- Create and open in one ---- */

/* How a file is made: as open(2) on the host. */
struct make_file {
	uint32_t mode;
	int flags;
};

static int make_file(const struct fs_caller *caller, int dir_fd, const char *name,
		     const struct make_file *how)
{
	cleanup_creds struct creds_scope scope;
	int r = creds_become(&scope, caller, 0);

	if (r < 0)
		return r;
	return neg_errno(openat(dir_fd, name, how->flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
				how->mode & ~(uint32_t)S_IFMT));
}

/*
 * A file that has its label before it has its name. -EOPNOTSUPP where the file system cannot make
 * files without one.
 */
static int make_labelled_file(struct fs_thread *thread, const struct fs_caller *caller, int dir_fd,
			      const char *name, const struct make_file *how)
{
	const int access = (how->flags & O_ACCMODE) == O_RDONLY ? O_RDWR : how->flags & O_ACCMODE;
	const int flags = how->flags & ~(O_ACCMODE | O_TRUNC);
	cleanup_fd int fd = -1;
	struct fd_name source;
	int r;

	{
		cleanup_creds struct creds_scope scope;

		r = creds_become(&scope, caller, 0);
		if (r < 0)
			return r;
		fd = openat(dir_fd, ".", flags | access | O_TMPFILE | O_CLOEXEC,
			    how->mode & ~(uint32_t)S_IFMT);
		if (fd < 0) /* EISDIR: not known to this kernel */
			return errno == EISDIR ? -EOPNOTSUPP : -errno;
	}
	r = fs_label_fd(thread, fd, &caller->label);
	if (r < 0)
		return r;
	source = fd_name(fd);
	r = neg_errno(
		linkat(thread->fs->proc_self_fd, source.text, dir_fd, name, AT_SYMLINK_FOLLOW));
	return r < 0 ? r : take_fd(&fd);
}

static int make_new_file(struct fs_thread *thread, const struct fs_caller *caller, int dir_fd,
			 const char *name, const struct make_file *how)
{
	cleanup_fd int fd = -1;
	const struct make_file excl = { how->mode, how->flags | O_CREAT | O_EXCL };
	int r;

	if (!caller->label.name)
		return make_file(caller, dir_fd, name, &excl);
	r = make_labelled_file(thread, caller, dir_fd, name, how);
	if (r != -EOPNOTSUPP)
		return r;
	fd = make_file(caller, dir_fd, name, &excl);
	if (fd < 0)
		return fd;
	r = label_new(thread, dir_fd, name, fd, &caller->label);
	return r < 0 ? r : take_fd(&fd);
}

/* The open, on a node whose lookup is given back when there will be no reply to carry it. */
static int open_entry(struct fs *fs, uint32_t flags, bool kill_suidgid, struct fs_entry *entry,
		      struct fs_opened *ret_opened)
{
	cleanup_node struct node_ref node = node_get(fs, entry->nodeid);
	int r = node.error;

	if (node.slot) {
		r = fs_open_node(fs, node.slot, flags, kill_suidgid, ret_opened);
		if (r == 0 && flags & GUEST_O_TRUNC) /* the guest would cache the old size */
			(void)fs_statx(node.slot->fd, "", &entry->attr.stx);
	}
	if (r < 0)
		fs_forget(fs, entry->nodeid, 1);
	return r;
}

static int open_existing(struct fs *fs, const struct node_ref *dir, const char *name,
			 uint32_t flags, bool kill_suidgid, struct fs_entry *ret_entry,
			 struct fs_opened *ret_opened)
{
	const struct lookup_dir in = { dir->slot, dir->slot->fd };
	struct fs_entry entry;
	int r = fs_lookup_in(fs, &in, name, true, &entry);

	if (r < 0)
		return r;
	r = open_entry(fs, flags, kill_suidgid, &entry, ret_opened);
	if (r == 0)
		*ret_entry = entry;
	return r;
}

/* A file just made. */
struct created {
	const struct node_ref *dir;
	const char *name; /* NULL: it has none */
	int fd;		  /* taken */
	uint32_t flags;	  /* of the guest */
	struct fs_room *room;
};

/* The guest's wish was not part of the open, because its refusal would have left the file behind. */
static void stay_quiet(int fd, uint32_t flags)
{
	int now;

	if (!(flags & GUEST_O_NOATIME))
		return;
	now = fcntl(fd, F_GETFL);
	if (now >= 0)
		(void)fcntl(fd, F_SETFL, now | O_NOATIME); /* as far as permitted */
}

/* Node and handle of a file just made. Its name is not looked at again. */
static int add_created(struct fs *fs, const struct created *new, struct fs_entry *ret_entry,
		       struct fs_opened *ret_opened)
{
	cleanup_fd int fd = new->fd;
	const struct lookup_dir in = { new->dir->slot, new->dir->slot->fd };
	cleanup_node struct node_ref node = { .fs = fs };
	unsigned int n_tries = 0;
	int r;

	do {
		r = fd_reopen_path(fs->proc_self_fd, fd);
	} while (r < 0 && fs_try_again(fs, r, &n_tries));
	if (r < 0) {
		if (new->name)
			unmake(in.fd, new->name);
		return r;
	}
	r = fs_lookup_fd(fs, &in, new->name, r, new->room, ret_entry);
	if (r < 0)
		return r;
	/* What stands for all opens has the wishes of none. */
	if (!fs_implicit_files(&fs->implicit))
		stay_quiet(fd, new->flags);
	node.slot = itab_get(&fs->inodes, ret_entry->nodeid);
	r = -ESTALE;
	if (node.slot)
		r = fs_add_file(fs, node.slot, new->flags, take_fd(&fd), new->room, ret_opened);
	if (r < 0)
		fs_forget(fs, ret_entry->nodeid, 1);
	return r;
}

/* A new file or nothing: -EEXIST. */
static int create_new(struct fs_thread *thread, const struct fs_caller *caller,
		      const struct created *what, const struct make_file *how,
		      struct fs_entry *ret_entry, struct fs_opened *ret_opened)
{
	cleanup_room struct fs_room room = { 0 };
	struct created new = *what;
	unsigned int n_tries = 0;
	int r = fs_room_take(thread->fs, true, &room);

	if (r < 0)
		return r;
	do {
		r = make_new_file(thread, caller, new.dir->slot->fd, new.name, how);
	} while (r < 0 && fs_try_again(thread->fs, r, &n_tries));
	if (r < 0)
		return r;
	new.fd = r;
	new.room = &room;
	return add_created(thread->fs, &new, ret_entry, ret_opened);
}

int fs_create(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint32_t mode, uint32_t flags, bool kill_suidgid,
	      struct fs_entry *ret_entry, struct fs_opened *ret_opened)
{
	cleanup_node struct node_ref dir = node_of(thread, parent);
	const struct created new = { .dir = &dir, .name = name, .flags = flags };
	struct make_file how = { .mode = mode };
	struct fs *fs = thread->fs;
	int r = may_create(thread, &dir, name);

	if (r == 0)
		r = fs_host_flags(fs, flags & ~GUEST_O_NOATIME, &how.flags);
	if (r < 0)
		return r;
	/* Between the two ways the name may come or go, so the first is tried once more. */
	for (int i = 0; i < 2; i++) {
		r = create_new(thread, caller, &new, &how, ret_entry, ret_opened);
		if (r != -EEXIST || flags & GUEST_O_EXCL)
			return r;
		/*
		 * Somebody else made it after the guest had found nothing. The guest takes what it
		 * gets for its own file and checks no permissions: let it look again and ask to
		 * open, which it does check.
		 */
		if (caller->uid)
			return -ESTALE;
		r = open_existing(fs, &dir, name, flags, kill_suidgid, ret_entry, ret_opened);
		if (r != -ENOENT)
			return r;
	}
	return r;
}

/*
 * Only with O_EXCL is a file without a name barred from getting one. File systems say in more than
 * one way that they have no such files.
 */
int fs_tmpfile(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       uint32_t mode, uint32_t flags, struct fs_entry *ret_entry,
	       struct fs_opened *ret_opened)
{
	cleanup_node struct node_ref dir = node_of(thread, parent);
	cleanup_room struct fs_room room = { 0 };
	struct created new = { .dir = &dir, .flags = flags, .room = &room };
	struct make_file how = { .mode = mode };
	cleanup_fd int fd = -1;
	struct fs *fs = thread->fs;
	unsigned int n_tries = 0;
	int r;

	if (!dir.slot)
		return dir.error;
	r = fs_host_flags(fs, flags & ~(GUEST_O_TRUNC | GUEST_O_NOATIME), &how.flags);
	if (r < 0)
		return r;
	if (fs->readonly)
		return -EROFS;
	if (dir.slot->type != S_IFDIR)
		return -ENOTDIR;
	if ((flags & GUEST_O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	fs_may_block_on(thread, dir.slot->backing);
	how.flags |= O_TMPFILE | (flags & GUEST_O_EXCL ? O_EXCL : 0);
	r = fs_room_take(fs, true, &room);
	if (r < 0)
		return r;
	do {
		fd = make_file(caller, dir.slot->fd, ".", &how);
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	if (fd < 0)
		return fd == -EISDIR ? -EOPNOTSUPP : fd;
	r = caller->label.name ? fs_label_fd(thread, fd, &caller->label) : 0;
	if (r < 0)
		return r;
	new.fd = take_fd(&fd);
	return add_created(fs, &new, ret_entry, ret_opened);
}
