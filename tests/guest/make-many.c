/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make-many DIRECTORY N: makes N empty files in it, 500 in a folder and 100 folders in each of
 * those above, as fast as the file system permits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_EACH   500
#define FOLDERS_EACH 100

static int must(int r, const char *name)
{
	if (r < 0) {
		perror(name);
		exit(1);
	}
	return r;
}

static int folder(int above, const char *format, long number)
{
	char name[64];

	snprintf(name, sizeof(name), format, number);
	must(mkdirat(above, name, 0755), name);
	return must(openat(above, name, O_PATH | O_DIRECTORY | O_CLOEXEC), name);
}

/* Names are of the length that mail and caches have. */
static void make_files(int fd, long first, long end)
{
	char name[64];

	for (long i = first; i < end; i++) {
		snprintf(name, sizeof(name), "a-name-as-long-as-many-are-%013ld", i);
		must(mknodat(fd, name, S_IFREG | 0644, 0), name);
	}
}

int main(int argc, char **argv)
{
	int top, above = -1, fd;
	long n;

	if (argc != 3)
		return 2;
	n = atol(argv[2]);
	top = must(open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC), argv[1]);
	for (long i = 0; i < n; i += FILES_EACH) {
		if (i % (FILES_EACH * FOLDERS_EACH) == 0) {
			close(above);
			above = folder(top, "above-%ld", i);
		}
		fd = folder(above, "folder-%ld", i);
		make_files(fd, i, n < i + FILES_EACH ? n : i + FILES_EACH);
		close(fd);
	}
	return 0;
}
