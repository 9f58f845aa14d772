/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system object: its life, and what concerns it as a whole.
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

size_t fs_inode_section_bytes(uint32_t max_inodes)
{
	return itab_section_bytes(max_inodes);
}

size_t fs_key_section_bytes(uint32_t max_inodes)
{
	return itab_key_section_bytes(max_inodes);
}

size_t fs_handle_section_bytes(uint32_t max_handles)
{
	return htab_section_bytes(max_handles);
}

size_t fs_lock_section_bytes(uint32_t max_lock_owners)
{
	return ltab_section_bytes(max_lock_owners, LTAB_MAX_RANGES);
}

size_t fs_fds_section_bytes(void)
{
	return sizeof(struct inode_fds);
}

void fs_arena_each_fd(struct arena *arena, void (*fn)(void *arg, int fd), void *arg)
{
	itab_sections_each_fd(arena_section(arena, ARENA_INODES), arena_section(arena, ARENA_FDS),
			      fn, arg);
	htab_section_each_fd(arena_section(arena, ARENA_HANDLES), fn, arg);
	ltab_section_each_fd(arena_section(arena, ARENA_LOCKS), fn, arg);
}

/* ---- Life ---- */

static int add_root(struct fs *fs, int *root_fd)
{
	struct inode_found root = { .backing = (uint8_t)backing_of(*root_fd) };
	struct statx stx;
	int r;

	if (itab_has_root(&fs->inodes, *root_fd)) {
		(void)take_fd(root_fd);
		return 0;
	}
	r = fs_statx(*root_fd, "", &stx);

	if (r < 0)
		return r;
	if (!S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode))
		return -ENOTDIR;
	fs_seen_from(&stx, &root.seen);
	root.flags = fs_mount_flags(fs, *root_fd, root.backing);
	r = fs_charge(fs);
	if (r < 0)
		return r;
	root.fd = take_fd(root_fd);
	r = itab_set_root(&fs->inodes, &root);
	/* The arena of a predecessor has its root, on the same directory, already. */
	return r == -EEXIST ? 0 : r;
}

static int init_tables(struct fs *fs, const struct fs_options *options, struct arena *arena)
{
	struct inode_table_memory memory = {
		.section = arena_section(arena, ARENA_INODES),
		.key_section = arena_section(arena, ARENA_KEYS),
		.fds = arena_section(arena, ARENA_FDS),
		.n_max = options->max_inodes,
	};
	int r;

	if (!options->max_inodes || !options->max_handles || !options->max_fds ||
	    arena->size[ARENA_INODES] < itab_section_bytes(options->max_inodes) ||
	    arena->size[ARENA_KEYS] < itab_key_section_bytes(options->max_inodes) ||
	    arena->size[ARENA_HANDLES] < htab_section_bytes(options->max_handles) ||
	    arena->size[ARENA_LOCKS] < fs_lock_section_bytes(options->max_lock_owners) ||
	    arena->size[ARENA_FDS] < fs_fds_section_bytes())
		return -EINVAL;
	fs->budget.max = options->max_fds;
	r = itab_init(&fs->inodes, &memory, &fs->budget);
	if (r == 0)
		r = htab_init(&fs->handles, arena_section(arena, ARENA_HANDLES),
			      options->max_handles, &fs->budget);
	if (r == 0)
		r = ltab_init(&fs->locks, arena_section(arena, ARENA_LOCKS),
			      options->max_lock_owners, LTAB_MAX_RANGES);
	if (r == 0)
		r = fs_implicit_init(fs, options);
	fs->may_be_cold = fs->inodes.adopted_cold || fd_budget_is_tight(&fs->budget);
	return r;
}

/* What was in the arena before stays there; see fs_free() for the rest. */
static void deinit_tables(struct fs *fs)
{
	fs_implicit_deinit(fs);
	ltab_deinit(&fs->locks);
	htab_deinit(&fs->handles);
	itab_deinit(&fs->inodes);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int fs_new(const struct fs_options *options, struct arena *arena, struct fs **ret_fs)
{
	cleanup_fd int root_fd = options->root_fd;
	cleanup_fd int proc_self_fd = options->proc_self_fd;
	cleanup_free struct fs *fs = NULL;
	int r;

	fs = aligned_alloc(_Alignof(struct fs), sizeof(*fs));
	if (!fs)
		return -ENOMEM;
	memset(fs, 0, sizeof(*fs));
	fs->cache = options->cache;
	fs->readonly = options->readonly;
	fs->allow_direct_io = options->allow_direct_io;
	fs_xattr_init(fs, options);
	fs->started_ns = now_ns();
	r = init_tables(fs, options, arena);
	if (r < 0) {
		deinit_tables(fs);
		return r;
	}
	fs->proc_self_fd = take_fd(&proc_self_fd);
	fs->inodes.aliases.proc_self_fd = fs->proc_self_fd;
	fs->inodes.aliases.n_max = options->max_watches;
	r = add_root(fs, &root_fd);
	if (r < 0) {
		fs_free(take_ptr(fs));
		return r;
	}
	*ret_fs = take_ptr(fs);
	return 0;
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	htab_release_all(&fs->handles);
	ltab_drop_all(&fs->locks);
	itab_forget_all(&fs->inodes, true);
	deinit_tables(fs);
	fd_close(&fs->proc_self_fd);
	free(fs);
}

void fs_resume(struct fs *fs, const struct fs_negotiated *negotiated)
{
	__atomic_store_n(&fs->submounts, negotiated->submounts, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->writeback, negotiated->writeback, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->posix_acl, negotiated->posix_acl, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->implicit.files, negotiated->no_open, __ATOMIC_RELAXED);
	__atomic_store_n(&fs->implicit.dirs, negotiated->no_opendir, __ATOMIC_RELAXED);
}

/*
 * A lookup or open that runs at the same time may add its result behind the scan. It then stays
 * until the next reset; the guest has no key to it and the tables have their caps.
 */
void fs_reset(struct fs *fs, const struct fs_negotiated *negotiated)
{
	fs_resume(fs, negotiated);
	htab_release_all(&fs->handles);
	ltab_drop_all(&fs->locks);
	itab_forget_all(&fs->inodes, false);
}

int fs_thread_init(struct fs_thread *thread, struct fs *fs)
{
	thread->fs = fs;
	return 0;
}

/* ---- Shared helpers ---- */

bool fs_name_ok(const char *name)
{
	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
		return false;
	return name[0] && !strchr(name, '/');
}

int fs_statx(int dirfd, const char *name, struct statx *ret_stx)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] ? 0 : AT_EMPTY_PATH);

	return neg_errno(
		statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, ret_stx));
}

void fs_seen_from(const struct statx *stx, struct inode_seen *ret_seen)
{
	*ret_seen = (struct inode_seen){
		.id.dev = (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor,
		.id.mnt_id = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0,
		.id.ino = stx->stx_ino,
		.type = stx->stx_mode & S_IFMT,
	};
	if (stx->stx_mask & STATX_BTIME)
		ret_seen->birth = (uint64_t)stx->stx_btime.tv_sec * 1000000000u +
				  stx->stx_btime.tv_nsec;
}

struct node_ref node_warm(struct node_ref ref)
{
	ref.error = fs_warm(ref.fs, ref.slot);
	if (ref.error < 0)
		node_put(&ref);
	return ref;
}

struct node_ref node_warm_on(struct fs_thread *thread, struct node_ref ref)
{
	fs_may_block_on(thread, ref.slot->backing);
	return node_warm(ref);
}

struct file_ref file_of_node(struct fs_thread *thread, uint64_t fh, enum handle_kind kind,
			     uint16_t needs)
{
	struct file_ref ref = { .fs = thread->fs };

	ref.error = fs_implicit_get(thread, fh & ~FS_FH_OF_NODE, kind, needs, &ref.slot);
	return ref;
}

struct file_ref file_get_of_node(struct fs_thread *thread, uint64_t fh, uint64_t nodeid)
{
	struct file_ref ref = file_of(thread, fh, HANDLE_FILE, 0);

	if (ref.error == -EBADF || ref.error == -EISDIR)
		ref = file_of(thread, fh, HANDLE_DIR, 0);
	if (ref.slot && ref.slot->nodeid != nodeid) {
		file_put(&ref);
		ref.error = -EBADF;
	}
	return ref;
}

/* ---- The whole file system ---- */

int fs_statfs(struct fs_thread *thread, uint64_t nodeid, struct statvfs *ret_statfs)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);

	if (!node.slot)
		return node.error;
	fs_may_block_on(thread, node.slot->backing);
	return neg_errno(fstatvfs(node.slot->fd, ret_statfs));
}

int fs_syncfs(struct fs_thread *thread, uint64_t nodeid)
{
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	cleanup_fd int fd = -1;
	int r;

	if (!node.slot)
		return node.error;
	if (node.slot->type != S_IFDIR && node.slot->type != S_IFREG)
		return -EBADF;
	fs_may_wait_for_disk(thread, node.slot->backing);
	if (intent_is_done(thread->inflight, &r))
		return r;
	fd = fd_reopen(thread->fs->proc_self_fd, node.slot->fd, O_RDONLY);
	if (fd < 0)
		return fd;
	r = neg_errno(syncfs(fd));
	if (r < 0)
		intent_done(thread->inflight, r);
	return r;
}
