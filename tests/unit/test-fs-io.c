/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that data goes to and comes from exactly the bytes named, in however many pieces; that
 * appending depends on who writes; and that a release never takes a file from a running request.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

static ssize_t read_at(struct fs_unit *unit, uint64_t fh, uint64_t offset, void *buf, size_t len)
{
	const struct iovec iov = { .iov_base = buf, .iov_len = len };

	return fs_read(unit->thread, fh, offset, &iov, 1);
}

static ssize_t write_at(struct fs_unit *unit, struct fs_write write, const char *text)
{
	g_autofree char *copy = g_strdup(text);
	const struct iovec iov = { .iov_base = copy, .iov_len = strlen(text) };

	return fs_write(unit->thread, &write, &iov, 1);
}

static void check_reads(struct fs_unit *unit)
{
	char buf[16] = { 0 };
	struct iovec parts[] = { { buf, 2 }, { buf + 2, 0 }, { buf + 2, 9 } };
	uint64_t fh;

	fs_unit_write(unit, "a", "0123456789");
	fh = fs_unit_open(unit, "a", O_RDONLY);
	g_assert_cmpint(read_at(unit, fh, 0, buf, 10), ==, 10);
	g_assert_cmpint(read_at(unit, fh, 4, buf, 16), ==, 6);
	g_assert_cmpmem(buf, 6, "456789", 6);
	g_assert_cmpint(read_at(unit, fh, 10, buf, 16), ==, 0);
	g_assert_cmpint(read_at(unit, fh, 1u << 30, buf, 16), ==, 0);
	g_assert_cmpint(read_at(unit, fh, 0, buf, 0), ==, 0);
	g_assert_cmpint(fs_read(unit->thread, fh, 0, parts, G_N_ELEMENTS(parts)), ==, 10);
	g_assert_cmpmem(buf, 10, "0123456789", 10);
	g_assert_cmpint(read_at(unit, fh, (uint64_t)INT64_MAX + 1, buf, 16), ==, -EINVAL);
	g_assert_cmpint(read_at(unit, fh, UINT64_MAX, buf, 16), ==, -EINVAL);
}

static void reads_end_where_the_file_ends(void)
{
	static const char *const bases[] = { NULL, "/dev/shm" };

	for (size_t i = 0; i < G_N_ELEMENTS(bases); i++) {
		struct fs_options options = fs_unit_options();
		struct fs_unit unit;

		fs_unit_start_with(&unit, bases[i], &options);
		check_reads(&unit);
		unit.thread->about_to_block = NULL;
		check_reads(&unit);
		fs_unit_stop(&unit);
	}
}

#define PIECE	100u
#define N_PIECE 2500u /* more than one system call takes */

static void any_number_of_pieces_is_read_and_written(void)
{
	g_autofree struct iovec *iov = g_new0(struct iovec, N_PIECE);
	g_autofree char *in = g_malloc(PIECE * N_PIECE);
	g_autofree char *out = g_malloc0(PIECE * N_PIECE);
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fh = fs_unit_open(&unit, "a", O_RDWR);
	for (unsigned int i = 0; i < PIECE * N_PIECE; i++)
		in[i] = (char)(i * 31 + i / 256);
	for (unsigned int i = 0; i < N_PIECE; i++)
		iov[i] = (struct iovec){ in + PIECE * i, PIECE };
	g_assert_cmpint(
		fs_write(unit.thread, &(struct fs_write){ .fh = fh, .offset = 7 }, iov, N_PIECE),
		==, PIECE * N_PIECE);
	for (unsigned int i = 0; i < N_PIECE; i++)
		iov[i].iov_base = out + PIECE * i;
	g_assert_cmpint(fs_read(unit.thread, fh, 7, iov, N_PIECE), ==, PIECE * N_PIECE);
	g_assert_cmpmem(in, PIECE * N_PIECE, out, PIECE * N_PIECE);
	g_assert_cmpint(fs_read(unit.thread, fh, 8, iov, N_PIECE), ==, PIECE * N_PIECE - 1);
	fs_unit_stop(&unit);
}

static void what_is_cached_is_read_without_notice_and_the_rest_with_one(void)
{
	const size_t bytes = 1u << 20;
	g_autofree char *buf = g_malloc0(bytes);
	g_autofree char *text = g_strnfill(bytes, 'x');
	struct fs_unit unit;
	uint64_t fh;
	int fd;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", text);
	fh = fs_unit_open(&unit, "a", O_RDONLY);
	g_assert_cmpint(read_at(&unit, fh, 0, buf, bytes), ==, (ssize_t)bytes);
	g_assert_cmpuint(unit.n_blocks, ==, 0);
	/* All of it falls out of the cache, where the file system has one, and a part comes back. */
	fd = openat(unit.dir_fd, "a", O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(fsync(fd), ==, 0);
	g_assert_cmpint(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), ==, 0);
	g_assert_cmpint(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), ==, 0);
	g_assert_cmpint(pread(fd, buf, 4096, 0), ==, 4096);
	close(fd);
	memset(buf, 0, bytes);
	g_assert_cmpint(read_at(&unit, fh, 0, buf, bytes), ==, (ssize_t)bytes);
	g_assert_cmpmem(buf, bytes, text, bytes);
	g_assert_cmpuint(unit.n_blocks, <=, 1);
	fs_unit_stop(&unit);
}

/* The descriptor's file system is taken for a disk; where it cannot read so, it must be noticed. */
static void a_file_system_that_always_waits_is_read_all_the_same(void)
{
	struct fs_options options = fs_unit_options();
	struct handle_slot *slot;
	struct fs_unit unit;
	char buf[16];
	uint64_t fh;

	fs_unit_start_with(&unit, "/dev/shm", &options);
	fs_unit_write(&unit, "a", "0123456789");
	fh = fs_unit_open(&unit, "a", O_RDONLY);
	slot = htab_get(&unit.fs->handles, fh, HANDLE_FILE);
	slot->backing = BACKING_LOCAL;
	for (unsigned int i = 1; i <= 3; i++) {
		g_assert_cmpint(read_at(&unit, fh, 0, buf, sizeof(buf)), ==, 10);
		g_assert_cmpmem(buf, 10, "0123456789", 10);
		g_assert_cmpuint(unit.n_blocks, ==, slot->no_nowait ? i : 0);
	}
	slot->backing = BACKING_REMOTE;
	unit.n_blocks = 0;
	g_assert_cmpint(read_at(&unit, fh, 0, buf, sizeof(buf)), ==, 10);
	g_assert_cmpuint(unit.n_blocks, ==, 1);
	g_assert_cmpint(fs_flush(unit.thread, fh), ==, 0);
	g_assert_cmpuint(unit.n_blocks, ==, 2);
	g_assert_cmpint(read_at(&unit, fh, 9, buf, sizeof(buf)), ==, 1);
	htab_put(&unit.fs->handles, slot);
	fs_unit_stop(&unit);
}

static void appending_is_for_writers_and_offsets_are_for_the_cache(void)
{
	g_autofree char *text = NULL;
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "01234");
	fh = fs_unit_open(&unit, "a", O_WRONLY | GUEST_O_APPEND);
	g_assert_cmpint(write_at(&unit, (struct fs_write){ .fh = fh, .append = true }, "end"), ==,
			3);
	g_assert_cmpint(write_at(&unit,
				 (struct fs_write){ .fh = fh, .offset = 1, .from_cache = true },
				 "X"),
			==, 1);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "0X234end");
	fs_unit_stop(&unit);
}

/* A guest sends the parts of a large direct write all at once. */
static void appending_directly_lets_nobody_else_go_first(void)
{
	struct fs_write write = { .append = true, .dsync = true, .direct = true };
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	write.fh = fs_unit_open(&unit, "a", O_WRONLY | GUEST_O_APPEND);
	unit.n_blocks = 0;
	g_assert_cmpint(write_at(&unit, write, "end"), ==, 3);
	g_assert_cmpuint(unit.n_blocks, ==, 0);
	write.append = false;
	g_assert_cmpint(write_at(&unit, write, "end"), ==, 3);
	g_assert_cmpuint(unit.n_blocks, ==, 1);
	write.append = true;
	write.direct = false;
	g_assert_cmpint(write_at(&unit, write, "end"), ==, 3);
	g_assert_cmpuint(unit.n_blocks, ==, 2);
	fs_unit_stop(&unit);
}

/* The end of a mapped file has any size; the guest takes the first handle it finds. */
static void what_a_cache_writes_back_needs_no_alignment(void)
{
	struct fs_options options = fs_unit_options();
	g_autofree char *base = g_get_current_dir();
	g_autofree char *text = NULL;
	struct fs_unit unit;
	uint64_t fh;

	options.allow_direct_io = true;
	fs_unit_start_with(&unit, base, &options);
	fs_unit_write(&unit, "a", "0123456789");
	fh = fs_unit_open(&unit, "a", O_WRONLY | GUEST_O_DIRECT);
	g_assert_cmpint(write_at(&unit, (struct fs_write){ .fh = fh, .offset = 3 }, "x"), <, 0);
	g_assert_cmpint(write_at(&unit,
				 (struct fs_write){ .fh = fh, .offset = 3, .from_cache = true },
				 "x"),
			==, 1);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "012x456789");
	fs_unit_stop(&unit);
}

static void writes_that_cannot_be_are_refused(void)
{
	struct fs_unit unit;
	uint64_t reader;
	uint64_t writer;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	reader = fs_unit_open(&unit, "a", O_RDONLY);
	writer = fs_unit_open(&unit, "a", O_WRONLY);
	g_assert_cmpint(write_at(&unit, (struct fs_write){ .fh = reader }, "x"), ==, -EBADF);
	g_assert_cmpint(write_at(&unit, (struct fs_write){ .fh = 99 }, "x"), ==, -EBADF);
	g_assert_cmpint(
		write_at(&unit, (struct fs_write){ .fh = writer, .offset = UINT64_MAX }, "x"), ==,
		-EINVAL);
	g_assert_cmpint(
		write_at(&unit, (struct fs_write){ .fh = writer, .offset = INT64_MAX }, "x"), <, 0);
	fs_unit_stop(&unit);
}

static int allocate(struct fs_unit *unit, uint64_t fh, uint32_t mode, uint64_t offset,
		    uint64_t length)
{
	const struct fs_range range = {
		.fh = fh, .mode = mode, .offset = offset, .length = length
	};

	return fs_fallocate(unit->thread, &range);
}

static void holes_are_made_and_found(void)
{
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fh = fs_unit_open(&unit, "a", O_RDWR);
	g_assert_cmpint(allocate(&unit, fh, 0, 0, 1u << 20), ==, 0);
	g_assert_cmpint(fs_lseek(unit.thread, fh, 0, SEEK_END), ==, 1u << 20);
	g_assert_cmpint(write_at(&unit, (struct fs_write){ .fh = fh, .offset = 1u << 22 }, "x"), ==,
			1);
	g_assert_cmpint(fs_lseek(unit.thread, fh, 1u << 21, SEEK_DATA), ==, 1u << 22);
	g_assert_cmpint(fs_lseek(unit.thread, fh, 1u << 23, SEEK_DATA), ==, -ENXIO);
	g_assert_cmpint(fs_lseek(unit.thread, fh, 0, 5), ==, -EINVAL);
	g_assert_cmpint(fs_lseek(unit.thread, fh, UINT64_MAX, SEEK_DATA), ==, -ENXIO);
	g_assert_cmpint(
		allocate(&unit, fh, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1u << 22, 4096), ==,
		0);
	g_assert_cmpint(allocate(&unit, fh, 0, UINT64_MAX, 1), ==, -EINVAL);
	g_assert_cmpint(allocate(&unit, fh, 0, 0, UINT64_MAX), ==, -EINVAL);
	g_assert_cmpint(allocate(&unit, fh, UINT32_MAX, 0, 1), ==, -EINVAL);
	fs_unit_stop(&unit);
}

static void ranges_are_copied_on_the_host(void)
{
	g_autofree char *text = NULL;
	struct fs_copy copy = { .offset_in = 2, .offset_out = 1, .length = 3 };
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "012345");
	fs_unit_write(&unit, "b", "abcdef");
	copy.fh_in = fs_unit_open(&unit, "a", O_RDONLY);
	copy.fh_out = fs_unit_open(&unit, "b", O_WRONLY);
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, 3);
	text = fs_unit_read(&unit, "b");
	g_assert_cmpstr(text, ==, "a234ef");
	copy.flags = 1;
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, -EINVAL);
	copy.flags = 0;
	copy.offset_out = UINT64_MAX;
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, -EINVAL);
	copy.offset_out = 0;
	copy.fh_out = fs_unit_open(&unit, "b", O_WRONLY | GUEST_O_APPEND);
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, -EBADF);
	copy.fh_out = 99;
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, -EBADF);
	fs_unit_stop(&unit);
}

#define N_ROUNDS 3000

struct racer {
	struct fs_unit *unit;
	struct fs_thread *thread;
	uint64_t fh; /* atomic; the file "a", until the other thread releases it */
	bool stop;   /* atomic */
};

static gpointer keep_reading(gpointer arg)
{
	struct racer *racer = arg;
	char buf[4];
	const struct iovec iov = { buf, sizeof(buf) };

	while (!__atomic_load_n(&racer->stop, __ATOMIC_RELAXED)) {
		uint64_t fh = __atomic_load_n(&racer->fh, __ATOMIC_RELAXED);
		ssize_t r = fs_read(racer->thread, fh, 0, &iov, 1);

		if (r < 0)
			g_assert_cmpint(r, ==, -EBADF);
		else
			g_assert_cmpmem(buf, (size_t)r, "aaaa", 4);
	}
	return NULL;
}

static void a_release_never_gives_a_reader_another_file(void)
{
	struct racer racer = { 0 };
	struct fs_opened opened;
	struct fs_unit unit;
	GThread *thread;
	uint64_t a;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "aaaa");
	fs_unit_write(&unit, "b", "bbbb");
	a = fs_unit_lookup(&unit, "a");
	racer.fh = fs_unit_open(&unit, "a", O_RDONLY);
	racer.unit = &unit;
	racer.thread = fs_unit_thread(&unit);
	thread = g_thread_new("reader", keep_reading, &racer);
	for (int i = 0; i < N_ROUNDS; i++) {
		uint64_t other;

		g_assert_cmpint(fs_release(unit.thread, racer.fh), ==, 0);
		other = fs_unit_open(&unit, "b", O_RDONLY);
		g_assert_cmpint(fs_open(unit.thread, a, O_RDONLY, false, &opened), ==, 0);
		__atomic_store_n(&racer.fh, opened.fh, __ATOMIC_RELAXED);
		g_assert_cmpint(fs_release(unit.thread, other), ==, 0);
	}
	__atomic_store_n(&racer.stop, true, __ATOMIC_RELAXED);
	g_thread_join(thread);
	g_free(racer.thread);
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-io/reads end where the file ends", reads_end_where_the_file_ends);
	g_test_add_func("/fs-io/any number of pieces is read and written",
			any_number_of_pieces_is_read_and_written);
	g_test_add_func("/fs-io/what is cached is read without notice and the rest with one",
			what_is_cached_is_read_without_notice_and_the_rest_with_one);
	g_test_add_func("/fs-io/a file system that always waits is read all the same",
			a_file_system_that_always_waits_is_read_all_the_same);
	g_test_add_func("/fs-io/appending is for writers and offsets are for the cache",
			appending_is_for_writers_and_offsets_are_for_the_cache);
	g_test_add_func("/fs-io/appending directly lets nobody else go first",
			appending_directly_lets_nobody_else_go_first);
	g_test_add_func("/fs-io/what a cache writes back needs no alignment",
			what_a_cache_writes_back_needs_no_alignment);
	g_test_add_func("/fs-io/writes that cannot be are refused",
			writes_that_cannot_be_are_refused);
	g_test_add_func("/fs-io/holes are made and found", holes_are_made_and_found);
	g_test_add_func("/fs-io/ranges are copied on the host", ranges_are_copied_on_the_host);
	g_test_add_func("/fs-io/a release never gives a reader another file",
			a_release_never_gives_a_reader_another_file);
	return g_test_run();
}
