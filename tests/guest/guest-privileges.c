/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in the guest: system calls that no tool of the shell makes. Ends with 0, or tells on
 * standard error what failed.
 *
 *   guest-privileges quiet FILE       reads it with O_NOATIME
 *   guest-privileges ioctl FILE       opens it with the access mode 3 and asks for its flags
 *   guest-privileges chown FILE       chown(2) to no other owner or group
 *   guest-privileges shared FILE      a shared mapping agrees with read(2) and write(2)
 *   guest-privileges idmap FROM TO    mounts FROM on TO with ids 1000 less than on FROM
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

static int must(long r, const char *what)
{
	if (r < 0) {
		perror(what);
		exit(1);
	}
	return (int)r;
}

static void read_quietly(char **args)
{
	int fd = must(open(args[0], O_RDONLY | O_NOATIME), args[0]);
	char byte;

	must(read(fd, &byte, 1) - 1, "read");
}

static void ask_flags(char **args)
{
	int fd = must(open(args[0], 3), args[0]);
	int flags;
	char byte;

	must(ioctl(fd, FS_IOC_GETFLAGS, &flags), "ioctl");
	must(read(fd, &byte, 1) < 0 ? 0 : -1, "read is refused");
}

static void chown_to_nobody(char **args)
{
	must(chown(args[0], (uid_t)-1, (gid_t)-1), "chown");
}

static void map_shared(char **args)
{
	int fd = must(open(args[0], O_RDWR | O_CREAT, 0644), args[0]);
	char *map;
	char text[6] = "";

	must(ftruncate(fd, 8192), "ftruncate");
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map == MAP_FAILED ? -1 : 0, "mmap");
	memcpy(map + 4096, "hello", 5);
	must(pread(fd, text, 5, 4096) - 5, "pread");
	must(strcmp(text, "hello") ? -1 : 0, "read sees what is mapped");
	must(pwrite(fd, "world", 5, 100) - 5, "pwrite");
	must(memcmp(map + 100, "world", 5) ? -1 : 0, "the mapping sees what is written");
	must(pwrite(fd, "world", 5, 4096) - 5, "pwrite");
	must(memcmp(map + 4096, "world", 5) ? -1 : 0, "the mapping sees what is written over it");
}

static void write_map(int pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = must(open(path, O_WRONLY), path);
	must(write(fd, "1000 0 1000", 11) - 11, path);
	must(close(fd), path);
}

/*
 * A process in a user namespace of its own. Who lives in a chroot may not have one, so it first goes
 * back to the root of the mount namespace.
 */
static int start_in_user_namespace(void)
{
	int root = must(open("/proc/self/ns/mnt", O_RDONLY), "/proc/self/ns/mnt");
	int ready[2];
	char byte = 0;
	int pid;

	must(pipe(ready), "pipe");
	pid = must(fork(), "fork");
	if (pid == 0) {
		must(setns(root, CLONE_NEWNS), "setns");
		must(unshare(CLONE_NEWUSER), "unshare");
		must(write(ready[1], &byte, 1), "write");
		for (;;)
			pause();
	}
	close(ready[1]);
	must(read(ready[0], &byte, 1) - 1, "a user namespace");
	return pid;
}

static void mount_mapped(char **args)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree = must(open_tree(AT_FDCWD, args[0], OPEN_TREE_CLONE), "open_tree");
	int pid = start_in_user_namespace();
	char path[64];

	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	attr.userns_fd = (unsigned int)must(open(path, O_RDONLY), path);
	must(kill(pid, SIGKILL), "kill");
	must(mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)), "mount_setattr");
	must(move_mount(tree, "", AT_FDCWD, args[1], MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_args;
		void (*run)(char **args);
	} commands[] = {
		{ "quiet", 1, read_quietly },	 { "ioctl", 1, ask_flags },
		{ "chown", 1, chown_to_nobody }, { "shared", 1, map_shared },
		{ "idmap", 2, mount_mapped },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) || argc != 2 + commands[i].n_args)
			continue;
		commands[i].run(argv + 2);
		return 0;
	}
	fprintf(stderr, "guest-privileges: unknown command\n");
	return 1;
}
