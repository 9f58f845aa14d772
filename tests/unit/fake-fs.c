/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fs_*() functions over struct fake_fs.
 */
#include "fake-fs.h"

#include <dirent.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/iov.h"
#include "base/util.h"

struct fake_fs fake;

static int note(struct fs_thread *thread, const char *called, uint64_t nodeid, const char *name)
{
	fake.called = called;
	fake.n_calls++;
	fake.nodeid = nodeid;
	g_strlcpy(fake.name, name ? name : "", sizeof(fake.name));
	if (fake.blocks && thread->about_to_block)
		thread->about_to_block(thread);
	return fake.result;
}

static int note_fh(struct fs_thread *thread, const char *called, uint64_t fh)
{
	fake.fh = fh;
	return note(thread, called, 0, NULL);
}

static int give_entry(int r, struct fs_entry *ret_entry)
{
	if (r == 0)
		*ret_entry = fake.entry;
	return r;
}

static int give_opened(int r, struct fs_opened *ret_opened)
{
	if (r == 0)
		*ret_opened = fake.opened;
	return r;
}

void fs_reset(struct fs *fs, const struct fs_negotiated *negotiated)
{
	(void)fs;
	fake.n_resets++;
	fake.negotiated = *negotiated;
}

bool fs_is_exclusive(const struct fs *fs)
{
	(void)fs;
	return fake.exclusive;
}

void fs_resume(struct fs *fs, const struct fs_negotiated *negotiated)
{
	(void)fs;
	fake.n_resumes++;
	fake.negotiated = *negotiated;
}

bool fs_opens_are_optional(const struct fs *fs)
{
	(void)fs;
	return fake.opens_optional;
}

bool fs_opendirs_are_optional(const struct fs *fs)
{
	(void)fs;
	return fake.opendirs_optional;
}

int fs_thread_init(struct fs_thread *thread, struct fs *fs)
{
	thread->fs = fs;
	thread->about_to_block = NULL;
	return 0;
}

int fs_lookup(struct fs_thread *thread, uint64_t parent, const char *name,
	      struct fs_entry *ret_entry)
{
	return give_entry(note(thread, "lookup", parent, name), ret_entry);
}

void fs_forget(struct fs *fs, uint64_t nodeid, uint64_t n_lookup)
{
	unsigned int i = fake.n_forgets++;

	(void)fs;
	fake.called = "forget";
	if (i < ARRAY_SIZE(fake.forgotten)) {
		fake.forgotten[i] = nodeid;
		fake.forgotten_counts[i] = n_lookup;
	}
}

int fs_getattr(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, struct fs_attr *ret_attr)
{
	fake.fh = fh;
	*ret_attr = fake.attr;
	return note(thread, "getattr", nodeid, NULL);
}

int fs_setattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_setattr *set,
	       struct fs_attr *ret_attr)
{
	fake.set = *set;
	*ret_attr = fake.attr;
	return note(thread, "setattr", nodeid, NULL);
}

ssize_t fs_readlink(struct fs_thread *thread, uint64_t nodeid, char *buf, size_t size)
{
	int r = note(thread, "readlink", nodeid, NULL);
	size_t len = strlen(fake.target);

	g_assert_cmpuint(len, <=, size);
	memcpy(buf, fake.target, len);
	return r < 0 ? r : (ssize_t)len;
}

int fs_statfs(struct fs_thread *thread, uint64_t nodeid, struct statvfs *ret_statfs)
{
	*ret_statfs = fake.statfs;
	return note(thread, "statfs", nodeid, NULL);
}

int fs_access(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
	      uint32_t mask)
{
	fake.caller = *caller;
	fake.mask = mask;
	return note(thread, "access", nodeid, NULL);
}

static void note_caller(const struct fs_caller *caller)
{
	const struct fs_label *label = &caller->label;

	fake.caller = *caller;
	g_strlcpy(fake.label_name, label->name ? label->name : "", sizeof(fake.label_name));
	memset(fake.label_value, 0, sizeof(fake.label_value));
	if (label->name)
		memcpy(fake.label_value, label->value, MIN(label->size, (size_t)255));
}

int fs_setxattr(struct fs_thread *thread, uint64_t nodeid, const struct fs_xattr *xattr)
{
	fake.xattr = *xattr;
	memcpy(fake.xattr_value, xattr->value, xattr->size);
	return note(thread, "setxattr", nodeid, xattr->name);
}

static ssize_t give_value(int r, char *buf, size_t size)
{
	if (r < 0)
		return r;
	if (size && size < fake.value_bytes)
		return -ERANGE;
	if (size)
		memcpy(buf, fake.value, fake.value_bytes);
	return (ssize_t)fake.value_bytes;
}

ssize_t fs_getxattr(struct fs_thread *thread, uint64_t nodeid, const char *name, void *value,
		    size_t size)
{
	fake.size = (uint32_t)size;
	return give_value(note(thread, "getxattr", nodeid, name), value, size);
}

ssize_t fs_listxattr(struct fs_thread *thread, uint64_t nodeid, char *names, size_t size)
{
	fake.size = (uint32_t)size;
	return give_value(note(thread, "listxattr", nodeid, NULL), names, size);
}

int fs_removexattr(struct fs_thread *thread, uint64_t nodeid, const char *name)
{
	return note(thread, "removexattr", nodeid, name);
}

int fs_symlink(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       const char *name, const char *target, struct fs_entry *ret_entry)
{
	note_caller(caller);
	g_strlcpy(fake.second, target, sizeof(fake.second));
	return give_entry(note(thread, "symlink", parent, name), ret_entry);
}

int fs_mknod(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, uint32_t rdev, struct fs_entry *ret_entry)
{
	note_caller(caller);
	fake.mode = mode;
	fake.rdev = rdev;
	return give_entry(note(thread, "mknod", parent, name), ret_entry);
}

int fs_mkdir(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	     const char *name, uint32_t mode, struct fs_entry *ret_entry)
{
	note_caller(caller);
	fake.mode = mode;
	return give_entry(note(thread, "mkdir", parent, name), ret_entry);
}

int fs_link(struct fs_thread *thread, uint64_t nodeid, uint64_t new_parent, const char *new_name,
	    struct fs_entry *ret_entry)
{
	fake.new_parent = new_parent;
	return give_entry(note(thread, "link", nodeid, new_name), ret_entry);
}

int fs_unlink(struct fs_thread *thread, uint64_t parent, const char *name)
{
	return note(thread, "unlink", parent, name);
}

int fs_rmdir(struct fs_thread *thread, uint64_t parent, const char *name)
{
	return note(thread, "rmdir", parent, name);
}

int fs_rename(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint64_t new_parent, const char *new_name, uint32_t flags)
{
	fake.caller = *caller;
	fake.new_parent = new_parent;
	fake.flags = flags;
	g_strlcpy(fake.second, new_name, sizeof(fake.second));
	return note(thread, "rename", parent, name);
}

int fs_open(struct fs_thread *thread, uint64_t nodeid, uint32_t flags, bool kill_suidgid,
	    struct fs_opened *ret_opened)
{
	fake.flags = flags;
	fake.kill_suidgid = kill_suidgid;
	return give_opened(note(thread, "open", nodeid, NULL), ret_opened);
}

int fs_create(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	      const char *name, uint32_t mode, uint32_t flags, bool kill_suidgid,
	      struct fs_entry *ret_entry, struct fs_opened *ret_opened)
{
	int r = note(thread, "create", parent, name);

	note_caller(caller);
	fake.mode = mode;
	fake.flags = flags;
	fake.kill_suidgid = kill_suidgid;
	give_entry(r, ret_entry);
	return give_opened(r, ret_opened);
}

int fs_tmpfile(struct fs_thread *thread, const struct fs_caller *caller, uint64_t parent,
	       uint32_t mode, uint32_t flags, struct fs_entry *ret_entry,
	       struct fs_opened *ret_opened)
{
	int r = note(thread, "tmpfile", parent, NULL);

	fake.caller = *caller;
	fake.mode = mode;
	fake.flags = flags;
	give_entry(r, ret_entry);
	return give_opened(r, ret_opened);
}

ssize_t fs_read(struct fs_thread *thread, uint64_t fh, uint64_t offset, const struct iovec *iov,
		unsigned int n_iov)
{
	struct iov_cursor cur;
	int r = note_fh(thread, "read", fh);

	fake.offset = offset;
	fake.n_pieces = MAX(fake.n_pieces, n_iov);
	if (r < 0)
		return r;
	iov_cursor_init(&cur, iov, n_iov);
	fake.size += (uint32_t)cur.remaining;
	if (offset >= fake.file_bytes)
		return 0;
	return (ssize_t)iov_copy_in(&cur, fake.file + offset, fake.file_bytes - offset);
}

ssize_t fs_write(struct fs_thread *thread, const struct fs_write *write, const struct iovec *iov,
		 unsigned int n_iov)
{
	struct iov_cursor cur;
	int r = note_fh(thread, "write", write->fh);

	fake.write = *write;
	fake.n_pieces = MAX(fake.n_pieces, n_iov);
	if (r < 0)
		return r;
	iov_cursor_init(&cur, iov, n_iov);
	if (!range_fits(write->offset, cur.remaining, fake.file_bytes))
		return -EFBIG;
	return (ssize_t)iov_copy_out(&cur, fake.written + write->offset, cur.remaining);
}

int fs_flush(struct fs_thread *thread, uint64_t fh)
{
	return note_fh(thread, "flush", fh);
}

int fs_fsync(struct fs_thread *thread, uint64_t fh, bool datasync)
{
	fake.datasync = datasync;
	return note_fh(thread, "fsync", fh);
}

int fs_release(struct fs_thread *thread, uint64_t fh)
{
	return note_fh(thread, "release", fh);
}

int fs_fallocate(struct fs_thread *thread, const struct fs_range *range)
{
	fake.mode = range->mode;
	fake.offset = range->offset;
	fake.length = range->length;
	fake.kill_suidgid = range->kill_suidgid;
	return note_fh(thread, "fallocate", range->fh);
}

int64_t fs_lseek(struct fs_thread *thread, uint64_t fh, uint64_t offset, uint32_t whence)
{
	int r = note_fh(thread, "lseek", fh);

	fake.offset = offset;
	fake.whence = whence;
	return r < 0 ? r : fake.count;
}

ssize_t fs_copy_file_range(struct fs_thread *thread, const struct fs_copy *copy)
{
	int r = note_fh(thread, "copy_file_range", copy->fh_in);

	fake.copy = *copy;
	return r < 0 ? r : (ssize_t)fake.count;
}

int fs_syncfs(struct fs_thread *thread, uint64_t nodeid)
{
	return note(thread, "syncfs", nodeid, NULL);
}

int fs_getlk(struct fs_thread *thread, uint64_t fh, struct fs_lock *lock)
{
	int r = note_fh(thread, "getlk", fh);

	fake.lock = *lock;
	if (r == 0)
		*lock = fake.conflict;
	return r;
}

/* Also called by the thread that waits for locks: noted only where that cannot be. */
static int lock_result(struct fs_thread *thread, const char *called, uint64_t fh)
{
	__atomic_fetch_add(&fake.n_lock_calls, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&fake.locked, __ATOMIC_ACQUIRE))
		return -EAGAIN;
	return thread->about_to_block ? note_fh(thread, called, fh) : 0;
}

int fs_setlk(struct fs_thread *thread, uint64_t fh, const struct fs_lock *lock)
{
	if (thread->about_to_block)
		fake.lock = *lock;
	return lock_result(thread, "setlk", fh);
}

int fs_flock(struct fs_thread *thread, uint64_t fh, uint32_t type)
{
	if (thread->about_to_block)
		fake.lock.type = type;
	return lock_result(thread, "flock", fh);
}

int fs_drop_locks(struct fs_thread *thread, uint64_t fh, uint64_t owner)
{
	int r = note_fh(thread, "drop_locks", fh);

	fake.lock.owner = owner;
	return r < 0 ? r : fake.dropped;
}

ssize_t fs_ioctl(struct fs_thread *thread, const struct fs_caller *caller, uint64_t nodeid,
		 const struct fs_ioctl *call)
{
	int r = note(thread, "ioctl", nodeid, NULL);

	fake.fh = call->fh;
	fake.caller = *caller;
	fake.ioctl = *call;
	if (r < 0)
		return r;
	memset(call->out, 0xa5, MIN(call->out_size, (size_t)fake.count));
	return (ssize_t)MIN(call->out_size, (size_t)fake.count);
}

int fs_opendir(struct fs_thread *thread, uint64_t nodeid, uint32_t flags,
	       struct fs_opened *ret_opened)
{
	fake.flags = flags;
	return give_opened(note(thread, "opendir", nodeid, NULL), ret_opened);
}

int fs_readdir(struct fs_thread *thread, uint64_t nodeid, uint64_t fh, uint64_t offset,
	       uint32_t size, struct fs_dir_sink *sink)
{
	int r = note(thread, "readdir", nodeid, NULL);
	uint64_t n_names = 0;

	while (fake.names[n_names])
		n_names++;
	fake.fh = fh;
	fake.offset = offset;
	fake.size = size;
	if (r < 0)
		return r;
	for (uint64_t i = offset; i < n_names; i++) {
		const char *name = fake.names[i];
		const struct fs_dirent dirent = {
			.ino = 1000 + i,
			.next_offset = i + 1,
			.type = DT_REG,
			.name_len = (uint32_t)strlen(name),
			.name = name,
		};
		bool known = sink->plus && g_strcmp0(name, fake.nameless) != 0;

		if (!sink->room(sink, dirent.name_len))
			break;
		sink->add(sink, &dirent, known ? &fake.entry : NULL);
	}
	return fake.readdir_result;
}

int fs_fsyncdir(struct fs_thread *thread, uint64_t fh, bool datasync)
{
	fake.datasync = datasync;
	return note_fh(thread, "fsyncdir", fh);
}

int fs_releasedir(struct fs_thread *thread, uint64_t fh)
{
	return note_fh(thread, "releasedir", fh);
}
