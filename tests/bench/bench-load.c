/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps depth items under way on each lane and counts what comes back. */
#include <sched.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

unsigned int bench_bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < BENCH_STEPS)
		return (unsigned int)ns;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - 5;
	return shift * BENCH_STEPS + (unsigned int)(ns >> shift);
}

uint64_t bench_bucket_start(unsigned int bucket)
{
	unsigned int shift = bucket / BENCH_STEPS;

	if (shift <= 1)
		return bucket;
	return (uint64_t)(bucket % BENCH_STEPS + BENCH_STEPS) << (shift - 1);
}

uint64_t bench_percentile(const struct bench_result *result, double share)
{
	uint64_t n = 0, seen = 0;

	for (unsigned int i = 0; i < BENCH_BUCKETS; i++)
		n += result->buckets[i];
	for (unsigned int i = 0; i < BENCH_BUCKETS; i++) {
		seen += result->buckets[i];
		if (seen && (double)seen >= share * (double)n)
			return bench_bucket_start(i);
	}
	return 0;
}

void bench_clear(struct bench *bench)
{
	memset(&bench->result, 0, sizeof(bench->result));
	for (unsigned int i = 0; i < bench->n_lanes; i++)
		memset(&bench->lanes[i].result, 0, sizeof(bench->lanes[i].result));
}

/* ---- One lane ---- */

static void send_step(struct bench_lane *lane, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(lane, slot);

	item->sent_ns = now;
	lane->op->fill(lane, slot, item->step);
	fuse_submit(slot);
	lane->result.n_requests++;
}

static void begin_item(struct bench_lane *lane, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(lane, slot);

	item->number = lane->next_number++;
	item->step = 0;
	send_step(lane, slot, now);
}

static void check_reply(struct bench_lane *lane, const struct fuse_slot *slot)
{
	const struct bench_op *op = lane->op;
	int error = slot->out->error;
	const char *wrong = fuse_slot_check(slot, slot->reply_room + slot->data_in, op->variable);

	if (wrong)
		test_die("%s: %s", op->name, wrong);
	if (error != op->expected_error && error != op->or_error)
		test_die("%s, step %u: %s", op->name, bench_item(lane, slot)->step,
			 strerror(-error));
}

/* Counts one reply; true when its item is complete. */
static bool take_reply(struct bench_lane *lane, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(lane, slot);

	check_reply(lane, slot);
	if (!lane->op->first_slot || item == lane->items)
		lane->result.buckets[bench_bucket_of((uint64_t)(now - item->sent_ns))]++;
	if (!lane->op->reply) {
		lane->result.n_units++;
	} else if (!lane->op->reply(lane, slot, item->step)) {
		item->step++;
		return false;
	}
	lane->result.n_items++;
	return true;
}

/*
 * The items of the lane's order, fewer when the time limit comes first. The tail,
 * in which fewer than depth items are under way, is part of the time.
 */
static void run_order(struct bench_lane *lane, unsigned int depth)
{
	struct fuse_client *client = &lane->client;
	struct fuse_slot *slots[BENCH_MAX_DEPTH];
	int64_t start = now_ns(), now = start;
	uint64_t n_begun = 0;

	for (; n_begun < lane->n_order && n_begun < depth; n_begun++)
		begin_item(lane, fuse_slot_get(client), now);
	fuse_flush(client);
	while (client->n_in_flight) {
		int n_slots = fuse_reap(client, slots, BENCH_MAX_DEPTH, deadline_default());
		bool sent = false;

		if (n_slots < 0)
			test_die("%s: %s", lane->op->name, strerror(-n_slots));
		now = now_ns();
		for (int i = 0; i < n_slots; i++) {
			if (!take_reply(lane, slots[i], now)) {
				send_step(lane, slots[i], now);
			} else if (n_begun < lane->n_order && now - start < lane->limit_ns) {
				begin_item(lane, slots[i], now);
				n_begun++;
			} else {
				fuse_slot_put(slots[i]);
				continue;
			}
			sent = true;
		}
		if (sent)
			fuse_flush(client);
	}
}

void bench_run_untimed(struct bench_lane *lane, const struct bench_op *op, unsigned int depth,
		       uint64_t n)
{
	const struct bench_op *own_op = lane->op;
	struct bench_result own_result = lane->result;
	uint64_t first = lane->next_number;

	lane->op = op;
	lane->n_order = n;
	lane->limit_ns = INT64_MAX;
	run_order(lane, depth);
	lane->op = own_op;
	lane->result = own_result;
	lane->next_number = first;
}

/* ---- All of them ---- */

static void pin(const struct bench *bench, unsigned int lane)
{
	cpu_set_t set;

	if (!bench->config.n_cpus)
		return;
	CPU_ZERO(&set);
	CPU_SET(bench->config.cpus[lane % bench->config.n_cpus], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		test_die("pin to a processor: %m");
}

static void *lane_main(void *data)
{
	struct bench_lane *lane = data;
	struct bench *bench = lane->bench;

	pin(bench, lane->index);
	for (;;) {
		pthread_barrier_wait(&bench->begin);
		if (bench->stopping)
			return NULL;
		run_order(lane, bench->depth);
		pthread_barrier_wait(&bench->end);
	}
}

void bench_start_threads(struct bench *bench)
{
	pthread_barrier_init(&bench->begin, NULL, bench->n_lanes);
	pthread_barrier_init(&bench->end, NULL, bench->n_lanes);
	pin(bench, 0);
	for (unsigned int i = 1; i < bench->n_lanes; i++)
		if (pthread_create(&bench->lanes[i].thread, NULL, lane_main, &bench->lanes[i]))
			test_die("a thread cannot be made");
}

void bench_stop_threads(struct bench *bench)
{
	bench->stopping = true;
	pthread_barrier_wait(&bench->begin);
	for (unsigned int i = 1; i < bench->n_lanes; i++)
		pthread_join(bench->lanes[i].thread, NULL);
	pthread_barrier_destroy(&bench->begin);
	pthread_barrier_destroy(&bench->end);
}

static void count_notifications(struct bench *bench, int sign)
{
	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		const struct ring *ring = bench->lanes[i].client.ring;

		bench->result.n_kicks += (uint64_t)sign * ring->n_kicks;
		bench->result.n_wakeups += (uint64_t)sign * ring->n_wakeups;
	}
}

static void count_cpu(struct bench *bench, int sign)
{
	if (bench->config.cost)
		bench->result.daemon_cpu_ns += sign * cost_cpu_ns(bench->config.cost);
	bench->result.driver_cpu_ns += sign * cost_own_cpu_ns();
}

static void run_all(struct bench *bench)
{
	int64_t start;

	count_notifications(bench, -1);
	count_cpu(bench, -1);
	start = now_ns();
	pthread_barrier_wait(&bench->begin);
	run_order(&bench->lanes[0], bench->depth);
	pthread_barrier_wait(&bench->end);
	bench->result.elapsed_ns += now_ns() - start;
	count_cpu(bench, 1);
	count_notifications(bench, 1);
}

static void forget_made(struct bench_lane *lane, uint64_t first)
{
	struct fuse_forget_one items[BENCH_BATCH];
	uint32_t n = 0;

	for (uint64_t number = first; number < lane->next_number; number++)
		items[n++] = (struct fuse_forget_one){ lane->made_node[number % BENCH_BATCH], 1 };
	fuse_batch_forget(&lane->client, items, n);
}

/* One batch on each lane. */
static void run_batch(struct bench *bench, uint64_t n, int64_t limit_ns)
{
	const struct bench_op *op = bench->op;
	uint64_t first[BENCH_MAX_LANES];

	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		struct bench_lane *lane = &bench->lanes[i];

		first[i] = lane->next_number;
		if (op->before)
			bench_run_untimed(lane, op->before, bench->config.depth, n);
		lane->n_order = n;
		lane->limit_ns = limit_ns;
	}
	run_all(bench);
	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		struct bench_lane *lane = &bench->lanes[i];
		uint64_t next = lane->next_number;

		if (op->after) {
			lane->next_number = first[i];
			bench_run_untimed(lane, op->after, bench->config.depth, next - first[i]);
			lane->next_number = next;
		}
		if (op->forgets)
			forget_made(lane, first[i]);
	}
}

static void merge_results(struct bench *bench)
{
	struct bench_result *sum = &bench->result;

	sum->n_items = sum->n_requests = sum->n_units = 0;
	memset(sum->buckets, 0, sizeof(sum->buckets));
	for (unsigned int i = 0; i < bench->n_lanes; i++) {
		const struct bench_result *one = &bench->lanes[i].result;

		sum->n_items += one->n_items;
		sum->n_requests += one->n_requests;
		sum->n_units += one->n_units;
		for (unsigned int j = 0; j < BENCH_BUCKETS; j++)
			sum->buckets[j] += one->buckets[j];
	}
}

void bench_run(struct bench *bench, unsigned int depth, uint64_t n_items, int64_t elapsed_ns)
{
	const struct bench_op *op = bench->op;
	bool in_batches = op->before || op->after || op->forgets;
	int64_t end_ns = bench->result.elapsed_ns + elapsed_ns;
	uint64_t done = 0;

	bench->depth = depth;
	while (n_items ? done < n_items : bench->result.elapsed_ns < end_ns) {
		uint64_t n = n_items ? n_items - done : UINT64_MAX;
		int64_t limit = n_items ? INT64_MAX : end_ns - bench->result.elapsed_ns;

		/* A batch is whole: what was made for it is used up. */
		if (in_batches) {
			n = MIN(n, BENCH_BATCH);
			limit = INT64_MAX;
		}
		run_batch(bench, n, limit);
		done += n;
	}
	merge_results(bench);
}
