/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors by inode.
 */
#include "fuse/passthrough/fs-implicit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "fuse/passthrough/fs-internal.h"

/* ---- Life ---- */

static uint32_t index_of(uint64_t nodeid)
{
	return (uint32_t)nodeid - 1;
}

static void adopt(struct fs *fs)
{
	struct fs_implicit *implicit = &fs->implicit;

	for (uint32_t i = 0; i < slot_pool_used(&fs->handles.pool); i++) {
		const struct handle_slot *slot = &fs->handles.slots[i];
		uint32_t inode = index_of(slot->nodeid);

		if (slot->word & SLOT_LIVE && slot->flags & HANDLE_IMPLICIT &&
		    inode < implicit->n_inodes)
			implicit->handle[inode] = i + 1;
	}
}

int fs_implicit_init(struct fs *fs, const struct fs_options *options)
{
	struct fs_implicit *implicit = &fs->implicit;

	if (!options->exclusive)
		return 0;
	implicit->n_inodes = options->max_inodes;
	implicit->max = MAX(MIN(options->max_fds / 2, options->max_handles), 1u);
	implicit->handle = calloc(options->max_inodes, sizeof(*implicit->handle));
	if (!implicit->handle)
		return -ENOMEM;
	implicit->on_tmpfs = tmpfs_positions_last();
	adopt(fs);
	return 0;
}

void fs_implicit_deinit(struct fs *fs)
{
	free_ptr(&fs->implicit.handle);
}

bool fs_is_exclusive(const struct fs *fs)
{
	return fs->implicit.handle;
}

bool fs_opens_are_optional(const struct fs *fs)
{
	/* Between open and close, servers and other clients are told of much. */
	return fs_is_exclusive(fs) && fs->inodes.slots[0].backing != BACKING_REMOTE;
}

bool fs_opendirs_are_optional(const struct fs *fs)
{
	return fs_opens_are_optional(fs) && fs->inodes.slots[0].flags & INODE_DIRS_LAST;
}

/* ---- From the node to its handle ---- */

struct handle_slot *fs_implicit_find(struct fs *fs, uint64_t nodeid)
{
	uint32_t inode = index_of(nodeid);
	struct handle_slot *slot;
	uint32_t at;

	if (inode >= fs->implicit.n_inodes)
		return NULL;
	at = __atomic_load_n(&fs->implicit.handle[inode], __ATOMIC_ACQUIRE);
	slot = at ? htab_get_implicit(&fs->handles, at - 1, nodeid) : NULL;
	if (slot)
		htab_touch(slot);
	return slot;
}

static void close_handle(struct fs *fs, uint32_t at, uint64_t nodeid)
{
	struct handle_slot *slot = at ? htab_get_implicit(&fs->handles, at - 1, nodeid) : NULL;

	if (!slot)
		return;
	(void)htab_release(slot);
	htab_put(&fs->handles, slot);
}

void fs_implicit_drop(struct fs *fs, uint64_t nodeid)
{
	uint32_t inode = index_of(nodeid);

	if (inode < fs->implicit.n_inodes)
		close_handle(fs, __atomic_load_n(&fs->implicit.handle[inode], __ATOMIC_SEQ_CST),
			     nodeid);
}

/*
 * Either who forgets the inode sees this handle, or we see that the inode is gone. A handle that
 * this one takes the place of is closed, once nobody uses it. One that the clock has closed may have
 * left its slot to this very one.
 */
static void publish(struct fs *fs, const struct inode_slot *inode, struct handle_slot *slot)
{
	uint32_t *place = &fs->implicit.handle[index_of(slot->nodeid)];
	uint32_t at = htab_index(&fs->handles, slot) + 1;
	uint32_t old = __atomic_exchange_n(place, at, __ATOMIC_SEQ_CST);

	if (old != at)
		close_handle(fs, old, slot->nodeid);
	if (!(__atomic_load_n(&inode->word, __ATOMIC_SEQ_CST) & SLOT_LIVE))
		(void)htab_release(slot);
}

int fs_implicit_add(struct fs *fs, const struct inode_slot *inode, int fd, uint16_t can,
		    struct fs_room *room, struct handle_slot **ret_slot)
{
	struct handle_new new_handle = {
		.nodeid = itab_nodeid(&fs->inodes, inode),
		.fd = fd,
		.kind = inode->type == S_IFDIR ? HANDLE_DIR : HANDLE_FILE,
		.flags = HANDLE_IMPLICIT | can,
		.backing = inode->backing,
		.no_nowait = fs_mount_waits(fs, inode->id.mnt_id),
		.reserved = room ? room->handle : 0,
	};
	int r;

	if (new_handle.kind == HANDLE_DIR)
		new_handle.flags |= fs_submount_flags(inode);
	if (new_handle.kind == HANDLE_DIR && !(inode->flags & INODE_DIRS_LAST))
		new_handle.flags |= HANDLE_HAS_PLACE;
	if (__atomic_load_n(&fs->handles.n_implicit, __ATOMIC_RELAXED) >= fs->implicit.max)
		(void)fs_implicit_close_one(fs);
	r = fs_room_charge(fs, room);
	if (r < 0) {
		fd_close(&new_handle.fd);
		return r;
	}
	if (room)
		room->handle = 0;
	r = htab_add_pinned(&fs->handles, &new_handle, ret_slot);
	if (r == 0)
		publish(fs, inode, *ret_slot);
	return r;
}

/* ---- Opening ---- */

struct way {
	int flags;
	int after; /* tried when the one before failed like this; 0: the first */
	uint16_t can;
};

/*
 * A descriptor that reads and writes serves everybody. It cannot be had of a file that may only be
 * written, or only be added to.
 */
static const struct way ways_to_write[] = {
	{ O_RDWR, 0, HANDLE_READS | HANDLE_WRITES | HANDLE_APPENDS },
	{ O_WRONLY, -EACCES, HANDLE_WRITES | HANDLE_APPENDS },
	{ O_RDWR | O_APPEND, -EPERM, HANDLE_READS | HANDLE_APPENDS },
};

static const struct way ways_to_read[] = {
	{ O_RDONLY, 0, HANDLE_READS },
};

static int open_once(struct fs *fs, int path_fd, uint16_t needs, uint16_t *ret_can)
{
	bool writes = needs & (HANDLE_WRITES | HANDLE_APPENDS);
	const struct way *ways = writes ? ways_to_write : ways_to_read;
	size_t n = writes ? ARRAY_SIZE(ways_to_write) : ARRAY_SIZE(ways_to_read);
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		int fd;

		if ((ways[i].can & needs) != needs || ways[i].after != first)
			continue;
		fd = fs_open_quietly(fs, path_fd, ways[i].flags);
		if (fd >= 0)
			*ret_can = ways[i].can;
		if (fd >= 0 || first)
			return fd;
		first = fd;
	}
	return first;
}

static int open_file(struct fs *fs, const struct inode_slot *inode, uint16_t needs,
		     uint16_t *ret_can)
{
	unsigned int n_tries = 0;
	int fd;

	do {
		fd = open_once(fs, inode->fd, needs, ret_can);
		/* Neither asked to read nor to write: what can be had. */
		if (fd == -EACCES && !needs)
			fd = open_once(fs, inode->fd, HANDLE_WRITES, ret_can);
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	return fd;
}

static int open_dir(struct fs *fs, const struct inode_slot *inode)
{
	unsigned int n_tries = 0;
	int fd;

	do {
		fd = fs_open_quietly(fs, inode->fd, O_RDONLY | O_DIRECTORY);
	} while (fd < 0 && fs_try_again(fs, fd, &n_tries));
	return fd;
}

/* Whatever it could do before, it can do afterwards, if that is to be had. */
static __attribute__((__noinline__)) int open_node(struct fs_thread *thread, uint64_t nodeid,
						   enum handle_kind kind, uint16_t needs,
						   struct handle_slot **ret_slot)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	struct fs *fs = thread->fs;
	uint16_t can = 0;
	int fd;

	if (!node.slot)
		return node.error;
	if (node.slot->type != (kind == HANDLE_DIR ? S_IFDIR : S_IFREG))
		return node.slot->type == S_IFDIR ? -EISDIR : -EBADF;
	if (fs->readonly && needs & (HANDLE_WRITES | HANDLE_APPENDS))
		return -EROFS;
	fs_may_block_on(thread, node.slot->backing);
	fd = kind == HANDLE_DIR ? open_dir(fs, node.slot) : open_file(fs, node.slot, needs, &can);
	return fd < 0 ? fd : fs_implicit_add(fs, node.slot, fd, can, NULL, ret_slot);
}

int fs_implicit_get(struct fs_thread *thread, uint64_t nodeid, enum handle_kind kind,
		    uint16_t needs, struct handle_slot **ret_slot)
{
	struct fs *fs = thread->fs;
	const bool *agreed = kind == HANDLE_DIR ? &fs->implicit.dirs : &fs->implicit.files;
	struct handle_slot *slot;

	if (!__atomic_load_n(agreed, __ATOMIC_RELAXED))
		return -EBADF;
	slot = fs_implicit_find(fs, nodeid);
	if (likely(slot && slot->kind == kind && (slot->flags & needs) == needs)) {
		*ret_slot = slot;
		return 0;
	}
	if (slot) {
		/* Who reads now may have written before and go on with that. */
		needs |= slot->flags & (HANDLE_WRITES | HANDLE_APPENDS);
		htab_put(&fs->handles, slot);
	}
	return open_node(thread, nodeid, kind, needs, ret_slot);
}

/* ---- Closing what is idle ---- */

/* Would the same open succeed now? A file may have a mode by now that forbids it. */
static bool opens_again(const struct handle_slot *slot)
{
	int mode = slot->flags & HANDLE_READS ? R_OK : 0;

	if (slot->flags & HANDLE_HAS_PLACE)
		return false;
	if (slot->flags & (HANDLE_WRITES | HANDLE_APPENDS))
		mode |= W_OK;
	return syscall(SYS_faccessat2, slot->fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) == 0 ||
	       errno == ENOSYS;
}

/* `any`: also a file that will not open again; where a listing goes on is never lost. */
static bool close_one(struct fs *fs, bool any)
{
	uint64_t left = htab_clock_rounds(&fs->handles);
	struct handle_slot *slot;

	while ((slot = htab_clock_next(&fs->handles, &left))) {
		bool done = (any && !(slot->flags & HANDLE_HAS_PLACE)) || opens_again(slot);

		if (done)
			done = htab_release(slot) == 0;
		htab_put(&fs->handles, slot);
		if (done)
			return true;
	}
	return false;
}

bool fs_implicit_close_one(struct fs *fs)
{
	if (!__atomic_load_n(&fs->handles.n_implicit, __ATOMIC_RELAXED))
		return false;
	return close_one(fs, false) || close_one(fs, true);
}

bool fs_implicit_are_many(const struct fs *fs)
{
	return __atomic_load_n(&fs->handles.n_implicit, __ATOMIC_RELAXED) > fs->implicit.max / 2;
}
