/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service manager that hears when a daemon is ready.
 */
#include "tests/component/service.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/bounded.h"

int datagrams_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		test_die("%s: %s", path, strerror(errno));
	return fd;
}

char *datagram_from(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[2048];
	ssize_t n = poll(&p, 1, test_timeout_ms()) == 1 ? recv(fd, text, sizeof(text), 0) : -1;

	return n < 0 ? NULL : g_strndup(text, (gsize)n);
}

void service_init(struct service *service)
{
	service->dir = g_dir_make_tmp("service-XXXXXX", NULL);
	service->notify = g_build_filename(service->dir, "notify", NULL);
	service->other_socket = g_build_filename(service->dir, "socket", NULL);
	service->env = g_strconcat("NOTIFY_SOCKET=", service->notify, NULL);
	service->notify_fd = datagrams_at(service->notify);
}

void service_deinit(struct service *service)
{
	g_autofree char *pid_file = g_strconcat(service->other_socket, ".pid", NULL);

	close(service->notify_fd);
	(void)g_unlink(service->notify);
	(void)g_unlink(service->other_socket); /* with --sandbox=chroot they stay */
	(void)g_unlink(pid_file);
	g_assert_cmpint(g_rmdir(service->dir), ==, 0);
	g_free(service->dir);
	g_free(service->env);
	g_free(service->notify);
	g_free(service->other_socket);
}

void service_expect_ready(struct service *service)
{
	g_autofree char *text = datagram_from(service->notify_fd);

	if (g_strcmp0(text, "READY=1") != 0)
		test_die("the service manager heard %s", text ? text : "nothing");
}

void service_end_by_pid_file(const char *socket_path)
{
	g_autofree char *path = g_strconcat(socket_path, ".pid", NULL);
	g_autofree char *text = NULL;
	struct pollfd p = { .events = POLLIN };

	if (!g_file_get_contents(path, &text, NULL, NULL))
		test_die("there is no %s", path);
	p.fd = pidfd_open(atoi(text), 0);
	if (p.fd < 0 || kill(atoi(text), SIGTERM) < 0 || poll(&p, 1, test_timeout_ms()) != 1)
		test_die("process %s does not end", text);
	close(p.fd);
	g_assert_cmpint(access(path, F_OK), ==, -1);
}
