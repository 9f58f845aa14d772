/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that file data goes between the guest's memory and the file system in full, whatever
 * pieces the memory is in, and that sizes a guest claims are held against what it sent.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/intent.h"
#include "base/util.h"
#include "fuse-unit.h"

#define MIB (1u << 20)

static struct unit unit;

/* 2 MiB of file with a pattern, and as much room for what is written. */
static void start(void)
{
	char *file = g_malloc(2 * MIB);

	unit_start_ready(&unit);
	for (uint32_t i = 0; i < 2 * MIB; i++)
		file[i] = (char)(i * 7 + i / 256);
	fake.file = file;
	fake.written = g_malloc0(2 * MIB);
	fake.file_bytes = 2 * MIB;
}

static void stop(void)
{
	g_free((void *)(uintptr_t)fake.file);
	g_free(fake.written);
	unit_stop(&unit);
}

static int read_at(uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = 5, .offset = offset, .size = size };

	fake.size = 0;
	return unit_call(&unit, FUSE_READ, 7, &in, sizeof(in), NULL);
}

static void a_read_delivers_what_the_file_has(void)
{
	start();
	g_assert_cmpint(read_at(4096, 8192), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 5);
	g_assert_cmpmem(unit_body(&unit, 8192), 8192, fake.file + 4096, 8192);
	/* Over the end, and behind it. */
	g_assert_cmpint(read_at(2 * MIB - 100, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 100);
	g_assert_cmpint(read_at(2 * MIB, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 0);
	stop();
}

static void a_read_of_nothing_delivers_nothing(void)
{
	start();
	g_assert_cmpint(read_at(0, 0), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 0);
	stop();
}

static void a_read_never_exceeds_the_room_or_one_mebibyte(void)
{
	start();
	unit.room = 16 + 1000;
	g_assert_cmpint(read_at(0, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 1000);
	g_assert_cmpuint(fake.size, ==, 1000);
	unit.room = 16;
	g_assert_cmpint(read_at(0, 4096), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 0);
	unit.room = UNIT_BYTES;
	g_assert_cmpint(read_at(0, UINT32_MAX), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, MIB);
	stop();
}

static void a_failed_read_is_an_error_and_nothing_else(void)
{
	start();
	fake.result = -EBADF;
	g_assert_cmpint(read_at(0, 4096), ==, -EBADF);
	stop();
}

/* More pieces than one system call takes; the first holds a part of the header only. */
static void a_read_into_thousands_of_pieces_is_whole(void)
{
	enum { PIECES = 4000 };
	g_autofree struct iovec *out = g_new(struct iovec, PIECES);
	const struct fuse_read_in in = { .fh = 5, .offset = 10, .size = 9 * PIECES };
	struct iovec msg = { 0 };

	start();
	unit_begin(&unit, FUSE_READ, 7)->len = 80;
	unit_add(&unit, &in, sizeof(in));
	msg = (struct iovec){ .iov_base = unit.in, .iov_len = unit.in_bytes };
	for (int i = 0; i < PIECES; i++)
		out[i] = (struct iovec){ .iov_base = unit.out + (size_t)i * 9, .iov_len = 9 };
	const struct fuse_message message = {
		.readable = &msg,
		.n_readable = 1,
		.writable = out,
		.n_writable = PIECES,
	};
	g_assert_cmpint(unit_serve_raw(&unit, &message), ==, 0);
	g_assert_cmpmem(unit_body(&unit, 9 * PIECES - 16), 9 * PIECES - 16, fake.file + 10,
			9 * PIECES - 16);
	g_assert_cmpuint(fake.n_pieces, <=, 1024);
	stop();
}

static int write_at(uint64_t offset, uint32_t claimed, uint32_t sent, uint32_t write_flags)
{
	const struct fuse_write_in in = {
		.fh = 6, .offset = offset, .size = claimed, .write_flags = write_flags
	};

	unit_begin(&unit, FUSE_WRITE, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add(&unit, fake.file, sent);
	return unit_serve(&unit);
}

static int append_at(uint64_t offset, uint32_t size)
{
	const struct fuse_write_in in = {
		.fh = 6, .offset = offset, .size = size, .flags = WIRE_O_APPEND
	};

	unit_begin(&unit, FUSE_WRITE, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add(&unit, fake.file, size);
	return unit_serve(&unit);
}

/* Of an open file: flags of pwritev2(2) come the same way as those of open(2). */
static void write_with(uint32_t flags)
{
	const struct fuse_write_in in = { .fh = 6, .size = 4, .flags = flags };

	unit_begin(&unit, FUSE_WRITE, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add(&unit, fake.file, 4);
	g_assert_cmpint(unit_serve(&unit), ==, 0);
}

static void each_write_is_as_synchronous_as_it_says(void)
{
	start();
	write_with(WIRE_O_DSYNC);
	g_assert_true(fake.write.dsync && !fake.write.sync);
	write_with(WIRE_O_SYNC);
	g_assert_true(fake.write.sync && !fake.write.dsync);
	g_assert_false(fake.write.direct);
	write_with(WIRE_O_DIRECT);
	g_assert_true(fake.write.direct);
	g_assert_false(fake.write.sync || fake.write.dsync);
	stop();
}

static uint32_t written_size(void)
{
	return ((const struct fuse_write_out *)unit_body(&unit, 8))->size;
}

static void a_write_hands_over_all_it_was_sent(void)
{
	start();
	g_assert_cmpint(write_at(100, 5000, 5000, 0), ==, 0);
	g_assert_cmpuint(written_size(), ==, 5000);
	g_assert_cmpmem(fake.written + 100, 5000, fake.file, 5000);
	g_assert_cmpuint(fake.write.fh, ==, 6);
	g_assert_false(fake.write.kill_suidgid || fake.write.from_cache);
	g_assert_cmpint(write_at(0, MIB, MIB, 0), ==, 0);
	g_assert_cmpuint(written_size(), ==, MIB);
	g_assert_cmpmem(fake.written, MIB, fake.file, MIB);
	stop();
}

static void write_flags_are_told_apart(void)
{
	start();
	g_assert_cmpint(write_at(0, 1, 1, FUSE_WRITE_KILL_SUIDGID), ==, 0);
	g_assert_true(fake.write.kill_suidgid && !fake.write.from_cache);
	g_assert_cmpint(write_at(0, 1, 1, FUSE_WRITE_CACHE), ==, 0);
	g_assert_true(!fake.write.kill_suidgid && fake.write.from_cache);
	g_assert_false(fake.write.append);
	stop();
}

static void an_append_goes_on_behind_what_a_dead_worker_wrote(void)
{
	struct inflight record = {
		.order = 1, .attempts = 1, .step = INFLIGHT_DONE, .word[INTENT_BYTES] = 3000
	};

	start();
	unit.inflight = &record;
	g_assert_cmpint(append_at(0, 5000), ==, 0);
	g_assert_cmpuint(written_size(), ==, 5000);
	g_assert_cmpuint(fake.write.offset, ==, 3000);
	g_assert_cmpmem(fake.written + 3000, 2000, fake.file + 3000, 2000);
	/* It had written all, and only the answer was missing. */
	record.word[INTENT_BYTES] = 5000;
	fake.called = NULL;
	g_assert_cmpint(append_at(0, 5000), ==, 0);
	g_assert_cmpuint(written_size(), ==, 5000);
	g_assert_null(fake.called);
	/* Where it says where, it writes again. */
	g_assert_cmpint(write_at(0, 5000, 5000, 0), ==, 0);
	g_assert_cmpuint(fake.write.offset, ==, 0);
	unit.inflight = NULL;
	stop();
}

static void a_write_that_claims_more_than_it_sent_is_refused(void)
{
	start();
	fake.called = NULL;
	g_assert_cmpint(write_at(0, 5001, 5000, 0), ==, -EINVAL);
	g_assert_cmpint(write_at(0, UINT32_MAX, 5000, 0), ==, -EINVAL);
	g_assert_cmpint(write_at(0, MIB + 1, MIB + 1, 0), ==, -EINVAL);
	g_assert_cmpint(write_at(0, 2 * MIB, 2 * MIB, 0), ==, -EINVAL);
	g_assert_null(fake.called);
	g_assert_cmpint(write_at(0, 10, 5000, 0), ==, 0);
	g_assert_cmpuint(written_size(), ==, 10);
	stop();
}

static void a_write_from_thousands_of_pieces_is_whole(void)
{
	enum { PIECES = 3000 };
	g_autofree struct iovec *in = g_new(struct iovec, PIECES + 1);
	const struct fuse_write_in args = { .fh = 6, .offset = 3, .size = 5 * PIECES };
	struct iovec out = { 0 };

	start();
	out = (struct iovec){ .iov_base = unit.out, .iov_len = 24 };
	unit_begin(&unit, FUSE_WRITE, 7)->len = 80 + 5 * PIECES;
	unit_add(&unit, &args, sizeof(args));
	in[0] = (struct iovec){ .iov_base = unit.in, .iov_len = unit.in_bytes };
	for (int i = 0; i < PIECES; i++)
		in[i + 1] = (struct iovec){
			.iov_base = (char *)(uintptr_t)fake.file + (size_t)i * 5, .iov_len = 5
		};
	const struct fuse_message message = {
		.readable = in,
		.n_readable = PIECES + 1,
		.writable = &out,
		.n_writable = 1,
	};
	g_assert_cmpint(unit_serve_raw(&unit, &message), ==, 0);
	g_assert_cmpuint(written_size(), ==, 5 * PIECES);
	g_assert_cmpmem(fake.written + 3, 5 * PIECES, fake.file, 5 * PIECES);
	stop();
}

static void operations_on_a_handle_pass_their_arguments(void)
{
	const struct fuse_flush_in flush = { .fh = 1 };
	const struct fuse_fsync_in fsync = { .fh = 2, .fsync_flags = 1 };
	const struct fuse_release_in release = { .fh = 3 };
	const struct fuse_fallocate_in alloc = { .fh = 4, .offset = 5, .length = 6, .mode = 3 };

	start();
	g_assert_cmpint(unit_call(&unit, FUSE_FLUSH, 7, &flush, sizeof(flush), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 1);
	g_assert_cmpint(unit_call(&unit, FUSE_FSYNC, 7, &fsync, sizeof(fsync), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 2);
	g_assert_true(fake.datasync);
	g_assert_cmpint(unit_call(&unit, FUSE_RELEASE, 7, &release, sizeof(release), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 3);
	g_assert_cmpint(unit_call(&unit, FUSE_FALLOCATE, 7, &alloc, sizeof(alloc), NULL), ==, 0);
	g_assert_cmpuint(fake.fh, ==, 4);
	g_assert_cmpuint(fake.offset, ==, 5);
	g_assert_cmpuint(fake.length, ==, 6);
	g_assert_cmpuint(fake.mode, ==, 3);
	stop();
}

static void lseek_answers_the_new_offset(void)
{
	const struct fuse_lseek_in in = { .fh = 4, .offset = 9, .whence = 3 };

	start();
	fake.count = 1ll << 40;
	g_assert_cmpint(unit_call(&unit, FUSE_LSEEK, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.offset, ==, 9);
	g_assert_cmpuint(fake.whence, ==, 3);
	g_assert_cmpuint(((const struct fuse_lseek_out *)unit_body(&unit, 8))->offset, ==,
			 1ull << 40);
	fake.result = -ENXIO;
	g_assert_cmpint(unit_call(&unit, FUSE_LSEEK, 7, &in, sizeof(in), NULL), ==, -ENXIO);
	stop();
}

static void a_copy_is_as_long_as_its_result_can_tell(void)
{
	struct fuse_copy_file_range_in in = {
		.fh_in = 1, .off_in = 2, .fh_out = 3, .off_out = 4, .len = 5
	};

	start();
	fake.count = 5;
	g_assert_cmpint(unit_call(&unit, FUSE_COPY_FILE_RANGE, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(written_size(), ==, 5);
	g_assert_cmpuint(fake.copy.fh_in, ==, 1);
	g_assert_cmpuint(fake.copy.offset_in, ==, 2);
	g_assert_cmpuint(fake.copy.fh_out, ==, 3);
	g_assert_cmpuint(fake.copy.offset_out, ==, 4);
	g_assert_cmpuint(fake.copy.length, ==, 5);
	in.len = UINT64_MAX;
	g_assert_cmpint(unit_call(&unit, FUSE_COPY_FILE_RANGE, 7, &in, sizeof(in), NULL), ==, 0);
	g_assert_cmpuint(fake.copy.length, ==, 0x7ffff000);
	stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/io/a read delivers what the file has", a_read_delivers_what_the_file_has);
	g_test_add_func("/io/a read of nothing delivers nothing",
			a_read_of_nothing_delivers_nothing);
	g_test_add_func("/io/a read never exceeds the room or one mebibyte",
			a_read_never_exceeds_the_room_or_one_mebibyte);
	g_test_add_func("/io/a failed read is an error and nothing else",
			a_failed_read_is_an_error_and_nothing_else);
	g_test_add_func("/io/a read into thousands of pieces is whole",
			a_read_into_thousands_of_pieces_is_whole);
	g_test_add_func("/io/a write hands over all it was sent",
			a_write_hands_over_all_it_was_sent);
	g_test_add_func("/io/write flags are told apart", write_flags_are_told_apart);
	g_test_add_func("/io/each write is as synchronous as it says",
			each_write_is_as_synchronous_as_it_says);
	g_test_add_func("/io/an append goes on behind what a dead worker wrote",
			an_append_goes_on_behind_what_a_dead_worker_wrote);
	g_test_add_func("/io/a write that claims more than it sent is refused",
			a_write_that_claims_more_than_it_sent_is_refused);
	g_test_add_func("/io/a write from thousands of pieces is whole",
			a_write_from_thousands_of_pieces_is_whole);
	g_test_add_func("/io/operations on a handle pass their arguments",
			operations_on_a_handle_pass_their_arguments);
	g_test_add_func("/io/LSEEK answers the new offset", lseek_answers_the_new_offset);
	g_test_add_func("/io/a copy is as long as its result can tell",
			a_copy_is_as_long_as_its_result_can_tell);
	return g_test_run();
}
