/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: opendir, readdir with and without lookups.
 *
 * The descriptor's position is shared by all requests on the handle, so its lock is held while a
 * request reads and looks up. Where it stands is remembered: a reader that goes on where it
 * stopped costs no seek.
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

#define HOST_DIRENT_MIN	 24u
#define HOST_DIRENT_MAX	 280u /* a name of 255 bytes */

/* Replies are this much larger than the host's records; for a guess of how much to read. */
#define REPLY_EXTRA	 8u
#define REPLY_EXTRA_PLUS 136u

int fs_opendir(struct fs_thread *thread, uint64_t nodeid, uint32_t flags,
	       struct fs_opened *ret_opened)
{
	const int quiet = flags & GUEST_O_NOATIME ? O_NOATIME : 0;
	cleanup_node struct node_ref node = node_of(thread, nodeid);
	struct fs *fs = thread->fs;
	unsigned int n_tries = 0;
	struct handle_new dir;
	uint64_t fh;
	int r;

	if (!node.slot)
		return node.error;
	if (node.slot->type != S_IFDIR)
		return -ENOTDIR;
	fs_may_block_on(thread, node.slot->backing);
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
	};
	r = fs_charge(fs);
	if (r < 0) {
		fd_close(&dir.fd);
		return r;
	}
	r = htab_add(&fs->handles, &dir, &fh);
	if (r < 0)
		return r;
	*ret_opened = (struct fs_opened){ .fh = fh };
	ret_opened->keep_cache = fs->cache == FS_CACHE_ALWAYS || fs->cache == FS_CACHE_METADATA;
	ret_opened->cache_dir = ret_opened->keep_cache;
	return 0;
}

/* ---- Reading ---- */

struct dir_run {
	struct fs *fs;
	struct lookup_dir in;
	struct handle_slot *slot; /* its lock is held */
	char *buf;
	uint32_t left; /* about this much room in the reply */
	struct fs_dir_sink *sink;
	bool any;  /* something was read */
	bool full; /* the reply has no room for what was read */
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
	bool known = itab_probe(&run->fs->inodes, &id);

	return fs_lookup_in(run->fs, &run->in, host->name, known, ret_entry) >= 0;
}

/* False when the reply has no room for it. */
static bool deliver(struct dir_run *run, const struct host_dirent *host)
{
	struct fs_dirent dirent = {
		.ino = host->ino,
		.next_offset = (uint64_t)host->next,
		.type = host->type,
		.name_len = (uint32_t)strlen(host->name),
		.name = host->name,
	};
	uint32_t reply = host->len + (run->sink->plus ? REPLY_EXTRA_PLUS : REPLY_EXTRA);
	struct fs_entry entry;
	bool found = false;

	if (!run->sink->room(run->sink, dirent.name_len))
		return false;
	if (run->sink->plus && !is_dots(host->name))
		found = lookup_dirent(run, host, &entry);
	run->sink->add(run->sink, &dirent, found ? &entry : NULL);
	run->left -= MIN(reply, run->left);
	return true;
}

/*
 * How many bytes of records to ask for. The shortest record has 24 bytes and grows the most in a
 * reply; counting all as such, everything read finds room, and nothing has to be read again.
 */
static size_t bytes_wanted(const struct dir_run *run)
{
	uint32_t wanted = run->sink->plus ? run->left / 20 * 3 : run->left / 4 * 3;

	/* The first record must fit whatever its name is, or nothing would ever come. */
	if (!run->any)
		wanted = MAX(wanted, HOST_DIRENT_MAX);
	return MIN(wanted, FS_DIRBUF_BYTES);
}

static void deliver_all(struct dir_run *run, long n_bytes)
{
	for (long at = 0; at < n_bytes;) {
		const struct host_dirent *host = (const struct host_dirent *)(run->buf + at);

		run->slot->position = (uint64_t)host->next;
		run->full = run->full || !deliver(run, host);
		at += host->len;
	}
}

/* One getdents64(2) and what it brought. 1, 0 when there is no more to do, or -errno. */
static int read_some(struct dir_run *run)
{
	size_t wanted = bytes_wanted(run);
	long n;

	if (wanted < HOST_DIRENT_MIN)
		return 0;
	n = neg_errno(syscall(SYS_getdents64, run->slot->fd, run->buf, wanted));
	/* The next name is too long for the rest of the reply. */
	if (n == -EINVAL && run->any)
		return 0;
	if (n <= 0)
		return (int)n;
	run->any = true;
	deliver_all(run, n);
	return !run->full;
}

static int go_to(struct handle_slot *slot, uint64_t offset)
{
	if (slot->position == offset)
		return 0;
	if (lseek(slot->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	slot->position = offset;
	return 0;
}

static int read_on(struct dir_run *run, uint64_t offset)
{
	int r = go_to(run->slot, offset);

	if (r < 0)
		return r;
	do {
		r = read_some(run);
	} while (r > 0);
	return r;
}

static int read_locked(struct dir_run *run, uint64_t offset)
{
	int r = read_on(run, offset);

	/*
	 * A directory begins with "."; but ext4, after a descriptor has been moved to the end
	 * before anything was read, finds nothing the next time it is read from the start.
	 */
	if (r == 0 && !run->any && offset == 0) {
		run->slot->position = HANDLE_LOST;
		r = read_on(run, 0);
	}
	/* What has been delivered counts; the guest meets the error when it goes on. */
	return run->any ? 0 : r;
}

int fs_readdir(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, struct fs_dir_sink *sink)
{
	cleanup_file struct file_ref dir = file_of(thread, fh, HANDLE_DIR, 0);
	/* Names are looked up through the handle's descriptor. */
	cleanup_node struct node_ref node = node_pin(thread->fs, nodeid);
	struct dir_run run;

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
		.buf = thread->dirbuf,
		.left = size,
		.sink = sink,
	};
	scoped_lock(htab_dir_lock(&thread->fs->handles, dir.slot));
	return read_locked(&run, offset);
}
