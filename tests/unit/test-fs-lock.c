/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that locks are the host's: seen by other processes, told apart by owner, answered as fcntl(2)
 * and flock(2) answer, and gone with the owner, the handle and the device.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "fs-unit.h"

#define GUEST_RDWR 2u

static struct fs_unit unit;
static int host_fd;

static void start(void)
{
	fs_unit_start(&unit);
	fs_unit_write(&unit, "file", "content");
	host_fd = openat(unit.dir_fd, "file", O_RDWR | O_CLOEXEC);
	g_assert_cmpint(host_fd, >=, 0);
}

static void stop(void)
{
	close(host_fd);
	fs_unit_stop(&unit);
}

static int lock(uint64_t fh, uint64_t owner, uint64_t start, uint64_t end, uint32_t type)
{
	const struct fs_lock l = {
		.owner = owner,
		.start = start,
		.end = end,
		.type = type,
		.pid = (uint32_t)owner * 10,
	};

	return fs_setlk(unit.thread, fh, &l);
}

static struct fs_lock ask(uint64_t fh, uint64_t owner, uint64_t start, uint64_t end, uint32_t type)
{
	struct fs_lock l = { .owner = owner, .start = start, .end = end, .type = type };

	g_assert_cmpint(fs_getlk(unit.thread, fh, &l), ==, 0);
	return l;
}

/* As another process would. */
static int host_lock(int command, off_t start, off_t len, short type)
{
	struct flock l = { .l_type = type, .l_start = start, .l_len = len };

	return fcntl(host_fd, command, &l) < 0 ? -errno : 0;
}

static void guest_and_host_see_each_other(void)
{
	struct fs_lock found;
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	g_assert_cmpint(lock(fh, 1, 0, 9, F_WRLCK), ==, 0);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 9, 1, F_RDLCK), ==, -EAGAIN);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 10, 10, F_WRLCK), ==, 0);
	g_assert_cmpint(lock(fh, 1, 19, 19, F_RDLCK), ==, -EAGAIN);
	found = ask(fh, 1, 0, INT64_MAX, F_RDLCK);
	g_assert_cmpuint(found.type, ==, F_WRLCK);
	g_assert_cmpuint(found.start, ==, 10);
	g_assert_cmpuint(found.end, ==, 19);
	g_assert_cmpuint(found.pid, ==, 0);
	g_assert_cmpint(lock(fh, 1, 0, INT64_MAX, F_UNLCK), ==, 0);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 0, 0, F_WRLCK), ==, 0);
	g_assert_cmpint(lock(fh, 1, 100, 100, F_RDLCK), ==, -EAGAIN);
	/* A classic lock has a process, which is nobody in the guest. */
	g_assert_cmpint(host_lock(F_OFD_SETLK, 0, 0, F_UNLCK), ==, 0);
	g_assert_cmpint(host_lock(F_SETLK, 5, 0, F_RDLCK), ==, 0);
	found = ask(fh, 1, 0, 100, F_WRLCK);
	g_assert_cmpuint(found.type, ==, F_RDLCK);
	g_assert_cmpuint(found.start, ==, 5);
	g_assert_cmpuint(found.end, ==, INT64_MAX);
	g_assert_cmpuint(found.pid, ==, 0);
	stop();
}

static void owners_are_told_apart_and_named(void)
{
	struct fs_lock found;
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	g_assert_cmpint(lock(fh, 1, 0, 9, F_RDLCK), ==, 0);
	g_assert_cmpint(lock(fh, 2, 5, 20, F_RDLCK), ==, 0);
	g_assert_cmpint(lock(fh, 2, 5, 20, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(lock(fh, 2, 10, 20, F_WRLCK), ==, 0);
	found = ask(fh, 1, 8, 30, F_WRLCK);
	g_assert_cmpuint(found.pid, ==, 20);
	/* Who has nothing locked is somebody else to all. */
	found = ask(fh, 3, 0, 0, F_WRLCK);
	g_assert_cmpuint(found.pid, ==, 10);
	g_assert_cmpuint(found.start, ==, 0);
	found = ask(fh, 2, 15, INT64_MAX, F_WRLCK);
	g_assert_cmpuint(found.type, ==, F_UNLCK);
	stop();
}

static void nonsense_is_answered_as_fcntl_answers(void)
{
	struct fs_lock l = { .owner = 1, .end = 5, .type = F_UNLCK };
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	g_assert_cmpint(lock(fh, 1, 0, 5, 3), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, 0, 5, UINT32_MAX), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, 0, 5, 65536 + F_WRLCK), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, 5, 4, F_RDLCK), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, UINT64_MAX, 4, F_RDLCK), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, 1ull << 63, UINT64_MAX, F_RDLCK), ==, -EINVAL);
	g_assert_cmpint(lock(fh, 1, 5, UINT64_MAX, F_RDLCK), ==, -EOVERFLOW);
	g_assert_cmpint(lock(fh, 1, INT64_MAX, INT64_MAX, F_RDLCK), ==, 0);
	g_assert_cmpint(fs_getlk(unit.thread, fh, &l), ==, -EINVAL);
	g_assert_cmpint(fs_flock(unit.thread, fh, 3), ==, -EINVAL);
	g_assert_cmpint(lock(fh + 1, 1, 0, 5, F_RDLCK), ==, -EBADF);
	g_assert_cmpint(fs_getlk(unit.thread, fh + 1, &l), ==, -EBADF);
	g_assert_cmpint(fs_flock(unit.thread, fh + 1, F_RDLCK), ==, -EBADF);
	g_assert_cmpint(fs_drop_locks(unit.thread, fh + 1, 1), ==, -EBADF);
	stop();
}

static void unlocking_what_was_never_locked_opens_nothing(void)
{
	unsigned int n_fds;
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	n_fds = fs_unit_count_fds();
	g_assert_cmpint(lock(fh, 1, 0, INT64_MAX, F_UNLCK), ==, 0);
	(void)ask(fh, 1, 0, 10, F_WRLCK);
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds);
	stop();
}

static void the_owner_that_closes_the_file_loses_its_locks(void)
{
	unsigned int n_fds;
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	n_fds = fs_unit_count_fds();
	g_assert_cmpint(lock(fh, 1, 0, 0, F_WRLCK), ==, 0);
	g_assert_cmpint(lock(fh, 2, 1, 1, F_WRLCK), ==, 0);
	g_assert_cmpint(fs_drop_locks(unit.thread, fh, 3), ==, 0);
	g_assert_cmpint(fs_drop_locks(unit.thread, fh, 1), ==, 1);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 0, 1, F_WRLCK), ==, 0);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 1, 1, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(fs_drop_locks(unit.thread, fh, 2), ==, 1);
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds);
	stop();
}

static void a_released_handle_takes_its_locks_along(void)
{
	uint64_t fh, other;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	other = fs_unit_open(&unit, "file", 0);
	g_assert_cmpint(lock(fh, 1, 0, 0, F_WRLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, fh, F_WRLCK), ==, 0);
	g_assert_cmpint(lock(other, 2, 1, 1, F_RDLCK), ==, 0);
	g_assert_cmpint(fs_release(unit.thread, fh), ==, 0);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 0, 1, F_WRLCK), ==, 0);
	g_assert_cmpint(flock(host_fd, LOCK_EX | LOCK_NB), ==, 0);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 1, 1, F_WRLCK), ==, -EAGAIN);
	stop();
}

static void a_reset_unlocks_everything(void)
{
	const struct fs_negotiated none = { 0 };
	uint64_t fh;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	g_assert_cmpint(lock(fh, 1, 0, INT64_MAX, F_WRLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, fh, F_WRLCK), ==, 0);
	fs_reset(unit.fs, &none);
	g_assert_cmpint(host_lock(F_OFD_SETLK, 0, 0, F_WRLCK), ==, 0);
	g_assert_cmpint(flock(host_fd, LOCK_EX | LOCK_NB), ==, 0);
	g_assert_cmpint(lock(fh, 1, 0, 1, F_WRLCK), ==, -EBADF);
	stop();
}

static void whole_files_are_locked_per_open_file(void)
{
	uint64_t a, b;

	start();
	a = fs_unit_open(&unit, "file", 0);
	b = fs_unit_open(&unit, "file", 0);
	g_assert_cmpint(fs_flock(unit.thread, a, F_RDLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, b, F_RDLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, b, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(flock(host_fd, LOCK_EX | LOCK_NB), <, 0);
	g_assert_cmpint(fs_flock(unit.thread, a, F_UNLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, b, F_WRLCK), ==, 0);
	g_assert_cmpint(flock(host_fd, LOCK_SH | LOCK_NB), <, 0);
	/* They have nothing to do with ranges. */
	g_assert_cmpint(lock(a, 1, 0, 0, F_RDLCK), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, b, F_UNLCK), ==, 0);
	g_assert_cmpint(flock(host_fd, LOCK_EX | LOCK_NB), ==, 0);
	g_assert_cmpint(fs_flock(unit.thread, a, F_RDLCK), ==, -EAGAIN);
	stop();
}

static void a_read_only_share_locks_for_reading_only(void)
{
	struct fs_options options = fs_unit_options();
	uint64_t fh;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "file", "content");
	fh = fs_unit_open(&unit, "file", 0);
	g_assert_cmpint(lock(fh, 1, 0, 0, F_RDLCK), ==, 0);
	g_assert_cmpint(lock(fh, 1, 0, 0, F_WRLCK), ==, -EBADF);
	fs_unit_stop(&unit);
}

static void too_many_owners_are_refused(void)
{
	struct fs_options options = fs_unit_options();
	uint64_t fh, owner = 0;
	unsigned int n_fds;

	start();
	fh = fs_unit_open(&unit, "file", GUEST_RDWR);
	while (lock(fh, owner, owner, owner, F_WRLCK) == 0)
		owner++;
	g_assert_cmpuint(owner, ==, options.max_lock_owners);
	n_fds = fs_unit_count_fds();
	g_assert_cmpint(lock(fh, owner, owner, owner, F_WRLCK), ==, -ENOLCK);
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds);
	g_assert_cmpint(fs_drop_locks(unit.thread, fh, 0), ==, 1);
	g_assert_cmpint(lock(fh, owner, owner, owner, F_WRLCK), ==, 0);
	stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-lock/guest and host see each other", guest_and_host_see_each_other);
	g_test_add_func("/fs-lock/owners are told apart and named",
			owners_are_told_apart_and_named);
	g_test_add_func("/fs-lock/nonsense is answered as fcntl answers",
			nonsense_is_answered_as_fcntl_answers);
	g_test_add_func("/fs-lock/unlocking what was never locked opens nothing",
			unlocking_what_was_never_locked_opens_nothing);
	g_test_add_func("/fs-lock/the owner that closes the file loses its locks",
			the_owner_that_closes_the_file_loses_its_locks);
	g_test_add_func("/fs-lock/a released handle takes its locks along",
			a_released_handle_takes_its_locks_along);
	g_test_add_func("/fs-lock/a reset unlocks everything", a_reset_unlocks_everything);
	g_test_add_func("/fs-lock/whole files are locked per open file",
			whole_files_are_locked_per_open_file);
	g_test_add_func("/fs-lock/a read-only share locks for reading only",
			a_read_only_share_locks_for_reading_only);
	g_test_add_func("/fs-lock/too many owners are refused", too_many_owners_are_refused);
	return g_test_run();
}
