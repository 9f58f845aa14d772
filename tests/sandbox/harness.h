/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts sandbox-probe as one of several users and talks with it. Everything dies (fails the test)
 * on an unexpected end or after a time limit.
 */
#ifndef TESTS_SANDBOX_HARNESS_H
#define TESTS_SANDBOX_HARNESS_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

enum starter {
	AS_ROOT,
	AS_USER,		 /* uid and gid 65534, no groups, no capabilities */
	AS_USERNS_ROOT,		 /* root of a user namespace, as in a rootless container */
	AS_ROOT_WITHOUT_SETFCAP, /* root in a container that lacks some capabilities */
	N_STARTERS,
};

#define USER_ID	       65534u
#define USERNS_BASE_ID 100000u

struct probe {
	char *base;  /* owned: scratch folder */
	char *share; /* owned: the shared directory in it, with a file "hello" */
	pid_t pid;   /* the process started: launcher or server */
	int in, out, err;
	char *errors; /* all of stderr after probe_finish(), whose caller frees it */
};

/* `args` as sandbox-probe takes them, blanks between, without the share. */
void probe_start(struct probe *probe, enum starter starter, const char *args);
/* The same on a share of the caller's choice; `share` may be missing. */
void probe_start_on(struct probe *probe, enum starter starter, const char *args, const char *share);

/* One line from the probe; caller frees. */
char *probe_read(struct probe *probe);
/* Sends a command without waiting. */
void probe_send(struct probe *probe, const char *command);
/* Sends a command, compares the answer. */
void probe_expect(struct probe *probe, const char *command, const char *answer);

/* Starts, waits for "entered", seals. */
void probe_start_sealed(struct probe *probe, enum starter starter, const char *args);

/* The server process: the launcher's child, or the process itself without a launcher. */
pid_t probe_server(const struct probe *probe);

/* A line of /proc/PID/status of the server, without its name; caller frees. */
char *probe_status(const struct probe *probe, const char *field);
guint64 probe_status_hex(const struct probe *probe, const char *field);

/* Waits for the end and returns the wait status; fills `errors` and removes the scratch folder. */
int probe_finish(struct probe *probe);

/* probe_finish() of a probe that must have ended well. */
void probe_end(struct probe *probe);

/* Waits until the process behind a pidfd is gone. */
void wait_gone(int pidfd);
int open_pidfd(pid_t pid);

#endif
