/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open files.
 *
 * Differences that are the protocol's: a write from the guest's page cache hits its offset even
 * on a file opened O_APPEND (write-back of a shared mapping), so the reference drops that flag for
 * it. A truncation has ftruncate(2)'s effect on times also when the guest names no handle. Holes
 * are compared with the daemon's own inode: how two files of equal content are laid out is the
 * file system's choice.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"
#include "tests/differential/reference.h"

#define FILE_SPAN (3u << 20)

static uint64_t choose_offset(struct world *w)
{
	switch (world_random(w, 40)) {
	case 0:
		return INT64_MAX - world_random(w, 3);
	case 1:
		return (uint64_t)INT64_MAX + 1 + world_random(w, 5);
	case 2 ... 11:
		return world_random(w, FILE_SPAN >> 12) << 12;
	case 12 ... 21:
		return 0;
	default:
		return world_random(w, world_chance(w, 70) ? 65536 : FILE_SPAN);
	}
}

/* Never 0: a guest sends no transfer of nothing. */
static uint32_t choose_size(struct world *w)
{
	switch (world_random(w, 20)) {
	case 0:
		return WORLD_IO_MAX;
	case 1:
		return 1 + (uint32_t)world_random(w, WORLD_IO_MAX);
	case 2 ... 7:
		return 1 + (uint32_t)world_random(w, 65536);
	default:
		return 1 + (uint32_t)world_random(w, 4096);
	}
}

/* OPEN with the field that tells whose set-id bits a truncation drops. */
static int open_call(struct world *w, const struct node *node, uint32_t flags, bool kill,
		     struct fuse_open_out *ret_open)
{
	struct fuse_open_in in = { .flags = flags,
				   .open_flags = kill ? FUSE_OPEN_KILL_SUIDGID : 0 };
	struct fuse_op op = {
		.opcode = FUSE_OPEN,
		.nodeid = node->nodeid,
		.in = { { &in, sizeof(in) } },
		.out = ret_open,
		.out_len = sizeof(*ret_open),
	};

	return MIN(fuse_transact(w->client, &op), 0);
}

/* As a guest that need not open: it truncates itself. */
static int open_without(struct world *w, const struct node *node, uint32_t flags, bool kill,
			struct fuse_open_out *ret_open)
{
	const struct fuse_setattr_in in = {
		.valid = FATTR_SIZE | (kill ? FATTR_KILL_SUIDGID : 0),
	};
	struct fuse_attr_out attr;
	int result = open_call(w, node, flags, kill, ret_open);

	if (result != -ENOSYS)
		world_fail(w, "OPEN says %d", result);
	*ret_open = (struct fuse_open_out){ 0 };
	return flags & O_TRUNC ? fuse_setattr(w->client, node->nodeid, &in, &attr) : 0;
}

/* Without opens it is the guest's kernel that knows what a file was opened for. */
static struct handle *handle_for(struct world *w, bool reading, bool writing)
{
	struct handle *handle = world_handle(w, false);
	uint32_t access = handle ? handle->flags & O_ACCMODE : 0;

	if (!handle || world_opens_files(w))
		return handle;
	if ((reading && access == O_WRONLY) || (writing && access == O_RDONLY))
		return NULL;
	return handle;
}

static void op_open(struct world *w)
{
	static const uint32_t modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	struct handle *handle = world_open_row(w);
	struct node *node = world_file(w);
	uint32_t flags = modes[world_random(w, ARRAY_SIZE(modes))];
	struct fuse_open_out open_out;
	bool kill;
	int own, ref;

	if (!node)
		return;
	flags |= world_chance(w, 15) ? O_TRUNC : 0;
	flags |= world_chance(w, 15) ? O_APPEND : 0;
	flags |= world_chance(w, 10) ? O_NONBLOCK | O_NOFOLLOW : 0;
	flags |= world_chance(w, 3) ? O_DSYNC : 0;
	/* Without opens nobody hears of it. */
	flags |= world_chance(w, 10) && world_opens_files(w) ? O_NOATIME : 0;
	kill = flags & O_TRUNC && world_chance(w, 40);
	world_note(w, "open %" PRIu64 " flags 0%o%s", node->nodeid, flags, kill ? " kill" : "");
	own = world_opens_files(w) ? open_call(w, node, flags, kill, &open_out)
				   : open_without(w, node, flags, kill, &open_out);
	if (kill)
		reference_drop_fsetid(world_ref_path(node));
	/* The name is a magic link, which O_NOFOLLOW would not follow. */
	ref = neg_errno(
		open(world_ref_path(node), (int)(flags & ~(uint32_t)O_NOFOLLOW) | O_CLOEXEC));
	reference_restore();
	if (world_same(w, own, MIN(ref, 0))) {
		*handle = (struct handle){
			.node = node, .fh = open_out.fh, .ref_fd = ref, .flags = flags
		};
		node->n_open++;
	}
	compare_node(w, node);
}

/* Special files and directories: opened by the guest's kernel itself, never by the daemon. */
static void op_open_special(struct world *w)
{
	struct node *node = world_any(w);
	struct fuse_open_out open_out;

	if (node->type == S_IFREG)
		return;
	world_note(w, "open %" PRIu64 " of type 0%o", node->nodeid, node->type);
	world_both_fail(w, fuse_open(w->client, node->nodeid, O_RDWR | O_NONBLOCK, &open_out), -1);
}

static void op_release(struct world *w)
{
	struct handle *handle = world_handle(w, false);

	if (!handle)
		return;
	world_note(w, "release %" PRIu64, handle->fh);
	world_close(w, handle);
}

static void op_read(struct world *w)
{
	struct handle *handle = handle_for(w, true, false);
	uint64_t offset = choose_offset(w);
	uint32_t size = choose_size(w);
	int own;
	ssize_t ref;

	if (!handle)
		return;
	world_note(w, "read %" PRIu64 " at %" PRIu64 " + %u", handle->fh, offset, size);
	own = fuse_read(w->client, handle->node->nodeid, handle->fh, offset, size, w->own_bytes);
	ref = neg_errno(pread(handle->ref_fd, w->ref_bytes, size, (off_t)offset));
	if (world_same(w, own, ref) && memcmp(w->own_bytes, w->ref_bytes, (size_t)ref) != 0)
		world_fail(w, "the bytes differ");
	compare_node(w, handle->node);
}

/* As the write flags say; the reference file gets its flags back. */
static ssize_t reference_write(const struct handle *handle, const void *bytes, uint32_t size,
			       uint64_t offset, uint32_t write_flags)
{
	bool plain = write_flags & FUSE_WRITE_CACHE && handle->flags & O_APPEND;
	ssize_t n;

	if (plain)
		(void)fcntl(handle->ref_fd, F_SETFL, handle->flags & O_NOATIME);
	if (write_flags & FUSE_WRITE_KILL_SUIDGID)
		reference_drop_fsetid(world_ref_path(handle->node));
	n = neg_errno(pwrite(handle->ref_fd, bytes, size, (off_t)offset));
	reference_restore();
	if (plain)
		(void)fcntl(handle->ref_fd, F_SETFL, handle->flags & (O_APPEND | O_NOATIME));
	return n;
}

static void op_write(struct world *w)
{
	struct handle *handle = handle_for(w, false, true);
	uint64_t offset = choose_offset(w);
	uint32_t size = choose_size(w);
	const uint8_t *bytes = w->noise + world_random(w, WORLD_NOISE_BYTES - WORLD_IO_MAX);
	uint32_t flags = 0;
	int64_t own, ref;
	struct stat st;

	if (!handle)
		return;
	flags |= world_chance(w, 15) ? FUSE_WRITE_CACHE : 0;
	flags |= world_chance(w, 25) ? FUSE_WRITE_KILL_SUIDGID : 0;
	world_note(w, "write %" PRIu64 " (open 0%o) at %" PRIu64 " + %u flags %u", handle->fh,
		   handle->flags, offset, size, flags);
	w->client->file_flags = handle->flags;
	/* Alone, a guest knows where the file ends; the reference finds it out by itself. */
	if (handle->flags & O_APPEND && !(flags & FUSE_WRITE_CACHE) && !world_opens_files(w) &&
	    fstat(handle->ref_fd, &st) == 0)
		offset = (uint64_t)st.st_size;
	own = fuse_write(w->client, handle->node->nodeid, handle->fh, offset, size, bytes, flags);
	ref = reference_write(handle, bytes, size, offset, flags);
	world_same(w, own, ref);
	compare_node(w, handle->node);
}

static uint64_t choose_length(struct world *w)
{
	switch (world_random(w, 30)) {
	case 0:
		return 1ULL << (40 + world_random(w, 23));
	case 1:
		return (uint64_t)INT64_MAX + 1;
	default:
		return world_random(w, world_chance(w, 60) ? 20000 : FILE_SPAN);
	}
}

static void op_truncate(struct world *w)
{
	struct handle *handle = world_chance(w, 60) ? handle_for(w, false, true) : NULL;
	struct node *node = handle ? handle->node : world_file(w);
	struct fuse_setattr_in in = { .valid = FATTR_SIZE, .size = choose_length(w) };
	struct fuse_attr_out attr;
	bool kill = world_chance(w, 25);
	cleanup_fd int fd = -1;
	int own, ref;

	if (!node)
		return;
	if (handle) {
		in.valid |= FATTR_FH;
		in.fh = handle->fh;
	}
	in.valid |= kill ? FATTR_KILL_SUIDGID : 0;
	world_note(w, "truncate %" PRIu64 "%s to %" PRIu64 "%s", node->nodeid,
		   handle ? " open" : "", (uint64_t)in.size, kill ? " kill" : "");
	own = fuse_setattr(w->client, node->nodeid, &in, &attr);
	fd = handle ? dup(handle->ref_fd) : open(world_ref_path(node), O_WRONLY | O_CLOEXEC);
	if (kill)
		reference_drop_fsetid(world_ref_path(node));
	ref = neg_errno(ftruncate(fd, (off_t)in.size));
	reference_restore();
	if (world_same(w, own, ref))
		compare_attr(w, node, &attr.attr);
	compare_node(w, node);
}

static void op_fallocate(struct world *w)
{
	static const uint32_t modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_UNSHARE_RANGE,
		FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE,
		1u << 20,
	};
	struct handle *handle = handle_for(w, false, true);
	uint32_t mode = modes[world_random(w, ARRAY_SIZE(modes))];
	uint64_t offset = choose_offset(w);
	uint64_t length = world_random(w, 1 << 20);
	int own, ref;

	if (!handle)
		return;
	if (world_chance(w, 50)) {
		/* The only places where ranges come and go. */
		offset &= ~UINT64_C(4095);
		length &= ~UINT64_C(4095);
	}
	world_note(w, "fallocate %" PRIu64 " mode %u at %" PRIu64 " + %" PRIu64, handle->fh, mode,
		   offset, length);
	own = fuse_fallocate(w->client, handle->node->nodeid, handle->fh, offset, length, mode);
	ref = neg_errno(fallocate(handle->ref_fd, (int)mode, (off_t)offset, (off_t)length));
	world_same(w, own, ref);
	compare_node(w, handle->node);
}

static int64_t host_seek(const struct node *node, uint64_t offset, int whence)
{
	char path[32];
	cleanup_fd int fd = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", node->own_fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return neg_errno(lseek(fd, (off_t)offset, whence));
}

static void op_lseek(struct world *w)
{
	struct handle *handle = world_handle(w, false);
	static const int whences[] = { SEEK_DATA, SEEK_DATA, SEEK_HOLE, SEEK_HOLE,
				       SEEK_SET,  SEEK_END,  99 };
	int whence = whences[world_random(w, ARRAY_SIZE(whences))];
	uint64_t offset = choose_offset(w), place = 0;
	int64_t own, before, after;

	if (!handle)
		return;
	world_note(w, "lseek %" PRIu64 " whence %d from %" PRIu64, handle->fh, whence, offset);
	before = host_seek(handle->node, offset, whence);
	own = fuse_lseek(w->client, handle->node->nodeid, handle->fh, offset, (uint32_t)whence,
			 &place);
	after = host_seek(handle->node, offset, whence);
	if (!own)
		own = (int64_t)place;
	/* Write-back may change the layout in between. */
	world_same(w, own, own == before ? before : after);
}

static void op_copy(struct world *w)
{
	struct handle *from = handle_for(w, true, false), *to = handle_for(w, false, true);
	struct fuse_copy_file_range_in in;
	off_t ref_in, ref_out;
	int64_t own, ref;

	if (!from || !to || (!world_opens_files(w) && to->flags & O_APPEND))
		return;
	in = (struct fuse_copy_file_range_in){
		.fh_in = from->fh,
		.off_in = world_random(w, FILE_SPAN),
		.nodeid_out = to->node->nodeid,
		.fh_out = to->fh,
		.off_out = world_random(w, FILE_SPAN),
		.len = choose_size(w),
	};
	if (world_chance(w, 50))
		in.off_in = in.off_out = 0;
	ref_in = (off_t)in.off_in;
	ref_out = (off_t)in.off_out;
	world_note(w, "copy %" PRIu64 " at %" PRIu64 " to %" PRIu64 " at %" PRIu64 " + %" PRIu64,
		   (uint64_t)in.fh_in, (uint64_t)in.off_in, (uint64_t)in.fh_out,
		   (uint64_t)in.off_out, (uint64_t)in.len);
	own = world_chance(w, 50) ? fuse_copy_file_range(w->client, &in, from->node->nodeid)
				  : fuse_copy_file_range_64(w->client, &in, from->node->nodeid);
	ref = neg_errno(copy_file_range(from->ref_fd, &ref_in, to->ref_fd, &ref_out, in.len, 0));
	world_same(w, own, ref);
	compare_node(w, from->node);
	compare_node(w, to->node);
}

/* Nothing to compare with but success; rarely, because it waits for a disk. */
static void op_sync(struct world *w)
{
	struct handle *handle = world_handle(w, false);
	int own;

	if (!handle)
		return;
	world_note(w, "sync %" PRIu64, handle->fh);
	own = 0;
	if (world_chance(w, 10))
		own = fuse_fsync(w->client, handle->node->nodeid, handle->fh, world_chance(w, 50));
	if (!own && world_chance(w, 1))
		own = fuse_syncfs(w->client, w->nodes[0].nodeid);
	world_same(w, own, 0);
}

const struct world_op world_ops_files[] = {
	{ op_open, 10 },  { op_open_special, 1 }, { op_release, 5 },   { op_read, 12 },
	{ op_write, 14 }, { op_truncate, 6 },	  { op_fallocate, 5 }, { op_lseek, 5 },
	{ op_copy, 4 },	  { op_sync, 2 },	  { NULL, 0 },
};
