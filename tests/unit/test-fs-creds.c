/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows, as root, that what a guest's user makes belongs to that user, that the daemon's thread is
 * itself again after success and failure, and that set-id bits go and stay as the kernel has it.
 */
#include "fs-unit.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "fuse/passthrough/creds.h"

#define UID   12345u
#define GID   23456u
#define GROUP 34567u

/* All that a switch could leave behind on this thread. */
static char *thread_status(void)
{
	g_autofree char *all = NULL;
	GString *text = g_string_new(NULL);

	g_assert_true(g_file_get_contents("/proc/thread-self/status", &all, NULL, NULL));
	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n"))
		if (g_str_has_prefix(line, "Uid:") || g_str_has_prefix(line, "Gid:") ||
		    g_str_has_prefix(line, "Groups:") || g_str_has_prefix(line, "Cap") ||
		    g_str_has_prefix(line, "Umask:"))
			g_string_append_printf(text, "%s\n", line);
	return g_string_free(text, false);
}

static void assert_unchanged(const char *before)
{
	g_autofree char *now = thread_status();

	g_assert_cmpstr(now, ==, before);
}

static void what_a_user_makes_belongs_to_it(void)
{
	const struct fs_caller caller = { .uid = UID, .gid = GID };
	g_autofree char *before = thread_status();
	struct fs_opened opened;
	struct fs_entry e[5];
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, FS_ROOT_ID, "d", 0700, &e[0]), ==, 0);
	g_assert_cmpint(fs_mknod(unit.thread, &caller, FS_ROOT_ID, "n", S_IFIFO | 0600, 0, &e[1]),
			==, 0);
	g_assert_cmpint(fs_symlink(unit.thread, &caller, FS_ROOT_ID, "s", "x", &e[2]), ==, 0);
	g_assert_cmpint(fs_create(unit.thread, &caller, FS_ROOT_ID, "c", 0400, O_RDWR, false, &e[3],
				  &opened),
			==, 0);
	/* The guest has checked the right to make devices. */
	g_assert_cmpint(fs_mknod(unit.thread, &caller, FS_ROOT_ID, "z", S_IFCHR | 0600,
				 (uint32_t)makedev(1, 3), &e[4]),
			==, 0);
	g_assert_cmpuint(e[4].attr.stx.stx_rdev_minor, ==, 3);
	for (int i = 0; i < 5; i++) {
		g_assert_cmpuint(e[i].attr.stx.stx_uid, ==, UID);
		g_assert_cmpuint(e[i].attr.stx.stx_gid, ==, GID);
	}
	assert_unchanged(before);
	fs_unit_stop(&unit);
}

/* In a directory and over a name that are not the user's: the guest has checked. */
static void a_whiteout_belongs_to_who_left_it(void)
{
	const struct fs_caller caller = { .uid = UID, .gid = GID };
	const struct fs_caller unknown = { .uid = FS_NO_ID, .gid = FS_NO_ID };
	g_autofree char *before = thread_status();
	struct fs_unit unit;
	struct stat st;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	fs_unit_write(&unit, "b", "");
	g_assert_cmpint(fchmod(unit.dir_fd, 01755), ==, 0);
	g_assert_cmpint(
		fs_rename(unit.thread, &caller, FS_ROOT_ID, "a", FS_ROOT_ID, "c", RENAME_WHITEOUT),
		==, 0);
	assert_unchanged(before);
	g_assert_cmpint(fstatat(unit.dir_fd, "a", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
	g_assert_cmpuint(st.st_uid, ==, UID);
	g_assert_cmpuint(st.st_gid, ==, GID);
	g_assert_cmpint(
		fs_rename(unit.thread, &unknown, FS_ROOT_ID, "b", FS_ROOT_ID, "c", RENAME_WHITEOUT),
		==, 0);
	g_assert_cmpint(fstatat(unit.dir_fd, "b", &st, AT_SYMLINK_NOFOLLOW), ==, 0);
	g_assert_cmpuint(st.st_uid, ==, 0);
	fs_unit_stop(&unit);
}

/* It knows the groups, ACLs and capabilities of its caller. The kernel here knows the ids. */
static void where_a_user_may_create_is_decided_by_the_guest(void)
{
	const struct fs_caller plain = { .uid = UID, .gid = GID };
	const struct fs_caller grouped = {
		.uid = UID, .gid = GID, .has_group = true, .group = GROUP
	};
	g_autofree char *before = thread_status();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t dir;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0), ==, 0);
	g_assert_cmpint(fchownat(unit.dir_fd, "dir", 0, GROUP, 0), ==, 0);
	g_assert_cmpint(fchmodat(unit.dir_fd, "dir", 02770, 0), ==, 0);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(fs_mkdir(unit.thread, &plain, dir, "a", 0755, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_uid, ==, UID);
	g_assert_cmpuint(entry.attr.stx.stx_gid, ==, GROUP);
	g_assert_cmpint(fs_symlink(unit.thread, &plain, dir, "b", "x", &entry), ==, 0);
	g_assert_cmpint(fs_mknod(unit.thread, &plain, dir, "c", S_IFIFO | 0600, 0, &entry), ==, 0);
	g_assert_cmpint(fs_tmpfile(unit.thread, &plain, dir, 0600, O_RDWR, &entry, &opened), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_uid, ==, UID);
	/* Only a member of the group may make such a file. */
	g_assert_cmpint(
		fs_create(unit.thread, &plain, dir, "d", 02775, O_RDWR, false, &entry, &opened), ==,
		0);
	g_assert_cmpuint(entry.attr.stx.stx_mode & 07777, ==, 0775);
	g_assert_cmpint(
		fs_create(unit.thread, &grouped, dir, "e", 02775, O_RDWR, false, &entry, &opened),
		==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode & 07777, ==, 02775);
	g_assert_cmpuint(entry.attr.stx.stx_gid, ==, GROUP);
	assert_unchanged(before);
	fs_unit_stop(&unit);
}

static void failures_leave_nothing_on_the_thread(void)
{
	static const struct fs_caller callers[] = {
		{ .uid = UID, .gid = GID, .has_group = true, .group = GROUP, .umask = 077 },
		{ .uid = UID, .has_group = true, .group = GROUP },
		{ .gid = GID, .has_group = true, .group = GROUP },
		{ .has_group = true, .group = GROUP },
		{ .uid = UINT32_MAX, .gid = GID },
		{ .uid = UID, .gid = UINT32_MAX },
		{ .uid = UID, .gid = GID, .has_group = true, .group = UINT32_MAX },
	};
	g_autofree char *before = thread_status();
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "");
	for (size_t i = 0; i < G_N_ELEMENTS(callers); i++) {
		const struct fs_caller *caller = &callers[i];

		g_assert_cmpint(fs_mkdir(unit.thread, caller, FS_ROOT_ID, "a", 0755, &entry), <, 0);
		g_assert_cmpint(fs_symlink(unit.thread, caller, FS_ROOT_ID, "a", "x", &entry), <,
				0);
		g_assert_cmpint(fs_mknod(unit.thread, caller, FS_ROOT_ID, "a", S_IFCHR, 0, &entry),
				<, 0);
		g_assert_cmpint(fs_create(unit.thread, caller, FS_ROOT_ID, "a", 0600,
					  O_RDWR | O_EXCL, false, &entry, &opened),
				<, 0);
		assert_unchanged(before);
	}
	fs_unit_stop(&unit);
}

static void ids_that_cannot_be_are_eperm(void)
{
	const struct fs_caller caller = { .uid = UINT32_MAX, .gid = GID };
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, FS_ROOT_ID, "a", 0755, &entry), ==, -EPERM);
	fs_unit_stop(&unit);
}

static uint32_t mode_of(struct fs_unit *unit, const char *name)
{
	struct stat st;

	g_assert_cmpint(fstatat(unit->dir_fd, name, &st, 0), ==, 0);
	return st.st_mode & 07777;
}

static void make_set_id(struct fs_unit *unit, uint32_t mode)
{
	fs_unit_write(unit, "a", "text");
	g_assert_cmpint(fchmodat(unit->dir_fd, "a", mode, 0), ==, 0);
}

static ssize_t write_one(struct fs_unit *unit, uint64_t fh, bool kill_suidgid)
{
	char byte = 'x';
	const struct iovec iov = { &byte, 1 };

	return fs_write(unit->thread, &(struct fs_write){ .fh = fh, .kill_suidgid = kill_suidgid },
			&iov, 1);
}

static void a_write_drops_set_id_bits_when_the_writer_may_not_keep_them(void)
{
	g_autofree char *before = thread_status();
	struct fs_unit unit;
	uint64_t fh;

	fs_unit_start(&unit);
	make_set_id(&unit, 06755);
	fh = fs_unit_open(&unit, "a", O_WRONLY);
	g_assert_cmpint(write_one(&unit, fh, false), ==, 1);
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 06755);
	g_assert_cmpint(write_one(&unit, fh, true), ==, 1);
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 0755);
	assert_unchanged(before);
	fs_unit_stop(&unit);
}

/* Without group execution the bit marks a file for mandatory locking. */
static void a_file_that_its_group_may_not_execute_stays_set_group_id(void)
{
	static const gid_t groups[] = { 0, GROUP };
	g_autofree char *before = thread_status();
	struct fs_setattr set = { .fh = FS_NO_FH, .set_size = true, .kill_suidgid = true };
	struct fs_opened opened;
	struct fs_attr attr;
	struct fs_unit unit;
	struct fs_range range = { .length = 1, .kill_suidgid = true };
	uint64_t nodeid;

	fs_unit_start(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		fs_unit_write(&unit, "a", "text");
		g_assert_cmpint(fchownat(unit.dir_fd, "a", 0, groups[i], 0), ==, 0);
		make_set_id(&unit, 06745);
		range.fh = fs_unit_open(&unit, "a", O_WRONLY);
		g_assert_cmpint(write_one(&unit, range.fh, true), ==, 1);
		g_assert_cmpuint(mode_of(&unit, "a"), ==, 02745);
		make_set_id(&unit, 06745);
		g_assert_cmpint(fs_fallocate(unit.thread, &range), ==, 0);
		g_assert_cmpuint(mode_of(&unit, "a"), ==, 02745);
		make_set_id(&unit, 06745);
		nodeid = fs_unit_lookup(&unit, "a");
		g_assert_cmpint(fs_setattr(unit.thread, nodeid, &set, &attr), ==, 0);
		g_assert_cmpuint(attr.stx.stx_mode & 07777, ==, 02745);
		make_set_id(&unit, 06745);
		g_assert_cmpint(fs_open(unit.thread, nodeid, O_WRONLY | O_TRUNC, true, &opened), ==,
				0);
		g_assert_cmpuint(mode_of(&unit, "a"), ==, 02745);
		assert_unchanged(before);
	}
	fs_unit_stop(&unit);
}

static void ranges_and_copies_drop_set_id_bits_likewise(void)
{
	g_autofree char *before = thread_status();
	struct fs_range range = { .length = 10 };
	struct fs_copy copy = { .length = 2 };
	struct fs_unit unit;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "from", "from");
	make_set_id(&unit, 06755);
	copy.fh_in = fs_unit_open(&unit, "from", O_RDONLY);
	copy.fh_out = range.fh = fs_unit_open(&unit, "a", O_WRONLY);
	for (int kill = 0; kill < 2; kill++) {
		const uint32_t after = kill ? 0755 : 06755;

		make_set_id(&unit, 06755);
		range.kill_suidgid = copy.kill_suidgid = kill;
		g_assert_cmpint(fs_fallocate(unit.thread, &range), ==, 0);
		g_assert_cmpuint(mode_of(&unit, "a"), ==, after);
		make_set_id(&unit, 06755);
		g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, 2);
		g_assert_cmpuint(mode_of(&unit, "a"), ==, after);
	}
	assert_unchanged(before);
	fs_unit_stop(&unit);
}

static bool ctime_moves(struct fs_unit *unit, const struct fs_setattr *set)
{
	uint64_t nodeid = fs_unit_lookup(unit, "a");
	struct stat before;
	struct fs_attr attr;

	g_assert_cmpint(fstatat(unit->dir_fd, "a", &before, 0), ==, 0);
	/* The clock of time stamps is coarse. */
	for (int i = 0; i < 1000; i++) {
		g_assert_cmpint(fs_setattr(unit->thread, nodeid, set, &attr), ==, 0);
		if (attr.stx.stx_ctime.tv_sec != before.st_ctim.tv_sec ||
		    attr.stx.stx_ctime.tv_nsec != (uint32_t)before.st_ctim.tv_nsec)
			return true;
		g_usleep(1000);
	}
	return false;
}

static void a_chown_without_ids_drops_set_id_bits_and_moves_the_time_of_change(void)
{
	struct fs_setattr set = { .fh = FS_NO_FH, .touch = true };
	struct fs_unit unit;

	fs_unit_start(&unit);
	make_set_id(&unit, 0755);
	g_assert_true(ctime_moves(&unit, &set));
	/* The guest has had its say about them. */
	make_set_id(&unit, 06755);
	g_assert_cmpint(
		fs_setattr(unit.thread, fs_unit_lookup(&unit, "a"), &set, &(struct fs_attr){ 0 }),
		==, 0);
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 06755);
	set.kill_suidgid = true;
	g_assert_true(ctime_moves(&unit, &set));
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 0755);
	fs_unit_stop(&unit);
}

/* A directory keeps its bits whoever asks, so nothing stands against it. */
static void a_chown_without_ids_moves_the_time_of_change_of_any_directory(void)
{
	struct fs_setattr set = { .fh = FS_NO_FH, .touch = true };
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "a", 0755), ==, 0);
	g_assert_cmpint(fchmodat(unit.dir_fd, "a", 02755, 0), ==, 0);
	g_assert_true(ctime_moves(&unit, &set));
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 02755);
	fs_unit_stop(&unit);
}

static void truncation_drops_set_id_bits_likewise(void)
{
	g_autofree char *before = thread_status();
	struct fs_setattr set = { .fh = FS_NO_FH, .set_size = true, .kill_suidgid = true };
	struct fs_opened opened;
	struct fs_attr attr;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	make_set_id(&unit, 06755);
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_WRONLY | O_TRUNC, false, &opened), ==, 0);
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 06755);
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_WRONLY | O_TRUNC, true, &opened), ==, 0);
	g_assert_cmpuint(mode_of(&unit, "a"), ==, 0755);
	for (int with_fh = 0; with_fh < 2; with_fh++) {
		make_set_id(&unit, 06755);
		set.fh = with_fh ? opened.fh : FS_NO_FH;
		g_assert_cmpint(fs_setattr(unit.thread, nodeid, &set, &attr), ==, 0);
		g_assert_cmpuint(attr.stx.stx_mode & 07777, ==, 0755);
	}
	/* A mode that comes with it is meant as it is. */
	set.set_mode = true;
	set.mode = 04711;
	g_assert_cmpint(fs_setattr(unit.thread, nodeid, &set, &attr), ==, 0);
	g_assert_cmpuint(attr.stx.stx_mode & 07777, ==, 04711);
	assert_unchanged(before);
	fs_unit_stop(&unit);
}

static void a_new_owner_is_set_on_files_and_on_links_themselves(void)
{
	struct fs_setattr set = {
		.fh = FS_NO_FH, .set_uid = true, .uid = UID, .set_gid = true, .gid = GID
	};
	struct fs_attr attr;
	struct fs_unit unit;
	struct stat st;

	fs_unit_start(&unit);
	make_set_id(&unit, 04755);
	g_assert_cmpint(symlinkat("a", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(fs_setattr(unit.thread, fs_unit_lookup(&unit, "link"), &set, &attr), ==, 0);
	g_assert_cmpuint(attr.stx.stx_uid, ==, UID);
	g_assert_cmpint(fstatat(unit.dir_fd, "a", &st, 0), ==, 0);
	g_assert_cmpuint(st.st_uid, ==, 0);
	set.set_uid = false;
	g_assert_cmpint(fs_setattr(unit.thread, fs_unit_lookup(&unit, "a"), &set, &attr), ==, 0);
	g_assert_cmpuint(attr.stx.stx_uid, ==, 0);
	g_assert_cmpuint(attr.stx.stx_gid, ==, GID);
	g_assert_cmpuint(attr.stx.stx_mode & 07777, ==, 0755);
	fs_unit_stop(&unit);
}

/* Takes all capabilities from this thread only. */
static gpointer make_without_rights(gpointer arg)
{
	const struct fs_caller caller = {
		.uid = UID, .gid = GID, .has_group = true, .group = GROUP
	};
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	struct fs_entry entry;
	struct fs_unit *unit = arg;
	struct fs_thread *thread = fs_unit_thread(unit);

	g_assert_cmpint(syscall(SYS_capset, &head, none), ==, 0);
	g_assert_cmpint(fs_mkdir(thread, &caller, FS_ROOT_ID, "a", 0755, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_uid, ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_gid, ==, 0);
	g_free(thread);
	return NULL;
}

static void who_may_not_switch_makes_things_as_itself(void)
{
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_thread_join(g_thread_new("weak", make_without_rights, &unit));
	fs_unit_stop(&unit);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(2);
	close(fd);
}

static void ids_that_a_user_namespace_does_not_map_are_eperm(void)
{
	const struct fs_caller unknown_user = { .uid = UID };
	const struct fs_caller unknown_group = { .gid = GID };
	struct creds_scope scope;
	int status;
	/* Works where a sanitizer has a thread of its own, unlike unshare(2) after a fork. */
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		bool right;

		write_file("/proc/self/uid_map", "0 0 1");
		write_file("/proc/self/setgroups", "deny");
		write_file("/proc/self/gid_map", "0 0 1");
		right = creds_become(&scope, &unknown_user, 0) == -EPERM;
		creds_restore(&scope);
		right = right && creds_become(&scope, &unknown_group, 0) == -EPERM;
		creds_restore(&scope);
		_exit(right ? 0 : 1);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void set_append_only(struct fs_unit *unit, const char *name, bool on)
{
	int fd = openat(unit->dir_fd, name, O_RDONLY | O_CLOEXEC);
	int flags = 0;

	g_assert_cmpint(ioctl(fd, FS_IOC_GETFLAGS, &flags), ==, 0);
	flags = on ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
	g_assert_cmpint(ioctl(fd, FS_IOC_SETFLAGS, &flags), ==, 0);
	close(fd);
}

static void an_append_only_file_opens_for_appending(void)
{
	g_autofree char *text = NULL;
	struct fs_opened opened;
	struct fs_unit unit;
	uint64_t nodeid;

	fs_unit_start(&unit);
	fs_unit_write(&unit, "a", "text");
	set_append_only(&unit, "a", true);
	nodeid = fs_unit_lookup(&unit, "a");
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_WRONLY, false, &opened), ==, -EPERM);
	g_assert_cmpint(fs_open(unit.thread, nodeid, O_WRONLY | GUEST_O_APPEND, false, &opened), ==,
			0);
	g_assert_cmpint(write_one(&unit, opened.fh, false), ==, 1);
	text = fs_unit_read(&unit, "a");
	g_assert_cmpstr(text, ==, "textx");
	set_append_only(&unit, "a", false);
	fs_unit_stop(&unit);
}

static gpointer be_somebody_else(gpointer arg)
{
	const struct fs_caller caller = {
		.uid = UID, .gid = GID, .has_group = true, .group = GROUP
	};
	GAsyncQueue **queues = arg;
	struct creds_scope scope;

	g_assert_cmpint(creds_become(&scope, &caller, 0), ==, 0);
	g_assert_cmpint(setfsuid((uid_t)-1), ==, UID);
	g_async_queue_push(queues[0], queues);
	g_async_queue_pop(queues[1]);
	creds_restore(&scope);
	creds_restore(&scope);
	g_assert_cmpint(setfsuid((uid_t)-1), ==, 0);
	return NULL;
}

static void a_switch_is_of_one_thread_only(void)
{
	GAsyncQueue *queues[2] = { g_async_queue_new(), g_async_queue_new() };
	g_autofree char *before = thread_status();
	GThread *thread = g_thread_new("other", be_somebody_else, queues);

	g_async_queue_pop(queues[0]);
	assert_unchanged(before);
	g_async_queue_push(queues[1], queues);
	g_thread_join(thread);
	g_async_queue_unref(queues[0]);
	g_async_queue_unref(queues[1]);
}

struct family {
	struct fs_unit *unit;
	GAsyncQueue *masked, *made;
};

static void make_dir_without_umask(struct family *family, const char *name)
{
	const struct fs_caller caller = { .uid = UID, .gid = GID };
	struct fs_thread *thread = fs_unit_thread(family->unit);
	struct fs_entry entry;

	g_assert_cmpint(fs_mkdir(thread, &caller, FS_ROOT_ID, name, 0777, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_mode & 07777, ==, 0777);
	g_free(thread);
}

static gpointer make_dirs_in_child(gpointer arg)
{
	struct family *family = arg;

	g_async_queue_pop(family->masked);
	make_dir_without_umask(family, "meanwhile");
	g_async_queue_push(family->made, family);
	g_async_queue_pop(family->masked);
	make_dir_without_umask(family, "afterwards");
	return NULL;
}

/* Who starts a thread shares its umask with it, as leaders of a queue do with their followers. */
static gpointer mask_in_parent(gpointer arg)
{
	const struct fs_caller caller = { .uid = UID, .gid = GID, .umask = 077 };
	struct family *family = arg;
	struct creds_scope scope;
	GThread *child;

	g_assert_cmpint(creds_become(&scope, &caller, 0), ==, 0);
	creds_restore(&scope);
	child = g_thread_new("child", make_dirs_in_child, family);
	g_assert_cmpint(creds_become(&scope, &caller, 0), ==, 0);
	g_async_queue_push(family->masked, family);
	g_async_queue_pop(family->made);
	creds_restore(&scope);
	g_async_queue_push(family->masked, family);
	g_thread_join(child);
	return NULL;
}

static void a_umask_is_of_one_thread_only(void)
{
	struct fs_unit unit;
	struct family family = { &unit, g_async_queue_new(), g_async_queue_new() };

	fs_unit_start(&unit);
	g_thread_join(g_thread_new("parent", mask_in_parent, &family));
	fs_unit_stop(&unit);
	g_async_queue_unref(family.masked);
	g_async_queue_unref(family.made);
}

int main(int argc, char **argv)
{
	(void)umask(0);
	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(geteuid(), ==, 0);
	/* As the daemon before its first request. */
	g_assert_cmpint(setgroups(0, NULL), ==, 0);
	g_test_add_func("/fs-creds/what a user makes belongs to it",
			what_a_user_makes_belongs_to_it);
	g_test_add_func("/fs-creds/a whiteout belongs to who left it",
			a_whiteout_belongs_to_who_left_it);
	g_test_add_func("/fs-creds/where a user may create is decided by the guest",
			where_a_user_may_create_is_decided_by_the_guest);
	g_test_add_func("/fs-creds/failures leave nothing on the thread",
			failures_leave_nothing_on_the_thread);
	g_test_add_func("/fs-creds/ids that cannot be are EPERM", ids_that_cannot_be_are_eperm);
	g_test_add_func("/fs-creds/a write drops set-id bits when the writer may not keep them",
			a_write_drops_set_id_bits_when_the_writer_may_not_keep_them);
	g_test_add_func("/fs-creds/a file that its group may not execute stays set-group-ID",
			a_file_that_its_group_may_not_execute_stays_set_group_id);
	g_test_add_func("/fs-creds/ranges and copies drop set-id bits likewise",
			ranges_and_copies_drop_set_id_bits_likewise);
	g_test_add_func(
		"/fs-creds/a chown without ids drops set-id bits and moves the time of change",
		a_chown_without_ids_drops_set_id_bits_and_moves_the_time_of_change);
	g_test_add_func("/fs-creds/a chown without ids moves the time of change of any directory",
			a_chown_without_ids_moves_the_time_of_change_of_any_directory);
	g_test_add_func("/fs-creds/truncation drops set-id bits likewise",
			truncation_drops_set_id_bits_likewise);
	g_test_add_func("/fs-creds/a new owner is set on files and on links themselves",
			a_new_owner_is_set_on_files_and_on_links_themselves);
	g_test_add_func("/fs-creds/who may not switch makes things as itself",
			who_may_not_switch_makes_things_as_itself);
	g_test_add_func("/fs-creds/ids that a user namespace does not map are EPERM",
			ids_that_a_user_namespace_does_not_map_are_eperm);
	g_test_add_func("/fs-creds/an append-only file opens for appending",
			an_append_only_file_opens_for_appending);
	g_test_add_func("/fs-creds/a switch is of one thread only", a_switch_is_of_one_thread_only);
	g_test_add_func("/fs-creds/a umask is of one thread only", a_umask_is_of_one_thread_only);
	return g_test_run();
}
