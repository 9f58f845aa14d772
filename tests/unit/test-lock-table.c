/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that owners are found again, conflict with each other, are bounded in number and in what
 * they lock, and that nothing stays locked or open once they are dropped, whoever holds them.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <unistd.h>

#include "fuse/passthrough/lock-table.h"

static char *path;
static struct lock_table table;
static void *section;

static void start(uint32_t max_owners, uint32_t max_ranges)
{
	section = g_malloc0(ltab_section_bytes(max_owners, max_ranges));
	g_assert_cmpint(ltab_init(&table, section, max_owners, max_ranges), ==, 0);
}

static void stop(void)
{
	ltab_deinit(&table);
	g_free(g_steal_pointer(&section));
}

static int open_file(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static struct lock_owner *add(uint64_t nodeid, uint64_t owner, uint64_t fh)
{
	const struct lock_key key = { nodeid, owner };
	struct lock_owner *ret;

	g_assert_cmpint(ltab_add(&table, &key, fh, open_file(), &ret), ==, 0);
	return ret;
}

static int lock(struct lock_owner *owner, uint64_t start, uint64_t end, uint32_t type, uint32_t pid)
{
	const struct lock_range range = { start, end, type, pid };

	return ltab_set(&table, owner, &range);
}

/* Whether a process of the host could lock these bytes. */
static bool is_free(uint64_t start, uint64_t end)
{
	const struct lock_range range = { start, end, F_WRLCK, 0 };
	struct flock flock = ltab_flock(&range);
	int fd = open_file();

	g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &flock), ==, 0);
	close(fd);
	return flock.l_type == F_UNLCK;
}

static void owners_are_found_again_and_conflict(void)
{
	const struct lock_key key = { 7, 1 };
	struct lock_owner *a, *b, *again;

	start(10, 100);
	g_assert_true(ltab_empty(&table));
	a = add(7, 1, 100);
	b = add(7, 2, 101);
	again = ltab_get(&table, &key, LTAB_SAME_FH);
	g_assert_true(again == a);
	g_assert_cmpint(lock(a, 0, 9, F_WRLCK, 11), ==, 0);
	g_assert_cmpint(lock(again, 5, 9, F_WRLCK, 11), ==, 0);
	g_assert_cmpint(lock(b, 9, 20, F_RDLCK, 12), ==, -EAGAIN);
	g_assert_cmpint(lock(b, 10, 20, F_RDLCK, 12), ==, 0);
	g_assert_cmpuint(ltab_pid_of(&table, &b->key, 9), ==, 11);
	g_assert_cmpuint(ltab_pid_of(&table, &b->key, 10), ==, 0);
	g_assert_cmpuint(ltab_pid_of(&table, &a->key, 10), ==, 12);
	ltab_put(&table, again);
	ltab_put(&table, a);
	ltab_put(&table, b);
	g_assert_false(is_free(0, 20));
	g_assert_cmpuint(ltab_drop_owner(&table, &key), ==, 1);
	g_assert_cmpuint(ltab_drop_owner(&table, &key), ==, 0);
	g_assert_true(is_free(0, 9));
	g_assert_false(is_free(10, 10));
	stop();
	g_assert_true(is_free(0, 20));
}

static void a_dropped_owner_has_nothing_locked_whoever_holds_it(void)
{
	struct lock_owner *a;

	start(10, 100);
	a = add(7, 1, 100);
	g_assert_cmpint(lock(a, 0, INT64_MAX, F_WRLCK, 1), ==, 0);
	g_assert_cmpuint(ltab_drop_handle(&table, 7, 99), ==, 0);
	g_assert_cmpuint(ltab_drop_handle(&table, 7, 100), ==, 1);
	g_assert_true(is_free(0, INT64_MAX));
	g_assert_true(ltab_empty(&table));
	g_assert_cmpint(lock(a, 0, 1, F_WRLCK, 1), ==, 1);
	g_assert_true(is_free(0, INT64_MAX));
	ltab_put(&table, a);
	stop();
}

static void owners_and_ranges_are_bounded(void)
{
	const struct lock_key third = { 7, 3 };
	struct lock_owner *a, *b, *none;

	start(2, 3);
	a = add(7, 1, 100);
	b = add(7, 2, 100);
	g_assert_true(ltab_full(&table));
	g_assert_cmpint(ltab_add(&table, &third, 100, open_file(), &none), ==, -ENOLCK);
	g_assert_cmpint(lock(a, 0, 0, F_WRLCK, 1), ==, 0);
	g_assert_cmpint(lock(a, 2, 2, F_WRLCK, 1), ==, 0);
	/* Refused by the host: does not count. */
	g_assert_cmpint(lock(b, 2, 2, F_WRLCK, 1), ==, -EAGAIN);
	g_assert_cmpint(lock(b, 4, 6, F_WRLCK, 1), ==, 0);
	g_assert_cmpint(lock(b, 8, 8, F_WRLCK, 1), ==, -ENOLCK);
	/* To unlock in the middle takes a range, too. */
	g_assert_cmpint(lock(b, 5, 5, F_UNLCK, 1), ==, -ENOLCK);
	g_assert_cmpint(lock(a, 1, 1, F_WRLCK, 1), ==, 0);
	g_assert_cmpint(lock(b, 5, 5, F_UNLCK, 1), ==, 0);
	g_assert_true(is_free(5, 5));
	g_assert_cmpuint(table.n_ranges, ==, 3);
	ltab_put(&table, a);
	ltab_put(&table, b);
	ltab_drop_all(&table);
	g_assert_cmpuint(table.n_ranges, ==, 0);
	g_assert_cmpuint(table.n_owners, ==, 0);
	stop();
}

#define N_ROUNDS 3000

static void *lock_and_drop(void *arg)
{
	unsigned int me = GPOINTER_TO_UINT(arg);

	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		const struct lock_key key = { 7, i % 3 };
		struct lock_owner *owner = ltab_get(&table, &key, me);

		if (!owner && ltab_add(&table, &key, me, open_file(), &owner) < 0)
			continue;
		(void)lock(owner, i % 50, i % 70 + 50, i % 2 ? F_RDLCK : F_UNLCK, me);
		(void)ltab_pid_of(&table, &key, i % 50);
		ltab_put(&table, owner);
		if (i % 5 == me)
			ltab_drop_owner(&table, &key);
	}
	return NULL;
}

static void threads_may_lock_and_drop_as_they_like(void)
{
	pthread_t threads[4];

	start(2, 1000);
	for (unsigned int i = 0; i < 4; i++)
		g_assert_cmpint(
			pthread_create(&threads[i], NULL, lock_and_drop, GUINT_TO_POINTER(i)), ==,
			0);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ltab_drop_all(&table);
	g_assert_cmpuint(table.n_ranges, ==, 0);
	g_assert_true(is_free(0, INT64_MAX));
	stop();
}

/* What goes with the process; open and locked things do not. */
static void free_owner_memory(struct lock_owner *owner)
{
	lock_ranges_clear(&owner->ranges);
	free(owner->cells.cell);
	free(owner);
}

static void count_fd(void *arg, int fd)
{
	g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
	(*(unsigned int *)arg)++;
}

static void a_successor_has_the_same_owners_and_ranges(void)
{
	const struct lock_key first = { 7, 1 }, second = { 7, 2 };
	struct lock_owner *a, *b;
	unsigned int n_fds = 0;

	start(4, 6);
	a = add(7, 1, 100);
	b = add(7, 2, 101);
	g_assert_cmpint(lock(a, 0, 99, F_WRLCK, 11), ==, 0);
	g_assert_cmpint(lock(a, 40, 49, F_UNLCK, 11), ==, 0);
	g_assert_cmpint(lock(b, 40, 44, F_RDLCK, 12), ==, 0);
	/* A set that was written but did not become the owner's any more. */
	while (slot_pool_used(&table.save.ranges) < 8)
		(void)slot_pool_take(&table.save.ranges);
	table.save.range[7] = (struct lock_saved_range){ .owner = 1, .version = 77 };
	free_owner_memory(a);
	free_owner_memory(b);
	lock_save_deinit(&table.save);
	g_assert_cmpint(ltab_init(&table, section, 4, 6), ==, 0);
	ltab_section_each_fd(section, count_fd, &n_fds);
	g_assert_cmpuint(n_fds, ==, 2);
	g_assert_cmpuint(table.n_owners, ==, 2);
	g_assert_cmpuint(table.n_ranges, ==, 3);
	g_assert_cmpuint(ltab_pid_of(&table, &second, 10), ==, 11);
	g_assert_cmpuint(ltab_pid_of(&table, &second, 60), ==, 11);
	g_assert_cmpuint(ltab_pid_of(&table, &second, 45), ==, 0);
	g_assert_cmpuint(ltab_pid_of(&table, &first, 42), ==, 12);
	g_assert_false(is_free(0, 0));
	/* They go on as before. */
	a = ltab_get(&table, &first, LTAB_SAME_FH);
	g_assert_cmpuint(a->fh, ==, 100);
	g_assert_cmpint(lock(a, 42, 42, F_WRLCK, 11), ==, -EAGAIN);
	g_assert_cmpint(lock(a, 0, 99, F_UNLCK, 11), ==, 0);
	ltab_put(&table, a);
	g_assert_true(is_free(0, 39));
	g_assert_cmpuint(ltab_drop_handle(&table, 7, 101), ==, 1);
	g_assert_true(is_free(0, INT64_MAX));
	stop();
}

static void where_there_are_no_locks_there_is_nothing_to_find(void)
{
	unsigned int n_fds = 0;

	start(0, 6);
	ltab_section_each_fd(section, count_fd, &n_fds);
	g_assert_cmpuint(n_fds, ==, 0);
	g_assert_true(ltab_full(&table));
	stop();
}

int main(int argc, char **argv)
{
	int fd, status;

	g_test_init(&argc, &argv, NULL);
	fd = g_file_open_tmp("lock-table-XXXXXX", &path, NULL);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	g_test_add_func("/lock-table/owners are found again and conflict",
			owners_are_found_again_and_conflict);
	g_test_add_func("/lock-table/a dropped owner has nothing locked whoever holds it",
			a_dropped_owner_has_nothing_locked_whoever_holds_it);
	g_test_add_func("/lock-table/owners and ranges are bounded", owners_and_ranges_are_bounded);
	g_test_add_func("/lock-table/threads may lock and drop as they like",
			threads_may_lock_and_drop_as_they_like);
	g_test_add_func("/lock-table/a successor has the same owners and ranges",
			a_successor_has_the_same_owners_and_ranges);
	g_test_add_func("/lock-table/where there are no locks there is nothing to find",
			where_there_are_no_locks_there_is_nothing_to_find);
	status = g_test_run();
	g_unlink(path);
	g_free(path);
	return status;
}
