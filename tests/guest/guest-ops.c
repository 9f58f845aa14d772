/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in the guest: system calls that no tool of the shell makes. Ends with 0, or tells on
 * standard error what failed.
 *
 *   guest-ops tmpfile NAME     a file without a name, 5 bytes, that then gets the name
 *   guest-ops copy FROM TO     copy_file_range(2) to the end
 *   guest-ops partial FILE     writes "xyz" at 5000 of a file opened for writing only
 *   guest-ops append FILE      a thousand lines each through two handles with O_APPEND
 *   guest-ops mapped FILE      maps a file of 5000 bytes opened with O_DIRECT, changes its end
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
	return (int)r;
}

static void make_tmpfile(char **args)
{
	int fd = must(open(".", O_TMPFILE | O_RDWR, 0640), "open O_TMPFILE");
	char path[64];

	must(write(fd, "text\n", 5) - 5, "write");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(linkat(AT_FDCWD, path, AT_FDCWD, args[0], AT_SYMLINK_FOLLOW), "linkat");
}

static void copy(char **args)
{
	int from = must(open(args[0], O_RDONLY), args[0]);
	int to = must(open(args[1], O_WRONLY | O_CREAT, 0644), args[1]);

	while (must(copy_file_range(from, NULL, to, NULL, 1 << 30, 0), "copy_file_range") > 0)
		;
}

static void write_partial(char **args)
{
	int fd = must(open(args[0], O_WRONLY), args[0]);

	must(pwrite(fd, "xyz", 3, 5000) - 3, "pwrite");
	must(close(fd), "close");
}

static void append(char **args)
{
	int fds[2];
	char line[16];

	for (int i = 0; i < 2; i++)
		fds[i] = must(open(args[0], O_WRONLY | O_CREAT | O_APPEND, 0644), args[0]);
	for (int i = 0; i < 2000; i++) {
		int len = snprintf(line, sizeof(line), "line %d\n", i);

		must(write(fds[i % 2], line, (size_t)len) - len, "write");
	}
	must(close(fds[0]), "close");
	must(close(fds[1]), "close");
}

static void change_mapped(char **args)
{
	int fd = must(open(args[0], O_RDWR | O_CREAT | O_DIRECT, 0644), args[0]);
	char *map;

	must(ftruncate(fd, 5000), "ftruncate");
	map = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map == MAP_FAILED ? -1 : 0, "mmap");
	memcpy(map + 4990, "0123456789", 10);
	must(msync(map, 5000, MS_SYNC), "msync");
	must(munmap(map, 5000), "munmap");
	must(fsync(fd), "fsync");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_args;
		void (*run)(char **args);
	} commands[] = {
		{ "tmpfile", 1, make_tmpfile },	 { "copy", 2, copy },
		{ "partial", 1, write_partial }, { "append", 1, append },
		{ "mapped", 1, change_mapped },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) || argc != 2 + commands[i].n_args)
			continue;
		commands[i].run(argv + 2);
		return 0;
	}
	fprintf(stderr, "guest-ops: unknown command\n");
	return 1;
}
