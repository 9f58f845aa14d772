/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket: modes, stale and living files, inherited descriptors, and that only our
 * own file is ever removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/listener.h"

#define NO_GROUP ((gid_t)-1)

struct place {
	char *dir;
	char *path;
};

static void place_init(struct place *place)
{
	place->dir = g_dir_make_tmp("listener-XXXXXX", NULL);
	g_assert_nonnull(place->dir);
	place->path = g_build_filename(place->dir, "socket", NULL);
}

static void place_deinit(struct place *place)
{
	(void)unlink(place->path);
	g_assert_cmpint(rmdir(place->dir), ==, 0);
	g_free(place->path);
	g_free(place->dir);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(fd, >=, 0);
	g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -errno;
}

static void test_accept(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	struct place place;
	struct stat st;
	int client, fd;

	place_init(&place);
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, NO_GROUP), ==, 0);
	g_assert_cmpint(stat(place.path, &st), ==, 0);
	g_assert_true(S_ISSOCK(st.st_mode));
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);
	client = connect_to(place.path);
	g_assert_cmpint(client, >=, 0);
	fd = vhost_listener_accept(&listener);
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	g_assert_cmpint(write(client, "x", 1), ==, 1);
	close(client);
	close(fd);
	vhost_listener_close(&listener);
	g_assert_cmpint(access(place.path, F_OK), ==, 0);
	vhost_listener_deinit(&listener);
	g_assert_cmpint(access(place.path, F_OK), ==, -1);
	vhost_listener_deinit(&listener);
	place_deinit(&place);
}

static void test_group(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	struct place place;
	struct stat st;

	place_init(&place);
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, getegid()), ==, 0);
	g_assert_cmpint(stat(place.path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0660);
	g_assert_cmpint(st.st_gid, ==, getegid());
	vhost_listener_deinit(&listener);
	place_deinit(&place);
}

static void test_stale(void)
{
	struct vhost_listener dead = VHOST_LISTENER_NULL, fresh = VHOST_LISTENER_NULL;
	struct place place;
	int client;

	place_init(&place);
	g_assert_cmpint(vhost_listener_bind(&dead, place.path, NO_GROUP), ==, 0);
	vhost_listener_close(&dead);
	g_assert_cmpint(vhost_listener_bind(&fresh, place.path, NO_GROUP), ==, 0);
	client = connect_to(place.path);
	g_assert_cmpint(client, >=, 0);
	close(client);
	/* The former owner must not take the new one's file away. */
	if (dead.path_ino != fresh.path_ino) {
		vhost_listener_deinit(&dead);
		g_assert_cmpint(access(place.path, F_OK), ==, 0);
	} else {
		g_free(dead.path);
	}
	vhost_listener_deinit(&fresh);
	place_deinit(&place);
}

static void test_living(void)
{
	struct vhost_listener first = VHOST_LISTENER_NULL, second = VHOST_LISTENER_NULL;
	struct place place;
	int client;

	place_init(&place);
	g_assert_cmpint(vhost_listener_bind(&first, place.path, NO_GROUP), ==, 0);
	g_assert_cmpint(vhost_listener_bind(&second, place.path, NO_GROUP), ==, -EADDRINUSE);
	g_assert_cmpint(second.fd, ==, -1);
	vhost_listener_deinit(&second);
	/* Nor was the first one given a connection, whose end would be its own. */
	g_assert_cmpint(fcntl(first.fd, F_SETFL, O_NONBLOCK), ==, 0);
	g_assert_cmpint(accept(first.fd, NULL, NULL), ==, -1);
	client = connect_to(place.path);
	g_assert_cmpint(client, >=, 0);
	close(client);
	vhost_listener_deinit(&first);
	place_deinit(&place);
}

static void test_other_file(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	g_autofree char *target = NULL;
	g_autofree char *contents = NULL;
	struct place place;

	place_init(&place);
	g_assert_true(g_file_set_contents(place.path, "mine", -1, NULL));
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, NO_GROUP), ==, -EEXIST);
	vhost_listener_deinit(&listener);
	g_assert_true(g_file_get_contents(place.path, &contents, NULL, NULL));
	g_assert_cmpstr(contents, ==, "mine");
	g_assert_cmpint(unlink(place.path), ==, 0);
	target = g_build_filename(place.dir, "target", NULL);
	g_assert_cmpint(symlink(target, place.path), ==, 0);
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, NO_GROUP), ==, -EEXIST);
	g_assert_cmpint(access(target, F_OK), ==, -1);
	place_deinit(&place);
}

static void test_foreign_file_stays(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	g_autofree char *moved = NULL;
	struct place place;

	place_init(&place);
	moved = g_build_filename(place.dir, "moved", NULL);
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, NO_GROUP), ==, 0);
	g_assert_cmpint(rename(place.path, moved), ==, 0);
	g_assert_true(g_file_set_contents(place.path, "not ours", -1, NULL));
	vhost_listener_deinit(&listener);
	g_assert_cmpint(access(place.path, F_OK), ==, 0);
	g_assert_cmpint(unlink(moved), ==, 0);
	place_deinit(&place);
}

static void test_bad_paths(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	g_assert_cmpint(vhost_listener_bind(&listener, path, NO_GROUP), ==, -ENAMETOOLONG);
	path[108] = 0;
	g_assert_cmpint(vhost_listener_bind(&listener, path, NO_GROUP), ==, -ENAMETOOLONG);
	g_assert_cmpint(vhost_listener_bind(&listener, "", NO_GROUP), ==, -ENOENT);
	g_assert_cmpint(vhost_listener_bind(&listener, "/nowhere/at/all", NO_GROUP), ==, -ENOENT);
	g_assert_cmpint(listener.fd, ==, -1);
}

static void test_adopt(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	struct place place;
	int fd, client;

	place_init(&place);
	g_assert_cmpint(vhost_listener_adopt(&listener, 12345), ==, -EBADF);
	fd = eventfd(0, EFD_CLOEXEC);
	g_assert_cmpint(vhost_listener_adopt(&listener, fd), ==, -ENOTSOCK);
	close(fd);
	/* As a service manager hands it over: non-blocking, not close-on-exec. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	g_assert_cmpint(vhost_listener_adopt(&listener, fd), ==, -EINVAL);
	g_strlcpy(addr.sun_path, place.path, sizeof(addr.sun_path));
	g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
	g_assert_cmpint(vhost_listener_adopt(&listener, fd), ==, 0);
	g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	client = connect_to(place.path);
	fd = vhost_listener_accept(&listener);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	close(client);
	vhost_listener_deinit(&listener);
	g_assert_cmpint(access(place.path, F_OK), ==, 0); /* not ours to remove */
	place_deinit(&place);
}

static void *connect_later(void *path)
{
	int fd = connect_to(path);

	g_assert_cmpint(fd, >=, 0);
	close(fd);
	return NULL;
}

static void test_accept_waits(void)
{
	struct vhost_listener listener = VHOST_LISTENER_NULL;
	struct place place;
	pthread_t thread;
	int fd;

	place_init(&place);
	g_assert_cmpint(vhost_listener_bind(&listener, place.path, NO_GROUP), ==, 0);
	g_assert_cmpint(fcntl(listener.fd, F_SETFL, O_NONBLOCK), ==, 0);
	pthread_create(&thread, NULL, connect_later, place.path);
	fd = vhost_listener_accept(&listener);
	g_assert_cmpint(fd, >=, 0);
	pthread_join(thread, NULL);
	close(fd);
	vhost_listener_deinit(&listener);
	place_deinit(&place);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/listener/a-bound-socket-is-private-and-accepts", test_accept);
	g_test_add_func("/listener/a-group-may-connect-when-asked-for", test_group);
	g_test_add_func("/listener/a-stale-socket-is-replaced", test_stale);
	g_test_add_func("/listener/a-living-socket-is-left-alone", test_living);
	g_test_add_func("/listener/other-files-are-left-alone", test_other_file);
	g_test_add_func("/listener/a-file-that-took-the-place-is-not-removed",
			test_foreign_file_stays);
	g_test_add_func("/listener/impossible-paths-are-refused", test_bad_paths);
	g_test_add_func("/listener/an-inherited-socket-must-be-listening", test_adopt);
	g_test_add_func("/listener/accept-waits-on-a-non-blocking-socket", test_accept_waits);
	return g_test_run();
}
