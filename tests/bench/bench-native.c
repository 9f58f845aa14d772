/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls behind each operation, in a loop. */
#include "tests/bench/bench-native.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/bounded.h"

#define LISTING_BYTES 32768 /* as libc asks for */

struct native {
	const struct bench_op *op;
	uint64_t n_known;
	int dir;
	int fds[BENCH_BATCH]; /* made by an item, closed after the batch */
	uint8_t *data;
	uint64_t number;
	struct bench_result *result;
};

struct native_op {
	const char *name;
	const char *folder; /* NULL: the share itself */
	void (*item)(struct native *native);
	void (*before)(struct native *native); /* untimed, per item of a batch */
	void (*after)(struct native *native);
};

static void expect_ok(long result, const struct native *native)
{
	if (result < 0)
		test_die("native %s: %m", native->op->name);
}

static void new_name(const struct native *native, char name[BENCH_NAME_BYTES])
{
	bench_new_name(name, 0, native->number);
}

static void stat_at(const struct native *native, const char *name, int expected_errno)
{
	struct statx stx;
	int result = statx(native->dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx);

	if (result ? errno != expected_errno : expected_errno)
		test_die("native %s: %s: %m", native->op->name, name);
}

static void do_noop(struct native *native)
{
	expect_ok(syscall(SYS_getppid), native);
}

static void do_lookup_hit(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	bench_file_name(name, 0, native->number);
	stat_at(native, name, 0);
}

static void do_lookup_miss(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	stat_at(native, name, ENOENT);
}

static void do_lookup_cold(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	bench_many_name(name, native->number);
	stat_at(native, name, 0);
}

static void do_lookup_known(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	bench_known_name(name, bench_scatter(native->number, native->n_known));
	stat_at(native, name, 0);
}

static void do_open(struct native *native)
{
	char name[BENCH_NAME_BYTES];
	int fd;

	bench_file_name(name, 0, native->number);
	fd = openat(native->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	expect_ok(fd, native);
	close(fd);
}

static void do_create(struct native *native)
{
	char name[BENCH_NAME_BYTES];
	int *fd = &native->fds[native->number % BENCH_BATCH];

	new_name(native, name);
	*fd = openat(native->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	expect_ok(*fd, native);
}

static void do_unlink(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	expect_ok(unlinkat(native->dir, name, 0), native);
}

static void undo_create(struct native *native)
{
	close(native->fds[native->number % BENCH_BATCH]);
	do_unlink(native);
}

static void make_file(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	expect_ok(mknodat(native->dir, name, S_IFREG | 0644, 0), native);
}

static void do_mkdir(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	expect_ok(mkdirat(native->dir, name, 0755), native);
}

static void undo_mkdir(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	expect_ok(unlinkat(native->dir, name, AT_REMOVEDIR), native);
}

static void do_symlink(struct native *native)
{
	char name[BENCH_NAME_BYTES];

	new_name(native, name);
	expect_ok(symlinkat(BENCH_LINK_TARGET, native->dir, name), native);
}

/* The file may have been left with either name: the first failure says so. */
static void do_rename(struct native *native)
{
	char here[BENCH_NAME_BYTES], there[BENCH_NAME_BYTES];
	bool moved = native->number & 1;

	bench_moved_name(here, 0, 0, moved);
	bench_moved_name(there, 0, 0, !moved);
	if (renameat(native->dir, here, native->dir, there) && errno == ENOENT)
		native->number++;
}

static void do_readlink(struct native *native)
{
	char name[BENCH_NAME_BYTES], target[4096];

	bench_file_name(name, 0, native->number);
	expect_ok(readlinkat(native->dir, name, target, sizeof(target)), native);
}

static void list(struct native *native, bool plus)
{
	long n;

	expect_ok(lseek(native->dir, 0, SEEK_SET), native);
	native->result->n_units--; /* the item itself counts for nothing */
	while ((n = syscall(SYS_getdents64, native->dir, native->data, LISTING_BYTES)) > 0) {
		for (long place = 0; place < n;) {
			const struct dirent64 *entry = (const void *)(native->data + place);

			if (plus)
				stat_at(native, entry->d_name, 0);
			place += entry->d_reclen;
			native->result->n_units++;
		}
	}
	expect_ok(n, native);
}

static void do_readdir(struct native *native)
{
	list(native, false);
}

static void do_readdirplus(struct native *native)
{
	list(native, true);
}

static void do_small(struct native *native)
{
	char name[BENCH_NAME_BYTES];
	int fd;

	bench_file_name(name, 0, native->number);
	stat_at(native, name, 0);
	fd = openat(native->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	expect_ok(fd, native);
	expect_ok(pread(fd, native->data, native->op->data_bytes, 0), native);
	close(fd);
}

static off_t data_offset(const struct native *native)
{
	uint32_t bytes = native->op->data_bytes;

	return (off_t)(bench_scatter(native->number, BENCH_DATA_BYTES / bytes) * bytes);
}

/* The file takes the place of the share. */
static void open_data(struct native *native)
{
	int fd = openat(native->dir, "data-0", O_RDWR | O_CLOEXEC);

	expect_ok(fd, native);
	close(native->dir);
	native->dir = fd;
}

static void do_read(struct native *native)
{
	expect_ok(pread(native->dir, native->data, native->op->data_bytes, data_offset(native)),
		  native);
}

static void do_write(struct native *native)
{
	expect_ok(pwrite(native->dir, native->data, native->op->data_bytes, data_offset(native)),
		  native);
}

static const struct native_op native_ops[] = {
	{ "noop", NULL, do_noop },
	{ "lookup-hit", "files", do_lookup_hit },
	{ "lookup-miss", "new", do_lookup_miss },
	{ "lookup-cold", "many", do_lookup_cold },
	{ "lookup-known", "known", do_lookup_known },
	{ "getattr", "files", do_lookup_hit },
	{ "open", "files", do_open },
	{ "create", "new", do_create, .after = undo_create },
	{ "unlink", "new", do_unlink, .before = make_file },
	{ "mkdir", "new", do_mkdir, .after = undo_mkdir },
	{ "rename", "moved", do_rename },
	{ "symlink", "new", do_symlink, .after = do_unlink },
	{ "readlink", "links", do_readlink },
	{ "readdir", "many", do_readdir },
	{ "readdirplus", "many", do_readdirplus },
	{ "small-file", "small", do_small },
	{ "read-4k", NULL, do_read },
	{ "read-64k", NULL, do_read },
	{ "read-1m", NULL, do_read },
	{ "write-4k", NULL, do_write },
	{ "write-64k", NULL, do_write },
	{ "write-1m", NULL, do_write },
	{ 0 },
};

static const struct native_op *find(const char *name)
{
	for (const struct native_op *op = native_ops; op->name; op++)
		if (!strcmp(op->name, name))
			return op;
	test_die("there is no native %s", name);
}

static void for_batch(struct native *native, void (*one)(struct native *), unsigned int n)
{
	uint64_t first = native->number;

	for (unsigned int i = 0; one && i < n; i++, native->number++)
		one(native);
	native->number = first;
}

/* One clock reading per item, as the load on a daemon has. */
static int64_t time_batch(struct native *native, const struct native_op *op, unsigned int n,
			  int64_t limit_ns)
{
	int64_t start = now_ns(), last = start, now = start;

	for (unsigned int i = 0; i < n && now - start < limit_ns; i++) {
		op->item(native);
		native->number++;
		native->result->n_units++;
		native->result->n_items++;
		now = now_ns();
		native->result->buckets[bench_bucket_of((uint64_t)(now - last))]++;
		last = now;
	}
	return now - start;
}

static void run_for(struct native *native, const struct native_op *op, int64_t elapsed_ns)
{
	bool in_batches = op->before || op->after;

	memset(native->result, 0, sizeof(*native->result));
	while (native->result->elapsed_ns < elapsed_ns) {
		uint64_t first = native->number;
		int64_t limit = in_batches ? INT64_MAX : elapsed_ns - native->result->elapsed_ns;
		int64_t cpu_ns;

		for_batch(native, op->before, BENCH_BATCH);
		cpu_ns = cost_own_cpu_ns();
		native->result->elapsed_ns += time_batch(native, op, BENCH_BATCH, limit);
		native->result->driver_cpu_ns += cost_own_cpu_ns() - cpu_ns;
		if (op->after) {
			native->number = first;
			for_batch(native, op->after, BENCH_BATCH);
			native->number = first + BENCH_BATCH;
		}
	}
}

void native_run(const char *share_dir, const struct bench_op *op, uint64_t n_known,
		int64_t warm_up_ns, int64_t elapsed_ns, struct bench_result *ret_result)
{
	g_autofree char *path = NULL;
	const struct native_op *native_op = find(op->name);
	struct native native = { .op = op, .n_known = n_known, .result = ret_result };

	path = g_build_filename(share_dir, native_op->folder, NULL);
	native.dir = open(path, O_DIRECTORY | O_CLOEXEC);
	if (native.dir < 0)
		test_die("%s: %m", path);
	if (native_op->item == do_read || native_op->item == do_write)
		open_data(&native);
	native.data = g_malloc0(MAX(op->data_bytes, LISTING_BYTES));
	run_for(&native, native_op, warm_up_ns);
	run_for(&native, native_op, elapsed_ns);
	close(native.dir);
	g_free(native.data);
}
