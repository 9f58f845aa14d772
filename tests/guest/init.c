/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a test guest: mounts the share and runs one program in it.
 *
 * Linked statically, so that the same binary runs in an initramfs and on a root
 * file system that is the host's own. What to do comes in the environment, where
 * the kernel puts the words of its command line that it does not know:
 *
 *   LAB_MODDIR   folder of the modules to load
 *   LAB_MODULES  their names in loading order, separated by commas
 *   LAB_OVERLAY  set: lay a tmpfs over a read-only root, so that nothing the
 *                guest writes outside of the share reaches the host
 *   LAB_TAG      the virtio-fs tag to mount on /mnt
 *   LAB_OPTIONS  mount options, handed to the file system
 *   LAB_TERMINAL the program's terminal, apart from the console of the kernel
 *   LAB_SHELL    set: the program may read from that terminal too
 *
 * The arguments (kernel command line after "--") are the program and its own.
 * At the end "guest init: status N" goes to the console and the machine is
 * powered off. N is the program's exit status, 128 + signal when one killed it,
 * or 125 when this program could not get as far as running it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define STATUS_BROKEN 125

/* Where the writable root is put together before it becomes the root. */
#define OVERLAY_BASE  "/run"
#define NEW_ROOT      OVERLAY_BASE "/root"

static int complain(const char *what, const char *name)
{
	fprintf(stderr, "guest init: %s %s: %s\n", what, name, strerror(errno));
	return -1;
}

static int mount_on(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, options) < 0)
		return complain("cannot mount", where);
	return 0;
}

static int load_module(const char *folder, const char *name)
{
	char path[4096];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s.ko", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return complain("cannot open", path);
	ret = (int)syscall(SYS_finit_module, fd, "", 0);
	if (ret < 0 && errno != EEXIST)
		complain("cannot load", path);
	else
		ret = 0;
	close(fd);
	return ret;
}

static int load_modules(void)
{
	const char *folder = getenv("LAB_MODDIR");
	const char *names = getenv("LAB_MODULES");
	char *list, *name, *rest;
	int ret = 0;

	if (!folder || !names || !names[0])
		return 0;
	list = strdup(names);
	if (!list)
		return -1;
	rest = list;
	while (ret == 0 && (name = strsep(&rest, ",")))
		ret = load_module(folder, name);
	free(list);
	return ret;
}

/* Puts a tmpfs over the read-only root and moves into the result. */
static int enter_overlay(void)
{
	if (mount_on("tmpfs", OVERLAY_BASE, "mode=755") < 0)
		return -1;
	mkdir(OVERLAY_BASE "/upper", 0755);
	mkdir(OVERLAY_BASE "/work", 0755);
	if (mount_on("overlay", NEW_ROOT,
		     "lowerdir=/,upperdir=" OVERLAY_BASE "/upper,workdir=" OVERLAY_BASE "/work"))
		return -1;
	if (chdir(NEW_ROOT) < 0 || chroot(".") < 0)
		return complain("cannot enter", NEW_ROOT);
	return 0;
}

static int prepare_root(void)
{
	if (load_modules() < 0)
		return -1;
	if (getenv("LAB_OVERLAY") && enter_overlay() < 0)
		return -1;
	if (mount_on("proc", "/proc", NULL) < 0 || mount_on("sysfs", "/sys", NULL) < 0 ||
	    mount_on("devtmpfs", "/dev", NULL) < 0 || mount_on("tmpfs", "/run", NULL) < 0 ||
	    mount_on("tmpfs", "/dev/shm", NULL) < 0)
		return -1;
	mkdir("/dev/pts", 0755);
	if (mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=666") < 0)
		complain("no terminals in", "/dev/pts");
	mkdir("/tmp", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	return 0;
}

static int mount_share(void)
{
	const char *tag = getenv("LAB_TAG");

	if (!tag)
		return 0;
	mkdir("/mnt", 0755);
	if (mount(tag, "/mnt", "virtiofs", 0, getenv("LAB_OPTIONS")) < 0)
		return complain("cannot mount the share", tag);
	return chdir("/mnt");
}

/* Bytes go out as they are: no carriage returns are added. */
static void make_transparent(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) == 0) {
		t.c_oflag &= ~(tcflag_t)OPOST;
		tcsetattr(fd, TCSANOW, &t);
	}
}

static void set_streams(void)
{
	const char *terminal = getenv("LAB_TERMINAL");
	int out = open(terminal ? terminal : "/dev/console", O_RDWR | O_NOCTTY), in = out;

	if (out < 0)
		return;
	if (getenv("LAB_SHELL")) {
		ioctl(out, TIOCSCTTY, 0);
	} else {
		make_transparent(out);
		in = open("/dev/null", O_RDONLY);
	}
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
}

static void become_program(char **argv)
{
	setsid();
	set_streams();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	mkdir("/run/home", 0700);
	setenv("HOME", "/run/home", 1);
	setenv("LC_ALL", "C", 1);
	execv(argv[0], argv);
	complain("cannot run", argv[0]);
	_exit(127);
}

/* Runs the program to its end; other orphans are reaped on the way. */
static int run_program(char **argv)
{
	pid_t child = fork(), gone;
	int status;

	if (child < 0)
		return STATUS_BROKEN;
	if (child == 0)
		become_program(argv);
	do {
		gone = wait(&status);
		if (gone < 0 && errno != EINTR)
			return STATUS_BROKEN;
	} while (gone != child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void leave(void)
{
	tcdrain(STDERR_FILENO);
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (chdir("/") == 0 && getenv("LAB_TAG") && umount("/mnt") < 0 && errno != EINVAL)
		complain("cannot unmount", "/mnt");
	sync();
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	int status = STATUS_BROKEN;

	if (getpid() != 1) {
		fprintf(stderr, "%s: runs as the first process of a guest\n", argv[0]);
		return STATUS_BROKEN;
	}
	if (argc < 2)
		fprintf(stderr, "guest init: no program to run\n");
	else if (prepare_root() == 0 && mount_share() == 0)
		status = run_program(argv + 1);
	fprintf(stderr, "guest init: status %d\n", status);
	leave();
	return status;
}
