/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of FUSE request at a fixed depth, timed.
 *
 * An operation is a sequence of items (one LOOKUP; an OPEN with its RELEASE; one
 * pass over a directory). depth items are under way at any time, each in a slot
 * of its own. What an operation needs is made through FUSE before the clock
 * runs and stays in the share, so that several daemons measured in turn on one
 * share work on the same inodes.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/fuse-client.h"
#include "tests/lib/vmm.h"

#define BENCH_MAX_DEPTH	 128
#define BENCH_FILES	 64	    /* that lookup, getattr and open go over */
#define BENCH_MANY	 1000	    /* in the directory that is listed */
#define BENCH_BATCH	 512	    /* items between two untimed cleanings */
#define BENCH_DATA_BYTES (8u << 20) /* of the file that is read and written */

/* Log-linear histogram of nanoseconds: 32 steps per power of two, so 3 % exact. */
#define BENCH_STEPS	 32
#define BENCH_BUCKETS	 (BENCH_STEPS * 64)

struct bench;

struct bench_op {
	const char *name;
	const char *unit;    /* what result.n_units counts */
	uint32_t data_bytes; /* moved per item, 0 when that is not the point */
	int expected_error;  /* of every reply */
	bool variable;	     /* replies may be shorter than their room */
	void (*setup)(struct bench *bench);
	/* The request number @step of an item: arguments and rooms of a prepared slot. */
	void (*fill)(struct bench *bench, struct fuse_slot *slot, unsigned int step);
	/* A good reply came; true when the item is complete. */
	bool (*reply)(struct bench *bench, struct fuse_slot *slot, unsigned int step);
	/* Takes back the last n items, not timed; NULL when nothing piles up. */
	void (*undo)(struct bench *bench, unsigned int n);
};

/* One item under way. */
struct bench_item {
	uint64_t number;
	unsigned int step;
	int64_t sent_ns;
	uint64_t nodeid, fh, offset; /* the operation's own */
};

struct bench_result {
	uint64_t n_items;
	uint64_t n_requests;
	uint64_t n_units;
	int64_t elapsed_ns; /* without the untimed parts */
	uint64_t n_kicks;
	uint64_t n_wakeups;		 /* of the front-end by the daemon */
	uint32_t buckets[BENCH_BUCKETS]; /* latencies of single requests */
};

struct bench {
	struct vmm vmm;
	struct fuse_client client;
	const struct bench_op *op;
	unsigned int depth;
	struct bench_item items[BENCH_MAX_DEPTH]; /* as the slots are numbered */
	uint64_t next_number;
	struct bench_result result;
	/* The tree: what setup found or made. */
	uint64_t dir; /* nodeid of the folder that the operation works in */
	uint64_t nodes[BENCH_FILES];
	uint64_t data_node, data_fh;
	/* Of the items since the last undo(), by number modulo BENCH_BATCH. */
	uint64_t made_node[BENCH_BATCH], made_fh[BENCH_BATCH];
};

/* The end of the table is an entry without a name. */
extern const struct bench_op bench_ops[];
const struct bench_op *bench_op_find(const char *name);

/* Connects, negotiates and prepares the tree; dies on failure. Free with bench_stop(). */
struct bench *bench_start(const char *socket_path, const struct bench_op *op, unsigned int depth,
			  int64_t spin_ns);
/* Hangs up, which ends the daemon. */
void bench_stop(struct bench *bench);

/* Forgets what was measured so far. */
void bench_clear(struct bench *bench);
/* Adds to bench->result: until n_items are done, or with 0 until elapsed_ns passed. */
void bench_run(struct bench *bench, uint64_t n_items, int64_t elapsed_ns);
/* The latency in nanoseconds that @share (0..1) of the requests stayed under. */
uint64_t bench_percentile(const struct bench_result *result, double share);
/* The histogram behind it: the bucket of a value, the smallest value of a bucket. */
unsigned int bench_bucket_of(uint64_t ns);
uint64_t bench_bucket_start(unsigned int bucket);

static inline struct bench_item *bench_item(struct bench *bench, const struct fuse_slot *slot)
{
	return &bench->items[slot - bench->client.slots];
}

/* The parts of the tree, made where they are missing (bench-tree.c). */
void bench_make_files(struct bench *bench);
void bench_make_many(struct bench *bench);
void bench_make_empty(struct bench *bench);
void bench_make_data(struct bench *bench);
#define BENCH_NAME_BYTES 32
void bench_many_name(char name[BENCH_NAME_BYTES], uint64_t number);
void bench_file_name(char name[BENCH_NAME_BYTES], uint64_t number);

#endif
