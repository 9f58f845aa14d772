/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file SOCKET.pid beside the socket: who serves there, and a lock that lets only one do so.
 *
 * Name, contents and kind of lock are those of the Rust daemon, so that each notices the other. That
 * one leaves its file behind; here the last step of a locker is to see whether the file is still the
 * one at that path, since its former owner may have removed it meanwhile.
 */
#include "daemon/pid-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* For reading: whoever takes over the daemon shall not choose who is sent the next signal. */
static int open_regular(const char *path, struct stat *ret)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR ? -EEXIST : -errno;
	if (fstat(fd, ret) < 0 || !S_ISREG(ret->st_mode)) {
		fd_close(&fd);
		return -EEXIST;
	}
	return fd;
}

/* The file at the path, locked; -EAGAIN when it was removed meanwhile. */
static int open_locked(const char *path, struct stat *ret)
{
	cleanup_fd int fd = open_regular(path, ret);
	struct stat now = { 0 };

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (lstat(path, &now) < 0 || now.st_dev != ret->st_dev || now.st_ino != ret->st_ino)
		return -EAGAIN;
	return take_fd(&fd);
}

static int write_pid(const char *path)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	char text[24];
	int n = snprintf(text, sizeof(text), "%d\n", getpid());

	if (fd < 0)
		return -errno;
	return write(fd, text, (size_t)n) == n ? 0 : -ENOSPC;
}

int pid_file_create(struct pid_file *file, const char *socket_path)
{
	struct stat st = { 0 };
	int r;

	*file = (struct pid_file)PID_FILE_NULL;
	if (asprintf(&file->path, "%s.pid", socket_path) < 0) {
		file->path = NULL;
		return -ENOMEM;
	}
	do
		file->fd = open_locked(file->path, &st);
	while (file->fd == -EAGAIN);
	r = file->fd < 0 ? file->fd : write_pid(file->path);
	if (r < 0) {
		pid_file_close(file);
		free(file->path);
		file->path = NULL;
		return r;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return 0;
}

void pid_file_close(struct pid_file *file)
{
	fd_close(&file->fd);
}

void pid_file_remove(struct pid_file *file)
{
	struct stat st;

	if (file->path && lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		(void)unlink(file->path); /* one that stays is taken over by the next */
	pid_file_close(file);
	free(file->path);
	file->path = NULL;
}
