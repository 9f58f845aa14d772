/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that one process at a time has the pid file of a socket, and that nothing but that very
 * file is ever written or removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/pid-file.h"

struct place {
	char *dir;
	char *socket;
	char *pid; /* the path there should be */
};

static void set_up(struct place *p, gconstpointer data)
{
	p->dir = g_dir_make_tmp("pid-file-XXXXXX", NULL);
	p->socket = g_build_filename(p->dir, "sock", NULL);
	p->pid = g_build_filename(p->dir, "sock.pid", NULL);
}

static void tear_down(struct place *p, gconstpointer data)
{
	(void)g_unlink(p->pid);
	g_assert_cmpint(g_rmdir(p->dir), ==, 0);
	g_free(p->dir);
	g_free(p->socket);
	g_free(p->pid);
}

static void it_holds_the_pid_and_goes_at_the_end(struct place *p, gconstpointer data)
{
	g_autofree char *pid = g_strdup_printf("%d\n", getpid());
	g_autofree char *text = NULL;
	struct pid_file file;
	struct stat st;

	g_assert_cmpint(pid_file_create(&file, p->socket), ==, 0);
	g_assert_true(g_file_get_contents(p->pid, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, pid);
	g_assert_cmpint(g_stat(p->pid, &st), ==, 0);
	g_assert_cmpuint(st.st_mode, ==, S_IFREG | 0600);
	pid_file_remove(&file);
	g_assert_cmpint(access(p->pid, F_OK), ==, -1);
	pid_file_remove(&file); /* twice is nothing */
}

static void a_second_owner_is_refused(struct place *p, gconstpointer data)
{
	struct pid_file first, second;

	g_assert_cmpint(pid_file_create(&first, p->socket), ==, 0);
	g_assert_cmpint(pid_file_create(&second, p->socket), ==, -EBUSY);
	pid_file_remove(&second);
	g_assert_cmpint(access(p->pid, F_OK), ==, 0);
	pid_file_remove(&first);
	g_assert_cmpint(pid_file_create(&second, p->socket), ==, 0);
	pid_file_remove(&second);
}

/* As a killed daemon leaves it, or the Rust daemon at any end. */
static void one_left_behind_is_taken_over(struct place *p, gconstpointer data)
{
	g_autofree char *pid = g_strdup_printf("%d\n", getpid());
	g_autofree char *text = NULL;
	struct pid_file file;

	g_assert_true(g_file_set_contents(p->pid, "1234567890 and more\n", -1, NULL));
	g_assert_cmpint(pid_file_create(&file, p->socket), ==, 0);
	g_assert_true(g_file_get_contents(p->pid, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, pid);
	pid_file_remove(&file);
}

static void what_is_in_the_way_stays(struct place *p, gconstpointer data)
{
	g_autofree char *aim = g_build_filename(p->dir, "aim", NULL);
	struct pid_file file;

	g_assert_cmpint(symlink("aim", p->pid), ==, 0);
	g_assert_cmpint(pid_file_create(&file, p->socket), ==, -EEXIST);
	g_assert_cmpint(access(aim, F_OK), ==, -1);
	g_assert_cmpint(g_unlink(p->pid), ==, 0);
	g_assert_cmpint(mkfifo(p->pid, 0600), ==, 0);
	g_assert_cmpint(pid_file_create(&file, p->socket), ==, -EEXIST);
	g_assert_cmpint(g_unlink(p->pid), ==, 0);
	g_assert_cmpint(g_mkdir(p->pid, 0700), ==, 0);
	g_assert_cmpint(pid_file_create(&file, p->socket), ==, -EEXIST);
	g_assert_cmpint(g_rmdir(p->pid), ==, 0);
}

static void somebody_elses_file_is_not_removed(struct place *p, gconstpointer data)
{
	struct pid_file file;

	g_assert_cmpint(pid_file_create(&file, p->socket), ==, 0);
	g_assert_cmpint(g_unlink(p->pid), ==, 0);
	g_assert_true(g_file_set_contents(p->pid, "2\n", -1, NULL));
	pid_file_remove(&file);
	g_assert_cmpint(access(p->pid, F_OK), ==, 0);
}

static void the_descriptor_that_stays_cannot_write(struct place *p, gconstpointer data)
{
	struct pid_file file;

	g_assert_cmpint(pid_file_create(&file, p->socket), ==, 0);
	g_assert_cmpint(fcntl(file.fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
	g_assert_cmpint(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	pid_file_remove(&file);
}

static void a_folder_that_is_missing_is_an_error(struct place *p, gconstpointer data)
{
	g_autofree char *nowhere = g_build_filename(p->dir, "no", "sock", NULL);
	struct pid_file file;

	g_assert_cmpint(pid_file_create(&file, nowhere), ==, -ENOENT);
	g_assert_cmpint(file.fd, ==, -1);
	pid_file_remove(&file);
}

#define ADD(name, function) g_test_add(name, struct place, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/pid-file/it holds the pid and goes at the end", it_holds_the_pid_and_goes_at_the_end);
	ADD("/pid-file/a second owner is refused", a_second_owner_is_refused);
	ADD("/pid-file/one left behind is taken over", one_left_behind_is_taken_over);
	ADD("/pid-file/what is in the way stays", what_is_in_the_way_stays);
	ADD("/pid-file/somebody else's file is not removed", somebody_elses_file_is_not_removed);
	ADD("/pid-file/the descriptor that stays cannot write",
	    the_descriptor_that_stays_cannot_write);
	ADD("/pid-file/a folder that is missing is an error", a_folder_that_is_missing_is_an_error);
	return g_test_run();
}
