/* SPDX-License-Identifier: Apache-2.0 */
/* Holes and allocation: SEEK_DATA, SEEK_HOLE and the modes of fallocate(2). */
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "world.h"

#define BLOCK (64L << 10)

/* Two blocks of data with two blocks of a hole between them. */
static int new_file(void)
{
	static char data[BLOCK];
	int fd = must(open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	memset(data, 'a', sizeof(data));
	must(pwrite(fd, data, BLOCK, 0));
	memset(data, 'b', sizeof(data));
	must(pwrite(fd, data, BLOCK, 3 * BLOCK));
	must(fsync(fd));
	return fd;
}

static bool range_is(int fd, off_t from, long len, char byte)
{
	static char data[4 * BLOCK];

	memset(data, '?', sizeof(data));
	return pread(fd, data, (size_t)len, from) == len && all_bytes(data, (size_t)len, byte);
}

static long blocks_of(int fd)
{
	struct stat st = { 0 };

	must(fsync(fd));
	must(fstat(fd, &st));
	return st.st_blocks;
}

static void check_seeking(void)
{
	int fd = new_file();

	observe_number("data at the start are found", lseek(fd, 0, SEEK_DATA));
	observe_number("the hole behind them is found", lseek(fd, 0, SEEK_HOLE));
	observe_number("data behind a hole are found", lseek(fd, BLOCK, SEEK_DATA));
	observe_number("a hole is found in a hole", lseek(fd, BLOCK + 5, SEEK_HOLE));
	equals("the end is a hole", 4 * BLOCK, lseek(fd, 3 * BLOCK, SEEK_HOLE));
	equals("data are found in the midst of data", 3 * BLOCK + 7,
	       lseek(fd, 3 * BLOCK + 7, SEEK_DATA));
	fails("no data are found beyond the end", ENXIO, lseek(fd, 4 * BLOCK, SEEK_DATA));
	fails("no hole is found beyond the end", ENXIO, lseek(fd, 4 * BLOCK, SEEK_HOLE));
	fails("no data are found before the start", ENXIO, lseek(fd, -1, SEEK_DATA));
	must(ftruncate(fd, 8 * BLOCK));
	observe("data in a hole at the end", lseek(fd, 5 * BLOCK, SEEK_DATA));
	observe_number("the hole at the end", lseek(fd, 3 * BLOCK, SEEK_HOLE));
	must(ftruncate(fd, 0));
	fails("an empty file has no data", ENXIO, lseek(fd, 0, SEEK_DATA));
	fails("an empty file has no hole", ENXIO, lseek(fd, 0, SEEK_HOLE));
	close(fd);
}

static void check_reading(void)
{
	int fd = new_file();

	holds("a hole reads as zeros", range_is(fd, BLOCK, 2 * BLOCK, 0));
	holds("data before it are there", range_is(fd, 0, BLOCK, 'a'));
	holds("data behind it are there", range_is(fd, 3 * BLOCK, BLOCK, 'b'));
	equals("only the data take space", 2 * BLOCK / 512, blocks_of(fd));
	must(pwrite(fd, "x", 1, 2 * BLOCK));
	holds("a byte in a hole leaves zeros before it", range_is(fd, BLOCK, BLOCK, 0));
	holds("and behind it", range_is(fd, 2 * BLOCK + 1, BLOCK - 1, 0));
	close(fd);
}

static void check_allocating(void)
{
	int fd = new_file();

	works("space is allocated", fallocate(fd, 0, 0, 4 * BLOCK));
	holds("what was a hole is zero", range_is(fd, BLOCK, 2 * BLOCK, 0));
	holds("what was data stays", range_is(fd, 0, BLOCK, 'a'));
	observe_number("the space after an allocation", blocks_of(fd));
	works("allocation beyond the end grows", fallocate(fd, 0, 4 * BLOCK, BLOCK));
	equals("the size is as allocated", 5 * BLOCK, size_of("file"));
	works("allocation may keep the size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 5 * BLOCK, BLOCK));
	equals("the size is kept", 5 * BLOCK, size_of("file"));
	observe_number("the space with what is beyond the end", blocks_of(fd));
	works("posix_fallocate allocates", as_result(posix_fallocate(fd, 0, 6 * BLOCK)));
	equals("posix_fallocate grows", 6 * BLOCK, size_of("file"));
	close(fd);
	fd = must(open("file", O_WRONLY | O_APPEND | O_CLOEXEC));
	works("what is open for appending is allocated", fallocate(fd, 0, 0, 7 * BLOCK));
	equals("it grew", 7 * BLOCK, size_of("file"));
	close(fd);
}

static void check_punching(void)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int fd = new_file();

	works("a hole is punched", fallocate(fd, punch, 4096, 8192));
	holds("it is zero", range_is(fd, 4096, 8192, 0));
	holds("what is before it stays", range_is(fd, 0, 4096, 'a'));
	holds("what is behind it stays", range_is(fd, 12288, BLOCK - 12288, 'a'));
	observe_number("the space after a hole was punched", blocks_of(fd));
	equals("the size stays", 4 * BLOCK, size_of("file"));
	works("an odd hole is punched", fallocate(fd, punch, 100, 50));
	holds("an odd hole is zero", range_is(fd, 100, 50, 0));
	holds("around an odd hole nothing changes",
	      range_is(fd, 0, 100, 'a') && range_is(fd, 150, 1000, 'a'));
	works("a hole is punched across the end", fallocate(fd, punch, 3 * BLOCK, 9 * BLOCK));
	equals("the size stays across the end", 4 * BLOCK, size_of("file"));
	holds("all up to the end is zero", range_is(fd, 3 * BLOCK, BLOCK, 0));
	fails("a hole that changes the size is refused", EOPNOTSUPP,
	      fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	close(fd);
}

static void check_zeroing(void)
{
	int fd = new_file();

	observe("a range is zeroed", fallocate(fd, FALLOC_FL_ZERO_RANGE, 4096, 8192));
	observe_number("a zeroed range is zero", range_is(fd, 4096, 8192, 0));
	holds("what is before a zeroed range stays", range_is(fd, 0, 4096, 'a'));
	observe("a range is zeroed beyond the end",
		fallocate(fd, FALLOC_FL_ZERO_RANGE, 4 * BLOCK, BLOCK));
	observe_number("the size after that", size_of("file"));
	observe("a range is zeroed with the size kept",
		fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 6 * BLOCK, BLOCK));
	observe_number("the size after this", size_of("file"));
	close(fd);
}

static void check_shifting(void)
{
	int fd = new_file();

	observe("a range is collapsed", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, BLOCK, 2 * BLOCK));
	observe_number("the size after a collapse", size_of("file"));
	observe_number("what follows moved there", range_is(fd, BLOCK, BLOCK, 'b'));
	observe("an odd range is collapsed", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 3, 5));
	observe("a range is inserted", fallocate(fd, FALLOC_FL_INSERT_RANGE, BLOCK, BLOCK));
	observe_number("the size after an insertion", size_of("file"));
	observe_number("what follows made room", range_is(fd, 2 * BLOCK, BLOCK, 'b'));
	observe("a range is unshared", fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, BLOCK));
	close(fd);
}

static void check_refusals(void)
{
	int fd = new_file(), dir;

	fails("no length is refused", EINVAL, fallocate(fd, 0, 0, 0));
	fails("a negative length is refused", EINVAL, fallocate(fd, 0, 0, -1));
	fails("a negative start is refused", EINVAL, fallocate(fd, 0, -1, 10));
	fails("an unknown mode is refused", EOPNOTSUPP, fallocate(fd, 0x4000, 0, 10));
	observe("an allocation beyond all space", fallocate(fd, 0, 0, 1LL << 45));
	fails("an allocation beyond all offsets is refused", EFBIG,
	      fallocate(fd, 0, 0x7fffffffffffffffLL, 10));
	close(fd);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("what is open for reading is not allocated", EBADF, fallocate(fd, 0, 0, 10));
	close(fd);
	dir = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	fails("a directory is not allocated", EBADF, fallocate(dir, 0, 0, 10));
	close(dir);
	must(mkfifo("fifo", 0644));
	fd = must(open("fifo", O_RDWR | O_CLOEXEC));
	fails("a FIFO is not allocated", ESPIPE, fallocate(fd, 0, 0, 10));
	fails("a FIFO has no position", ESPIPE, lseek(fd, 0, SEEK_CUR));
	close(fd);
}

const group_fn hole_groups[] = {
	check_seeking, check_reading,  check_allocating, check_punching,
	check_zeroing, check_shifting, check_refusals,	 NULL,
};
