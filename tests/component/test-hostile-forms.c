/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that every operation the daemon knows answers EINVAL when its request ends anywhere before
 * its end, whether the header admits it or not, and has done nothing.
 *
 * Each request would change the share or close a handle if it were taken for whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/component/hostile-share.h"

#define N_OPCODES 64u
#define ARG_BYTES 512u
#define FH_HERE	  UINT64_C(0x5ca1ab1e5ca1ab1e) /* stands for the open handle */

enum whom { ON_DIR, ON_FILE };

/* The fixed part as words of 32 bits, then names or other bytes; NUL inside counts. */
struct form {
	uint32_t opcode;
	const char *name;
	enum whom whom;
	size_t n_fixed;
	const void *fixed;
	size_t n_tail;
	const char *tail;
	bool silent;
};

#define OP(name) FUSE_##name, #name
#define FIXED(wire_struct, ...)                                 \
	sizeof(struct wire_struct), &(const struct wire_struct) \
	{                                                       \
		__VA_ARGS__                                     \
	}
#define NO_FIXED   0, NULL
#define TAIL(text) sizeof(text), text /* with the last NUL */
#define NO_TAIL	   0, NULL

static const struct fuse_lk_in lock_all = {
	.fh = FH_HERE,
	.owner = 7,
	.lk = { .end = INT64_MAX, .type = F_WRLCK, .pid = 1 },
};

static const struct form forms[] = {
	{ OP(LOOKUP), ON_DIR, NO_FIXED, TAIL("file") },
	{ OP(FORGET), ON_FILE, FIXED(fuse_forget_in, .nlookup = 1), NO_TAIL, .silent = true },
	{ OP(GETATTR), ON_FILE, FIXED(fuse_getattr_in, .fh = 0), NO_TAIL },
	{ OP(SETATTR), ON_FILE, FIXED(fuse_setattr_in, .valid = FATTR_SIZE), NO_TAIL },
	{ OP(SYMLINK), ON_DIR, NO_FIXED, TAIL("new\0target") },
	{ OP(MKNOD), ON_DIR, FIXED(fuse_mknod_in, .mode = S_IFREG), TAIL("new") },
	{ OP(MKDIR), ON_DIR, FIXED(fuse_mkdir_in, .mode = 0755), TAIL("new") },
	{ OP(UNLINK), ON_DIR, NO_FIXED, TAIL("file") },
	{ OP(RMDIR), ON_DIR, NO_FIXED, TAIL("file") },
	{ OP(RENAME), ON_DIR, FIXED(fuse_rename_in, .newdir = FUSE_ROOT_ID), TAIL("file\0new") },
	{ OP(LINK), ON_DIR, FIXED(fuse_link_in, .oldnodeid = FUSE_ROOT_ID), TAIL("new") },
	{ OP(OPEN), ON_FILE, FIXED(fuse_open_in, .flags = O_TRUNC | O_WRONLY), NO_TAIL },
	{ OP(READ), ON_FILE, FIXED(fuse_read_in, .fh = FH_HERE, .size = 4), NO_TAIL },
	{ OP(WRITE), ON_FILE, FIXED(fuse_write_in, .fh = FH_HERE, .size = 9), TAIL("intruder") },
	{ OP(RELEASE), ON_FILE, FIXED(fuse_release_in, .fh = FH_HERE), NO_TAIL },
	{ OP(FSYNC), ON_FILE, FIXED(fuse_fsync_in, .fh = FH_HERE), NO_TAIL },
	{ OP(SETXATTR), ON_FILE, FIXED(fuse_setxattr_in, .size = 6), TAIL("user.new\0value") },
	{ OP(GETXATTR), ON_FILE, FIXED(fuse_getxattr_in, .size = 9), TAIL("user.kept") },
	{ OP(LISTXATTR), ON_FILE, FIXED(fuse_getxattr_in, .size = 99), NO_TAIL },
	{ OP(REMOVEXATTR), ON_FILE, NO_FIXED, TAIL("user.kept") },
	{ OP(FLUSH), ON_FILE, FIXED(fuse_flush_in, .fh = FH_HERE), NO_TAIL },
	{ OP(INIT), ON_DIR, 16, &(const struct fuse_init_in){ .major = 7, .minor = 31 }, NO_TAIL },
	{ OP(OPENDIR), ON_DIR, FIXED(fuse_open_in, .flags = 0), NO_TAIL },
	{ OP(READDIR), ON_DIR, FIXED(fuse_read_in, .fh = FH_HERE, .size = 999), NO_TAIL },
	{ OP(RELEASEDIR), ON_DIR, FIXED(fuse_release_in, .fh = FH_HERE), NO_TAIL },
	{ OP(FSYNCDIR), ON_DIR, FIXED(fuse_fsync_in, .fh = FH_HERE), NO_TAIL },
	{ OP(GETLK), ON_FILE, sizeof(lock_all), &lock_all, NO_TAIL },
	{ OP(SETLK), ON_FILE, sizeof(lock_all), &lock_all, NO_TAIL },
	{ OP(SETLKW), ON_FILE, sizeof(lock_all), &lock_all, NO_TAIL },
	{ OP(ACCESS), ON_FILE, FIXED(fuse_access_in, .mask = 4), NO_TAIL },
	{ OP(CREATE), ON_DIR, FIXED(fuse_create_in, .flags = O_RDWR), TAIL("new") },
	{ OP(INTERRUPT), ON_FILE, FIXED(fuse_interrupt_in, .unique = 1), NO_TAIL, .silent = true },
	{ OP(IOCTL), ON_FILE,
	  FIXED(fuse_ioctl_in, .fh = FH_HERE, .cmd = FS_IOC_SETFLAGS, .in_size = 4),
	  TAIL("\x40\0\0") },
	{ OP(BATCH_FORGET), ON_FILE, FIXED(fuse_batch_forget_in, .count = 1), NO_TAIL,
	  .silent = true },
	{ OP(FALLOCATE), ON_FILE, FIXED(fuse_fallocate_in, .fh = FH_HERE, .length = 9999),
	  NO_TAIL },
	{ OP(READDIRPLUS), ON_DIR, FIXED(fuse_read_in, .fh = FH_HERE, .size = 999), NO_TAIL },
	{ OP(RENAME2), ON_DIR, FIXED(fuse_rename2_in, .newdir = FUSE_ROOT_ID), TAIL("file\0new") },
	{ OP(LSEEK), ON_FILE, FIXED(fuse_lseek_in, .fh = FH_HERE), NO_TAIL },
	{ OP(COPY_FILE_RANGE), ON_FILE,
	  FIXED(fuse_copy_file_range_in, .fh_in = FH_HERE, .fh_out = FH_HERE, .off_out = 99,
		.len = 9),
	  NO_TAIL },
	{ OP(SYNCFS), ON_DIR, FIXED(fuse_syncfs_in, .padding = 0), NO_TAIL },
	{ OP(TMPFILE), ON_DIR, FIXED(fuse_create_in, .flags = O_RDWR), TAIL("/") },
	{ TEST_FUSE_STATX, "STATX", ON_FILE, FIXED(test_fuse_statx_in, .sx_mask = 0xfff), NO_TAIL },
	{ TEST_FUSE_COPY_FILE_RANGE_64, "COPY_FILE_RANGE_64", ON_FILE,
	  FIXED(fuse_copy_file_range_in, .fh_in = FH_HERE, .fh_out = FH_HERE, .off_out = 99,
		.len = 9),
	  NO_TAIL },
	/* Nothing that could be cut off. */
	{ OP(READLINK), ON_DIR, NO_FIXED, NO_TAIL },
	{ OP(STATFS), ON_DIR, NO_FIXED, NO_TAIL },
	{ OP(DESTROY), ON_DIR, NO_FIXED, NO_TAIL },
};

static const struct form *form_of(uint32_t opcode)
{
	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++)
		if (forms[i].opcode == opcode)
			return &forms[i];
	return NULL;
}

static void start(struct target *target)
{
	static const char *const args[] = { "--xattr", "--security-label=auto", "--posix-lock",
					    "--flock", NULL };

	target_start_with(target, args);
	g_assert_cmpint(fuse_setxattr(&target->f->client, target->file, "user.kept", "v", 1, 0), ==,
			0);
}

/* The whole request's arguments; how many bytes they are. */
static size_t build(const struct target *target, const struct form *form, uint8_t *arg)
{
	uint64_t fh = form->whom == ON_DIR ? target->dir_fh : target->file_fh, word;

	if (form->n_fixed)
		memcpy(arg, form->fixed, form->n_fixed);
	for (size_t at = 0; at + sizeof(word) <= form->n_fixed; at += sizeof(word)) {
		memcpy(&word, arg + at, sizeof(word));
		if (word == FH_HERE)
			memcpy(arg + at, &fh, sizeof(fh));
	}
	if (form->n_tail)
		memcpy(arg + form->n_fixed, form->tail, form->n_tail);
	return form->n_fixed + form->n_tail;
}

/* @n bytes behind the header, of which the header claims @claimed. */
static int send_form(struct target *target, const struct form *form, const uint8_t *arg, size_t n,
		     size_t claimed)
{
	uint64_t nodeid = form->whom == ON_DIR ? target->dir : target->file;
	size_t whole = raw_fill(&target->raw, form->opcode, nodeid, arg, n);
	struct fuse_in_header *header = (void *)target->raw.in;

	header->len = (uint32_t)(sizeof(*header) + claimed);
	return raw_request(&target->raw, whole, form->silent ? 0 : RAW_BYTES);
}

static void expect_refusal(const struct form *form, size_t n, int result)
{
	int expected = form->silent ? 1 : -EINVAL;

	if (result != expected)
		g_error("opcode %u cut to %zu bytes says %d", form->opcode, n, result);
}

/* What was open is still open, and no attribute has come or gone. */
static void check_untouched(struct target *target)
{
	struct fuse_client *client = &target->f->client;
	struct fuse_attr_out attr;
	char names[64];
	uint8_t bytes[512];
	int n;

	target_check(target);
	g_assert_cmpint(fuse_getattr(client, target->file, target->file_fh, &attr), ==, 0);
	g_assert_cmpint(fuse_read(client, target->file, target->file_fh, 0, 8, bytes), ==, 8);
	g_assert_cmpint(fuse_readdir(client, target->dir, target->dir_fh, 0, 512, bytes, false), >,
			0);
	n = fuse_listxattr(client, target->file, names, sizeof(names));
	g_assert_cmpmem(names, n, "user.kept", sizeof("user.kept"));
}

/* One daemon for all forms: each leaves everything as it was. */
static struct target shared;

static void test_cut(gconstpointer data)
{
	const struct form *form = data;
	uint8_t arg[ARG_BYTES];
	size_t whole;

	if (!shared.f)
		start(&shared);
	whole = build(&shared, form, arg);
	for (size_t n = 0; n < whole; n++) {
		expect_refusal(form, n, send_form(&shared, form, arg, n, n));
		expect_refusal(form, n, send_form(&shared, form, arg, n, whole));
		expect_refusal(form, n, send_form(&shared, form, arg, whole, n));
	}
	check_untouched(&shared);
}

static void add_forms(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_autofree char *path = g_strdup_printf("/hostile-forms/%s cut anywhere",
							forms[i].name);

		if (forms[i].n_fixed + forms[i].n_tail)
			g_test_add_data_func(path, &forms[i], test_cut);
	}
}

/* Else the table above would prove less than it says. */
static void the_table_has_every_operation_the_daemon_knows(void)
{
	static const uint8_t nothing[1];
	struct target target;

	start(&target);
	for (uint32_t opcode = 0; opcode < N_OPCODES; opcode++) {
		const struct form *form = form_of(opcode);
		int result;

		if (opcode == FUSE_DESTROY || (form && form->silent))
			continue;
		result = target_request(&target, opcode, target.file, nothing, 0);
		if ((result == -ENOSYS) != !form)
			g_error("opcode %u says %d, and is %s the table", opcode, result,
				form ? "in" : "not in");
	}
	target_stop(&target);
}

/* A request that is whole does what a cut one must not: the forms are not refused for another reason. */
static void the_forms_are_good_when_whole(void)
{
	struct target target;

	for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
		const struct form *form = &forms[i];
		uint8_t arg[ARG_BYTES];
		size_t whole;
		int result;

		if (form->opcode == FUSE_RMDIR || form->opcode == FUSE_LINK ||
		    form->opcode == FUSE_READLINK)
			continue; /* of a file, a directory, a directory */
		start(&target);
		whole = build(&target, form, arg);
		result = send_form(&target, form, arg, whole, whole);
		if (result != (form->silent ? 1 : 0))
			g_error("opcode %u says %d", form->opcode, result);
		fixture_stop(target.f);
	}
}

int main(int argc, char **argv)
{
	int result;

	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-forms/the table has every operation the daemon knows",
			the_table_has_every_operation_the_daemon_knows);
	g_test_add_func("/hostile-forms/the forms are good when whole",
			the_forms_are_good_when_whole);
	add_forms();
	result = g_test_run();
	if (shared.f)
		target_stop(&shared);
	return result;
}
