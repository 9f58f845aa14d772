/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps depth items under way and counts what comes back. */
#include <glib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"

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
}

static void send_step(struct bench *bench, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(bench, slot);

	item->sent_ns = now;
	bench->op->fill(bench, slot, item->step);
	fuse_submit(slot);
	bench->result.n_requests++;
}

static void begin_item(struct bench *bench, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(bench, slot);

	item->number = bench->next_number++;
	item->step = 0;
	send_step(bench, slot, now);
}

static void check_reply(struct bench *bench, const struct fuse_slot *slot)
{
	const char *wrong = fuse_slot_check(slot, slot->reply_room + slot->data_in,
					    bench->op->variable);

	if (wrong)
		test_die("%s: %s", bench->op->name, wrong);
	if (slot->out->error != bench->op->expected_error)
		test_die("%s, step %u: %s", bench->op->name, bench_item(bench, slot)->step,
			 strerror(-slot->out->error));
}

/* Counts one reply; true when its item is complete. */
static bool take_reply(struct bench *bench, struct fuse_slot *slot, int64_t now)
{
	struct bench_item *item = bench_item(bench, slot);

	check_reply(bench, slot);
	bench->result.buckets[bench_bucket_of((uint64_t)(now - item->sent_ns))]++;
	if (bench->op->reply && !bench->op->reply(bench, slot, item->step)) {
		item->step++;
		return false;
	}
	bench->result.n_items++;
	return true;
}

/*
 * Up to n items, fewer when the time limit comes first; returns how many. The
 * tail, in which fewer than depth items are under way, is part of the time.
 */
static unsigned int run_batch(struct bench *bench, uint64_t n, int64_t limit_ns)
{
	struct fuse_client *client = &bench->client;
	struct fuse_slot *slots[BENCH_MAX_DEPTH];
	int64_t start = now_ns(), now = start;
	uint64_t n_begun = 0;

	for (struct fuse_slot *slot; n_begun < n && (slot = fuse_slot_get(client)); n_begun++)
		begin_item(bench, slot, now);
	fuse_flush(client);
	while (client->n_in_flight) {
		int n_slots = fuse_reap(client, slots, BENCH_MAX_DEPTH, deadline_default());
		bool sent = false;

		if (n_slots < 0)
			test_die("%s: %s", bench->op->name, strerror(-n_slots));
		now = now_ns();
		for (int i = 0; i < n_slots; i++) {
			if (!take_reply(bench, slots[i], now)) {
				send_step(bench, slots[i], now);
			} else if (n_begun < n && now - start < limit_ns) {
				begin_item(bench, slots[i], now);
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
	bench->result.elapsed_ns += now - start;
	return (unsigned int)n_begun;
}

void bench_run(struct bench *bench, uint64_t n_items, int64_t elapsed_ns)
{
	const struct ring *ring = bench->client.ring;
	int64_t end_ns = bench->result.elapsed_ns + elapsed_ns;
	uint64_t done = 0;

	while (n_items ? done < n_items : bench->result.elapsed_ns < end_ns) {
		uint64_t n = n_items ? n_items - done : UINT64_MAX;
		int64_t limit = n_items ? INT64_MAX : end_ns - bench->result.elapsed_ns;
		unsigned long kicks = ring->n_kicks, wakeups = ring->n_wakeups;

		if (bench->op->undo)
			n = MIN(n, BENCH_BATCH);
		n = run_batch(bench, n, limit);
		done += n;
		bench->result.n_kicks += ring->n_kicks - kicks;
		bench->result.n_wakeups += ring->n_wakeups - wakeups;
		if (bench->op->undo)
			bench->op->undo(bench, (unsigned int)n);
	}
}
