/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service manager that hears when a daemon is ready.
 */
#ifndef TESTS_COMPONENT_SERVICE_H
#define TESTS_COMPONENT_SERVICE_H

struct service {
	char *dir;
	char *env; /* NOTIFY_SOCKET=PATH */
	char *notify;
	char *other_socket; /* a path for a socket; removed at the end */
	int notify_fd;
};

void service_init(struct service *service);
void service_deinit(struct service *service);

/* Waits for the word; dies at the time limit. */
void service_expect_ready(struct service *service);

/* A socket for datagrams, and the text of the next one: NULL at the time limit; g_free() it. */
int datagrams_at(const char *path);
char *datagram_from(int fd);

/* Ends whom SOCKET.pid names and waits until the file is gone. */
void service_end_by_pid_file(const char *socket_path);

#endif
