/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: opendir, readdir with and without lookups.
 *
 * The descriptor's position is shared by all requests on the handle, so its lock is held while a
 * request reads and looks up. Where it stands is remembered: a reader that goes on where it
 * stopped costs no seek.
 *
 * Replies are small and getdents64(2) costs the same for much as for little, so a thread keeps what
 * a reply had no room for. It serves the next request if that goes on there, with the same handle
 * on the same thread, and the guest has removed nothing since. What readers that take turns would
 * only throw away is not read for them (goes_on()).
 */
#include "fuse/passthrough/fs-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

/* A getdents64(2) record. */
struct host_dirent {
	uint64_t ino;
	int64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

#define HOST_DIRENT_MIN 24u
#define HOST_DIRENT_MAX 280u /* a name of 255 bytes */

static struct fs_opened dir_hints(const struct fs *fs)
{
	bool keep = fs->cache == FS_CACHE_ALWAYS || fs->cache == FS_CACHE_METADATA;

	return (struct fs_opened){ .keep_cache = keep, .cache_dir = keep };
}

int fs_opendir(struct fs_thread *thread, uint64_t nodeid, uint32_t flags,
	       struct fs_opened *ret_opened)
{
	const int quiet = flags & GUEST_O_NOATIME ? O_NOATIME : 0;
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	struct fs *fs = thread->fs;
	unsigned int n_tries = 0;
	struct handle_new dir;
	struct fs_opened opened;
	int r;

	if (!node.slot)
		return node.error;
	if (node.slot->type != S_IFDIR)
		return -ENOTDIR;
	opened = dir_hints(fs);
	if (fs_opened_before(thread, node.slot, HANDLE_DIR, &opened)) {
		*ret_opened = opened;
		return 0;
	}
	fs_may_block_on(thread, node.slot->backing);
	intent_begin(thread->inflight);
	do {
		r = fs_open_quietly(fs, node.slot->fd, O_RDONLY | O_DIRECTORY | quiet);
	} while (r < 0 && fs_try_again(fs, r, &n_tries));
	if (r < 0)
		return r;
	dir = (struct handle_new){
		.nodeid = nodeid,
		.fd = r,
		.kind = HANDLE_DIR,
		.flags = fs_submount_flags(node.slot),
		.backing = node.slot->backing,
		.note = intent_place(thread->inflight, INTENT_HANDLE),
	};
	r = fs_charge(fs);
	if (r < 0) {
		fd_close(&dir.fd);
		return r;
	}
	r = htab_add(&fs->handles, &dir, &opened.fh);
	if (r < 0)
		return r;
	*ret_opened = opened;
	return 0;
}

/* ---- Reading ---- */

struct dir_run {
	struct fs *fs;
	struct lookup_dir in;
	struct handle_slot *slot; /* its lock is held */
	struct fs_dir_rest *rest; /* what is in the buffer */
	char *buf;
	struct fs_dir_sink *sink;
	uint32_t size;	  /* of the reply, about */
	uint32_t n_added; /* bytes of host records that were delivered */
};

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* The directory's own device and mount are right for all names but mount points. */
static bool lookup_dirent(const struct dir_run *run, const struct host_dirent *host,
			  struct fs_entry *ret_entry)
{
	const struct inode_id id = {
		.dev = run->in.slot->id.dev,
		.mnt_id = run->in.slot->id.mnt_id,
		.ino = host->ino,
	};
	bool known = itab_may_be_known(&run->fs->inodes, &id);

	return fs_lookup_in(run->fs, &run->in, host->name, known, ret_entry) >= 0;
}

static void add_looked_up(struct dir_run *run, const struct host_dirent *host,
			  const struct fs_dirent *dirent)
{
	filled_later struct fs_entry entry;
	bool found = lookup_dirent(run, host, &entry);

	run->sink->add(run->sink, dirent, found ? &entry : NULL);
}

/* False when the reply has no room for it. */
static bool deliver(struct dir_run *run, const struct host_dirent *host)
{
	const struct fs_dirent dirent = {
		.ino = host->ino,
		.next_offset = (uint64_t)host->next,
		.type = host->type,
		.name_len = (uint32_t)strlen(host->name),
		.name = host->name,
	};

	if (!run->sink->room(run->sink, dirent.name_len))
		return false;
	if (run->sink->plus && !is_dots(host->name))
		add_looked_up(run, host, &dirent);
	else
		run->sink->add(run->sink, &dirent, NULL);
	run->n_added += host->len;
	return true;
}

/*
 * Some file systems (btrfs, tmpfs) decide at open(2) where the directory ends, and anew only when the
 * descriptor is moved: to the start it always is.
 */
static int go_to(struct handle_slot *slot, uint64_t offset)
{
	if (slot->position == offset && offset)
		return 0;
	if (lseek(slot->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	slot->position = offset;
	return 0;
}

/*
 * A reader that goes from reply to reply gets what one getdents64(2) brings, as much as fits the
 * buffer. One whose rest was of no use, because it removes what it reads or goes here and there,
 * gets what the reply has room for: a record of the host is never longer than in a reply, but often
 * shorter, so that the first call asks for less, and another one, if need be, for the rest.
 */
static uint32_t bytes_wanted(const struct dir_run *run, bool in_order)
{
	uint32_t room = run->sink->plus ? run->size / 4 : run->size;

	if (in_order)
		return FS_DIRBUF_BYTES;
	room -= run->n_added ? MIN(room, run->n_added) : room / 8;
	return MIN(MAX(room, HOST_DIRENT_MAX), FS_DIRBUF_BYTES);
}

static uint64_t last_position(const char *buf, uint32_t n_bytes)
{
	const void *record = buf;
	const struct host_dirent *host = record;

	for (uint32_t at = host->len; at < n_bytes; at += host->len) {
		record = buf + at;
		host = record;
	}
	return (uint64_t)host->next;
}

/* 1, 0 at the end of the directory, or -errno. */
static int fill(struct dir_run *run, bool in_order)
{
	struct fs_dir_rest *rest = run->rest;
	int r = go_to(run->slot, rest->offset);
	long n;

	if (r < 0)
		return r;
	rest->n_removals = __atomic_load_n(&run->fs->n_removals, __ATOMIC_ACQUIRE);
	n = neg_errno(
		syscall(SYS_getdents64, run->slot->fd, run->buf, bytes_wanted(run, in_order)));
	if (n <= 0)
		return (int)n;
	rest->at = 0;
	rest->end = (uint32_t)n;
	run->slot->position = last_position(run->buf, rest->end);
	return 1;
}

/* 1 when the buffer is used up, 0 when the reply is full. */
static int deliver_rest(struct dir_run *run)
{
	struct fs_dir_rest *rest = run->rest;

	while (rest->at < rest->end) {
		const void *record = run->buf + rest->at;
		const struct host_dirent *host = record;

		if (!deliver(run, host))
			return 0;
		rest->at += host->len;
		rest->offset = (uint64_t)host->next;
	}
	return 1;
}

/* From where the rest begins, which is empty or of use. */
static int read_on(struct dir_run *run, bool in_order)
{
	int r = deliver_rest(run);

	while (r > 0) {
		r = fill(run, in_order);
		if (r > 0)
			r = deliver_rest(run);
	}
	return r;
}

static int read_locked(struct dir_run *run, bool in_order)
{
	int r = read_on(run, in_order);

	/*
	 * A directory begins with "."; but ext4, after a descriptor has been moved to the end
	 * before anything was read, finds nothing the next time it is read from the start.
	 */
	if (r == 0 && run->rest->offset == 0 && !run->rest->end) {
		run->slot->position = HANDLE_LOST;
		r = read_on(run, in_order);
	}
	/* What has been delivered counts; the guest meets the error when it goes on. */
	if (run->n_added)
		return 0;
	/* No room for a single one: nothing would ever come. */
	return run->rest->at < run->rest->end ? -EINVAL : r;
}

/*
 * Whether the buffer has what follows `offset`. Entries that are made meanwhile may be missed, as
 * anywhere, but only by a listing that had begun before; those that are removed by the guest are not
 * to be seen again.
 */
static bool rest_fits(const struct fs *fs, const struct handle_slot *slot,
		      const struct fs_dir_rest *rest, uint64_t fh, uint64_t offset)
{
	return rest->fh == fh && rest->offset == offset && offset != 0 &&
	       rest->listing == slot->listing && slot->listing != 0 &&
	       rest->n_removals == __atomic_load_n(&fs->n_removals, __ATOMIC_ACQUIRE);
}

/*
 * Whether to expect the reader to go from reply to reply. Of a new one that is not known: where
 * several readers take turns, what the thread keeps for one is in the way of the next.
 */
static bool goes_on(struct fs_thread *thread, struct handle_slot *slot, uint64_t fh,
		    uint64_t offset)
{
	struct fs_dir_rest *rest = &thread->rest;
	bool wasted;

	if (rest_fits(thread->fs, slot, rest, fh, offset))
		return true;
	wasted = rest->at < rest->end;
	if (offset == 0)
		slot->listing = __atomic_add_fetch(&thread->fs->n_listings, 1, __ATOMIC_RELAXED);
	*rest = (struct fs_dir_rest){ .fh = fh, .offset = offset, .listing = slot->listing };
	return offset == 0 && !wasted;
}

int fs_readdir(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, struct fs_dir_sink *sink)
{
	cleanup_file struct file_ref dir = file_of(thread, fh, HANDLE_DIR, 0);
	/* Names are looked up through the handle's descriptor. */
	cleanup_node struct node_ref node = node_pin(thread->fs, nodeid);
	struct dir_run run;
	bool in_order;

	if (!dir.slot)
		return dir.error;
	if (dir.slot->nodeid != nodeid)
		return -EBADF;
	if (!node.slot)
		return node.error;
	if (offset > INT64_MAX)
		return -EINVAL;
	fs_may_block_on(thread, dir.slot->backing);
	run = (struct dir_run){
		.fs = thread->fs,
		.in = { node.slot, dir.slot->fd },
		.slot = dir.slot,
		.rest = &thread->rest,
		.buf = thread->dirbuf,
		.sink = sink,
		.size = size,
	};
	scoped_lock(htab_dir_lock(&thread->fs->handles, dir.slot));
	in_order = goes_on(thread, dir.slot, fh, offset);
	return read_locked(&run, in_order);
}
