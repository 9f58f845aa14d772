/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a nodeid leads to its inode for as long as the guest has lookups on it and to nothing
 * afterwards, that descriptors live exactly as long as inodes, and that all of it holds with many
 * threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse/passthrough/inode-table.h"

#define N_MAX 8u

struct unit {
	void *section;
	void *key_section;
	struct inode_fds fds;
	struct fd_budget budget;
	struct inode_table table;
};

static int some_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static struct inode_seen seen(uint64_t ino)
{
	return (struct inode_seen){
		.id = { .dev = 1, .mnt_id = 2, .ino = ino },
		.birth = ino * 10,
		.type = (uint16_t)S_IFREG,
	};
}

static int init_table(struct unit *unit)
{
	const struct inode_table_memory memory = { unit->section, unit->key_section, &unit->fds,
						   N_MAX };

	unit->budget = (struct fd_budget){ .max = 2 * N_MAX };
	return itab_init(&unit->table, &memory, &unit->budget);
}

/* A descriptor to give to the table. */
static int charged(struct unit *unit, int fd)
{
	(void)fd_budget_take(&unit->budget);
	return fd;
}

static void start(struct unit *unit)
{
	struct inode_found root = { .seen = seen(1) };

	unit->fds = (struct inode_fds){ 0 };
	unit->section = g_malloc0(itab_section_bytes(N_MAX));
	unit->key_section = g_malloc0(itab_key_section_bytes(N_MAX));
	g_assert_cmpint(init_table(unit), ==, 0);
	root.fd = charged(unit, some_fd());
	g_assert_cmpint(itab_set_root(&unit->table, &root), ==, 0);
}

static void stop(struct unit *unit)
{
	itab_forget_all(&unit->table, true);
	/* Every charge was given back. */
	g_assert_cmpuint(unit->budget.n_used, ==, 0);
	itab_deinit(&unit->table);
	g_free(unit->section);
	g_free(unit->key_section);
}

static int add(struct unit *unit, uint64_t ino, int fd, uint64_t *ret_nodeid)
{
	struct inode_found found = { .seen = seen(ino), .fd = charged(unit, fd) };

	int r = itab_lookup_found(&unit->table, &found, ret_nodeid);

	return r < 0 ? r : 0;
}

static uint64_t must_add(struct unit *unit, uint64_t ino)
{
	uint64_t nodeid;

	g_assert_cmpint(add(unit, ino, some_fd(), &nodeid), ==, 0);
	return nodeid;
}

static uint64_t lookup_known(struct unit *unit, const struct inode_seen *file)
{
	struct inode_cold cold;

	return itab_lookup_known(&unit->table, file, NULL, &cold);
}

static bool known(struct unit *unit, uint64_t nodeid)
{
	struct inode_slot *slot = itab_get(&unit->table, nodeid);

	if (slot)
		itab_put(&unit->table, slot);
	return slot;
}

static void the_root_is_1_and_stays(void)
{
	struct unit unit;

	start(&unit);
	g_assert_true(known(&unit, ITAB_ROOT_ID));
	itab_forget(&unit.table, ITAB_ROOT_ID, UINT64_MAX);
	itab_forget_all(&unit.table, false);
	g_assert_true(known(&unit, ITAB_ROOT_ID));
	stop(&unit);
}

static void made_up_nodeids_are_unknown(void)
{
	static const uint64_t ids[] = {
		0,
		2,
		N_MAX,
		N_MAX + 1,
		UINT32_MAX,
		UINT64_C(1) << 32,
		(UINT64_C(1) << 32) | 1,
		UINT64_MAX,
	};
	struct unit unit;

	start(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
		g_assert_false(known(&unit, ids[i]));
		itab_forget(&unit.table, ids[i], 1);
	}
	stop(&unit);
}

static void one_identity_is_one_node_with_a_count(void)
{
	struct inode_seen file = seen(5);
	struct unit unit;
	uint64_t nodeid;
	int second = some_fd();
	uint64_t again;

	start(&unit);
	g_assert_cmpuint(lookup_known(&unit, &file), ==, 0);
	nodeid = must_add(&unit, 5);
	g_assert_cmpuint(lookup_known(&unit, &file), ==, nodeid);
	g_assert_cmpint(add(&unit, 5, second, &again), ==, 0);
	g_assert_cmpuint(again, ==, nodeid);
	g_assert_false(is_open(second));
	itab_forget(&unit.table, nodeid, 2);
	g_assert_true(known(&unit, nodeid));
	itab_forget(&unit.table, nodeid, 1);
	g_assert_false(known(&unit, nodeid));
	stop(&unit);
}

static void a_forgotten_nodeid_is_stale_when_its_slot_is_used_again(void)
{
	struct unit unit;
	uint64_t old;
	uint64_t new;

	start(&unit);
	old = must_add(&unit, 5);
	itab_forget(&unit.table, old, 1);
	new = must_add(&unit, 5);
	g_assert_cmpuint((uint32_t) new, ==, (uint32_t)old);
	g_assert_cmpuint(new, !=, old);
	g_assert_false(known(&unit, old));
	itab_forget(&unit.table, old, 1);
	g_assert_true(known(&unit, new));
	stop(&unit);
}

static void too_large_a_count_forgets_one_node_only(void)
{
	struct unit unit;
	uint64_t a;
	uint64_t b;

	start(&unit);
	a = must_add(&unit, 5);
	b = must_add(&unit, 6);
	itab_forget(&unit.table, a, UINT64_MAX);
	itab_forget(&unit.table, a, UINT64_MAX);
	g_assert_false(known(&unit, a));
	g_assert_true(known(&unit, b));
	stop(&unit);
}

static void a_pinned_inode_outlives_its_forgetting(void)
{
	struct unit unit;
	struct inode_slot *slot;
	uint64_t nodeid;
	int fd;

	start(&unit);
	nodeid = must_add(&unit, 5);
	slot = itab_get(&unit.table, nodeid);
	fd = slot->fd;
	itab_forget(&unit.table, nodeid, 1);
	g_assert_false(known(&unit, nodeid));
	g_assert_cmpint(itab_lookup_again(&unit.table, slot), ==, -ESTALE);
	g_assert_true(is_open(fd));
	/* Meanwhile the file may be found again, as a node of its own. */
	g_assert_cmpuint(must_add(&unit, 5), !=, nodeid);
	itab_put(&unit.table, slot);
	g_assert_false(is_open(fd));
	stop(&unit);
}

static void another_birth_or_type_is_not_known_without_a_descriptor(void)
{
	struct inode_seen other = seen(5);
	struct unit unit;
	uint64_t nodeid;

	start(&unit);
	nodeid = must_add(&unit, 5);
	other.birth++;
	g_assert_cmpuint(lookup_known(&unit, &other), ==, 0);
	other = seen(5);
	other.type = (uint16_t)S_IFIFO;
	g_assert_cmpuint(lookup_known(&unit, &other), ==, 0);
	g_assert_true(itab_probe(&unit.table, &other.id));
	g_assert_true(itab_may_be_known(&unit.table, &other.id));
	itab_forget(&unit.table, nodeid, 1);
	g_assert_false(itab_probe(&unit.table, &other.id));
	g_assert_false(itab_may_be_known(&unit.table, &other.id));
	stop(&unit);
}

static void a_full_table_refuses_and_closes(void)
{
	struct unit unit;
	uint64_t nodeid = 0;
	uint64_t ignored;
	int fd = -1;

	start(&unit);
	for (uint64_t ino = 2; ino <= N_MAX; ino++)
		nodeid = must_add(&unit, ino);
	fd = some_fd();
	g_assert_cmpint(add(&unit, 100, fd, &ignored), ==, -ENFILE);
	g_assert_false(is_open(fd));
	/* What is known is still found, and one that goes makes room. */
	(void)must_add(&unit, 2);
	itab_forget(&unit.table, nodeid, 1);
	(void)must_add(&unit, 100);
	stop(&unit);
}

static void the_index_is_rebuilt_from_the_slots(void)
{
	struct inode_seen file = seen(5);
	struct inode_seen gone = seen(6);
	struct unit unit;
	uint64_t kept;
	uint64_t left;
	uint64_t pinned;

	start(&unit);
	kept = must_add(&unit, 5);
	left = must_add(&unit, 6);
	pinned = must_add(&unit, 7);
	g_assert_nonnull(itab_get(&unit.table, kept));
	g_assert_nonnull(itab_get(&unit.table, pinned));
	itab_forget(&unit.table, left, 1);
	itab_forget(&unit.table, pinned, 1);
	/* Whoever pinned is gone without a trace. */
	itab_deinit(&unit.table);
	g_assert_cmpint(init_table(&unit), ==, 0);
	g_assert_true(known(&unit, ITAB_ROOT_ID));
	g_assert_cmpuint(lookup_known(&unit, &file), ==, kept);
	g_assert_cmpuint(lookup_known(&unit, &gone), ==, 0);
	g_assert_false(known(&unit, pinned));
	for (uint64_t ino = 100; ino < 100 + N_MAX - 2; ino++)
		(void)must_add(&unit, ino);
	itab_forget(&unit.table, kept, 2);
	g_assert_false(known(&unit, kept));
	stop(&unit);
}

/* ---- Cold inodes ---- */

static void set_name(struct unit *unit, struct inode_slot *slot, const char *text)
{
	struct inode_name name;

	g_assert_true(inode_name_set(&name, ITAB_ROOT_ID, text));
	itab_set_name(&unit->table, slot, &name);
}

/* The node becomes cold and is put. */
static void make_cold(struct unit *unit, uint64_t nodeid)
{
	struct inode_slot *slot = itab_get(&unit->table, nodeid);

	set_name(unit, slot, "name");
	g_assert_true(itab_cool(&unit->table, slot, inode_holds(slot)));
	g_assert_true(inode_is_cold(slot));
	itab_put(&unit->table, slot);
}

static void a_cold_inode_keeps_its_count_but_no_descriptor(void)
{
	struct inode_seen file = seen(5);
	struct unit unit;
	uint64_t nodeid;
	uint32_t n_used;
	int fd = some_fd();

	start(&unit);
	g_assert_cmpint(add(&unit, 5, fd, &nodeid), ==, 0);
	n_used = unit.budget.n_used;
	make_cold(&unit, nodeid);
	g_assert_false(is_open(fd));
	g_assert_cmpuint(unit.budget.n_used, ==, n_used - 1);
	g_assert_cmpuint(lookup_known(&unit, &file), ==, nodeid);
	itab_forget(&unit.table, nodeid, 2);
	g_assert_false(known(&unit, nodeid));
	stop(&unit);
}

static void a_pinned_or_keyless_inode_stays_warm(void)
{
	struct inode_slot *slot;
	struct unit unit;
	uint64_t nodeid;

	start(&unit);
	nodeid = must_add(&unit, 5);
	slot = itab_get(&unit.table, nodeid);
	g_assert_false(itab_cool(&unit.table, slot, inode_holds(slot))); /* no key */
	set_name(&unit, slot, "name");
	g_assert_nonnull(itab_get(&unit.table, nodeid));
	g_assert_false(itab_cool(&unit.table, slot, inode_holds(slot))); /* somebody else uses it */
	itab_put(&unit.table, slot);
	g_assert_true(itab_cool(&unit.table, slot, inode_holds(slot)));
	itab_put(&unit.table, slot);
	stop(&unit);
}

static void what_is_found_makes_a_cold_inode_warm_unless_it_is_younger(void)
{
	struct inode_found younger = { .seen = seen(5) };
	struct unit unit;
	uint64_t nodeid;
	uint64_t again;

	start(&unit);
	nodeid = must_add(&unit, 5);
	make_cold(&unit, nodeid);
	younger.seen.birth++;
	younger.fd = charged(&unit, some_fd());
	g_assert_cmpint(itab_lookup_found(&unit.table, &younger, &again), ==, ITAB_NEW);
	g_assert_cmpuint(again, !=, nodeid);
	itab_forget(&unit.table, again, 1);
	again = must_add(&unit, 5);
	g_assert_cmpuint(again, ==, nodeid);
	stop(&unit);
}

static void a_handle_decides_where_there_is_one(void)
{
	const struct inode_handle handle = { .type = 1, .n_bytes = 2, .bytes = { 1, 2 } };
	const struct inode_handle other = { .type = 1, .n_bytes = 2, .bytes = { 1, 3 } };
	struct inode_found found = { .seen = seen(5) };
	struct inode_cold cold;
	struct inode_slot *slot;
	struct unit unit;
	uint64_t nodeid;
	uint64_t again;

	start(&unit);
	nodeid = must_add(&unit, 5);
	slot = itab_get(&unit.table, nodeid);
	itab_set_handle(&unit.table, slot, &handle);
	g_assert_true(itab_cool(&unit.table, slot, inode_holds(slot)));
	itab_put(&unit.table, slot);
	g_assert_cmpuint(itab_lookup_known(&unit.table, &found.seen, NULL, &cold), ==, 0);
	g_assert_cmpuint(cold.nodeid, ==, nodeid);
	g_assert_true(inode_handle_equal(&cold.key.handle, &handle));
	found.fd = charged(&unit, some_fd());
	g_assert_cmpint(itab_lookup_found(&unit.table, &found, &again), ==, ITAB_ASKS_HANDLE);
	g_assert_true(is_open(found.fd));
	found.handle = &other;
	g_assert_cmpint(itab_lookup_found(&unit.table, &found, &again), ==, ITAB_NEW);
	itab_forget(&unit.table, again, 1);
	found.handle = &handle;
	found.fd = charged(&unit, some_fd());
	g_assert_cmpint(itab_lookup_found(&unit.table, &found, &again), ==, ITAB_KNOWN);
	g_assert_cmpuint(again, ==, nodeid);
	stop(&unit);
}

static void the_clock_takes_what_nobody_uses(void)
{
	struct inode_slot *slot;
	struct unit unit;
	uint64_t used;
	uint64_t unused;
	uint64_t left;

	start(&unit);
	used = must_add(&unit, 5);
	unused = must_add(&unit, 6);
	slot = itab_get(&unit.table, used);
	inode_touch(slot);
	itab_put(&unit.table, slot);
	left = itab_clock_rounds(&unit.table);
	slot = itab_clock_next(&unit.table, &left);
	g_assert_cmpuint(itab_nodeid(&unit.table, slot), ==, unused);
	itab_keep_warm(&unit.table, slot);
	itab_put(&unit.table, slot);
	slot = itab_clock_next(&unit.table, &left);
	g_assert_cmpuint(itab_nodeid(&unit.table, slot), ==, used);
	itab_keep_warm(&unit.table, slot);
	itab_put(&unit.table, slot);
	/* The root is never taken, so nothing is left. */
	g_assert_null(itab_clock_next(&unit.table, &left));
	stop(&unit);
}

static void a_successor_finds_what_is_cold(void)
{
	struct inode_seen again;
	struct inode_key key;
	struct inode_slot *slot;
	struct unit unit;
	uint64_t nodeid;

	start(&unit);
	nodeid = must_add(&unit, 5);
	make_cold(&unit, nodeid);
	itab_deinit(&unit.table);
	g_assert_cmpint(init_table(&unit), ==, 0);
	slot = itab_get(&unit.table, nodeid);
	g_assert_true(inode_is_cold(slot));
	itab_copy_key(&unit.table, slot, &again, &key);
	g_assert_cmpuint(again.birth, ==, seen(5).birth);
	g_assert_cmpstr(key.name.text, ==, "name");
	itab_warm(&unit.table, slot, charged(&unit, some_fd()));
	g_assert_false(inode_is_cold(slot));
	itab_put(&unit.table, slot);
	stop(&unit);
}

static void count_fd(void *arg, int fd)
{
	unsigned int *n = arg;

	g_assert_true(is_open(fd));
	(*n)++;
}

/* Wherever the predecessor was with each of them. */
static void a_successor_finishes_what_was_begun(void)
{
	uint64_t cooling, warming, forgotten, dying, half;
	unsigned int n_fds = 0;
	struct inode_slot *slot;
	struct unit unit;
	int stray;

	start(&unit);
	cooling = must_add(&unit, 5);
	warming = must_add(&unit, 6);
	forgotten = must_add(&unit, 7);
	dying = must_add(&unit, 8);
	half = must_add(&unit, 9);
	unit.table.slots[(uint32_t)cooling - 1].word |= SLOT_COLD | 1;
	unit.table.slots[(uint32_t)warming - 1].word |= SLOT_COLD | 2;
	unit.table.slots[(uint32_t)forgotten - 1].n_lookup = 0;
	g_assert_nonnull(itab_get(&unit.table, dying));
	itab_forget(&unit.table, dying, 1);
	unit.table.slots[(uint32_t)half - 1].word &= ~SLOT_LIVE;
	stray = unit.table.slots[(uint32_t)half - 1].fd;
	itab_deinit(&unit.table);
	itab_sections_each_fd(unit.section, &unit.fds, count_fd, &n_fds);
	g_assert_cmpuint(n_fds, ==, 5);
	g_assert_cmpint(init_table(&unit), ==, 0);
	g_assert_cmpuint(unit.budget.n_used, ==, 3);
	g_assert_false(unit.table.adopted_cold);
	slot = itab_get(&unit.table, cooling);
	g_assert_false(inode_is_cold(slot));
	itab_put(&unit.table, slot);
	g_assert_true(known(&unit, warming));
	g_assert_false(known(&unit, forgotten));
	g_assert_false(known(&unit, dying));
	g_assert_false(known(&unit, half));
	for (uint64_t ino = 100; ino < 105; ino++) {
		uint64_t nodeid = must_add(&unit, ino);

		g_assert_cmpuint(nodeid, !=, forgotten);
		g_assert_cmpuint(nodeid, !=, dying);
		g_assert_cmpuint(nodeid, !=, half);
	}
	close(stray);
	stop(&unit);
}

/* The number of a cold inode went to another file, which is the one to be found. */
static void a_successor_finds_the_younger_of_two(void)
{
	struct inode_seen younger = seen(5);
	struct inode_found found = { .seen = younger };
	struct unit unit;
	uint64_t cold, warm;

	start(&unit);
	cold = must_add(&unit, 5);
	make_cold(&unit, cold);
	found.seen.birth++;
	found.fd = charged(&unit, some_fd());
	g_assert_cmpint(itab_lookup_found(&unit.table, &found, &warm), ==, ITAB_NEW);
	for (int i = 0; i < 2; i++) {
		itab_deinit(&unit.table);
		g_assert_cmpint(init_table(&unit), ==, 0);
		g_assert_cmpuint(lookup_known(&unit, &found.seen), ==, warm);
		g_assert_true(known(&unit, cold));
	}
	g_assert_true(unit.table.adopted_cold);
	stop(&unit);
}

#define N_THREADS 4
#define N_ROUNDS  20000

static gpointer use_table(gpointer arg)
{
	struct unit *unit = arg;
	g_autoptr(GRand) rand = g_rand_new_with_seed(GPOINTER_TO_UINT(g_thread_self()) & 0xffff);

	for (int i = 0; i < N_ROUNDS; i++) {
		uint64_t ino = (uint64_t)g_rand_int_range(rand, 2, 6);
		struct inode_seen file = seen(ino);
		uint64_t nodeid = lookup_known(unit, &file);
		struct inode_slot *slot;

		if (!nodeid)
			nodeid = must_add(unit, ino);
		slot = itab_get(&unit->table, nodeid);
		if (slot) {
			g_assert_cmpuint(slot->id.ino, ==, ino);
			g_assert_true(is_open(slot->fd));
		}
		itab_forget(&unit->table, nodeid, 1);
		if (slot)
			itab_put(&unit->table, slot);
		if (i % 1000 == 0)
			itab_forget_all(&unit->table, false);
	}
	return NULL;
}

static void many_threads_leave_nothing_behind(void)
{
	GThread *thread[N_THREADS];
	struct unit unit;

	start(&unit);
	for (int i = 0; i < N_THREADS; i++)
		thread[i] = g_thread_new("user", use_table, &unit);
	for (int i = 0; i < N_THREADS; i++)
		g_thread_join(thread[i]);
	itab_forget_all(&unit.table, false);
	for (uint64_t ino = 100; ino < 100 + N_MAX - 1; ino++)
		(void)must_add(&unit, ino);
	stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inode-table/the root is 1 and stays", the_root_is_1_and_stays);
	g_test_add_func("/inode-table/made-up nodeids are unknown", made_up_nodeids_are_unknown);
	g_test_add_func("/inode-table/one identity is one node with a count",
			one_identity_is_one_node_with_a_count);
	g_test_add_func("/inode-table/a forgotten nodeid is stale when its slot is used again",
			a_forgotten_nodeid_is_stale_when_its_slot_is_used_again);
	g_test_add_func("/inode-table/too large a count forgets one node only",
			too_large_a_count_forgets_one_node_only);
	g_test_add_func("/inode-table/a pinned inode outlives its forgetting",
			a_pinned_inode_outlives_its_forgetting);
	g_test_add_func("/inode-table/another birth or type is not known without a descriptor",
			another_birth_or_type_is_not_known_without_a_descriptor);
	g_test_add_func("/inode-table/a full table refuses and closes",
			a_full_table_refuses_and_closes);
	g_test_add_func("/inode-table/the index is rebuilt from the slots",
			the_index_is_rebuilt_from_the_slots);
	g_test_add_func("/inode-table/a cold inode keeps its count but no descriptor",
			a_cold_inode_keeps_its_count_but_no_descriptor);
	g_test_add_func("/inode-table/a pinned or keyless inode stays warm",
			a_pinned_or_keyless_inode_stays_warm);
	g_test_add_func("/inode-table/what is found makes a cold inode warm unless it is younger",
			what_is_found_makes_a_cold_inode_warm_unless_it_is_younger);
	g_test_add_func("/inode-table/a handle decides where there is one",
			a_handle_decides_where_there_is_one);
	g_test_add_func("/inode-table/the clock takes what nobody uses",
			the_clock_takes_what_nobody_uses);
	g_test_add_func("/inode-table/a successor finds what is cold",
			a_successor_finds_what_is_cold);
	g_test_add_func("/inode-table/a successor finishes what was begun",
			a_successor_finishes_what_was_begun);
	g_test_add_func("/inode-table/a successor finds the younger of two",
			a_successor_finds_the_younger_of_two);
	g_test_add_func("/inode-table/many threads leave nothing behind",
			many_threads_leave_nothing_behind);
	return g_test_run();
}
