/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared file system: every operation a guest can ask for, in plain C arguments, on the host
 * directory tree. No wire types, no rings.
 *
 * Keys: a nodeid or fh is slot index + generation in the state arena and is checked on every use;
 * an unknown or stale nodeid is -ESTALE, and so is a node whose file is gone while no descriptor
 * was left for it; an unknown fh is -EBADF, and 0 is never known. Where INIT has agreed that the
 * guest need not open, fs_fh_of_node() stands for the open file that it has not asked for. The
 * root is FS_ROOT_ID and is never forgotten. Names are single path components that the decoder has checked (no '/', no
 * NUL, not empty, not "." or "..", at most NAME_MAX bytes).
 *
 * Results: 0, a count, or -errno as the host's system call gave it. `ret_` arguments are written
 * only on success. All functions except those under "Life" may be called from any number of
 * threads at once, each with its own struct fs_thread. Symbolic links are never followed, special
 * files never opened, and nothing outside the tree is reached.
 */
#ifndef FUSE_PASSTHROUGH_FS_H
#define FUSE_PASSTHROUGH_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/intent.h"

#define FS_ROOT_ID    1u

/* Set in no nodeid and no fh of an open file. */
#define FS_FH_OF_NODE UINT64_C(0x80000000)

static inline uint64_t fs_fh_of_node(uint64_t nodeid)
{
	return nodeid | FS_FH_OF_NODE;
}

struct fs;
struct xattr_map;

/* ---- Life: one control thread ---- */

enum fs_cache {
	FS_CACHE_AUTO,
	FS_CACHE_ALWAYS,
	FS_CACHE_NEVER,
	FS_CACHE_METADATA,
};

struct fs_options {
	int root_fd;	      /* O_PATH of the shared directory or regular file; taken */
	int proc_self_fd;     /* O_PATH of /proc/self/fd; taken */
	enum fs_cache cache;  /* decides the open hints */
	bool readonly;	      /* every modifying operation is -EROFS */
	bool allow_direct_io; /* otherwise O_DIRECT is stripped from opens */
	bool exclusive;	      /* nobody else changes anything: guests need not open what they use */
	const struct xattr_map *xattr_map; /* borrowed; NULL: names are the same on both sides */
	uint32_t max_inodes;		   /* above: -ENFILE */
	uint32_t max_handles;		   /* open files; above: -ENFILE */
	uint32_t max_fds;     /* of inodes and open files; inodes above it are kept without */
	uint32_t max_watches; /* inotify, for files of an overlay; above: not recognised again */
	/* Each has a descriptor; above: -ENOLCK. 0: no byte range locks. */
	uint32_t max_lock_owners;
};

/*
 * Bytes that fs_new() needs in the sections ARENA_INODES, ARENA_KEYS, ARENA_HANDLES, ARENA_LOCKS and
 * ARENA_FDS.
 */
size_t fs_inode_section_bytes(uint32_t max_inodes);
size_t fs_key_section_bytes(uint32_t max_inodes);
size_t fs_handle_section_bytes(uint32_t max_handles);
size_t fs_lock_section_bytes(uint32_t max_lock_owners);
size_t fs_fds_section_bytes(void);

/*
 * `arena` is borrowed and must outlive the fs. Both fds in `options` are taken, also on failure. The
 * arena is new, or one that a predecessor, with the same options, has left at any moment: inodes,
 * open files and locks are then as they were. `root_fd` may be the one it was given.
 */
int fs_new(const struct fs_options *options, struct arena *arena, struct fs **ret_fs);

/* Before fs_new(): every descriptor that is in the arena, and no other, was a predecessor's. */
void fs_arena_each_fd(struct arena *arena, void (*fn)(void *arg, int fd), void *arg);

/* No request may be running. Accepts NULL. */
void fs_free(struct fs *fs);

/*
 * From now on, inodes without a descriptor are found again by file handle, and not by name only.
 * Before the first request and with the privileges that requests will have. -errno when handles are
 * not permitted or the file system of the share has none.
 */
int fs_use_handles(struct fs *fs);

/*
 * What INIT agreed on.
 * `writeback`: the guest also reads through files opened for writing, and knows their ends.
 */
struct fs_negotiated {
	bool submounts;
	bool writeback;
	bool posix_acl; /* the guest checks ACLs; otherwise it is not shown any */
	/*
	 * The guest does not open files, or directories; for each it uses fs_fh_of_node(), and its
	 * own kernel sees to O_TRUNC and locks. Only where it is optional.
	 */
	bool no_open, no_opendir;
};

/* Nobody but the guest changes anything, as the options say. */
bool fs_is_exclusive(const struct fs *fs);

/* What INIT may leave out: depends on the options and on the file system of the share. */
bool fs_opens_are_optional(const struct fs *fs);
bool fs_opendirs_are_optional(const struct fs *fs);

/* After fs_new() on the arena of a predecessor: this was agreed on with it. */
void fs_resume(struct fs *fs, const struct fs_negotiated *negotiated);

/*
 * Forgets every inode and closes every handle, for INIT, DESTROY and device reset. Safe while
 * requests run: they finish on what they hold.
 */
void fs_reset(struct fs *fs, const struct fs_negotiated *negotiated);

/* ---- Per thread ---- */

#define FS_DIRBUF_BYTES 65536u

/* Entries in a thread's buffer that no reply has had room for (fs-dir.c). */
struct fs_dir_rest {
	uint64_t fh;
	uint64_t offset; /* where the first of them begins */
	uint32_t at, end;
	uint32_t n_removals; /* when they were read */
	uint32_t listing;    /* of the handle, that they are part of */
};

struct fs_thread {
	struct fs *fs; /* borrowed */
	/*
	 * Called before the first system call of a request that may take long, so that the caller
	 * can let another thread go on with the queue; at a cold node perhaps once more, which then
	 * means nothing new. May be NULL.
	 */
	void (*about_to_block)(struct fs_thread *thread);
	/*
	 * Of the request that is served, borrowed: what a successor has to know of it (fs-intent.h).
	 * NULL: it is served once for sure.
	 */
	struct inflight *inflight;
	bool in_fds;		/* working directory is /proc/self/fd */
	unsigned int n_unknown; /* lookups in a row that found what was not known */
	struct fs_dir_rest rest;
	/* Room for getdents64(2); the owner allocates it once per thread. */
	char dirbuf[FS_DIRBUF_BYTES] __attribute__((__aligned__(8)));
};

/* Once per thread, before its first request. */
int fs_thread_init(struct fs_thread *thread, struct fs *fs);

/* An attribute that a new node has from the start. */
struct fs_label {
	const char *name;  /* borrowed; NULL: none */
	const void *value; /* borrowed */
	size_t size;
};

/* Who asks. Used by creating operations only: everything else the guest has checked itself. */
struct fs_caller {
	uint32_t uid;
	uint32_t gid;
	bool has_group;	       /* `group` came with the request */
	uint32_t group;	       /* the supplementary group to create with */
	uint32_t umask;	       /* applied only where the guest has not (DONT_MASK) */
	struct fs_label label; /* security label of what is created */
};

/* In place of `uid` or `gid`: the request did not say. */
#define FS_NO_ID UINT32_MAX

/* ---- Nodes ---- */

struct fs_attr {
	struct statx stx;
	bool submount; /* a mount point on the host: st_dev or mount id differs from its parent */
};

struct fs_entry {
	uint64_t nodeid;
	uint64_t generation;
	struct fs_attr attr;
};

/* Each success adds one to the node's lookup count; fs_forget() gives counts back. */
int fs_lookup(struct fs_thread *thread, uint64_t parent, const char *name,
	      struct fs_entry *ret_entry);

/* Unknown ids and too large counts are ignored without harm. Never to be repeated. */
void fs_forget(struct fs *fs, uint64_t nodeid, uint64_t n_lookup);

#define FS_NO_FH UINT64_MAX

/* `fh` FS_NO_FH, or an open handle of the node whose file is asked instead. */
int fs_getattr(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, struct fs_attr *ret_attr);

struct fs_setattr {
	uint64_t fh; /* or FS_NO_FH */
	bool set_mode, set_uid, set_gid, set_size;
	bool set_atime, set_mtime, atime_now, mtime_now;
	bool kill_suidgid; /* drop set-id bits as an unprivileged writer would */
	/*
	 * Nothing is set: a chown(2) that names no ids, which drops set-id bits with `kill_suidgid`
	 * and changes only the time of change without.
	 */
	bool touch;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec atime, mtime;
};

int fs_setattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_setattr *set,
	       struct fs_attr *ret_attr);

/* Returns the number of bytes written to `buf` (no NUL). */
ssize_t fs_readlink(struct fs_thread *thread, uint64_t nodeid, char *buf, size_t size);

int fs_statfs(struct fs_thread *thread, uint64_t nodeid, struct statvfs *ret_statfs);
int fs_access(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
	      uint32_t mask);

/* ---- Extended attributes ---- */

#define FS_XATTR_MAX_BYTES 65536u

struct fs_xattr {
	const char *name;
	const void *value;
	size_t size;	    /* above FS_XATTR_MAX_BYTES: -E2BIG */
	uint32_t flags;	    /* as setxattr(2) */
	bool acl_kill_sgid; /* an ACL set by somebody outside the file's group without CAP_FSETID */
};

/*
 * `name` is the guest's; empty or longer than 255 bytes it is -ERANGE. Lists hold NUL-terminated
 * names. `size` 0 asks for the length; one that is too small is -ERANGE.
 */
int fs_setxattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_xattr *xattr);
ssize_t fs_getxattr(struct fs_thread *thread, uint64_t nodeid, const char *name, void *value,
		    size_t size);
ssize_t fs_listxattr(struct fs_thread *thread, uint64_t nodeid, char *names, size_t size);
int fs_removexattr(struct fs_thread *thread, uint64_t nodeid, const char *name);

/* ---- Names ---- */

/*
 * What is made with a label is removed again when it cannot have it, unless the reason is that
 * the map keeps it in a user.* attribute, which links and special files do not have. A new file appears with its
 * label where the file system can make files without a name; other nodes get it just after they
 * were made, before the guest hears of them.
 */
int fs_symlink(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       const char *name, const char *target, struct fs_entry *ret_entry);
int fs_mknod(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, uint32_t rdev, struct fs_entry *ret_entry);
int fs_mkdir(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, struct fs_entry *ret_entry);
int fs_link(struct fs_thread *thread, uint64_t nodeid, uint64_t new_parent, const char *new_name,
	    struct fs_entry *ret_entry);
int fs_unlink(struct fs_thread *thread, uint64_t parent, const char *name);
int fs_rmdir(struct fs_thread *thread, uint64_t parent, const char *name);
/* `flags` as renameat2(2). A whiteout that is left belongs to `caller`, if there is one. */
int fs_rename(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint64_t new_parent, const char *new_name, uint32_t flags);

/* ---- Files ---- */

/* What the guest may do with its page cache for this open file; policy of the cache mode. */
struct fs_opened {
	uint64_t fh;
	bool direct_io;	 /* bypass the guest's page cache */
	bool keep_cache; /* what is cached from earlier opens stays valid */
	bool cache_dir;	 /* the guest may cache directory entries */
	bool parallel_direct_writes;
	bool no_flush; /* fs_flush() would do nothing */
};

/* `flags` as open(2); only what concerns an existing file is used. */
int fs_open(struct fs_thread *thread, uint64_t nodeid, uint32_t flags, bool kill_suidgid,
	    struct fs_opened *ret_opened);
/*
 * Atomic create + lookup + open. The handle is 0 where the guest does not open. -ESTALE when the name exists without O_EXCL and the caller is not
 * root: to be looked up and opened, with the checks of that. The lookup count rises as in
 * fs_lookup().
 */
int fs_create(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint32_t mode, uint32_t flags, bool kill_suidgid,
	      struct fs_entry *ret_entry, struct fs_opened *ret_opened);

/*
 * A file without a name, in the file system of `parent`: created, looked up and opened. -EOPNOTSUPP
 * where the host's file system has no such files.
 */
int fs_tmpfile(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       uint32_t mode, uint32_t flags, struct fs_entry *ret_entry,
	       struct fs_opened *ret_opened);

/* Straight between the page cache and `iov`. `offset` above INT64_MAX is -EINVAL. */
ssize_t fs_read(struct fs_thread *thread, uint64_t fh, uint64_t offset, const struct iovec *iov,
		unsigned int n_iov);

struct fs_write {
	uint64_t fh;
	uint64_t offset;
	bool kill_suidgid; /* the writer lacks CAP_FSETID */
	/* At the end of the file, wherever that is by then; without an open, at the offset. */
	bool append;
	bool from_cache; /* written back from the guest's page cache */
	bool direct;	 /* past it: the guest has the file open with O_DIRECT */
	/* As the open flags of these names, for this write. */
	bool sync, dsync;
};

/*
 * So many bytes of the request that is served have been appended by a worker that died: an append goes
 * on behind them.
 */
static inline uint64_t fs_appended(const struct fs_thread *thread)
{
	return intent_get(thread->inflight, INTENT_BYTES);
}

ssize_t fs_write(struct fs_thread *thread, const struct fs_write *write, const struct iovec *iov,
		 unsigned int n_iov);

int fs_flush(struct fs_thread *thread, uint64_t fh);
int fs_fsync(struct fs_thread *thread, uint64_t fh, bool datasync);
/* Everything locked through this handle is unlocked. */
int fs_release(struct fs_thread *thread, uint64_t fh);

struct fs_range {
	uint64_t fh, offset, length;
	uint32_t mode;	   /* as fallocate(2) */
	bool kill_suidgid; /* as for writes */
};

int fs_fallocate(struct fs_thread *thread, const struct fs_range *range);
/* Returns the new offset. */
int64_t fs_lseek(struct fs_thread *thread, uint64_t fh, uint64_t offset, uint32_t whence);

struct fs_copy {
	uint64_t fh_in, offset_in;
	uint64_t fh_out, offset_out;
	uint64_t length;
	uint64_t flags;	   /* must be 0 */
	bool kill_suidgid; /* as for writes */
};

ssize_t fs_copy_file_range(struct fs_thread *thread, const struct fs_copy *copy);
int fs_syncfs(struct fs_thread *thread, uint64_t nodeid);

/* ---- Locks, seen by every process of the host and every other guest ---- */

struct fs_lock {
	uint64_t owner;	     /* who in the guest: a process or an open file */
	uint64_t start, end; /* bytes, both included; INT64_MAX: up to any end of the file */
	uint32_t type;	     /* F_RDLCK, F_WRLCK or F_UNLCK */
	uint32_t pid;	     /* of the owner's process, in the guest */
};

/*
 * Replaces `lock` by one that stands in its way, with pid 0 if that is not this guest's, or sets its
 * type to F_UNLCK.
 */
int fs_getlk(struct fs_thread *thread, uint64_t fh, struct fs_lock *lock);

/* Locks or unlocks bytes. Never waits for another lock: -EAGAIN. */
int fs_setlk(struct fs_thread *thread, uint64_t fh, const struct fs_lock *lock);

/* The owner has closed a file: unlocks all it has in it. Returns whether that was anything. */
int fs_drop_locks(struct fs_thread *thread, uint64_t fh, uint64_t owner);

/* As flock(2): one lock for the open file as a whole. `type` as above; never waits. */
int fs_flock(struct fs_thread *thread, uint64_t fh, uint32_t type);

struct fs_ioctl {
	uint64_t fh; /* of a file or directory */
	uint32_t command;
	const void *in; /* private copy of the argument */
	void *out;
	size_t in_size, out_size;
};

/*
 * Returns the number of bytes written to `out`. -ENOTTY for what is not in the list of fs-ioctl.c,
 * -EINVAL for sizes that do not belong to the command.
 */
ssize_t fs_ioctl(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
		 const struct fs_ioctl *call);

/* ---- Directories ---- */

struct fs_dirent {
	uint64_t ino;
	uint64_t next_offset; /* where the entry after this one starts */
	uint32_t type;	      /* DT_* */
	uint32_t name_len;
	const char *name; /* valid during the call; NUL-terminated */
};

/* Where fs_readdir() delivers entries. */
struct fs_dir_sink {
	bool plus; /* wants an fs_entry with each name */
	/* False: no room for a name of this length; reading stops before that entry. */
	bool (*room)(struct fs_dir_sink *sink, uint32_t name_len);
	/*
	 * `entry` is NULL when !plus, for "." and "..", and where the lookup failed: the name is
	 * listed all the same. With an entry the lookup count has been raised.
	 */
	void (*add)(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
		    const struct fs_entry *entry);
};

/* `flags` as for fs_open(); only O_NOATIME means anything. */
int fs_opendir(struct fs_thread *thread, uint64_t nodeid, uint32_t flags,
	       struct fs_opened *ret_opened);
/* Entries from `offset` (0 or a next_offset) on, `size` bytes of room as a hint. */
int fs_readdir(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, struct fs_dir_sink *sink);
int fs_fsyncdir(struct fs_thread *thread, uint64_t fh, bool datasync);
int fs_releasedir(struct fs_thread *thread, uint64_t fh);

#endif
