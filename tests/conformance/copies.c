/* SPDX-License-Identifier: Apache-2.0 */
/* Copies inside the kernel: copy_file_range, sendfile, splice, and clones. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "world.h"

#define SIZE 200000

/* "from" with a pattern of SIZE bytes; "to" empty. */
static void open_pair(int *from, int *to)
{
	static char data[SIZE];

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)('a' + i % 26);
	*from = must(open("from", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	*to = must(open("to", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	must(write(*from, data, SIZE));
	must(lseek(*from, 0, SEEK_SET));
}

static bool equal_ranges(int a, off_t at, int b, off_t bt, size_t len)
{
	static char one[SIZE], other[SIZE];

	return pread(a, one, len, at) == (ssize_t)len && pread(b, other, len, bt) == (ssize_t)len &&
	       memcmp(one, other, len) == 0;
}

static long copy_all(int from, int to, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && (n = copy_file_range(from, NULL, to, NULL, len - done, 0)) > 0)
		done += (size_t)n;
	return (long)done;
}

static void check_range(void)
{
	off_t in = 100, out = 7;
	int from, to;

	open_pair(&from, &to);
	equals("a file is copied", SIZE, copy_all(from, to, SIZE));
	holds("the copy is equal", equal_ranges(from, 0, to, 0, SIZE));
	equals("both positions moved", SIZE, lseek(to, 0, SEEK_CUR));
	equals("nothing is copied at the end", 0, copy_file_range(from, NULL, to, NULL, 10, 0));
	equals("a range is copied", 1000, copy_file_range(from, &in, to, &out, 1000, 0));
	equals("the offset of the source moved", 1100, in);
	equals("the offset of the target moved", 1007, out);
	holds("the range is equal", equal_ranges(from, 100, to, 7, 1000));
	in = SIZE - 10;
	out = SIZE;
	equals("a copy stops at the end", 10, copy_file_range(from, &in, to, &out, 100, 0));
	equals("a copy makes its target longer", SIZE + 10, size_of("to"));
	in = 0;
	out = SIZE / 2;
	equals("a copy within one file", 1000, copy_file_range(from, &in, from, &out, 1000, 0));
	in = 0;
	out = 10;
	fails("a copy onto itself is refused", EINVAL,
	      copy_file_range(from, &in, from, &out, 1000, 0));
	fails("unknown flags are refused", EINVAL, copy_file_range(from, NULL, to, NULL, 1, 0x80));
	equals("nothing is copied on demand", 0, copy_file_range(from, NULL, to, NULL, 0, 0));
	close(from);
	close(to);
}

static void check_range_refusals(void)
{
	int from, to, fd;
	off_t in = 0;

	open_pair(&from, &to);
	fd = must(open("to", O_RDONLY | O_CLOEXEC));
	fails("a copy's target is open for writing", EBADF,
	      copy_file_range(from, NULL, fd, NULL, 10, 0));
	close(fd);
	fd = must(open("from", O_WRONLY | O_CLOEXEC));
	fails("a copy's source is open for reading", EBADF,
	      copy_file_range(fd, NULL, to, NULL, 10, 0));
	close(fd);
	fd = must(open("to", O_WRONLY | O_APPEND | O_CLOEXEC));
	fails("a copy's target is not open for appending", EBADF,
	      copy_file_range(from, &in, fd, NULL, 10, 0));
	close(fd);
	fd = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	fails("a directory is not copied", EISDIR, copy_file_range(fd, NULL, to, NULL, 10, 0));
	close(fd);
	must(mkfifo("fifo", 0600));
	fd = must(open("fifo", O_RDWR | O_CLOEXEC));
	fails("a FIFO is not copied", EINVAL, copy_file_range(fd, NULL, to, NULL, 10, 0));
	close(fd);
	in = -5;
	fails("a negative offset is refused", EOVERFLOW,
	      copy_file_range(from, &in, to, NULL, 10, 0));
	close(from);
	close(to);
}

static void check_sendfile(void)
{
	int from, to, pipes[2];
	off_t at = 1000;
	char buf[64];

	open_pair(&from, &to);
	equals("sendfile copies between files", 5000, sendfile(to, from, &at, 5000));
	equals("sendfile's offset moved", 6000, at);
	holds("what sendfile copied is equal", equal_ranges(from, 1000, to, 0, 5000));
	equals("sendfile leaves the position with an offset", 0, lseek(from, 0, SEEK_CUR));
	equals("sendfile without an offset", 100, sendfile(to, from, NULL, 100));
	equals("moves the position", 100, lseek(from, 0, SEEK_CUR));
	must(pipe2(pipes, O_CLOEXEC));
	at = 0;
	equals("sendfile fills a pipe", 50, sendfile(pipes[1], from, &at, 50));
	equals("the pipe has it", 50, read(pipes[0], buf, sizeof(buf)));
	holds("it is equal", memcmp(buf, "abcdefghij", 10) == 0);
	at = SIZE;
	equals("sendfile sends nothing at the end", 0, sendfile(pipes[1], from, &at, 50));
	close(pipes[0]);
	close(pipes[1]);
	close(from);
	close(to);
}

static void check_splice(void)
{
	int from, to, pipes[2];
	off_t in = 26, out = 3;

	open_pair(&from, &to);
	must(pipe2(pipes, O_CLOEXEC));
	equals("a file is spliced into a pipe", 4096, splice(from, &in, pipes[1], NULL, 4096, 0));
	equals("splice's offset moved", 26 + 4096, in);
	equals("a pipe is spliced into a file", 4096, splice(pipes[0], NULL, to, &out, 4096, 0));
	holds("what was spliced is equal", equal_ranges(from, 26, to, 3, 4096));
	in = SIZE;
	equals("nothing is spliced at the end", 0, splice(from, &in, pipes[1], NULL, 100, 0));
	fails("a file is not spliced into a file", EINVAL, splice(from, NULL, to, NULL, 100, 0));
	must(write(pipes[1], "xyz", 3));
	out = SIZE;
	equals("a pipe is spliced beyond the end", 3, splice(pipes[0], NULL, to, &out, 3, 0));
	equals("the file grew by it", SIZE + 3, size_of("to"));
	close(to);
	to = must(open("to", O_WRONLY | O_APPEND | O_CLOEXEC));
	must(write(pipes[1], "end", 3));
	fails("a pipe is not spliced into what is appended", EINVAL,
	      splice(pipes[0], NULL, to, NULL, 3, 0));
	close(pipes[0]);
	close(pipes[1]);
	close(from);
	close(to);
}

static void check_clones(void)
{
	int from, to;

	open_pair(&from, &to);
	must(fsync(from));
	observe("a file is cloned", ioctl(to, FICLONE, from));
	observe_number("the size of a clone", size_of("to"));
	fails("a directory is not cloned", EISDIR,
	      ioctl(to, FICLONE, must(open(".", O_RDONLY | O_CLOEXEC))));
	close(from);
	close(to);
}

const group_fn copy_groups[] = {
	check_range, check_range_refusals, check_sendfile, check_splice, check_clones, NULL,
};
