/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to use up the host or to read the daemon's own memory: descriptors without end, giant
 * sizes, buffers that leave guest memory or vanish with it. Each test says which published mistake
 * it stands for.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/escape.h"
#include "tests/lib/bounded.h"

#define LIMIT	  256
#define GROWN_KIB (16 * 1024)

static const char *const args[] = { "--xattr", "--posix-lock", NULL };

static void test_descriptors(void)
{
	static const char *const few[] = { "--rlimit-nofile=256", NULL };
	g_autofree uint64_t *fhs = g_new0(uint64_t, 4 * LIMIT);
	struct fuse_open_out open;
	struct escape e;
	uint64_t file;
	unsigned int n = 0;
	int r = 0;

	escape_start(&e, few);
	file = fuse_node(e.c, "file");
	while (n < 4 * LIMIT && !(r = fuse_open(e.c, file, O_RDONLY, &open)))
		fhs[n++] = open.fh;
	g_assert_cmpint(r, ==, -ENFILE);
	g_assert_cmpuint(n, >, 0);
	g_assert_cmpuint(daemon_n_fds(e.f->daemon), <=, LIMIT);
	escape_check(&e);
	/* Names are found and files are made known all the same. */
	(void)fuse_node(e.c, "dir/file");
	while (n)
		g_assert_cmpint(fuse_release(e.c, file, fhs[--n]), ==, 0);
	g_assert_cmpint(fuse_open(e.c, file, O_RDONLY, &open), ==, 0);
	escape_stop(&e);
}

/* ---- Giant sizes ---- */

struct giant {
	uint32_t opcode;
	size_t n;
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_setxattr_in setxattr;
		struct fuse_getxattr_in getxattr;
		struct fuse_ioctl_in ioctl;
		struct fuse_batch_forget_in forget;
	};
};

/* All take the file's or the directory's handle as their first word, if they take one. */
static const struct giant giants[] = {
	{ FUSE_READ, sizeof(struct fuse_read_in), .read = { .size = UINT32_MAX } },
	{ FUSE_READDIR, sizeof(struct fuse_read_in), .read = { .size = UINT32_MAX } },
	{ FUSE_READDIRPLUS, sizeof(struct fuse_read_in), .read = { .size = UINT32_MAX } },
	{ FUSE_WRITE, sizeof(struct fuse_write_in), .write = { .size = UINT32_MAX } },
	{ FUSE_SETXATTR, sizeof(struct fuse_setxattr_in), .setxattr = { .size = UINT32_MAX } },
	{ FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), .getxattr = { .size = UINT32_MAX } },
	{ FUSE_LISTXATTR, sizeof(struct fuse_getxattr_in), .getxattr = { .size = UINT32_MAX } },
	{ FUSE_IOCTL, sizeof(struct fuse_ioctl_in),
	  .ioctl = { .cmd = FS_IOC_GETFLAGS, .in_size = UINT32_MAX, .out_size = UINT32_MAX } },
	{ FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in),
	  .forget = { .count = UINT32_MAX } },
};

static void send_giant(struct escape *e, const struct giant *giant, uint64_t node, uint64_t fh)
{
	uint8_t arg[256] = { 0 };

	memcpy(arg, &giant->read, giant->n);
	if (giant->opcode == FUSE_READ || giant->opcode == FUSE_READDIR ||
	    giant->opcode == FUSE_READDIRPLUS || giant->opcode == FUSE_WRITE ||
	    giant->opcode == FUSE_IOCTL)
		memcpy(arg, &fh, sizeof(fh));
	memcpy(arg + giant->n, "user.name", 10);
	(void)raw_request(&e->raw, raw_fill(&e->raw, giant->opcode, node, arg, giant->n + 64),
			  RAW_BYTES);
}

static void test_giants(void)
{
	struct fuse_open_out file, dir;
	struct escape e;
	unsigned long before;

	escape_start(&e, args);
	g_assert_cmpint(fuse_open(e.c, fuse_node(e.c, "file"), O_RDWR, &file), ==, 0);
	g_assert_cmpint(fuse_opendir(e.c, fuse_node(e.c, "dir"), 0, &dir), ==, 0);
	before = daemon_rss_kib(e.f->daemon);
	for (unsigned int round = 0; round < 50; round++)
		for (size_t i = 0; i < G_N_ELEMENTS(giants); i++) {
			send_giant(&e, &giants[i], fuse_node(e.c, "file"), file.fh);
			send_giant(&e, &giants[i], fuse_node(e.c, "dir"), dir.fh);
		}
	g_assert_cmpuint(daemon_rss_kib(e.f->daemon), <, before + GROWN_KIB);
	g_assert_cmpint(share_lstat(&e.f->share, "file").st_size, ==, 20);
	escape_stop(&e);
}

/* ---- Memory ---- */

/* Bytes that the guest does not have must not get into a file: they would be the daemon's. */
static int write_from(struct escape *e, uint64_t file, uint64_t fh, uint64_t gpa, uint32_t len)
{
	const struct fuse_write_in in = { .fh = fh, .size = len };
	const struct raw_part parts[] = {
		{ .gpa = e->raw.in_gpa,
		  .len = (uint32_t)raw_fill(&e->raw, FUSE_WRITE, file, &in, sizeof(in)) },
		{ .gpa = gpa, .len = len },
		{ .gpa = e->raw.out_gpa, .len = 4096, .writable = true },
	};
	struct fuse_out_header out;

	((struct fuse_in_header *)(void *)e->raw.in)->len += len;
	raw_send(&e->raw, parts, G_N_ELEMENTS(parts));
	g_assert_cmpint(raw_wait(&e->raw, RAW_FIRST_DESC), >=, (int)sizeof(out));
	memcpy(&out, e->raw.out, sizeof(out));
	return out.error;
}

static void test_beyond_memory(void)
{
	const struct guest_region *region;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct escape e;

	escape_start(&e, args);
	region = &e.f->vmm.mem.regions[0];
	g_assert_cmpint(fuse_create(e.c, FUSE_ROOT_ID, "new", 0600, O_RDWR, &entry, &open), ==, 0);
	{
		const uint64_t ends[] = { region->gpa + region->size - 4096,
					  region->gpa + region->size - 1,
					  region->gpa + region->size,
					  region->gpa - 4096,
					  0,
					  UINT64_MAX - 8191 };

		for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
			g_assert_cmpint(write_from(&e, entry.nodeid, open.fh, ends[i], 8192), <, 0);
	}
	g_assert_cmpint(share_lstat(&e.f->share, "new").st_size, ==, 0);
	escape_stop(&e);
}

/* What was guest memory when it was described and is no more when it is used. */
static void test_vanished_memory(void)
{
	const struct guest_region *region;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct escape e;
	uint64_t gpa;
	g_autofree char *text = NULL;
	size_t n;
	int r;

	escape_start(&e, args);
	region = &e.f->vmm.mem.regions[guest_ram_add(&e.f->vmm.mem, 0, 1 << 20, 0)];
	gpa = region->gpa;
	fe_or_die(fe_set_mem_table(&e.f->vmm.fe, &e.f->vmm.mem), "SET_MEM_TABLE");
	g_assert_cmpint(fuse_create(e.c, FUSE_ROOT_ID, "new", 0600, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpint(write_from(&e, entry.nodeid, open.fh, gpa, 8192), ==, 0);
	g_assert_cmpint(ftruncate(region->fd, 0), ==, 0);
	for (unsigned int i = 0; i < 50; i++) {
		r = write_from(&e, entry.nodeid, open.fh, gpa + i * 8192, 8192);
		g_assert_true(r == 0 || r == -EFAULT);
	}
	text = share_read(&e.f->share, "new", &n);
	for (size_t i = 0; i < n; i++)
		g_assert_cmphex(text[i], ==, 0);
	escape_stop(&e);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/escape-limits/CVE-2020-10717 open files have a limit", test_descriptors);
	g_test_add_func("/escape-limits/CVE-2021-3544 giant sizes cost no memory", test_giants);
	g_test_add_func("/escape-limits/CVE-2018-1059 bytes behind guest memory are nobody's",
			test_beyond_memory);
	g_test_add_func("/escape-limits/guest memory that is truncated reads as zeroes",
			test_vanished_memory);
	return g_test_run();
}
