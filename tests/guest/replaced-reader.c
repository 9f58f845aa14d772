/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in the guest: reads, looks at and runs files that the host replaces all the time, until the
 * file "stop" is there. Says how often, and what went wrong.
 *
 * replaced-reader FILE... [-- MAY-BE-ABSENT...]: each file has the same number in all its lines and
 * as many lines as version_lines() says; "program" is one that prints such a number. Those after
 * "--" are replaced as git does it, which removes them first and writes them under their names.
 * One open file each is kept for a while and must stay what it was.
 *
 * replaced-reader --is NUMBER FILE...: all have that number now.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX  64
#define KEPT_LOOKS 20

struct file {
	const char *name;
	bool loose;
	int kept_fd;
	long kept_version;
	int kept_looks;
};

static char text[1 << 20];
static unsigned int n_looks, n_versions, n_absent, n_parts, n_wrong;

static void wrong(const struct file *file, const char *what, int error)
{
	printf("%s: %s: %s\n", file->name, what, error ? strerror(error) : "wrong contents");
	n_wrong++;
}

static long version_lines(long version)
{
	return 1 + version * 37 % 3000;
}

/* The number in all lines of the first n bytes; -1: none or several; -2: not all lines. */
static long version_of(ssize_t n)
{
	char line[32];
	long version = strtol(text, NULL, 10), n_lines;
	size_t len;

	if (n <= 0)
		return -2;
	len = (size_t)snprintf(line, sizeof(line), "%07ld\n", version);
	for (ssize_t at = 0; at < n; at++)
		if (text[at] != line[(size_t)at % len])
			return -1;
	n_lines = n / (ssize_t)len;
	return n_lines == version_lines(version) && n % (ssize_t)len == 0 ? version : -2;
}

static ssize_t read_all(int fd)
{
	ssize_t n = 0, r;

	while ((r = pread(fd, text + n, sizeof(text) - 1 - (size_t)n, n)) > 0)
		n += r;
	text[n] = 0;
	return r < 0 ? -1 : n;
}

/* An open file, its size included, must not change or vanish. */
static void look_at_kept(struct file *file)
{
	struct stat st;
	ssize_t n = read_all(file->kept_fd);

	if (n < 0)
		wrong(file, "read of an open file", errno);
	else if (version_of(n) != file->kept_version)
		wrong(file, "an open file", 0);
	if (fstat(file->kept_fd, &st) < 0)
		wrong(file, "fstat of an open file", errno);
	else if (n >= 0 && st.st_size != n)
		wrong(file, "the size of an open file", 0);
	if (++file->kept_looks < KEPT_LOOKS)
		return;
	close(file->kept_fd);
	file->kept_fd = -1;
}

static bool may_be(const struct file *file, int error)
{
	if (!file->loose || error != ENOENT)
		return false;
	n_absent++;
	return true;
}

static void look_at(struct file *file)
{
	struct stat st;
	long version;
	ssize_t n;
	int fd;

	n_looks++;
	if (stat(file->name, &st) < 0 && !may_be(file, errno))
		wrong(file, "stat", errno);
	fd = open(file->name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (!may_be(file, errno))
			wrong(file, "open", errno);
		return;
	}
	n = read_all(fd);
	version = n < 0 ? 0 : version_of(n);
	if (n < 0)
		wrong(file, "read", errno);
	else if (version == -2 && file->loose)
		n_parts++;
	else if (version < 0)
		wrong(file, "read", 0);
	if (fstat(fd, &st) < 0)
		wrong(file, "fstat", errno);
	if (version > 0 && !file->loose && file->kept_fd < 0) {
		n_versions++;
		file->kept_fd = fd;
		file->kept_version = version;
		file->kept_looks = 0;
		return;
	}
	close(fd);
}

/* What it prints goes nowhere. */
static void run_program(void)
{
	const struct file program = { .name = "./program" };
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execl(program.name, program.name, (char *)NULL);
		_exit(errno == ESTALE ? 3 : 2);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		wrong(&program, "run", errno);
	else if (status)
		wrong(&program, "run", WEXITSTATUS(status) == 3 ? ESTALE : EIO);
}

static int all_are(long version, char **names)
{
	int status = 0;

	for (; *names; names++) {
		int fd = open(*names, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read_all(fd);
		long now = n < 0 ? 0 : version_of(n);

		if (now != version) {
			printf("%s has %ld, not %ld: %s\n", *names, now, version,
			       n < 0 ? strerror(errno) : "");
			status = 1;
		}
		if (fd >= 0)
			close(fd);
	}
	return status;
}

int main(int argc, char **argv)
{
	static struct file files[FILES_MAX];
	bool loose = false;
	int n = 0;

	if (argc > 3 && strcmp(argv[1], "--is") == 0)
		return all_are(atol(argv[2]), argv + 3);
	for (int i = 1; i < argc && n < FILES_MAX; i++) {
		if (strcmp(argv[i], "--") == 0)
			loose = true;
		else
			files[n++] = (struct file){ argv[i], loose, -1, 0, 0 };
	}
	for (unsigned int round = 0; access("stop", F_OK) < 0 && n_wrong < 20; round++) {
		for (int i = 0; i < n; i++) {
			look_at(&files[i]);
			if (files[i].kept_fd >= 0)
				look_at_kept(&files[i]);
		}
		if (round % 4 == 0)
			run_program();
	}
	printf("%u looks, %u files kept open; %u times absent, %u in part\n", n_looks, n_versions,
	       n_absent, n_parts);
	return n_wrong ? 1 : 0;
}
