/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the daemon as a given launcher does: exactly its arguments, descriptors, user, folder and
 * environment, nothing added.
 */
#ifndef TESTS_COMPONENT_LAUNCH_H
#define TESTS_COMPONENT_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/lib/fuse-calls.h"
#include "tests/lib/share.h"
#include "tests/lib/vmm.h"

struct launch_config {
	/* Without the program; @SHARE and @SOCKET stand for paths. */
	const char *const *args;
	const char *const *env; /* NAME=VALUE; "LISTEN_PID=" gets the pid */
	int listen_at; /* the launcher listens and passes this descriptor; 0: it does not */
	bool in_share; /* the working directory is the share */
	bool in_run;   /* it is where the socket, "sock", is to be */
	bool own_session;
	uid_t user;	 /* 0: root; also the group, owner of share and socket's folder */
	bool system_log; /* there is a /dev/log */
	/* System calls that fail: "CALL:ERROR" or "CALL#FIRSTARG:ERROR"; KILL for an error ends it. */
	const char *const *without;
	void (*prepare)(const char *socket, void *arg); /* before the start */
	void *arg;
};

struct launch {
	struct share share;
	char *dir; /* of socket and log */
	char *socket;
	char *log;     /* path of what it wrote to both streams */
	int syslog_fd; /* of the system log, or -1 */
	int listen_fd;
	int watch_fd; /* inotify on `dir` */
	pid_t pid;
	int pidfd;
	struct vmm vmm;
	struct fuse_client client;
};

/* On the heap because of its size. The daemon dies with the test. */
struct launch *launch_start(const struct launch_config *config);
/* Ends it by SIGKILL if it still runs; the share's surroundings must be untouched. */
void launch_free(struct launch *launch);

/* What it wrote so far; g_free() it. */
char *launch_output(const struct launch *launch);
/* Waits until it wrote that; dies at the time limit, or when it ended before. */
void launch_wait_output(struct launch *launch, const char *text);
/* The same for a line in which that format's directives stand for anything. */
void launch_wait_sentence(struct launch *launch, const char *format);
/* Waits until there is the socket file; the same. */
void launch_wait_socket(struct launch *launch);
/* Its exit status; dies when it does not end, or by a signal other than `signal`: then -signal. */
int launch_wait_end(struct launch *launch, int signal);

/* A guest mounts, writes a file, lists and reads it; the connection stays. */
void launch_use(struct launch *launch);
void launch_hang_up(struct launch *launch);

#endif
