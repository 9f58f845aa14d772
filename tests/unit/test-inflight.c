/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtqueue whose process dies: after each single instruction of opening, popping, pushing and
 * recovering, a successor goes on from what the dead one left, and the driver gets each chain back
 * exactly once. A driver that changes its ring meanwhile harms itself at most.
 */
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/unit/vhost-unit.h"
#include "vhost/virtqueue-internal.h"

#define DATA	      (16 * UNIT_PAGE) /* offset of buffers */
#define MAX_STEPS     10000000
/* What of a queue's records, and of guest memory, these tests ever touch. */
#define RECORDS_BYTES offsetof(struct vq_inflight, record[UNIT_RING_SIZE])
#define RING_BYTES    UNIT_PAGE

/* What outlives a process, and a process of it. */
struct life {
	struct unit_ram ram;
	struct unit_ring ring;
	struct vq_inflight *inflight;
	struct virtqueue vq;
	struct vq_chain chain;
};

static struct life *life_new(void)
{
	struct life *l = g_new0(struct life, 1);

	unit_ram_init(&l->ram);
	unit_ring_init(&l->ring, &l->ram);
	l->inflight = unit_section_new(sizeof(*l->inflight));
	for (unsigned int i = 0; i < UNIT_RING_SIZE; i++)
		unit_desc(&l->ring, i, unit_gpa(DATA + 64 * i), 64, VRING_DESC_F_WRITE, 0);
	return l;
}

static void life_free(struct life *l)
{
	unit_section_free(l->inflight, sizeof(*l->inflight));
	unit_ram_deinit(&l->ram);
	g_free(l);
}

static void begin_at(struct life *l, uint16_t next_avail)
{
	const struct vq_setup setup = {
		.place = { .size = UNIT_RING_SIZE,
			   .desc_uva = UNIT_UVA + UNIT_DESC_OFFSET,
			   .avail_uva = UNIT_UVA + UNIT_AVAIL_OFFSET,
			   .used_uva = UNIT_UVA + UNIT_USED_OFFSET },
		.memory = unit_memory(&l->ram),
		.last_avail = next_avail,
		.kick_fd = -1,
		.event_idx = true,
		.indirect = true,
		.inflight = l->inflight,
	};

	vq_init(&l->vq, 1);
	g_assert_cmpint(vq_open(&l->vq, &setup), ==, 0);
	guest_memory_put(setup.memory);
}

static void begin(struct life *l)
{
	begin_at(l, 0);
}

/* What the process had for itself is gone; nothing is tidied up in what it shared. */
static void die(struct life *l)
{
	vq_deinit(&l->vq);
	memset(&l->vq, 0, sizeof(l->vq));
}

static uint16_t pop(struct life *l)
{
	g_assert_cmpint(vq_pop(&l->vq, &l->chain), ==, VQ_POP_CHAIN);
	g_assert_true(l->chain.inflight == &l->inflight->record[l->chain.head]);
	return l->chain.head;
}

static void push(struct life *l, uint16_t head)
{
	vq_push(&l->vq, &(const struct vq_used){ .head = head, .n_written = 64 }, 1);
}

static void check_again(struct life *l, uint16_t head)
{
	g_assert_true(vq_has_again(&l->vq));
	g_assert_true(vq_has_work(&l->vq));
	g_assert_cmpuint(pop(l), ==, head);
	g_assert_true(l->chain.again);
}

static void check_new(struct life *l, uint16_t head)
{
	g_assert_false(vq_has_again(&l->vq));
	g_assert_cmpuint(pop(l), ==, head);
	g_assert_false(l->chain.again);
	g_assert_cmpuint(l->chain.inflight->step, ==, INFLIGHT_NEW);
	g_assert_cmpuint(l->chain.inflight->attempts, ==, 0);
}

static void check_nothing_marked(const struct life *l)
{
	for (unsigned int i = 0; i < UNIT_RING_SIZE; i++)
		g_assert_cmpuint(l->inflight->record[i].order, ==, 0);
}

/* ---- Death after every instruction ---- */

/* Serves all that is there, as a successor. Marked ones come in the order of their first pop. */
static void serve_the_rest(struct life *l)
{
	uint64_t last_order = 0;

	while (vq_pop(&l->vq, &l->chain) == VQ_POP_CHAIN) {
		g_assert_cmpuint(l->chain.inflight->order, >, last_order);
		last_order = l->chain.inflight->order;
		push(l, l->chain.head);
	}
	g_assert_false(l->vq.broken);
}

/* Everything that was offered came back once. No ring here goes round. */
static void check_driver(const struct life *l)
{
	unsigned int offered[UNIT_RING_SIZE] = { 0 }, used[UNIT_RING_SIZE] = { 0 };

	g_assert_cmpuint(l->ring.avail->idx, <=, UNIT_RING_SIZE);
	g_assert_cmpuint(l->ring.used->idx, ==, l->ring.avail->idx);
	for (unsigned int i = 0; i < l->ring.avail->idx; i++) {
		offered[l->ring.avail->ring[i]]++;
		used[l->ring.used->ring[i].id]++;
		g_assert_cmpuint(l->ring.used->ring[i].len, ==, 64);
	}
	g_assert_cmpmem(used, sizeof(used), offered, sizeof(offered));
}

/* Goes on from a copy of what `dead` has left, with a process of its own. */
static void succeed(struct life *heir, const struct life *dead)
{
	memcpy(heir->ram.map, dead->ram.map, RING_BYTES);
	memcpy(heir->inflight, dead->inflight, RECORDS_BYTES);
	begin_at(heir, vq_inflight_position(heir->inflight).next_avail); /* if it was closed */
	serve_the_rest(heir);
	check_driver(heir);
	check_nothing_marked(heir);
	die(heir);
}

static bool step(pid_t child)
{
	int status;

	g_assert_cmpint(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), ==, 0);
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	if (WIFEXITED(status)) {
		g_assert_cmpint(WEXITSTATUS(status), ==, 0);
		return false;
	}
	g_assert_true(WIFSTOPPED(status));
	g_assert_cmpint(WSTOPSIG(status), ==, SIGTRAP);
	return true;
}

static pid_t start_child(struct life *l, void (*act)(struct life *l))
{
	pid_t child = fork();
	int status;

	g_assert_cmpint(child, >=, 0);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0)
			act(l);
		_exit(0);
	}
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_true(WIFSTOPPED(status));
	return child;
}

/* Whether what outlives the process has changed since the last call. */
static bool changed(const struct life *l, char *before)
{
	if (memcmp(before, l->ram.map, RING_BYTES) == 0 &&
	    memcmp(before + RING_BYTES, l->inflight, RECORDS_BYTES) == 0)
		return false;
	memcpy(before, l->ram.map, RING_BYTES);
	memcpy(before + RING_BYTES, l->inflight, RECORDS_BYTES);
	return true;
}

/* `act` runs in a process of its own that dies after each of its instructions in turn. */
static void die_everywhere(void (*act)(struct life *l), unsigned int min_states)
{
	struct life *l = life_new(), *heir = life_new();
	g_autofree char *before = g_malloc0(RING_BYTES + RECORDS_BYTES);
	unsigned int n_steps = 0, n_states = 0;
	pid_t child = start_child(l, act);

	while (step(child)) {
		g_assert_cmpuint(++n_steps, <, MAX_STEPS);
		if (changed(l, before)) {
			n_states++;
			succeed(heir, l);
		}
	}
	g_test_message("%u instructions, %u states", n_steps, n_states);
	g_assert_cmpuint(n_states, >, min_states);
	check_nothing_marked(l);
	life_free(heir);
	life_free(l);
}

/* The driver's side and the device's: chains come and go, some are offered a second time. */
static void come_and_go(struct life *l)
{
	struct vq_used both[2];

	for (uint16_t i = 0; i < 4; i++)
		unit_offer(&l->ring, i);
	begin(l);
	both[0] = (struct vq_used){ .head = pop(l), .n_written = 64 };
	push(l, pop(l)); /* out of turn */
	unit_offer(&l->ring, 1);
	both[1] = (struct vq_used){ .head = pop(l), .n_written = 64 };
	vq_push(&l->vq, both, 2);
	unit_offer(&l->ring, 2);
	unit_offer(&l->ring, 9);
	for (int i = 0; i < 4; i++)
		push(l, pop(l));
	vq_close(&l->vq, 1);
}

static void test_every_instruction(void)
{
	die_everywhere(come_and_go, 60);
}

/* A successor that dies, too, and one of that. */
static void come_back(struct life *l)
{
	for (uint16_t i = 0; i < 5; i++)
		unit_offer(&l->ring, i);
	begin(l);
	pop(l);
	pop(l);
	pop(l);
	push(l, 1);
	die(l);
	begin(l);
	pop(l);
	push(l, 0);
	die(l);
	begin(l);
	for (int i = 0; i < 3; i++)
		push(l, pop(l));
	vq_close(&l->vq, 1);
}

static void test_every_instruction_of_a_successor(void)
{
	die_everywhere(come_back, 40);
}

/* ---- What a successor makes of it ---- */

static struct life *life_new_with(unsigned int n_popped, unsigned int n_offered)
{
	struct life *l = life_new();

	for (uint16_t i = 0; i < n_offered; i++)
		unit_offer(&l->ring, i);
	begin(l);
	for (unsigned int i = 0; i < n_popped; i++)
		pop(l);
	return l;
}

static void life_end(struct life *l)
{
	vq_close(&l->vq, 1);
	vq_deinit(&l->vq);
	life_free(l);
}

static void test_order(void)
{
	struct life *l = life_new_with(4, 6);

	push(l, 1);
	unit_offer(&l->ring, 1);
	l->inflight->record[2].step = INFLIGHT_DONE;
	l->inflight->record[2].word[3] = 77;
	l->inflight->record[3].attempts = 1;
	die(l);
	begin(l);
	check_again(l, 0);
	check_again(l, 2);
	g_assert_cmpuint(l->chain.inflight->step, ==, INFLIGHT_DONE);
	g_assert_cmpuint(l->chain.inflight->word[3], ==, 77);
	check_again(l, 3);
	g_assert_cmpuint(l->chain.inflight->attempts, ==, 1); /* the device counts them */
	check_new(l, 4);
	g_assert_cmpuint(l->chain.inflight->order, ==, 5);
	push(l, 2);
	unit_offer(&l->ring, 2);
	die(l);
	begin(l);
	check_again(l, 0);
	check_again(l, 3);
	check_again(l, 4);
	check_new(l, 5);
	check_new(l, 1);
	check_new(l, 2); /* nothing is left of what it was before */
	g_assert_false(vq_has_work(&l->vq));
	life_end(l);
}

/* The front-end's position need not be the ring's; positions wrap. */
static void test_positions(void)
{
	struct life *l = life_new();

	l->ring.next_avail = 65534;
	l->ring.avail->idx = 65534;
	l->ring.used->idx = 65000;
	begin_at(l, 65534);
	for (uint16_t i = 0; i < 6; i++)
		unit_offer(&l->ring, i);
	for (int i = 0; i < 4; i++)
		pop(l);
	push(l, 2);
	die(l);
	begin_at(l, 12345); /* the queue knows better */
	check_again(l, 0);
	check_again(l, 1);
	check_again(l, 3);
	check_new(l, 4);
	g_assert_cmpuint(l->ring.used->idx, ==, 65001);
	g_assert_cmpuint(vq_close(&l->vq, 9), ==, 3);
	g_assert_cmpuint(vq_inflight_position(l->inflight).next_avail, ==, 3);
	g_assert_cmpuint(vq_inflight_position(l->inflight).generation, ==, 9);
	g_assert_cmpuint(vq_inflight_position(l->inflight).size, ==, 0);
	vq_deinit(&l->vq);
	life_free(l);
}

/* Whether the driver wants to be told by event index or flag is what was agreed at the start. */
static void test_features(void)
{
	struct life *l = life_new_with(1, 1);

	l->inflight->event_idx = false;
	die(l);
	begin(l);
	g_assert_false(l->vq.event_idx);
	g_assert_true(l->vq.indirect);
	life_end(l);
}

static void test_offered_again(void)
{
	struct life *l = life_new_with(2, 2);

	unit_offer(&l->ring, 1);
	g_assert_cmpint(vq_pop(&l->vq, &l->chain), ==, VQ_POP_BROKEN);
	push(l, 1);
	push(l, 0);
	check_nothing_marked(l);
	life_end(l);
}

static void test_reset(void)
{
	struct life *l = life_new_with(3, 3);

	die(l);
	vq_inflight_reset(l->inflight);
	check_nothing_marked(l);
	begin_at(l, 3);
	g_assert_cmpint(vq_pop(&l->vq, &l->chain), ==, VQ_POP_EMPTY);
	life_end(l);
}

/* ---- A driver that lies ---- */

/* The dead process was about to move the index past two entries that the driver has since written. */
static struct life *life_new_amid_push(uint32_t id, uint32_t next_id)
{
	struct life *l = life_new_with(4, 6);

	vq_inflight_answered(l->inflight, 0, 2);
	l->ring.used->ring[0].id = id;
	l->ring.used->ring[1].id = next_id;
	die(l);
	begin(l);
	g_assert_cmpuint(l->ring.used->idx, ==, 2);
	return l;
}

static void test_push_is_finished(void)
{
	struct life *l = life_new_amid_push(2, 0);

	check_again(l, 1);
	check_again(l, 3);
	check_new(l, 4);
	life_end(l);
}

static void test_forged_entries(void)
{
	struct life *l = life_new_amid_push(UNIT_RING_SIZE, UINT32_MAX);

	/* Nothing was cleared: all four come again, and the position is off by two. */
	for (uint16_t i = 0; i < 4; i++)
		check_again(l, i);
	g_assert_cmpint(vq_pop(&l->vq, &l->chain), ==, VQ_POP_EMPTY);
	life_end(l);
	l = life_new_amid_push(3, 3);
	for (uint16_t i = 0; i < 3; i++)
		check_again(l, i);
	check_new(l, 5);
	life_end(l);
	l = life_new_amid_push(9, 10); /* never offered */
	for (uint16_t i = 0; i < 4; i++)
		check_again(l, i);
	life_end(l);
}

static void test_forged_index(void)
{
	static const uint16_t forged[] = { 1, 3, 17, 1000, 32768, 65535 };

	for (unsigned int i = 0; i < G_N_ELEMENTS(forged); i++) {
		struct life *l = life_new_with(4, 6);

		push(l, 1);
		die(l);
		l->ring.used->idx = forged[i];
		begin(l);
		g_assert_cmpuint(l->ring.used->idx, ==, 1);
		check_again(l, 0);
		check_again(l, 2);
		check_again(l, 3);
		check_new(l, 4);
		push(l, 4);
		g_assert_cmpuint(l->ring.used->idx, ==, 2);
		life_end(l);
	}
}

static void test_forged_available(void)
{
	struct life *l = life_new_with(4, 4);

	die(l);
	l->ring.avail->idx = 2000;
	begin(l);
	for (uint16_t i = 0; i < 4; i++)
		check_again(l, i);
	g_assert_cmpint(vq_pop(&l->vq, &l->chain), ==, VQ_POP_BROKEN);
	g_assert_false(vq_has_work(&l->vq));
	life_end(l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inflight/a-process-may-die-after-any-instruction",
			test_every_instruction);
	g_test_add_func("/inflight/its-successor-may-die-after-any-instruction",
			test_every_instruction_of_a_successor);
	g_test_add_func("/inflight/what-was-popped-comes-first-and-in-order", test_order);
	g_test_add_func("/inflight/positions-may-differ-and-wrap", test_positions);
	g_test_add_func("/inflight/ring-features-stay-those-of-the-start", test_features);
	g_test_add_func("/inflight/a-chain-offered-before-it-was-answered-breaks-the-queue",
			test_offered_again);
	g_test_add_func("/inflight/a-fresh-start-forgets", test_reset);
	g_test_add_func("/inflight/a-push-is-finished", test_push_is_finished);
	g_test_add_func("/inflight/forged-used-entries-harm-the-driver-only", test_forged_entries);
	g_test_add_func("/inflight/a-forged-used-index-is-put-right", test_forged_index);
	g_test_add_func("/inflight/a-forged-available-index-breaks-the-queue",
			test_forged_available);
	return g_test_run();
}
