/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --daemonize: the process that was started waits until the daemon is ready, and ends.
 *
 * What goes wrong before is seen where it was started: on its standard error, and in its exit
 * status.
 */
#include "daemon/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static int ready_fd = -1; /* write end of the pipe to the waiting process */
static int null_fd = -1;

static _Noreturn void wait_for_ready(int fd, pid_t child)
{
	ssize_t n;
	int status;
	char byte;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			_exit(EXIT_FAILURE);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int background_enter(void)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int ends[2];
	pid_t child;

	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child > 0) {
		fd_close(&ends[1]);
		wait_for_ready(ends[0], child);
	}
	fd_close(&ends[0]);
	if (child < 0 || setsid() < 0) {
		fd_close(&ends[1]);
		return -errno;
	}
	ready_fd = ends[1];
	null_fd = take_fd(&null);
	return 0;
}

void background_let_go(void)
{
	if (null_fd < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup3(null_fd, fd, 0); /* dup2(2) is not in the filter */
	fd_close(&null_fd);
	fd_close(&ready_fd);
}

void background_tell_ready(void)
{
	if (ready_fd >= 0 && write(ready_fd, "", 1) != 1)
		log_debug("Nobody waits for the daemon to be ready");
	background_let_go();
}

void background_each_fd(void (*fn)(void *arg, int fd), void *arg)
{
	fn(arg, ready_fd);
	fn(arg, null_fd);
}
