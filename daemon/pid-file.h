/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file SOCKET.pid beside the socket: who serves there, and a lock that lets only one do so.
 */
#ifndef DAEMON_PID_FILE_H
#define DAEMON_PID_FILE_H

#include <sys/types.h>

struct pid_file {
	int fd;	    /* owned; holds the lock */
	char *path; /* owned; NULL when there is no file */
	dev_t dev;  /* which file we made, so that only that one is removed */
	ino_t ino;
};

#define PID_FILE_NULL    \
	{                \
		.fd = -1 \
	}

/*
 * Creates or takes over the file and writes the caller's pid. -EBUSY: a living process has it; what
 * is no regular file is -EEXIST; -errno otherwise.
 */
int pid_file_create(struct pid_file *file, const char *socket_path);

/* Gives up the lock; the file stays. Also after a fork, in the process that shall not remove it. */
void pid_file_close(struct pid_file *file);

/* Removes the file if it still is ours, and frees everything. */
void pid_file_remove(struct pid_file *file);

#endif
