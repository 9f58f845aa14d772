/* SPDX-License-Identifier: Apache-2.0 */
/* What the themes share: users, files of a kind, and processes. */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"

const struct actor root = { 0, 0, 0 };
const struct actor alice = { 1001, 1001, 0 };
const struct actor bob = { 1002, 1002, 0 };
const struct actor carol = { 1003, 1003, TEAM };

void become(const struct actor *who)
{
	must(setresuid((uid_t)-1, 0, (uid_t)-1));
	must(setgroups(who->group ? 1 : 0, &who->group));
	must(setresgid((gid_t)-1, who->gid, (gid_t)-1));
	must(setresuid((uid_t)-1, who->uid, (uid_t)-1));
	/* Else /proc/self/fd belongs to root after a change of user. */
	must(prctl(PR_SET_DUMPABLE, 1));
}

void make_file(const char *path, const struct actor *owner, mode_t mode)
{
	put(path, "text\n");
	must(lchown(path, owner->uid, owner->gid));
	must(chmod(path, mode));
}

void make_dir(const char *path, const struct actor *owner, mode_t mode)
{
	must(mkdir(path, 0700));
	must(lchown(path, owner->uid, owner->gid));
	must(chmod(path, mode));
}

void set_group(const char *path, gid_t gid, mode_t mode)
{
	must(lchown(path, (uid_t)-1, gid));
	must(chmod(path, mode));
}

void put(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	if (fd < 0)
		return;
	must(write(fd, text, strlen(text)));
	must(close(fd));
}

const char *get(const char *path)
{
	static char text[256];
	ssize_t len = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

int try_open(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags | O_CLOEXEC, mode);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static struct stat look(const char *path)
{
	struct stat st = { 0 };

	if (lstat(path, &st) < 0) {
		memset(&st, 0xff, sizeof(st));
		st.st_nlink = (nlink_t)-1;
	}
	return st;
}

long long size_of(const char *path)
{
	return look(path).st_size;
}

long mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? -1 : (long)(st.st_mode & 07777);
}

long links_of(const char *path)
{
	return (long)look(path).st_nlink;
}

long uid_of(const char *path)
{
	return look(path).st_uid;
}

long gid_of(const char *path)
{
	return look(path).st_gid;
}

long long inode_of(const char *path)
{
	return (long long)look(path).st_ino;
}

bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

bool all_bytes(const char *buf, size_t len, char byte)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte)
			return false;
	return true;
}

int in_child(int (*run)(const void *), const void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(run(arg));
	must(pid);
	must(waitpid(pid, &status, 0));
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int as_result(int error)
{
	errno = error;
	return error ? -1 : 0;
}
