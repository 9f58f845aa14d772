/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seed corpora of fuzz-request, fuzz-message and fuzz-chain below the directory given
 * as the argument. Its output is committed; run it again when a format or the protocol grows.
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "tests/fuzz/make-corpus.h"
#include "tests/fuzz/request-format.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-extra.h"

static const char *top;

void corpus_save(const char *target, const char *name, GByteArray *bytes)
{
	g_autofree char *folder = g_build_filename(top, target, NULL);
	g_autofree char *path = g_build_filename(folder, name, NULL);

	if (g_mkdir_with_parents(folder, 0755) ||
	    !g_file_set_contents(path, (const char *)bytes->data, bytes->len, NULL))
		test_die("%s cannot be written", path);
	g_byte_array_unref(bytes);
}

void corpus_add(GByteArray *to, const void *bytes, size_t n)
{
	g_byte_array_append(to, bytes, (guint)n);
}

void corpus_add_u8(GByteArray *to, uint8_t value)
{
	corpus_add(to, &value, 1);
}

void corpus_add_u16(GByteArray *to, uint16_t value)
{
	corpus_add_u8(to, (uint8_t)value);
	corpus_add_u8(to, (uint8_t)(value >> 8));
}

/* ---- FUSE requests ---- */

static uint64_t node_of(unsigned int place)
{
	return (uint64_t)REQUEST_MARK_NODE << 32 | place;
}

static uint64_t handle_of(unsigned int place)
{
	return (uint64_t)REQUEST_MARK_HANDLE << 32 | place;
}

static GByteArray *requests(uint8_t session_flags)
{
	GByteArray *to = g_byte_array_new();

	corpus_add_u8(to, session_flags);
	return to;
}

struct extra {
	const void *bytes;
	size_t n_bytes;
};

#define TEXT(text)                   \
	{                            \
		(text), sizeof(text) \
	}

static void request(GByteArray *to, uint32_t opcode, uint64_t nodeid, const void *arg, size_t n_arg,
		    const struct extra *extra)
{
	static uint64_t unique;
	struct fuse_in_header head = {
		.len = (uint32_t)(sizeof(head) + n_arg),
		.opcode = opcode,
		.unique = ++unique,
		.nodeid = nodeid,
		.uid = opcode % 3 ? 0 : 1000,
		.gid = opcode % 5 ? 0 : 1000,
		.pid = 1,
	};

	for (unsigned int i = 0; extra && extra[i].n_bytes; i++)
		head.len += (uint32_t)extra[i].n_bytes;
	corpus_add_u8(to, (uint8_t)((opcode % 4) << 1));
	corpus_add_u16(to, (uint16_t)head.len);
	corpus_add_u16(to, 4096);
	corpus_add(to, &head, sizeof(head));
	corpus_add(to, arg, n_arg);
	for (unsigned int i = 0; extra && extra[i].n_bytes; i++)
		corpus_add(to, extra[i].bytes, extra[i].n_bytes);
}

#define REQUEST(to, opcode, nodeid, in, ...)           \
	request(to, opcode, nodeid, in, sizeof(*(in)), \
		(const struct extra[]){ __VA_ARGS__, { NULL, 0 } })
#define REQUEST_NAMES(to, opcode, nodeid, ...) \
	request(to, opcode, nodeid, NULL, 0, (const struct extra[]){ __VA_ARGS__, { NULL, 0 } })
#define NOTHING         \
	{               \
		NULL, 0 \
	}

static void open_node(GByteArray *to, uint32_t opcode, uint64_t nodeid, uint32_t flags)
{
	const struct fuse_open_in in = { .flags = flags };

	REQUEST(to, opcode, nodeid, &in, NOTHING);
}

static void save_lookups(void)
{
	GByteArray *to = requests(0);
	const struct fuse_getattr_in getattr = { 0 };
	const struct fuse_access_in access = { .mask = 4 };
	const struct fuse_forget_in forget = { .nlookup = 1 };
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one items[2];
	} batch = { { .count = 2 }, { { node_of(1), 1 }, { FUSE_ROOT_ID, UINT64_MAX } } };

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("dir"));
	REQUEST_NAMES(to, FUSE_LOOKUP, node_of(1), TEXT("inner"));
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("link"));
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("fifo"));
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT(".."));
	REQUEST_NAMES(to, FUSE_LOOKUP, node_of(1), TEXT("../file"));
	REQUEST(to, FUSE_GETATTR, node_of(0), &getattr, NOTHING);
	request(to, FUSE_READLINK, node_of(3), NULL, 0, NULL);
	request(to, FUSE_STATFS, FUSE_ROOT_ID, NULL, 0, NULL);
	REQUEST(to, FUSE_ACCESS, node_of(2), &access, NOTHING);
	open_node(to, FUSE_OPEN, node_of(4), 2);
	REQUEST(to, FUSE_FORGET, node_of(0), &forget, NOTHING);
	REQUEST(to, FUSE_BATCH_FORGET, 0, &batch, NOTHING);
	REQUEST(to, FUSE_GETATTR, node_of(0), &getattr, NOTHING);
	corpus_save("request", "lookups", to);
}

static void save_names(uint8_t session_flags, const char *name)
{
	GByteArray *to = requests(session_flags);
	const struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	const struct fuse_mknod_in mknod_in = { .mode = S_IFIFO | 0644 };
	const struct fuse_mknod_in device = { .mode = S_IFCHR | 0600, .rdev = 0x103 };
	const struct fuse_link_in link_in = { .oldnodeid = node_of(1) };
	const struct fuse_rename_in rename_in = { .newdir = node_of(0) };
	const struct fuse_rename2_in exchange = { .newdir = FUSE_ROOT_ID, .flags = 2 };

	REQUEST(to, FUSE_MKDIR, FUSE_ROOT_ID, &mkdir_in, TEXT("new-dir"));
	REQUEST(to, FUSE_MKNOD, node_of(0), &mknod_in, TEXT("new-fifo"));
	REQUEST(to, FUSE_MKNOD, FUSE_ROOT_ID, &device, TEXT("new-device"));
	REQUEST_NAMES(to, FUSE_SYMLINK, FUSE_ROOT_ID, TEXT("new-link"), TEXT("../../etc"));
	REQUEST(to, FUSE_LINK, FUSE_ROOT_ID, &link_in, TEXT("second"));
	REQUEST(to, FUSE_RENAME, FUSE_ROOT_ID, &rename_in, TEXT("file"), TEXT("moved"));
	REQUEST(to, FUSE_RENAME2, FUSE_ROOT_ID, &exchange, TEXT("new-dir"), TEXT("second"));
	REQUEST_NAMES(to, FUSE_UNLINK, FUSE_ROOT_ID, TEXT("new-dir"));
	REQUEST_NAMES(to, FUSE_RMDIR, FUSE_ROOT_ID, TEXT("dir"));
	REQUEST_NAMES(to, FUSE_UNLINK, FUSE_ROOT_ID, TEXT("../canary-file"));
	corpus_save("request", name, to);
}

static void add_io(GByteArray *to, uint64_t node, uint64_t fh)
{
	static const char text[] = "sixteen bytes ..";
	const struct fuse_write_in write_in = { .fh = fh, .offset = 100, .size = sizeof(text) };
	const struct fuse_read_in read_in = { .fh = fh, .offset = 96, .size = 4000 };
	const struct fuse_fallocate_in hole = {
		.fh = fh, .offset = 4096, .length = 4096, .mode = 3
	};
	const struct fuse_lseek_in lseek_in = { .fh = fh, .whence = 4 };
	const struct fuse_copy_file_range_in copy = {
		.fh_in = fh, .nodeid_out = node, .fh_out = fh, .off_out = 20000, .len = 5000
	};
	const struct fuse_fsync_in fsync_in = { .fh = fh };
	const struct fuse_flush_in flush_in = { .fh = fh, .lock_owner = 7 };
	const struct fuse_setattr_in size = { .valid = FATTR_SIZE | FATTR_FH | FATTR_KILL_SUIDGID,
					      .fh = fh,
					      .size = 12345 };
	const struct fuse_getattr_in getattr = { .getattr_flags = FUSE_GETATTR_FH, .fh = fh };
	const struct fuse_release_in release = { .fh = fh };

	REQUEST(to, FUSE_WRITE, node, &write_in, TEXT(text));
	REQUEST(to, FUSE_READ, node, &read_in, NOTHING);
	REQUEST(to, FUSE_FALLOCATE, node, &hole, NOTHING);
	REQUEST(to, FUSE_LSEEK, node, &lseek_in, NOTHING);
	REQUEST(to, FUSE_COPY_FILE_RANGE, node, &copy, NOTHING);
	REQUEST(to, FUSE_SETATTR, node, &size, NOTHING);
	REQUEST(to, FUSE_GETATTR, node, &getattr, NOTHING);
	REQUEST(to, FUSE_FLUSH, node, &flush_in, NOTHING);
	REQUEST(to, FUSE_FSYNC, node, &fsync_in, NOTHING);
	REQUEST(to, FUSE_RELEASE, node, &release, NOTHING);
	REQUEST(to, FUSE_RELEASE, node, &release, NOTHING);
}

static void save_io(uint8_t session_flags, const char *name)
{
	GByteArray *to = requests(session_flags);

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	open_node(to, FUSE_OPEN, node_of(0), O_RDWR);
	add_io(to, node_of(0), handle_of(1));
	corpus_save("request", name, to);
}

/* With a supplementary group behind the name. */
/* With the context that a labelled directory comes with. */
static void save_xattrs(void)
{
	GByteArray *to = requests(REQUEST_SESSION_XATTR);
	const struct fuse_setxattr_in set = { .size = 6 };
	const struct fuse_getxattr_in get = { .size = 64 };
	const struct fuse_getxattr_in size = { .size = 0 };

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	REQUEST(to, FUSE_SETXATTR, node_of(0), &set, TEXT("user.a"), TEXT("value"));
	REQUEST(to, FUSE_SETXATTR, node_of(0), &set, TEXT("security.capability"), TEXT("value"));
	REQUEST(to, FUSE_GETXATTR, node_of(0), &get, TEXT("security.capability"));
	REQUEST(to, FUSE_GETXATTR, node_of(0), &size, TEXT("user.a"));
	REQUEST(to, FUSE_LISTXATTR, node_of(0), &get, NOTHING);
	REQUEST_NAMES(to, FUSE_REMOVEXATTR, node_of(0), TEXT("user.a"));
	REQUEST(to, FUSE_SETXATTR, FUSE_ROOT_ID, &set, TEXT("system.posix_acl_default"),
		TEXT("\2\0\0\0"));
	corpus_save("request", "xattrs", to);
}

static void save_locks(void)
{
	GByteArray *to = requests(REQUEST_SESSION_LOCKS);
	struct fuse_lk_in lock = { .fh = handle_of(1), .owner = 1, .lk = { .end = 99, .type = 1 } };
	struct fuse_ioctl_in flags = { .fh = handle_of(1), .cmd = 0x80086601, .out_size = 4 };
	struct test_fuse_statx_in statx_in = { .sx_mask = 0xfff };

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	open_node(to, FUSE_OPEN, node_of(0), 2);
	REQUEST(to, FUSE_SETLK, node_of(0), &lock, NOTHING);
	lock.owner = 2;
	REQUEST(to, FUSE_GETLK, node_of(0), &lock, NOTHING);
	REQUEST(to, FUSE_SETLKW, node_of(0), &lock, NOTHING);
	lock.lk_flags = FUSE_LK_FLOCK;
	REQUEST(to, FUSE_SETLK, node_of(0), &lock, NOTHING);
	lock.lk.type = 2;
	REQUEST(to, FUSE_SETLKW, node_of(0), &lock, NOTHING);
	REQUEST(to, FUSE_IOCTL, node_of(0), &flags, NOTHING);
	REQUEST(to, TEST_FUSE_STATX, node_of(0), &statx_in, NOTHING);
	corpus_save("request", "locks", to);
}

static void save_create(void)
{
	GByteArray *to = requests(0);
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT | O_EXCL,
					   .mode = S_IFREG | 0644 };
	const struct {
		struct fuse_ext_header head;
		uint32_t n_groups, group;
	} groups = { { .size = sizeof(groups), .type = TEST_FUSE_EXT_GROUPS }, 1, 1000 };
	struct fuse_in_header *head;
	guint at = to->len + 5;

	REQUEST(to, FUSE_CREATE, FUSE_ROOT_ID, &in, TEXT("created"), { &groups, sizeof(groups) });
	head = (struct fuse_in_header *)(void *)(to->data + at);
	((uint8_t *)head)[offsetof(struct fuse_in_header, total_extlen)] = sizeof(groups) / 8;
	add_io(to, node_of(0), handle_of(0));
	corpus_save("request", "create", to);
}

static void save_attributes(void)
{
	GByteArray *to = requests(0);
	const struct fuse_setattr_in all = {
		.valid = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME |
			 FATTR_MTIME | FATTR_MTIME_NOW,
		.mode = S_IFREG | 04755,
		.uid = 5,
		.gid = 6,
		.size = 77,
		.atime = 1,
		.atimensec = 2,
	};
	const struct fuse_syncfs_in sync = { 0 };

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	REQUEST(to, FUSE_SETATTR, node_of(0), &all, NOTHING);
	REQUEST(to, FUSE_SETATTR, FUSE_ROOT_ID, &all, NOTHING);
	REQUEST(to, FUSE_SYNCFS, FUSE_ROOT_ID, &sync, NOTHING);
	corpus_save("request", "attributes", to);
}

static void save_listing(void)
{
	GByteArray *to = requests(0);
	const struct fuse_read_in list = { .fh = handle_of(0), .size = 4000 };
	const struct fuse_read_in small = { .fh = handle_of(0), .size = 200, .offset = 3 };
	const struct fuse_fsync_in sync = { .fh = handle_of(0), .fsync_flags = 1 };
	const struct fuse_release_in release = { .fh = handle_of(0) };

	open_node(to, FUSE_OPENDIR, FUSE_ROOT_ID, 0);
	REQUEST(to, FUSE_READDIR, FUSE_ROOT_ID, &list, NOTHING);
	REQUEST(to, FUSE_READDIRPLUS, FUSE_ROOT_ID, &list, NOTHING);
	REQUEST(to, FUSE_READDIRPLUS, FUSE_ROOT_ID, &small, NOTHING);
	REQUEST(to, FUSE_FSYNCDIR, FUSE_ROOT_ID, &sync, NOTHING);
	REQUEST(to, FUSE_RELEASEDIR, FUSE_ROOT_ID, &release, NOTHING);
	corpus_save("request", "listing", to);
}

static void save_session(void)
{
	GByteArray *to = requests(REQUEST_SESSION_NO_INIT);
	const struct fuse_init_in newer = { .major = 8 }, older = { .major = 6 };
	const struct fuse_init_in good = { .major = 7,
					   .minor = 31,
					   .flags = UINT32_MAX & ~(uint32_t)FUSE_INIT_EXT };
	const struct fuse_interrupt_in interrupt = { .unique = 1 };

	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	REQUEST(to, FUSE_INIT, 0, &newer, NOTHING);
	REQUEST(to, FUSE_INIT, 0, &older, NOTHING);
	REQUEST(to, FUSE_INIT, 0, &good, NOTHING);
	REQUEST(to, FUSE_INTERRUPT, 0, &interrupt, NOTHING);
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	request(to, FUSE_DESTROY, 0, NULL, 0, NULL);
	REQUEST_NAMES(to, FUSE_LOOKUP, FUSE_ROOT_ID, TEXT("file"));
	corpus_save("request", "session", to);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		test_die("one argument: where the corpora go");
	top = argv[1];
	save_lookups();
	save_names(0, "names");
	save_names(REQUEST_SESSION_READONLY, "names-readonly");
	save_names(REQUEST_SESSION_NO_GROUPS, "names-no-groups");
	save_io(0, "io");
	save_io(REQUEST_SESSION_READONLY | 2 << 4, "io-readonly");
	save_io(REQUEST_SESSION_EXCLUSIVE, "io-exclusive");
	save_xattrs();
	save_locks();
	save_create();
	save_attributes();
	save_listing();
	save_session();
	corpus_save_vhost();
	return 0;
}
