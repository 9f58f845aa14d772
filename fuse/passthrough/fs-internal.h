/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fs-*.c files share: the file system object, pinned nodes and handles, statx.
 */
#ifndef FUSE_PASSTHROUGH_FS_INTERNAL_H
#define FUSE_PASSTHROUGH_FS_INTERNAL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/passthrough/fs-cold.h"
#include "fuse/passthrough/fs-implicit.h"
#include "fuse/passthrough/fs-intent.h"
#include "fuse/passthrough/fs.h"
#include "fuse/passthrough/handle-table.h"
#include "fuse/passthrough/inode-fd.h"
#include "fuse/passthrough/inode-table.h"
#include "fuse/passthrough/lock-table.h"
#include "fuse/passthrough/xattr-map.h"

#define FS_NO_NOWAIT_MAX 8u

struct fs {
	int proc_self_fd; /* owned */
	enum fs_cache cache;
	bool readonly;
	bool allow_direct_io;
	bool submounts;			   /* atomic; negotiated */
	bool posix_acl;			   /* atomic; negotiated */
	bool writeback;			   /* atomic; negotiated */
	const struct xattr_map *xattr_map; /* borrowed, or NULL */
	/*
	 * Where the map keeps security.capability, if not under that name. The kernel drops file
	 * capabilities when a file changes, but does not know them by another name.
	 */
	struct xmap_name renamed_capability;
	bool handles_work;
	uint64_t started_ns; /* of the host's clock */
	/* Atomic; mounts whose file system cannot read without waiting, 0 for none; a hint. */
	uint64_t no_nowait[FS_NO_NOWAIT_MAX];
	uint32_t n_listings; /* atomic; begun at the first entry, counted round */
	uint32_t n_removals; /* atomic; names taken away by the guest, counted round */
	bool may_be_cold;    /* atomic; descriptors have been scarce: some inode may have none */
	struct fd_budget budget;
	struct inode_table inodes;
	struct handle_table handles;
	struct fs_implicit implicit;
	struct lock_table locks;
};

/* ---- Pinned for a scope ---- */

struct node_ref {
	struct fs *fs;
	struct inode_slot *slot; /* NULL: see error */
	int error; /* -ESTALE: unknown, stale, or gone; or why it could not be opened */
};

/* Without regard to its descriptor: the slot may be cold. */
static inline struct node_ref node_pin(struct fs *fs, uint64_t nodeid)
{
	struct inode_slot *slot = itab_get(&fs->inodes, nodeid);

	return (struct node_ref){ fs, slot, slot ? 0 : -ESTALE };
}

/* The descriptor of what is got stays open and the same until the put. */
struct node_ref node_warm(struct node_ref ref);
struct node_ref node_warm_on(struct fs_thread *thread, struct node_ref ref);

static inline struct node_ref node_get(struct fs *fs, uint64_t nodeid)
{
	struct node_ref ref = node_pin(fs, nodeid);

	if (unlikely(!ref.slot))
		return ref;
	inode_touch(ref.slot);
	return unlikely(inode_is_cold(ref.slot)) ? node_warm(ref) : ref;
}

static inline void node_put(struct node_ref *ref)
{
	if (ref->slot)
		itab_put(&ref->fs->inodes, ref->slot);
	ref->slot = NULL;
}

/* The same for a request: opening a cold node on a remote file system may take long. */
static inline struct node_ref node_of(struct fs_thread *thread, uint64_t nodeid)
{
	struct node_ref ref = node_pin(thread->fs, nodeid);

	if (unlikely(!ref.slot))
		return ref;
	inode_touch(ref.slot);
	return unlikely(inode_is_cold(ref.slot)) ? node_warm_on(thread, ref) : ref;
}

struct file_ref {
	struct fs *fs;
	struct handle_slot *slot; /* NULL: see error */
	int error;		  /* -EBADF: no such handle; or why it could not be opened */
};

static inline struct file_ref file_get(struct fs *fs, uint64_t fh, enum handle_kind kind)
{
	struct handle_slot *slot = htab_get(&fs->handles, fh, kind);

	return (struct file_ref){ fs, slot, slot ? 0 : -EBADF };
}

/* The same for the handle that a node has without the guest having opened it. */
struct file_ref file_of_node(struct fs_thread *thread, uint64_t fh, enum handle_kind kind,
			     uint16_t needs);

/* Of either sort. `needs` as for fs_implicit_get(); a guest's own handle has it or the call fails. */
static inline struct file_ref file_of(struct fs_thread *thread, uint64_t fh, enum handle_kind kind,
				      uint16_t needs)
{
	if (fh & FS_FH_OF_NODE)
		return file_of_node(thread, fh, kind, needs);
	return file_get(thread->fs, fh, kind);
}

static inline void file_put(struct file_ref *ref)
{
	if (ref->slot)
		htab_put(&ref->fs->handles, ref->slot);
	ref->slot = NULL;
}

#define cleanup_node CLEANUP(node_put)
#define cleanup_file CLEANUP(file_put)

/* A handle of any kind, if it was opened from this node; otherwise an empty reference. */
struct file_ref file_get_of_node(struct fs_thread *thread, uint64_t fh, uint64_t nodeid);

/* ---- Helpers ---- */

/* A single component. The decoder has seen to it; this keeps it true for every other caller. */
bool fs_name_ok(const char *name);

/* The next system call may take long. */
static inline void fs_may_block(struct fs_thread *thread)
{
	if (thread->about_to_block)
		thread->about_to_block(thread);
}

/* The same for calls that take long only where the file system is remote. */
static inline void fs_may_block_on(struct fs_thread *thread, uint8_t backing)
{
	if (backing == BACKING_REMOTE)
		fs_may_block(thread);
}

/* The same for calls that wait for a disk, where there is one. */
static inline void fs_may_wait_for_disk(struct fs_thread *thread, uint8_t backing)
{
	if (backing != BACKING_MEMORY)
		fs_may_block(thread);
}

/* One statx(2) with all that an attribute or an identity needs. */
int fs_statx(int dirfd, const char *name, struct statx *ret_stx);
void fs_seen_from(const struct statx *stx, struct inode_seen *ret_seen);

/* ---- Room for what is about to be made ---- */

struct fs_room {
	struct fs *fs;
	uint32_t inode;	    /* a slot, or 0 */
	uint32_t handle;    /* a slot, plus one, or 0 */
	uint32_t n_charged; /* descriptors */
	/* Where nodeid and fh are noted before they become known, or NULL. */
	uint64_t *note_node, *note_handle;
};

/* For a node, and a file open on it. `room` is written in every case and must be given back. */
int fs_room_take(struct fs *fs, bool file, struct fs_room *room);
/* What has not been used. Twice is safe. */
void fs_room_give(struct fs_room *room);

#define cleanup_room CLEANUP(fs_room_give)

/* As fs_charge(), from the room (may be NULL) if it has any. */
int fs_room_charge(struct fs *fs, struct fs_room *room);

/* ---- What all creating operations share: fs-create.c ---- */

/* The checks. */
int fs_may_create(struct fs_thread *thread, const struct node_ref *dir, const char *name);

/*
 * Room, and the intent to make something (`name` NULL: without): what is made is entered in the
 * record before anybody can know it.
 */
int fs_begin_make(struct fs_thread *thread, const struct node_ref *dir, const char *name, bool file,
		  struct fs_room *room);

/*
 * A label that comes after the node. In the guest nobody can see the node yet, because its kernel
 * holds the directory until the reply.
 */
int fs_label_new(struct fs_thread *thread, int dir_fd, const char *name, int fd,
		 const struct fs_label *label);

/* Whoever is told that a creation failed must not find what it made. */
void fs_unmake(int dir_fd, const char *name);

/* ---- Lookups ---- */

/* A directory that names are looked up in. */
struct lookup_dir {
	const struct inode_slot *slot; /* pinned */
	int fd;			       /* its O_PATH or a real descriptor */
};

/*
 * Adds a lookup to `name`. `expect_known` says which way is probably shorter, and only that:
 * asking by name first, or opening first. 1 when the inode was known before, 0 when not.
 */
int fs_lookup_in(struct fs *fs, const struct lookup_dir *dir, const char *name, bool expect_known,
		 struct fs_entry *ret_entry);

/*
 * Adds a lookup to what `path_fd` (O_PATH, taken also on failure) refers to, found in `dir` under
 * `name` (NULL: it has none). `room` may be NULL. 1 when the inode was known before, 0 when not.
 */
int fs_lookup_fd(struct fs *fs, const struct lookup_dir *dir, const char *name, int path_fd,
		 struct fs_room *room, struct fs_entry *ret_entry);

/*
 * The node a name leads to, if it is known and the name is about to go or move: it keeps or gets
 * its descriptor until the put, because without the name it might not be found again. Otherwise
 * empty, which it may also be while no inode is or was close to being cold, unless `always`.
 */
struct node_ref fs_hold_name(struct fs *fs, const struct inode_slot *dir, const char *name,
			     bool always);

/* Completes the entry of a node whose lookup has been counted; `entry->attr.stx` is set already. */
void fs_fill_entry(struct fs *fs, const struct lookup_dir *dir, uint64_t nodeid,
		   struct fs_entry *entry);

/*
 * What the guest is told of a submount, if it is told. A guest mounts it when it first goes inside.
 * Until then its root is a directory on its parent's device, where the number that roots have is
 * taken: tools would see a loop, or two roots as the same. So it gets one that no file has.
 */
static inline void fs_mark_submount(struct fs_attr *attr, bool other_dev)
{
	attr->submount = true;
	if (other_dev)
		attr->stx.stx_ino = (UINT64_C(1) << 62) ^ (uint64_t)attr->stx.stx_dev_major << 50 ^
				    (uint64_t)attr->stx.stx_dev_minor << 30 ^ attr->stx.stx_ino;
}

/* Flags of a handle for an open directory. */
static inline uint16_t fs_submount_flags(const struct inode_slot *slot)
{
	return (uint16_t)((slot->flags & INODE_SUBMOUNT ? HANDLE_SUBMOUNT : 0) |
			  (slot->flags & INODE_OTHER_DEV ? HANDLE_OTHER_DEV : 0));
}

/* ---- Opens ---- */

/* open(2) flags from the guest, whose processor is of our kind: O_DIRECT differs between them. */
#define GUEST_O_ACCMODE 00000003u
#define GUEST_O_EXCL	00000200u
#define GUEST_O_TRUNC	00001000u
#define GUEST_O_APPEND	00002000u
#define GUEST_O_DSYNC	00010000u
#define GUEST_O_DIRECT	((uint32_t)O_DIRECT)
#define GUEST_O_NOATIME 01000000u
#define GUEST_O_SYNC	04010000u

static inline bool fs_has_writeback(const struct fs *fs)
{
	return __atomic_load_n(&fs->writeback, __ATOMIC_RELAXED);
}

/* What of the guest's open flags reaches the host. -EROFS when they cannot be had. */
int fs_host_flags(const struct fs *fs, uint32_t guest_flags, int *ret_flags);

/*
 * Opens the node of an O_PATH descriptor. O_NOATIME, which belongs to what the guest asked for or to
 * a read-only share, is left out where it is not permitted.
 */
int fs_open_quietly(const struct fs *fs, int path_fd, int flags);

/* As fs_open(), of a pinned node; an intent has begun. */
int fs_open_node(struct fs_thread *thread, const struct inode_slot *slot, uint32_t flags,
		 bool kill_suidgid, struct fs_opened *ret_opened);

/* The handle that a dead worker has opened for this request, if it has. */
bool fs_opened_before(struct fs_thread *thread, const struct inode_slot *slot,
		      enum handle_kind kind, struct fs_opened *ret_opened);

/* Unlocks what was locked through a handle that has just been released. */
void fs_drop_handle_locks(struct fs *fs, uint64_t nodeid, uint64_t fh);

/*
 * A new handle for a file that was opened with what fs_host_flags() made of `guest_flags`; `fd` is
 * taken, also on failure, and charged here: to `room`, or to the budget where that is NULL.
 */
int fs_add_file(struct fs *fs, const struct inode_slot *slot, uint32_t guest_flags, int fd,
		struct fs_room *room, struct fs_opened *ret_opened);

/* As pwritev2(2), for any number of pieces. */
ssize_t fs_write_all(int fd, const struct iovec *iov, unsigned int n_iov, uint64_t offset, int rwf);

struct creds_scope;

/*
 * Before the file of `fd` (may be O_PATH) is changed for a writer who may not keep set-id bits: from
 * here to the end of the scope the kernel drops them. As the protocol has it, the set-group-ID bit
 * of a file that its group may not execute, which marks it for mandatory locking, stays: whether the
 * writer is in that group, without which a local file would lose it too, is not known here.
 */
int fs_drop_set_ids(int fd, struct creds_scope *scope);

/* Has a read on this mount already shown that its file system cannot do so without waiting? */
static inline bool fs_mount_waits(const struct fs *fs, uint64_t mnt_id)
{
	for (unsigned int i = 0; mnt_id && i < FS_NO_NOWAIT_MAX; i++)
		if (__atomic_load_n(&fs->no_nowait[i], __ATOMIC_RELAXED) == mnt_id)
			return true;
	return false;
}

/* ---- Extended attributes ---- */

void fs_xattr_init(struct fs *fs, const struct fs_options *options);

/*
 * Of a new node that `fd` (may be O_PATH) refers to. A label that is kept in a user.* attribute is
 * left out on nodes that cannot have those.
 */
int fs_label_fd(struct fs_thread *thread, int fd, const struct fs_label *label);

int fs_remove_renamed_capability(const struct fs *fs, int fd);
int fs_remove_renamed_capability_by_path(struct fs_thread *thread, int path_fd);

/* Before a regular file is changed through `fd`, which is not O_PATH. */
static inline int fs_drop_capability(const struct fs *fs, int fd)
{
	if (likely(!fs->renamed_capability.text[0]))
		return 0;
	return fs_remove_renamed_capability(fs, fd);
}

#endif
