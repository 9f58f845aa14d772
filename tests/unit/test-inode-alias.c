/* SPDX-License-Identifier: Apache-2.0 */
/* Shows that a watch tells whether two descriptors are on one inode. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuse/passthrough/inode-alias.h"

static void test_watches(void)
{
	g_autofree char *dir = g_dir_make_tmp("alias-XXXXXX", NULL);
	g_autofree char *a = g_build_filename(dir, "a", NULL);
	g_autofree char *b = g_build_filename(dir, "b", NULL);
	cleanup_fd int proc = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	struct inode_aliases aliases;
	int32_t saved = 0;
	int fd_a, fd_b, fd_dir, number;

	g_assert_true(g_file_set_contents(a, "x", 1, NULL));
	g_assert_cmpint(link(a, b), ==, 0);
	fd_a = open(a, O_PATH | O_CLOEXEC);
	fd_b = open(b, O_PATH | O_CLOEXEC);
	fd_dir = open(dir, O_PATH | O_CLOEXEC);
	alias_init(&aliases, &saved);
	aliases.proc_self_fd = proc;
	number = alias_watch(&aliases, fd_a);
	g_assert_cmpint(number, >, 0);
	g_assert_cmpint(alias_watch(&aliases, fd_b), ==, number);
	g_assert_cmpint(alias_watch(&aliases, fd_dir), !=, number);
	alias_unwatch(&aliases, (uint64_t)number);
	g_assert_cmpint(alias_watch(&aliases, fd_a), !=, number);
	g_assert_cmpuint(alias_unwatched(&aliases), !=, alias_unwatched(&aliases));
	alias_unwatch(&aliases, alias_unwatched(&aliases));
	alias_deinit(&aliases);
	close(fd_a);
	close(fd_b);
	close(fd_dir);
	g_assert_cmpint(g_unlink(a) | g_unlink(b) | g_rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inode-alias/one-inode-has-one-watch", test_watches);
	return g_test_run();
}
