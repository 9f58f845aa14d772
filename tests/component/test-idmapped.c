/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A share that is an id-mapped mount of the host: the guest sees and sets the ids of the mount, and
 * the file system below gets its own. Also a guest with id-mapped mounts, which tells ids only
 * where something is made. The mounts live in a mount namespace of this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

/* On disk an id of the mount is so much larger. */
#define SHIFT	 100000u
#define N_IDS	 65536u
#define USER	 1234u
#define GROUP	 5678u
#define UNMAPPED 70000u

static int disk_fd = -1; /* the same directory without the map */

static void write_map(pid_t pid, const char *file)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file);
	g_autofree char *line = g_strdup_printf("%u 0 %u", SHIFT, N_IDS);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
		test_die("%s: %s", path, strerror(errno));
	close(fd);
}

static int open_user_namespace(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", (int)pid);
	int fd;

	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		test_die("clone: %s", strerror(errno));
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		test_die("%s: %s", path, strerror(errno));
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return fd;
}

static void make_on_disk(const char *name, uint32_t uid)
{
	int fd = openat(disk_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(fchown(fd, uid, uid), ==, 0);
	close(fd);
}

static void populate(const struct share *share)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int tree;

	if (mount("test", share->dir, "tmpfs", 0, "size=16m,mode=755"))
		test_die("mount: %s", strerror(errno));
	disk_fd = open(share->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	g_assert_cmpint(fchown(disk_fd, SHIFT, SHIFT), ==, 0);
	make_on_disk("roots", SHIFT);
	make_on_disk("users", SHIFT + USER);
	attr.userns_fd = (uint64_t)open_user_namespace();
	tree = open_tree(AT_FDCWD, share->dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) ||
	    move_mount(tree, "", AT_FDCWD, share->dir, MOVE_MOUNT_F_EMPTY_PATH))
		test_die("id-mapped mount: %s", strerror(errno));
	close((int)attr.userns_fd);
	close(tree);
}

static void stop(struct fixture *f)
{
	close(disk_fd);
	g_assert_cmpint(umount2(f->share.dir, MNT_DETACH), ==, 0);
	g_assert_cmpint(umount2(f->share.dir, MNT_DETACH), ==, 0);
	fixture_stop(f);
}

static void check_disk(const char *name, uint32_t uid, uint32_t gid)
{
	struct stat st;

	g_test_message("%s", name);
	g_assert_cmpint(fstatat(disk_fd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_cmpuint(st.st_uid, ==, uid);
	g_assert_cmpuint(st.st_gid, ==, gid);
}

static uint32_t uid_seen(struct fuse_client *c, const char *name)
{
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_getattr(c, fuse_node(c, name), UINT64_MAX, &attr), ==, 0);
	return attr.attr.uid;
}

static int change_owner(struct fuse_client *c, const char *name, uint32_t uid)
{
	const struct fuse_setattr_in in = { .valid = FATTR_UID, .uid = uid };
	struct fuse_attr_out attr;
	int r = fuse_setattr(c, fuse_node(c, name), &in, &attr);

	if (r == 0)
		g_assert_cmpuint(attr.attr.uid, ==, uid);
	return r;
}

static void check_creations(struct fuse_client *c)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	c->uid = USER;
	c->gid = GROUP;
	g_assert_cmpint(fuse_mkdir(c, FUSE_ROOT_ID, "d", 0755, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.uid, ==, USER);
	g_assert_cmpint(fuse_symlink(c, FUSE_ROOT_ID, "s", "x", &entry), ==, 0);
	g_assert_cmpint(fuse_mknod(c, FUSE_ROOT_ID, "n", S_IFIFO | 0644, 0, &entry), ==, 0);
	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, "c", 0644, O_RDWR, &entry, &open), ==, 0);
	for (const char *name = "dsnc"; *name; name++)
		check_disk((const char[]){ *name, '\0' }, SHIFT + USER, SHIFT + GROUP);
	c->uid = 0;
	c->gid = 0;
	g_assert_cmpint(fuse_mkdir(c, FUSE_ROOT_ID, "r", 0755, &entry), ==, 0);
	check_disk("r", SHIFT, SHIFT);
	/* As on the mount itself. */
	c->uid = UNMAPPED;
	g_assert_cmpint(fuse_mkdir(c, FUSE_ROOT_ID, "u", 0755, &entry), ==, -EOVERFLOW);
	g_assert_cmpint(faccessat(disk_fd, "u", F_OK, 0), ==, -1);
	c->uid = 0;
}

static void test_host_mount(void)
{
	static const char *const none[] = { "--sandbox=none", NULL };
	static const char *const *const args[] = { NULL, none };

	for (size_t i = 0; i < G_N_ELEMENTS(args); i++) {
		struct fixture_config config = { .populate = populate, .args = args[i] };
		struct fixture *f = fixture_start(&config);
		struct fuse_client *c = &f->client;
		struct fuse_open_out open;

		g_assert_cmpuint(uid_seen(c, ""), ==, 0);
		g_assert_cmpuint(uid_seen(c, "roots"), ==, 0);
		g_assert_cmpuint(uid_seen(c, "users"), ==, USER);
		check_creations(c);
		g_assert_cmpint(change_owner(c, "roots", 42), ==, 0);
		check_disk("roots", SHIFT + 42, SHIFT);
		g_assert_cmpint(change_owner(c, "roots", UNMAPPED), ==, -EOVERFLOW);
		/* The daemon's rights reach through the map. */
		g_assert_cmpint(fuse_open(c, fuse_node(c, "users"), O_RDWR, &open), ==, 0);
		g_assert_cmpint(fuse_write(c, fuse_node(c, "users"), open.fh, 0, 1, "x",
					   FUSE_WRITE_KILL_SUIDGID),
				==, 1);
		stop(f);
	}
}

/* Linux since 6.12: what makes something has the ids of the mount, all else has none. */
static void test_guest_mount(void)
{
	struct fixture *f = fixture_start(NULL);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	g_assert_true(c->init_flags & FUSE_ALLOW_IDMAP);
	c->uid = USER;
	c->gid = GROUP;
	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, "a", 0600, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpuint(entry.attr.uid, ==, USER);
	c->uid = UINT32_MAX;
	c->gid = UINT32_MAX;
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, 1, "x", 0), ==, 1);
	g_assert_cmpint(fuse_fallocate(c, entry.nodeid, open.fh, 0, 10, 0), ==, 0);
	g_assert_cmpint(fuse_open(c, entry.nodeid, O_RDWR | O_TRUNC, &open), ==, 0);
	g_assert_cmpint(change_owner(c, "a", 42), ==, 0);
	g_assert_cmpint(fuse_link(c, entry.nodeid, FUSE_ROOT_ID, "b", &entry), ==, 0);
	g_assert_cmpint(fuse_rename(c, FUSE_ROOT_ID, "b", FUSE_ROOT_ID, "c"), ==, 0);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "c"), ==, 0);
	/* Somebody whom the guest's mount does not map can own nothing. */
	g_assert_cmpint(fuse_mkdir(c, FUSE_ROOT_ID, "d", 0755, &entry), ==, -EOVERFLOW);
	g_assert_false(share_exists(&f->share, "d"));
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		test_die("mount namespace: %s", strerror(errno));
	g_test_add_func("/idmapped/a-mount-of-the-host", test_host_mount);
	g_test_add_func("/idmapped/a-mount-in-the-guest", test_guest_mount);
	return g_test_run();
}
