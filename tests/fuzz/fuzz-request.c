/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: FUSE messages into fuse_session_serve() over a live scratch tree.
 *
 * The tree is in a small tmpfs of a mount namespace of this process alone, so that no input can
 * fill a disk or leave anything behind; files beside the share must stay untouched.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/util.h"
#include "fuse/passthrough/fs.h"
#include "fuse/passthrough/xattr-map.h"
#include "fuse/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/request-format.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-extra.h"
#include "tests/lib/share.h"

#define MAX_PIECES 4

struct server {
	struct xattr_map *map;
	struct arena arena;
	struct fs *fs;
	struct fuse_session *session;
	struct fuse_thread *thread;
	uint64_t node[REQUEST_MAX]; /* what the request of that position brought, or 0 */
	uint64_t handle[REQUEST_MAX];
};

/* ---- The scratch tree ---- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		test_die("write %s: %s", path, strerror(errno));
	close(fd);
}

/* Whoever runs this becomes root of it. */
static void enter_user_namespace(void)
{
	g_autofree char *uid_map = g_strdup_printf("0 %u 1", geteuid());
	g_autofree char *gid_map = g_strdup_printf("0 %u 1", getegid());

	if (unshare(CLONE_NEWUSER))
		test_die("a user namespace: %s", strerror(errno));
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", uid_map);
	write_text("/proc/self/gid_map", gid_map);
}

static void enter_own_namespace(void)
{
	static bool done;
	static const char place[] = "/mnt";

	if (done)
		return;
	done = true;
	if (geteuid())
		enter_user_namespace();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("fuzz", place, "tmpfs", MS_NODEV | MS_NOSUID, "size=32m,nr_inodes=2000"))
		test_die("a mount namespace with a tmpfs: %s", strerror(errno));
	if (setenv("TEST_SCRATCH", place, 1))
		test_die("setenv: %s", strerror(errno));
	log_set_level(LOG_LEVEL_OFF);
	umask(0);
}

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", 10000);
	share_mkdir(share, "dir", 0755);
	share_write_text(share, "dir/inner", "inner\n");
	share_symlink(share, "link", "../canary-file");
	share_mknod(share, "fifo", S_IFIFO | 0644, 0);
}

/* ---- The server ---- */

static int open_path(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		test_die("open %s: %s", path, strerror(errno));
	return fd;
}

/* The capability by another name is what the daemon itself has to drop. */
static const struct xattr_map *make_map(struct server *s)
{
	char *why = NULL;

	if (xmap_parse(":map:security.:user.guest.:", &s->map, &why))
		test_die("no map: %s", why);
	return s->map;
}

static void server_init(struct server *s, const char *root, uint8_t flags)
{
	const uint32_t n_inodes = 64, n_handles = 16;
	const size_t sizes[ARENA_N_SECTIONS] = {
		[ARENA_SESSION] = fuse_session_section_bytes(),
		[ARENA_INODES] = fs_inode_section_bytes(n_inodes),
		[ARENA_KEYS] = fs_key_section_bytes(n_inodes),
		[ARENA_HANDLES] = fs_handle_section_bytes(n_handles),
		[ARENA_LOCKS] = fs_lock_section_bytes(flags & REQUEST_SESSION_LOCKS ? 8 : 0),
		[ARENA_FDS] = fs_fds_section_bytes(),
	};
	const bool xattr = flags & REQUEST_SESSION_XATTR;
	const struct fs_options fs = {
		.root_fd = open_path(root),
		.proc_self_fd = open_path("/proc/self/fd"),
		.cache = (flags & REQUEST_SESSION_CACHE) >> 4,
		.readonly = flags & REQUEST_SESSION_READONLY,
		.max_inodes = n_inodes,
		.max_handles = n_handles,
		.max_fds = n_inodes / 2, /* some inodes must do without */
		.exclusive = flags & REQUEST_SESSION_EXCLUSIVE,
		.max_lock_owners = flags & REQUEST_SESSION_LOCKS ? 8 : 0,
		.xattr_map = xattr ? make_map(s) : NULL,
	};
	const struct fuse_session_options session = {
		.cache = fs.cache,
		.readonly = fs.readonly,
		.announce_submounts = true,
		.posix_lock = flags & REQUEST_SESSION_LOCKS,
		.flock = flags & REQUEST_SESSION_LOCKS,
		.xattr = xattr,
		.posix_acl = xattr ? FUSE_FEATURE_AUTO : FUSE_FEATURE_NEVER,
		.security_label = xattr ? FUSE_FEATURE_AUTO : FUSE_FEATURE_NEVER,
	};

	if (arena_init(&s->arena, sizes) || fs_new(&fs, &s->arena, &s->fs) ||
	    fuse_session_new(&session, s->fs, &s->arena, &s->session) ||
	    fuse_thread_new(s->session, NULL, NULL, &s->thread))
		test_die("the server cannot be built");
}

static void server_deinit(struct server *s)
{
	fuse_session_reset(s->session);
	fuse_thread_free(s->thread);
	fuse_session_free(s->session);
	fs_free(s->fs);
	xmap_free(s->map);
	arena_deinit(&s->arena);
}

/* ---- One message ---- */

/* Each piece an allocation of its own, so that a step over its end is seen. */
static unsigned int make_pieces(struct iovec *iov, size_t n_bytes, unsigned int n_more)
{
	unsigned int n = n_bytes > n_more ? n_more + 1 : 1;
	size_t done = 0;

	for (unsigned int i = 0; i < n; i++) {
		size_t len = i + 1 == n ? n_bytes - done : n_bytes / n;

		iov[i] = (struct iovec){ .iov_base = g_malloc(MAX(len, 1u)), .iov_len = len };
		done += len;
	}
	return n;
}

static void copy_pieces(const struct iovec *iov, unsigned int n, uint8_t *bytes, bool out)
{
	for (unsigned int i = 0; i < n; i++) {
		if (out)
			memcpy(bytes, iov[i].iov_base, iov[i].iov_len);
		else
			memcpy(iov[i].iov_base, bytes, iov[i].iov_len);
		bytes += iov[i].iov_len;
	}
}

static void free_pieces(const struct iovec *iov, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		g_free(iov[i].iov_base);
}

static void check_reply(const uint8_t *reply, size_t room, uint32_t used, uint64_t unique)
{
	struct fuse_out_header out;

	if (!used)
		return;
	if (used > room || used < sizeof(out))
		test_die("%u bytes written where %zu fit", used, room);
	memcpy(&out, reply, sizeof(out));
	if (out.len != used || out.unique != unique || out.error > 0 || out.error <= -512 ||
	    (out.error && used != sizeof(out)))
		test_die("reply header: len %u of %u, error %d", out.len, used, out.error);
}

static uint32_t serve(struct server *s, uint8_t flags, uint8_t *bytes, size_t n_bytes,
		      uint8_t *reply, size_t room)
{
	unsigned int n_more = (flags & REQUEST_SPLIT) >> 1;
	struct iovec in[MAX_PIECES], out[MAX_PIECES];
	struct fuse_message message = {
		.readable = in,
		.writable = out,
		.n_readable = make_pieces(in, n_bytes, n_more),
		.n_writable = make_pieces(out, room, n_more),
		.damaged = flags & REQUEST_DAMAGED,
	};
	uint64_t unique = 0;
	uint32_t used;

	copy_pieces(in, message.n_readable, bytes, false);
	used = fuse_session_serve(s->thread, &message);
	copy_pieces(out, message.n_writable, reply, true);
	if (n_bytes >= offsetof(struct fuse_in_header, nodeid))
		memcpy(&unique, bytes + offsetof(struct fuse_in_header, unique), sizeof(unique));
	check_reply(reply, room, used, unique);
	free_pieces(in, message.n_readable);
	free_pieces(out, message.n_writable);
	return used;
}

static void send_init(struct server *s, uint8_t flags)
{
	uint64_t wanted = ~(uint64_t)0;
	struct {
		struct fuse_in_header head;
		struct fuse_init_in in;
	} request = {
		.head = { .len = sizeof(request), .opcode = FUSE_INIT, .unique = 1 },
		.in = { .major = FUSE_KERNEL_VERSION, .minor = 40, .max_readahead = 65536 },
	};
	uint8_t reply[256];

	if (flags & REQUEST_SESSION_NO_GROUPS)
		wanted &= ~FUSE_CREATE_SUPP_GROUP;
	request.in.flags = (uint32_t)wanted;
	request.in.flags2 = (uint32_t)(wanted >> 32);
	serve(s, 0, (uint8_t *)&request, sizeof(request), reply, sizeof(reply));
}

/* ---- The input ---- */

static void put_numbers(const struct server *s, uint8_t *bytes, size_t n_bytes)
{
	n_bytes = MIN(n_bytes, sizeof(struct fuse_in_header) + 64);
	for (size_t at = 16; at + 8 <= n_bytes; at += 8) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof(word));
		if (word >> 32 == REQUEST_MARK_NODE)
			word = s->node[word % REQUEST_MAX];
		else if (word >> 32 == REQUEST_MARK_HANDLE)
			word = s->handle[word % REQUEST_MAX];
		memcpy(bytes + at, &word, sizeof(word));
	}
}

static void learn_numbers(struct server *s, unsigned int place, uint32_t opcode,
			  const uint8_t *reply, uint32_t used)
{
	const uint8_t *body = reply + sizeof(struct fuse_out_header);
	size_t n = used - MIN((size_t)used, sizeof(struct fuse_out_header));
	size_t handle_at = opcode == FUSE_CREATE ? sizeof(struct fuse_entry_out) : 0;

	if (n >= sizeof(struct fuse_entry_out))
		memcpy(&s->node[place], body, sizeof(uint64_t));
	if (n >= handle_at + sizeof(struct fuse_open_out))
		memcpy(&s->handle[place], body + handle_at, sizeof(uint64_t));
}

static void run_requests(struct server *s, struct fuzz_input *in)
{
	g_autofree uint8_t *reply = g_malloc(UINT16_MAX + 1);
	uint32_t opcode = 0;

	for (unsigned int place = 0; in->left && place < REQUEST_MAX; place++) {
		uint8_t flags = fuzz_take_u8(in);
		uint16_t length = fuzz_take_u16(in), room = fuzz_take_u16(in);
		size_t n_bytes;
		const uint8_t *bytes = fuzz_take(in, length, &n_bytes);
		g_autofree uint8_t *message = g_malloc(MAX(n_bytes, 1u));
		uint32_t used;

		memcpy(message, bytes, n_bytes);
		put_numbers(s, message, n_bytes);
		if (n_bytes >= 8)
			memcpy(&opcode, message + 4, sizeof(opcode));
		used = serve(s, flags, message, n_bytes, reply, room);
		learn_numbers(s, place, opcode, reply, used);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	uint8_t flags = fuzz_take_u8(&in);
	struct server s = { .arena = ARENA_NULL };
	struct share share;
	unsigned int n_fds;

	enter_own_namespace();
	share_init(&share);
	populate(&share);
	n_fds = fuzz_n_fds();
	server_init(&s, share.dir, flags);
	if (!(flags & REQUEST_SESSION_NO_INIT))
		send_init(&s, flags);
	run_requests(&s, &in);
	server_deinit(&s);
	if (fuzz_n_fds() != n_fds)
		test_die("%u descriptors before, %u after", n_fds, fuzz_n_fds());
	share_check_canaries(&share);
	share_deinit(&share);
	return 0;
}
