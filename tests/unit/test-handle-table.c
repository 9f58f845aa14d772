/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that an fh leads to its open file until it is released, that the descriptor is closed with
 * the last user and not before, and that stale and made-up handles lead nowhere.
 */
#include <fcntl.h>
#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "fuse/passthrough/handle-table.h"

#define N_MAX 4u

struct unit {
	void *section;
	struct fd_budget budget;
	struct handle_table table;
};

static int init_table(struct unit *unit)
{
	unit->budget = (struct fd_budget){ .max = 2 * N_MAX };
	return htab_init(&unit->table, unit->section, N_MAX, &unit->budget);
}

static void start(struct unit *unit)
{
	unit->section = g_malloc0(htab_section_bytes(N_MAX));
	g_assert_cmpint(init_table(unit), ==, 0);
}

static void stop(struct unit *unit)
{
	htab_release_all(&unit->table);
	/* Every charge was given back. */
	g_assert_cmpuint(unit->budget.n_used, ==, 0);
	htab_deinit(&unit->table);
	g_free(unit->section);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int some_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static uint64_t must_add(struct unit *unit, enum handle_kind kind)
{
	struct handle_new new_handle = { .nodeid = 7, .fd = some_fd(), .kind = kind };
	uint64_t fh;

	(void)fd_budget_take(&unit->budget);
	g_assert_cmpint(htab_add(&unit->table, &new_handle, &fh), ==, 0);
	return fh;
}

static int release(struct unit *unit, uint64_t fh, enum handle_kind kind)
{
	struct handle_slot *slot = htab_get(&unit->table, fh, kind);
	int r;

	if (!slot)
		return -EBADF;
	r = htab_release(slot);
	htab_put(&unit->table, slot);
	return r;
}

static void a_handle_is_found_as_its_own_kind_only(void)
{
	struct handle_slot *slot;
	struct unit unit;
	uint64_t fh;

	start(&unit);
	fh = must_add(&unit, HANDLE_DIR);
	g_assert_null(htab_get(&unit.table, fh, HANDLE_FILE));
	slot = htab_get(&unit.table, fh, HANDLE_DIR);
	g_assert_nonnull(slot);
	g_assert_cmpuint(slot->nodeid, ==, 7);
	htab_put(&unit.table, slot);
	stop(&unit);
}

static void made_up_handles_lead_nowhere(void)
{
	static const uint64_t fhs[] = {
		0, 2, N_MAX, N_MAX + 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX,
	};
	struct unit unit;

	start(&unit);
	(void)must_add(&unit, HANDLE_FILE);
	for (size_t i = 0; i < G_N_ELEMENTS(fhs); i++)
		g_assert_cmpint(release(&unit, fhs[i], HANDLE_FILE), ==, -EBADF);
	stop(&unit);
}

static void a_node_leads_to_what_was_opened_from_it(void)
{
	struct handle_slot *slot;
	struct unit unit;
	uint64_t fh;

	start(&unit);
	g_assert_null(htab_find(&unit.table, 7));
	fh = must_add(&unit, HANDLE_FILE);
	g_assert_null(htab_find(&unit.table, 8));
	slot = htab_find(&unit.table, 7);
	g_assert_nonnull(slot);
	g_assert_cmpint(release(&unit, fh, HANDLE_FILE), ==, 0);
	g_assert_true(is_open(slot->fd));
	g_assert_null(htab_find(&unit.table, 7));
	htab_put(&unit.table, slot);
	stop(&unit);
}

static void a_released_handle_stays_bad_when_its_slot_is_used_again(void)
{
	struct unit unit;
	uint64_t old;
	uint64_t new;

	start(&unit);
	old = must_add(&unit, HANDLE_FILE);
	g_assert_cmpint(release(&unit, old, HANDLE_FILE), ==, 0);
	g_assert_cmpint(release(&unit, old, HANDLE_FILE), ==, -EBADF);
	new = must_add(&unit, HANDLE_FILE);
	g_assert_cmpuint((uint32_t) new, ==, (uint32_t)old);
	g_assert_cmpint(release(&unit, old, HANDLE_FILE), ==, -EBADF);
	g_assert_cmpint(release(&unit, new, HANDLE_FILE), ==, 0);
	stop(&unit);
}

static void the_last_user_of_a_released_handle_closes_it(void)
{
	struct handle_slot *slot;
	struct unit unit;
	uint64_t fh;
	int fd;

	start(&unit);
	fh = must_add(&unit, HANDLE_FILE);
	slot = htab_get(&unit.table, fh, HANDLE_FILE);
	fd = slot->fd;
	g_assert_cmpint(release(&unit, fh, HANDLE_FILE), ==, 0);
	g_assert_null(htab_get(&unit.table, fh, HANDLE_FILE));
	g_assert_cmpint(htab_release(slot), ==, -EBADF);
	g_assert_true(is_open(fd));
	htab_put(&unit.table, slot);
	g_assert_false(is_open(fd));
	stop(&unit);
}

static void a_full_table_refuses_and_closes(void)
{
	struct handle_new extra = { .kind = HANDLE_FILE };
	struct unit unit;
	uint64_t fh = 0;

	start(&unit);
	for (unsigned int i = 0; i < N_MAX; i++)
		fh = must_add(&unit, HANDLE_FILE);
	extra.fd = some_fd();
	(void)fd_budget_take(&unit.budget);
	g_assert_cmpint(htab_add(&unit.table, &extra, &fh), ==, -ENFILE);
	g_assert_false(is_open(extra.fd));
	htab_release_all(&unit.table);
	(void)must_add(&unit, HANDLE_FILE);
	stop(&unit);
}

static void handles_survive_a_new_table_on_the_same_section(void)
{
	struct handle_slot *slot;
	struct unit unit;
	uint64_t dir;
	uint64_t file;

	start(&unit);
	file = must_add(&unit, HANDLE_FILE);
	dir = must_add(&unit, HANDLE_DIR);
	slot = htab_get(&unit.table, dir, HANDLE_DIR);
	slot->position = 17;
	htab_deinit(&unit.table);
	g_assert_cmpint(init_table(&unit), ==, 0);
	slot = htab_get(&unit.table, dir, HANDLE_DIR);
	g_assert_nonnull(slot);
	g_assert_cmpuint(slot->position, ==, HANDLE_LOST);
	g_assert_true(is_open(slot->fd));
	htab_put(&unit.table, slot);
	g_assert_cmpint(release(&unit, file, HANDLE_FILE), ==, 0);
	stop(&unit);
}

#define N_THREADS 4
#define N_ROUNDS  20000

struct race {
	struct unit unit;
	uint64_t fh[N_MAX]; /* atomic */
};

static gpointer use_table(gpointer arg)
{
	struct race *race = arg;

	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		uint64_t *place = &race->fh[i % N_MAX];
		uint64_t fh = __atomic_load_n(place, __ATOMIC_RELAXED);
		struct handle_slot *slot = htab_get(&race->unit.table, fh, HANDLE_FILE);
		struct handle_new new_handle = { .kind = HANDLE_FILE };

		if (slot) {
			g_assert_true(is_open(slot->fd));
			if (i % 3 == 0)
				(void)htab_release(slot);
			g_assert_true(is_open(slot->fd));
			htab_put(&race->unit.table, slot);
			continue;
		}
		new_handle.fd = some_fd();
		(void)fd_budget_take(&race->unit.budget);
		if (htab_add(&race->unit.table, &new_handle, &fh) == 0)
			__atomic_store_n(place, fh, __ATOMIC_RELAXED);
		else
			htab_release_all(&race->unit.table);
	}
	return NULL;
}

static void many_threads_never_see_a_closed_descriptor(void)
{
	GThread *thread[N_THREADS];
	struct race race = { 0 };

	start(&race.unit);
	for (int i = 0; i < N_THREADS; i++)
		thread[i] = g_thread_new("user", use_table, &race);
	for (int i = 0; i < N_THREADS; i++)
		g_thread_join(thread[i]);
	htab_release_all(&race.unit.table);
	for (unsigned int i = 0; i < N_MAX; i++)
		(void)must_add(&race.unit, HANDLE_FILE);
	stop(&race.unit);
}

static void an_implicit_handle_is_found_by_its_node_and_closed_when_idle(void)
{
	struct handle_new new_handle = { .nodeid = 9,
					 .kind = HANDLE_FILE,
					 .flags = HANDLE_IMPLICIT };
	struct handle_slot *slot;
	struct unit unit;
	uint32_t index;
	uint64_t left;

	start(&unit);
	(void)must_add(&unit, HANDLE_FILE); /* the guest's own, never closed */
	new_handle.fd = some_fd();
	(void)fd_budget_take(&unit.budget);
	g_assert_cmpint(htab_add_pinned(&unit.table, &new_handle, &slot), ==, 0);
	g_assert_cmpuint(unit.table.n_implicit, ==, 1);
	index = htab_index(&unit.table, slot);
	/* In use, it is passed; just used, it is spared once. */
	left = 10;
	g_assert_null(htab_clock_next(&unit.table, &left));
	htab_put(&unit.table, slot);
	htab_touch(slot);
	left = 2;
	g_assert_null(htab_clock_next(&unit.table, &left));
	g_assert_null(htab_get_implicit(&unit.table, index, 8));
	g_assert_null(htab_get_implicit(&unit.table, 0, 7)); /* not implicit */
	g_assert_null(htab_get_implicit(&unit.table, UINT32_MAX, 9));
	/* By a number that was made up. */
	g_assert_null(htab_get(&unit.table, index + 1, HANDLE_FILE));
	g_assert_null(htab_get(&unit.table, index + 1, HANDLE_DIR));
	g_assert_true(htab_get_implicit(&unit.table, index, 9) == slot);
	htab_put(&unit.table, slot);
	left = htab_clock_rounds(&unit.table);
	g_assert_true(htab_clock_next(&unit.table, &left) == slot);
	g_assert_cmpint(htab_release(slot), ==, 0);
	htab_put(&unit.table, slot);
	g_assert_false(is_open(new_handle.fd));
	g_assert_null(htab_get_implicit(&unit.table, index, 9));
	g_assert_cmpuint(unit.table.n_implicit, ==, 0);
	stop(&unit);
}

static void count_fd(void *arg, int fd)
{
	unsigned int *n = arg;

	g_assert_true(is_open(fd));
	(*n)++;
}

/* As many as there are ways to die: in use, killed but in use, being torn down, being filled. */
static void a_successor_keeps_what_is_live_and_frees_the_rest(void)
{
	struct handle_slot *used, *killed;
	unsigned int n_fds = 0;
	struct unit unit;
	uint64_t live, dying, half;
	int dead_fd, stray;

	start(&unit);
	live = must_add(&unit, HANDLE_DIR);
	dying = must_add(&unit, HANDLE_FILE);
	half = must_add(&unit, HANDLE_FILE);
	used = htab_get(&unit.table, live, HANDLE_DIR);
	killed = htab_get(&unit.table, dying, HANDLE_FILE);
	g_assert_cmpint(htab_release(killed), ==, 0);
	dead_fd = killed->fd;
	/* Its last user has let go and ended before anything else. */
	unit.table.slots[(uint32_t)half - 1].word &= ~SLOT_LIVE;
	stray = unit.table.slots[(uint32_t)half - 1].fd;
	htab_deinit(&unit.table);
	htab_section_each_fd(unit.section, count_fd, &n_fds);
	g_assert_cmpuint(n_fds, ==, 2);
	g_assert_cmpint(init_table(&unit), ==, 0);
	g_assert_false(is_open(dead_fd));
	g_assert_cmpuint(unit.budget.n_used, ==, 1);
	g_assert_true(htab_get(&unit.table, live, HANDLE_DIR) == used);
	g_assert_cmpuint(used->position, ==, HANDLE_LOST);
	htab_put(&unit.table, used);
	g_assert_null(htab_get(&unit.table, dying, HANDLE_FILE));
	/* Neither id is given out again. */
	for (unsigned int i = 1; i < N_MAX; i++) {
		uint64_t fh = must_add(&unit, HANDLE_FILE);

		g_assert_cmpuint(fh, !=, dying);
		g_assert_cmpuint(fh, !=, half);
	}
	close(stray);
	stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/handle-table/a handle is found as its own kind only",
			a_handle_is_found_as_its_own_kind_only);
	g_test_add_func("/handle-table/made-up handles lead nowhere", made_up_handles_lead_nowhere);
	g_test_add_func("/handle-table/a node leads to what was opened from it",
			a_node_leads_to_what_was_opened_from_it);
	g_test_add_func("/handle-table/a released handle stays bad when its slot is used again",
			a_released_handle_stays_bad_when_its_slot_is_used_again);
	g_test_add_func("/handle-table/the last user of a released handle closes it",
			the_last_user_of_a_released_handle_closes_it);
	g_test_add_func("/handle-table/a full table refuses and closes",
			a_full_table_refuses_and_closes);
	g_test_add_func("/handle-table/handles survive a new table on the same section",
			handles_survive_a_new_table_on_the_same_section);
	g_test_add_func("/handle-table/many threads never see a closed descriptor",
			many_threads_never_see_a_closed_descriptor);
	g_test_add_func(
		"/handle-table/an implicit handle is found by its node and closed when idle",
		an_implicit_handle_is_found_by_its_node_and_closed_when_idle);
	g_test_add_func("/handle-table/a successor keeps what is live and frees the rest",
			a_successor_keeps_what_is_live_and_frees_the_rest);
	return g_test_run();
}
