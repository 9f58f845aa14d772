/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes: truncate and ftruncate, limits, and what is read beyond what was written. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "world.h"

static void check_growth(void)
{
	char buf[8192];
	struct stat st;
	int fd;

	put("file", "text\n");
	works("a file grows", truncate("file", 8192));
	equals("the new size is told", 8192, size_of("file"));
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	equals("all of it is read", 8192, read(fd, buf, sizeof(buf)));
	holds("what was there stays", memcmp(buf, "text\n", 5) == 0);
	holds("what is new is zero", all_bytes(buf + 5, sizeof(buf) - 5, 0));
	works("an open file shrinks", ftruncate(fd, 3));
	equals("the end comes sooner", 3, pread(fd, buf, sizeof(buf), 0));
	works("it grows again", ftruncate(fd, 100));
	equals("it is read again", 100, pread(fd, buf, sizeof(buf), 0));
	holds("what was cut off does not come back", all_bytes(buf + 3, 97, 0));
	works("it becomes empty", ftruncate(fd, 0));
	equals("nothing is read", 0, pread(fd, buf, 10, 0));
	works("it grows without content", ftruncate(fd, 1 << 20));
	must(fsync(fd));
	must(fstat(fd, &st));
	equals("a hole takes no space", 0, st.st_blocks);
	works("a file keeps its size", ftruncate(fd, 1 << 20));
	close(fd);
}

static void check_positions(void)
{
	char buf[100];
	int fd;

	fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	must(write(fd, "0123456789", 10));
	must(ftruncate(fd, 5));
	equals("truncation does not move the position", 10, lseek(fd, 0, SEEK_CUR));
	equals("a write goes on at the position", 1, write(fd, "x", 1));
	equals("the size reaches the position", 11, size_of("file"));
	must(pread(fd, buf, 11, 0));
	holds("the gap is zero", all_bytes(buf + 5, 5, 0) && buf[10] == 'x');
	equals("a position beyond the end is possible", 5000, lseek(fd, 5000, SEEK_SET));
	equals("nothing is read there", 0, read(fd, buf, 10));
	equals("seeking alone changes no size", 11, size_of("file"));
	equals("a position is counted from the end", 10, lseek(fd, -1, SEEK_END));
	fails("a position before the start is refused", EINVAL, lseek(fd, -12, SEEK_END));
	fails("an unknown origin is refused", EINVAL, lseek(fd, 0, 77));
	close(fd);
	fd = must(open("file", O_WRONLY | O_APPEND | O_CLOEXEC));
	works("what is open for appending is truncated", ftruncate(fd, 2));
	must(write(fd, "y", 1));
	equals("an append goes to the new end", 3, size_of("file"));
	close(fd);
}

static void check_refusals(void)
{
	int fd;

	make_file("file", &alice, 0644);
	make_dir("d", &root, 0777);
	must(symlink("loop", "loop"));
	must(mkfifo("fifo", 0666));
	fails("a negative size is refused", EINVAL, truncate("file", -1));
	fails("a directory is not truncated", EISDIR, truncate("d", 0));
	fails("a FIFO is not truncated", EINVAL, truncate("fifo", 0));
	fails("a missing file is not truncated", ENOENT, truncate("missing", 0));
	fails("a circle of links is not truncated", ELOOP, truncate("loop", 0));
	fails("a path through a file is not truncated", ENOTDIR, truncate("file/x", 0));
	fails("a file is not truncated with a slash", ENOTDIR, truncate("file/", 0));
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("what is open for reading is not truncated", EINVAL, ftruncate(fd, 0));
	close(fd);
	fd = must(open("d", O_RDONLY | O_CLOEXEC));
	fails("an open directory is not truncated", EINVAL, ftruncate(fd, 0));
	close(fd);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	fails("an open file takes no negative size", EINVAL, ftruncate(fd, -1));
	close(fd);
	become(&bob);
	fails("another's file is not truncated", EACCES, truncate("file", 0));
	become(&alice);
	works("the owner truncates", truncate("file", 1));
}

static void check_limits(void)
{
	struct rlimit before, limit;
	char buf[200] = "";
	int fd;

	fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	observe("the largest size there is", ftruncate(fd, LLONG_MAX));
	must(ftruncate(fd, 0));
	observe("a size of 2^62", ftruncate(fd, 1LL << 62));
	must(ftruncate(fd, 0));
	works("a size of 2^40", ftruncate(fd, 1LL << 40));
	equals("a size of 2^40 is told", 1LL << 40, size_of("file"));
	equals("a byte at 2^40 is written", 1, pwrite(fd, "x", 1, 1LL << 40));
	equals("a byte at 2^40 is read", 1, pread(fd, buf, 5, 1LL << 40));
	observe("a byte at 2^62", pwrite(fd, "x", 1, 1LL << 62));
	fails("a byte beyond all offsets is refused", EINVAL, pwrite(fd, "xx", 2, -1));
	must(ftruncate(fd, 0));
	must(getrlimit(RLIMIT_FSIZE, &before));
	limit = (struct rlimit){ 100, before.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	must(setrlimit(RLIMIT_FSIZE, &limit));
	fails("a file does not grow beyond the limit of its process", EFBIG, ftruncate(fd, 101));
	works("a file grows to the limit", ftruncate(fd, 100));
	fails("nothing is written beyond the limit", EFBIG, pwrite(fd, "x", 1, 100));
	equals("a write stops at the limit", 50, pwrite(fd, buf, sizeof(buf), 50));
	must(setrlimit(RLIMIT_FSIZE, &before));
	signal(SIGXFSZ, SIG_DFL);
	close(fd);
}

const group_fn truncate_groups[] = { check_growth, check_positions, check_refusals, check_limits,
				     NULL };
