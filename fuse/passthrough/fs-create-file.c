/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are made and opened in one: create, and tmpfile.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>

#include "fuse/passthrough/creds.h"

/* How a file is made: as open(2) on the host. */
struct make_file {
	uint32_t mode;
	int flags;
};

/* A file just made. */
struct created {
	const struct node_ref *dir;
	const char *name; /* NULL: it has none */
	int fd;		  /* taken */
	uint32_t flags;	  /* of the guest */
	struct fs_room *room;
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
	r = fs_label_new(thread, dir_fd, name, fd, &caller->label);
	return r < 0 ? r : take_fd(&fd);
}

/* The open, on a node whose lookup is given back when there will be no reply to carry it. */
static int open_entry(struct fs_thread *thread, uint32_t flags, bool kill_suidgid,
		      struct fs_entry *entry, struct fs_opened *ret_opened)
{
	cleanup_node struct node_ref node = node_get(thread->fs, entry->nodeid);
	int r = node.error;

	if (node.slot) {
		r = fs_open_node(thread, node.slot, flags, kill_suidgid, ret_opened);
		if (r == 0 && flags & GUEST_O_TRUNC) /* the guest would cache the old size */
			(void)fs_statx(node.slot->fd, "", &entry->attr.stx);
	}
	if (r < 0) {
		intent_set(thread->inflight, INTENT_COUNTED, 0);
		fs_forget(thread->fs, entry->nodeid, 1);
	}
	return r;
}

static int open_existing(struct fs_thread *thread, const struct created *what, bool kill_suidgid,
			 struct fs_entry *ret_entry, struct fs_opened *ret_opened)
{
	const struct lookup_dir in = { what->dir->slot, what->dir->slot->fd };
	struct fs_entry entry;
	int r = 0;

	if (!intent_entry(thread, what->dir, INTENT_COUNTED, &entry))
		r = fs_lookup_in(thread->fs, &in, what->name, true, &entry);
	if (r < 0)
		return r;
	intent_set(thread->inflight, INTENT_COUNTED, entry.nodeid);
	r = open_entry(thread, what->flags, kill_suidgid, &entry, ret_opened);
	if (r == 0)
		*ret_entry = entry;
	return r;
}

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
			fs_unmake(in.fd, new->name);
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

/* ---- What a dead worker has made for this very request ---- */

/*
 * Opens what made_anyway() found. Without the right to, which the call that made it had, it is made
 * once more: nobody has seen the first.
 */
static int open_made(struct fs_thread *thread, const struct fs_caller *caller,
		     const struct created *what, const struct make_file *how, int path_fd)
{
	const int proc_self_fd = thread->fs->proc_self_fd;
	cleanup_fd int fd = fd_reopen(proc_self_fd, path_fd, how->flags & ~O_TRUNC);
	int r;

	if (fd == -EACCES) {
		fs_unmake(what->dir->slot->fd, what->name);
		return make_new_file(thread, caller, what->dir->slot->fd, what->name, how);
	}
	if (fd < 0 || !caller->label.name)
		return take_fd(&fd);
	r = fs_label_new(thread, what->dir->slot->fd, what->name, fd, &caller->label);
	return r < 0 ? r : take_fd(&fd);
}

static int made_anyway(struct fs_thread *thread, const struct fs_caller *caller,
		       const struct created *what, const struct make_file *how)
{
	const uint32_t bits = how->mode & ~(uint32_t)S_IFMT;
	const struct intent_made made = { .caller = caller, .mode = S_IFREG | bits };
	cleanup_fd int fd = intent_open_made(thread, what->dir->slot, what->name, &made);

	return fd < 0 ? fd : open_made(thread, caller, what, how, fd);
}

static int open_known(struct fs_thread *thread, const struct inode_slot *slot,
		      const struct created *what, const struct make_file *how,
		      struct fs_opened *ret_opened)
{
	struct fs_room room = { .note_handle = intent_place(thread->inflight, INTENT_HANDLE) };
	struct fs *fs = thread->fs;
	int fd;

	if (fs_opened_before(thread, slot, HANDLE_FILE, ret_opened))
		return 0;
	fd = fd_reopen(fs->proc_self_fd, slot->fd, how->flags & ~(O_TMPFILE | O_TRUNC | O_EXCL));
	if (fd < 0)
		return fd;
	if (!fs_implicit_files(&fs->implicit))
		stay_quiet(fd, what->flags);
	return fs_add_file(fs, slot, what->flags, fd, &room, ret_opened);
}

/*
 * 1 when it was made and known already; `*ret_r` is what comes of opening it. One that may not be
 * opened, as above, makes room for another.
 */
static bool known_before(struct fs_thread *thread, const struct created *what,
			 const struct make_file *how, struct fs_entry *ret_entry,
			 struct fs_opened *ret_opened, int *ret_r)
{
	cleanup_node struct node_ref node = { 0 };
	struct fs_entry entry;

	if (likely(!intent_entry(thread, what->dir, INTENT_NODE, &entry)))
		return false;
	node = node_get(thread->fs, entry.nodeid);
	*ret_r = node.slot ? open_known(thread, node.slot, what, how, ret_opened) : node.error;
	if (*ret_r == 0)
		*ret_entry = entry;
	else
		fs_forget(thread->fs, entry.nodeid, 1);
	if (*ret_r != -EACCES)
		return true;
	if (what->name)
		fs_unmake(what->dir->slot->fd, what->name);
	return false;
}

/* A new file or nothing: -EEXIST. */
static int create_new(struct fs_thread *thread, const struct fs_caller *caller,
		      const struct created *what, const struct make_file *how,
		      struct fs_entry *ret_entry, struct fs_opened *ret_opened)
{
	cleanup_room struct fs_room room = { 0 };
	struct created new = *what;
	unsigned int n_tries = 0;
	int r = fs_begin_make(thread, new.dir, new.name, true, &room);

	if (r < 0)
		return r;
	do {
		r = make_new_file(thread, caller, new.dir->slot->fd, new.name, how);
	} while (r < 0 && fs_try_again(thread->fs, r, &n_tries));
	if (r == -EEXIST)
		r = made_anyway(thread, caller, &new, how);
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
	int r = fs_may_create(thread, &dir, name);

	if (r == 0)
		r = fs_host_flags(fs, flags & ~GUEST_O_NOATIME, &how.flags);
	if (r < 0)
		return r;
	if (known_before(thread, &new, &how, ret_entry, ret_opened, &r))
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
		r = open_existing(thread, &new, kill_suidgid, ret_entry, ret_opened);
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
	if (known_before(thread, &new, &how, ret_entry, ret_opened, &r))
		return r;
	r = fs_begin_make(thread, &dir, NULL, true, &room);
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
