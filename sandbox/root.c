/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file-system view: pivot_root, chroot, or none.
 *
 * Files are reopened through /proc/self/fd/N, so that one folder of /proc is needed for ever, and
 * nothing else of it. A detached clone of just that folder (open_tree) gives it: ".." ends at its
 * root, no other process can be named, and /proc itself goes away with the old root. No new proc
 * is mounted for that, since containers often forbid it.
 *
 * A worker that is made later (sandbox_seal_keeper) has another folder, that of its own process. It
 * is opened below a /proc that is not part of any view: the keeper's working directory, which a
 * worker leaves at once. In namespaces that is a new proc, not mounted anywhere, and the folder
 * becomes the worker's root, so that ".." ends there: above it a worker that is taken over would
 * find the program that it runs. In a chroot it is the host's, and the folder is cloned as above.
 *
 * A share may also be a single regular file. It then has no part in the view: the root becomes a
 * folder in which nothing lies but a list of our own descriptors, and the file is only the
 * descriptor that serving starts from.
 *
 * Mounts are slaves of the host's: what the host mounts or unmounts below the shared directory
 * later is followed, and nothing done here reaches the host.
 */
#include "sandbox/root.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"
#include "sandbox/caps.h"

#define PROC_SELF_FD "/proc/self/fd"
#define BARE_DIR     "/proc/self/fdinfo"
#define PROC_BELOW   "self/fd"

int root_check(const char *shared_dir)
{
	struct stat st;
	int r;

	if (stat(shared_dir, &st) < 0) {
		r = -errno;
		log_error("Cannot reach the shared directory '%s': %s; it must exist and be "
			  "accessible to user %u.",
			  shared_dir, log_strerror(r), geteuid());
		return r;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		log_error("The shared directory '%s' is not a directory, and no regular file; "
			  "share the directory that holds it.",
			  shared_dir);
		return -ENOTDIR;
	}
	if (faccessat(AT_FDCWD, shared_dir, S_ISDIR(st.st_mode) ? R_OK | X_OK : R_OK, AT_EACCESS) <
	    0) {
		r = -errno;
		log_error("User %u may not read the shared directory '%s': %s; change its mode or "
			  "owner, or start as another user.",
			  geteuid(), shared_dir, log_strerror(r));
		return r;
	}
	return 0;
}

/* After root_check(). */
static bool is_file(const char *shared_dir)
{
	struct stat st;

	return stat(shared_dir, &st) == 0 && S_ISREG(st.st_mode);
}

static int open_dir(const char *path)
{
	return neg_errno(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

enum confine {
	CONFINE,	      /* ".." must lead nowhere */
	CONFINE_IF_PERMITTED, /* root without CAP_SYS_ADMIN may not clone mounts */
	CONFINE_NOT,
};

static int open_proc_self_fd(enum confine confine)
{
	int fd = -EPERM;

	if (confine != CONFINE_NOT)
		fd = neg_errno(
			open_tree(AT_FDCWD, PROC_SELF_FD, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	if (fd < 0 && confine != CONFINE)
		fd = open_dir(PROC_SELF_FD);
	if (fd < 0)
		log_error("Cannot open %s: %s; /proc must be mounted, and where mounts are "
			  "forbidden use --sandbox=chroot or --sandbox=none.",
			  PROC_SELF_FD, log_strerror(fd));
	return fd;
}

/* Of the PID namespace this process is in; not mounted anywhere. -errno where that is forbidden. */
static int new_proc(void)
{
	cleanup_fd int fs = neg_errno(fsopen("proc", FSOPEN_CLOEXEC));
	int r = fs;

	if (r >= 0)
		r = neg_errno(fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0));
	if (r >= 0)
		r = neg_errno(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	if (r < 0)
		return r;
	return neg_errno(fsmount(fs, FSMOUNT_CLOEXEC,
				 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					 MOUNT_ATTR_NOEXEC));
}

/* What a keeper's workers find their descriptors below; -1: there is to be no keeper. */
static int open_proc_for_workers(const struct sandbox_options *options)
{
	int fd;

	if (!options->keeper || options->mode == SANDBOX_NONE)
		return -1;
	if (options->mode == SANDBOX_CHROOT)
		return open_dir("/proc");
	fd = new_proc();
	if (fd < 0)
		log_info("A server that dies will not be replaced: proc cannot be mounted (%s)",
			 log_strerror(fd));
	return fd;
}

/* The last change of the view. */
static int enter_proc(int workers_proc, struct sandbox_view *view)
{
	if (workers_proc < 0)
		return 0;
	if (fchdir(workers_proc) < 0)
		return -errno;
	fd_close(&view->proc_self_fd);
	return 0;
}

int root_enter_worker(const struct sandbox_options *options, struct sandbox_view *view)
{
	int fd = -EPERM;

	if (options->mode == SANDBOX_NONE) {
		fd = open_dir(PROC_SELF_FD);
	} else {
		if (options->mode == SANDBOX_CHROOT && caps_have(CAP_SYS_ADMIN))
			fd = neg_errno(open_tree(AT_FDCWD, PROC_BELOW,
						 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
		if (fd < 0)
			fd = open_dir(PROC_BELOW);
		/* Out of the keeper's. The root may be a folder of the keeper's own (BARE_DIR). */
		if (fd >= 0 && fchdir(fd) < 0)
			fd = -errno;
		/* Where ".." ends from now on; the root so far is open already. */
		if (fd >= 0 && options->mode == SANDBOX_NAMESPACE && chroot(".") < 0)
			fd = -errno;
	}
	if (fd < 0)
		log_error("Cannot open the worker's descriptors in /proc: %s", log_strerror(fd));
	view->proc_self_fd = fd;
	return MIN(fd, 0);
}

/* Before mount_setattr(2), Linux 5.12: only the topmost mount, keeping the flags it has. */
static int restrict_top_mount(int tree, bool readonly)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV;
	char path[sizeof(PROC_SELF_FD) + 12];
	struct statvfs sv;

	if (fstatvfs(tree, &sv) < 0)
		return -errno;
	if (readonly || (sv.f_flag & ST_RDONLY))
		flags |= MS_RDONLY;
	if (sv.f_flag & ST_NOEXEC)
		flags |= MS_NOEXEC;
	if (sv.f_flag & ST_NOATIME)
		flags |= MS_NOATIME;
	if (sv.f_flag & ST_NODIRATIME)
		flags |= MS_NODIRATIME;
	if (sv.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	snprintf(path, sizeof(path), PROC_SELF_FD "/%d", tree);
	return neg_errno(mount(NULL, path, NULL, flags, NULL));
}

/*
 * Serving never opens a device node and never runs a program, so the mount forbids both: a taken
 * over server cannot reach the host's disks through a node it makes.
 */
static int restrict_mounts(int tree, bool readonly)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID };
	int r;

	if (readonly)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	r = neg_errno(mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)));
	if (r != -ENOSYS)
		return r;
	if (readonly)
		log_warn("This kernel is too old to make submounts read-only; only the server "
			 "itself refuses writes there.");
	return restrict_top_mount(tree, readonly);
}

static int detach_from_host(void)
{
	int r = neg_errno(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));

	if (r < 0)
		log_error("Cannot detach the mount namespace from the host's: %s; use "
			  "--sandbox=chroot or --sandbox=none.",
			  log_strerror(r));
	return r;
}

/* `path` with everything mounted below it, as a mount attached over `target`. */
static int attach(const char *path, const char *target, bool readonly)
{
	cleanup_fd int tree = -1;
	int r;

	tree = neg_errno(
		open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	r = tree;
	if (r >= 0)
		r = neg_errno(move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH));
	if (r >= 0)
		r = restrict_mounts(tree, readonly);
	return r < 0 ? r : take_fd(&tree);
}

static int attach_logged(const struct sandbox_options *options, const char *path,
			 const char *target, bool readonly)
{
	int r = attach(path, target, readonly);

	if (r < 0)
		log_error("Cannot mount the shared directory '%s' in the sandbox: %s; use "
			  "--sandbox=chroot or --sandbox=none.",
			  options->shared_dir, log_strerror(r));
	return r;
}

/*
 * Puts the old root on top of the new one, and lets go of it: no folder for it is needed. The
 * kernel refuses with EINVAL where the current root is no mount point (a plain chroot, initramfs).
 * Then the root is changed only for this process, which will not be able to change it back, but
 * could by changing it once more: 1.
 */
static int pivot_into(int tree)
{
	bool only_chroot = false;
	int r = neg_errno(fchdir(tree));

	if (r == 0)
		r = (int)neg_errno(syscall(SYS_pivot_root, ".", "."));
	if (r == 0) {
		r = neg_errno(umount2(".", MNT_DETACH));
	} else if (r == -EINVAL) {
		r = neg_errno(chroot("."));
		only_chroot = true;
	}
	if (r == 0)
		r = neg_errno(chdir("/"));
	if (r < 0)
		log_error("pivot_root was refused: %s; a container's security profile may forbid "
			  "it, use --sandbox=chroot or --sandbox=none.",
			  log_strerror(r));
	return r < 0 ? r : only_chroot;
}

static int open_new_root(void)
{
	int fd = open_dir("/");

	if (fd < 0)
		log_error("Cannot open the root of the sandbox: %s; check the mode and owner of "
			  "the shared directory.",
			  log_strerror(fd));
	return fd;
}

int root_pivot(const struct sandbox_options *options, struct sandbox_view *ret_view)
{
	bool file = is_file(options->shared_dir);
	cleanup_fd int workers_proc = -1;
	cleanup_fd int proc = -1;
	cleanup_fd int tree = -1;
	cleanup_fd int root = -1;
	int r;

	proc = open_proc_self_fd(CONFINE);
	if (proc < 0)
		return proc;
	workers_proc = open_proc_for_workers(options);
	r = detach_from_host();
	if (r < 0)
		return r;
	tree = attach_logged(options, options->shared_dir, options->shared_dir, options->readonly);
	if (tree < 0)
		return tree;
	if (file) {
		root = take_fd(&tree);
		tree = attach_logged(options, BARE_DIR, "/", true);
		if (tree < 0)
			return tree;
	}
	r = pivot_into(tree);
	if (r < 0)
		return r;
	if (r > 0) { /* a worker's change of root would undo this one */
		log_info("A server that dies will not be replaced: the root is no mount point");
		fd_close(&workers_proc);
	}
	if (!file)
		root = open_new_root();
	if (root < 0)
		return root;
	*ret_view = (struct sandbox_view){ .root_fd = take_fd(&root),
					   .proc_self_fd = take_fd(&proc) };
	return enter_proc(workers_proc, ret_view);
}

static int open_share(const char *shared_dir)
{
	int fd = neg_errno(open(shared_dir, O_PATH | O_CLOEXEC));

	if (fd < 0)
		log_error("Cannot open the shared directory '%s': %s; it must be accessible to "
			  "user %u.",
			  shared_dir, log_strerror(fd), geteuid());
	return fd;
}

int root_chroot(const struct sandbox_options *options, struct sandbox_view *ret_view)
{
	const char *shared_dir = options->shared_dir;
	bool file = is_file(shared_dir);
	cleanup_fd int workers_proc = -1;
	cleanup_fd int proc = -1;
	cleanup_fd int root = -1;
	int r;

	if (!caps_have(CAP_SYS_CHROOT)) {
		log_error("--sandbox=chroot needs root (CAP_SYS_CHROOT); start as root, or use "
			  "--sandbox=namespace or --sandbox=none.");
		return -EPERM;
	}
	proc = open_proc_self_fd(CONFINE_IF_PERMITTED);
	if (proc < 0)
		return proc;
	workers_proc = open_proc_for_workers(options);
	if (file) {
		root = open_share(shared_dir);
		if (root < 0)
			return root;
	}
	if (chroot(file ? BARE_DIR : shared_dir) < 0 || chdir("/") < 0) {
		r = -errno;
		log_error("Cannot change the root to '%s': %s; use --sandbox=namespace or "
			  "--sandbox=none.",
			  shared_dir, log_strerror(r));
		return r;
	}
	if (!file)
		root = open_new_root();
	if (root < 0)
		return root;
	*ret_view = (struct sandbox_view){ .root_fd = take_fd(&root),
					   .proc_self_fd = take_fd(&proc) };
	return enter_proc(workers_proc, ret_view);
}

int root_plain(const struct sandbox_options *options, struct sandbox_view *ret_view)
{
	cleanup_fd int proc = open_proc_self_fd(CONFINE_NOT);
	cleanup_fd int root = -1;

	if (proc < 0)
		return proc;
	root = open_share(options->shared_dir);
	if (root < 0)
		return root;
	if (options->keeper)
		fd_close(&proc);
	*ret_view = (struct sandbox_view){ .root_fd = take_fd(&root),
					   .proc_self_fd = take_fd(&proc) };
	return 0;
}
