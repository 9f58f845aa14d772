/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE arguments that are cut, overlong or no names at all: every opcode answers,
 * nothing is created by half a request, and no name leads out of its directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <string.h>

#include "tests/component/hostile-share.h"

#define MAX_ARG 8192

/* A well-formed request's arguments as bytes. */
struct request {
	uint32_t opcode;
	uint64_t nodeid;
	uint8_t arg[MAX_ARG];
	size_t n_arg;
};

static void add(struct request *request, const void *bytes, size_t n)
{
	memcpy(request->arg + request->n_arg, bytes, n);
	request->n_arg += n;
}

static void add_name(struct request *request, const char *name)
{
	add(request, name, strlen(name) + 1);
}

static void begin(struct request *request, uint32_t opcode, uint64_t nodeid)
{
	memset(request, 0, sizeof(*request));
	request->opcode = opcode;
	request->nodeid = nodeid;
}

/* How opcodes with names are laid out: a struct, then one or two names. */
struct name_op {
	uint32_t opcode;
	size_t n_struct;
	bool second; /* two names */
};

static const struct name_op name_ops[] = {
	{ FUSE_LOOKUP, 0, false },
	{ FUSE_MKNOD, sizeof(struct fuse_mknod_in), false },
	{ FUSE_MKDIR, sizeof(struct fuse_mkdir_in), false },
	{ FUSE_SYMLINK, 0, true },
	{ FUSE_UNLINK, 0, false },
	{ FUSE_RMDIR, 0, false },
	{ FUSE_RENAME, sizeof(struct fuse_rename_in), true },
	{ FUSE_RENAME2, sizeof(struct fuse_rename2_in), true },
	{ FUSE_LINK, sizeof(struct fuse_link_in), false },
	{ FUSE_CREATE, sizeof(struct fuse_create_in), false },
	{ FUSE_TMPFILE, sizeof(struct fuse_create_in), false },
	{ FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), false },
	{ FUSE_REMOVEXATTR, 0, false },
	{ FUSE_SETXATTR, sizeof(struct fuse_setxattr_in), false },
};

/* The struct in front of the names, such that only the names decide. */
static void add_struct(struct request *request, const struct target *target,
		       const struct name_op *op)
{
	union {
		struct fuse_mknod_in mknod;
		struct fuse_mkdir_in mkdir;
		struct fuse_rename_in rename;
		struct fuse_rename2_in rename2;
		struct fuse_link_in link;
		struct fuse_create_in create;
		uint8_t bytes[64];
	} in;

	memset(&in, 0, sizeof(in));
	switch (op->opcode) {
	case FUSE_MKNOD:
		in.mknod.mode = S_IFREG | 0644;
		break;
	case FUSE_MKDIR:
		in.mkdir.mode = 0755;
		break;
	case FUSE_RENAME:
		in.rename.newdir = target->dir;
		break;
	case FUSE_RENAME2:
		in.rename2.newdir = target->dir;
		in.rename2.flags = RENAME_NOREPLACE;
		break;
	case FUSE_LINK:
		in.link.oldnodeid = target->file;
		break;
	case FUSE_CREATE:
		in.create.mode = S_IFREG | 0644;
		break;
	default:
		break;
	}
	add(request, &in, op->n_struct);
}

/* A request of @op with the two names given; the first only where it has one. */
static void build(struct request *request, const struct target *target, const struct name_op *op,
		  const char *first, const char *second)
{
	begin(request, op->opcode, target->dir);
	add_struct(request, target, op);
	add_name(request, first);
	if (op->second)
		add_name(request, second);
}

static int send_request(struct target *target, const struct request *request)
{
	return target_request(target, request->opcode, request->nodeid, request->arg,
			      request->n_arg);
}

/* Cut at each length, with a header that tells the cut length and one that lies. */
static void send_cut(struct target *target, const struct request *request)
{
	for (size_t n = 0; n < request->n_arg; n++) {
		size_t whole = raw_fill(&target->raw, request->opcode, request->nodeid,
					request->arg, n);
		struct fuse_in_header *header = (void *)target->raw.in;

		g_assert_cmpint(raw_request(&target->raw, whole, RAW_BYTES), !=, 0);
		header->len = (uint32_t)(sizeof(*header) + request->n_arg);
		g_assert_cmpint(raw_request(&target->raw, whole, RAW_BYTES), !=, 0);
	}
}

static void test_cut_names(void)
{
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(name_ops); i++) {
		struct request request;

		build(&request, &target, &name_ops[i], "absent", "absent-too");
		g_test_message("opcode %u", name_ops[i].opcode);
		send_cut(&target, &request);
		target_check(&target);
	}
	target_stop(&target);
}

static void test_cut_structs(void)
{
	static const struct {
		uint32_t opcode;
		size_t n;
	} ops[] = {
		{ FUSE_SETATTR, sizeof(struct fuse_setattr_in) },
		{ FUSE_OPEN, sizeof(struct fuse_open_in) },
		{ FUSE_OPENDIR, sizeof(struct fuse_open_in) },
		{ FUSE_READ, sizeof(struct fuse_read_in) },
		{ FUSE_WRITE, sizeof(struct fuse_write_in) },
		{ FUSE_RELEASE, sizeof(struct fuse_release_in) },
		{ FUSE_RELEASEDIR, sizeof(struct fuse_release_in) },
		{ FUSE_FSYNC, sizeof(struct fuse_fsync_in) },
		{ FUSE_FSYNCDIR, sizeof(struct fuse_fsync_in) },
		{ FUSE_FLUSH, sizeof(struct fuse_flush_in) },
		{ FUSE_GETLK, sizeof(struct fuse_lk_in) },
		{ FUSE_SETLK, sizeof(struct fuse_lk_in) },
		{ FUSE_SETLKW, sizeof(struct fuse_lk_in) },
		{ FUSE_ACCESS, sizeof(struct fuse_access_in) },
		{ FUSE_READDIR, sizeof(struct fuse_read_in) },
		{ FUSE_READDIRPLUS, sizeof(struct fuse_read_in) },
		{ FUSE_FALLOCATE, sizeof(struct fuse_fallocate_in) },
		{ FUSE_LSEEK, sizeof(struct fuse_lseek_in) },
		{ FUSE_COPY_FILE_RANGE, sizeof(struct fuse_copy_file_range_in) },
		{ FUSE_IOCTL, sizeof(struct fuse_ioctl_in) },
		{ FUSE_POLL, sizeof(struct fuse_poll_in) },
		{ FUSE_INTERRUPT, sizeof(struct fuse_interrupt_in) },
		{ FUSE_FORGET, sizeof(struct fuse_forget_in) },
		{ FUSE_BATCH_FORGET, sizeof(struct fuse_batch_forget_in) },
		{ FUSE_LISTXATTR, sizeof(struct fuse_getxattr_in) },
		{ FUSE_SYNCFS, sizeof(struct fuse_syncfs_in) },
	};
	static const uint8_t zeros[128];
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
		g_test_message("opcode %u", ops[i].opcode);
		for (size_t n = 0; n < ops[i].n; n++) {
			/* Short forms of old protocol minors may be served; none may crash. */
			(void)target_request(&target, ops[i].opcode, target.file, zeros, n);
			(void)target_request(&target, ops[i].opcode, target.dir, zeros, n);
		}
		target_check(&target);
	}
	target_stop(&target);
}

static void test_bad_names(void)
{
	g_autofree char *n256 = g_strnfill(256, 'n');
	g_autofree char *n4000 = g_strnfill(4000, 'n');
	const char *const names[] = {
		"",	".",	  "..",	    "/",  "a/b", "file/", "/etc/passwd", "../canary-file",
		"../x", "./file", "link/x", n256, n4000,
	};
	struct target target;

	target_start(&target);
	for (size_t i = 0; i < G_N_ELEMENTS(name_ops); i++) {
		/* An xattr name is not a path component. */
		if (name_ops[i].opcode == FUSE_GETXATTR || name_ops[i].opcode == FUSE_SETXATTR ||
		    name_ops[i].opcode == FUSE_REMOVEXATTR || name_ops[i].opcode == FUSE_TMPFILE)
			continue;
		for (size_t k = 0; k < G_N_ELEMENTS(names); k++) {
			struct request request;

			build(&request, &target, &name_ops[i], names[k], "fine");
			g_test_message("opcode %u, name \"%.20s\"", request.opcode, names[k]);
			g_assert_cmpint(send_request(&target, &request), <, 0);
			if (name_ops[i].second && name_ops[i].opcode != FUSE_SYMLINK) {
				build(&request, &target, &name_ops[i], "file", names[k]);
				g_assert_cmpint(send_request(&target, &request), <, 0);
			}
			target_check(&target);
		}
	}
	target_stop(&target);
}

static void test_long_names(void)
{
	g_autofree char *n255 = g_strnfill(255, 'n');
	g_autofree char *n256 = g_strnfill(256, 'n');
	struct fuse_entry_out entry;
	struct target target;

	target_start(&target);
	g_assert_cmpint(fuse_lookup(&target.f->client, target.dir, n255, &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_lookup(&target.f->client, target.dir, n256, &entry), ==,
			-ENAMETOOLONG);
	g_assert_cmpint(fuse_mkdir(&target.f->client, target.dir, n256, 0755, &entry), ==,
			-ENAMETOOLONG);
	g_assert_cmpint(fuse_mkdir(&target.f->client, target.dir, n255, 0755, &entry), ==, 0);
	g_assert_cmpint(fuse_rmdir(&target.f->client, target.dir, n255), ==, 0);
	target_stop(&target);
}

static void test_symlink_targets(void)
{
	g_autofree char *n4095 = g_strnfill(4095, 't');
	g_autofree char *n4096 = g_strnfill(4096, 't');
	struct fuse_entry_out entry;
	struct target target;

	target_start(&target);
	g_assert_cmpint(fuse_symlink(&target.f->client, target.dir, "s", "", &entry), <, 0);
	g_assert_cmpint(fuse_symlink(&target.f->client, target.dir, "s", n4096, &entry), <, 0);
	/* Where a link points is the guest's business; the daemon does not follow it. */
	g_assert_cmpint(fuse_symlink(&target.f->client, target.dir, "s", n4095, &entry), ==, 0);
	g_assert_cmpint(fuse_unlink(&target.f->client, target.dir, "s"), ==, 0);
	g_assert_cmpint(fuse_symlink(&target.f->client, target.dir, "s", "/etc/passwd", &entry), ==,
			0);
	g_assert_cmpint(fuse_unlink(&target.f->client, target.dir, "s"), ==, 0);
	target_stop(&target);
}

static void test_links_are_not_followed(void)
{
	struct fuse_open_out open;
	struct fuse_entry_out entry;
	struct target target;
	struct fuse_client *client;

	target_start(&target);
	client = &target.f->client;
	g_assert_cmpint(fuse_open(client, target.link, 0, &open), <, 0);
	g_assert_cmpint(fuse_opendir(client, target.link, 0, &open), <, 0);
	g_assert_cmpint(fuse_lookup(client, target.link, "file", &entry), <, 0);
	g_assert_cmpint(
		fuse_create(client, target.dir, "link", 0644, O_WRONLY | O_TRUNC, &entry, &open), <,
		0);
	target_stop(&target);
}

static void test_bytes_behind_the_name(void)
{
	struct request request;
	struct target target;

	target_start(&target);
	begin(&request, FUSE_LOOKUP, target.dir);
	add(&request, "absent\0file", 12);
	g_assert_cmpint(send_request(&target, &request), <, 0);
	begin(&request, FUSE_READLINK, target.link);
	add(&request, "trailing bytes that some guests send", 36);
	g_assert_cmpint(send_request(&target, &request), ==, 0);
	target_stop(&target);
}

static void send_extension(struct target *target, uint16_t total_extlen, const void *bytes,
			   size_t n)
{
	struct fuse_mkdir_in in = { .mode = 0755 };
	struct request request;
	struct fuse_in_header *header = (void *)target->raw.in;
	size_t whole;
	int result;

	begin(&request, FUSE_MKDIR, target->dir);
	add(&request, &in, sizeof(in));
	add_name(&request, "made");
	add(&request, bytes, n);
	whole = raw_fill(&target->raw, FUSE_MKDIR, target->dir, request.arg, request.n_arg);
	header->total_extlen = total_extlen;
	result = raw_request(&target->raw, whole, RAW_BYTES);
	g_assert_cmpint(result, <=, 0);
	if (result == 0)
		g_assert_cmpint(fuse_rmdir(&target->f->client, target->dir, "made"), ==, 0);
	target_check(target);
}

static void test_extensions(void)
{
	static const uint32_t groups[] = { 24, TEST_FUSE_EXT_GROUPS, 2, 1, 2, 0 };
	static const uint32_t too_many[] = { 16, TEST_FUSE_EXT_GROUPS, UINT32_MAX, 1 };
	static const uint32_t more_than_fit[] = { 16, TEST_FUSE_EXT_GROUPS, 3, 1 };
	static const uint32_t no_size[] = { 0, TEST_FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t too_big[] = { 0xfffffff8, TEST_FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t odd_size[] = { 13, TEST_FUSE_EXT_GROUPS, 1, 1 };
	static const uint32_t unknown[] = { 16, 77, 1, 1 };
	static const uint32_t cut[] = { 16, TEST_FUSE_EXT_GROUPS };
	struct target target;

	target_start(&target);
	send_extension(&target, 3, groups, sizeof(groups));
	send_extension(&target, 2, too_many, sizeof(too_many));
	send_extension(&target, 2, more_than_fit, sizeof(more_than_fit));
	send_extension(&target, 2, no_size, sizeof(no_size));
	send_extension(&target, 2, too_big, sizeof(too_big));
	send_extension(&target, 2, odd_size, sizeof(odd_size));
	send_extension(&target, 2, unknown, sizeof(unknown));
	send_extension(&target, 1, cut, sizeof(cut));
	send_extension(&target, 0xffff, groups, sizeof(groups));
	send_extension(&target, 1, groups, 0);
	target_stop(&target);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-args/requests-with-names-cut-anywhere-are-refused",
			test_cut_names);
	g_test_add_func("/hostile-args/requests-with-structs-cut-anywhere-do-no-harm",
			test_cut_structs);
	g_test_add_func("/hostile-args/names-that-are-no-names-are-refused", test_bad_names);
	g_test_add_func("/hostile-args/names-may-have-255-bytes", test_long_names);
	g_test_add_func("/hostile-args/symlink-targets", test_symlink_targets);
	g_test_add_func("/hostile-args/symbolic-links-are-never-followed",
			test_links_are_not_followed);
	g_test_add_func("/hostile-args/bytes-behind-the-arguments", test_bytes_behind_the_name);
	g_test_add_func("/hostile-args/request-extensions", test_extensions);
	return g_test_run();
}
