/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of FUSE request at a fixed depth on one or more queues, timed.
 *
 * An operation is a sequence of items (one LOOKUP; an OPEN with its RELEASE; one
 * pass over a directory). depth items are under way at any time on each queue,
 * each in a slot of its own. A queue and what is under way on it are a lane; each
 * lane has a thread while the clock runs. What an operation needs is made through
 * FUSE before the clock runs and stays in the share, so that several daemons
 * measured in turn on one share work on the same inodes.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/bench-cost.h"
#include "tests/lib/fuse-client.h"
#include "tests/lib/vmm.h"

#define BENCH_MAX_DEPTH	 128
#define BENCH_MAX_LANES	 8
#define BENCH_FILES	 64	    /* of a lane, that lookup, getattr and open go over */
#define BENCH_MANY	 1000	    /* in the directory that is listed */
#define BENCH_BATCH	 512	    /* items between two untimed cleanings */
#define BENCH_DATA_BYTES (8u << 20) /* of the file that is read and written */
#define BENCH_NAME_BYTES 40

/* Log-linear histogram of nanoseconds: 32 steps per power of two, so 3 % exact. */
#define BENCH_STEPS	 32
#define BENCH_BUCKETS	 (BENCH_STEPS * 64)

struct bench;
struct bench_lane;

struct bench_op {
	const char *name;
	const char *unit;    /* what result.n_units counts */
	uint32_t opcode;     /* for fill() that serves several */
	uint32_t data_bytes; /* moved per item, 0 when that is not the point */
	int expected_error;  /* of every reply */
	int or_error;	     /* 0, or what some daemons answer instead */
	bool variable;	     /* replies may be shorter than their room */
	bool forgets;	     /* made_node of each item of a batch is forgotten, untimed */
	bool first_slot;     /* only items of slot 0 count; the others are its company */
	bool extra;	     /* needs the share's path: not one of the usual rows */
	void (*setup)(struct bench_lane *lane);
	/* The request number @step of an item: arguments and rooms of a prepared slot. */
	void (*fill)(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step);
	/* A good reply came; true when the item is complete. NULL: it is, and a unit. */
	bool (*reply)(struct bench_lane *lane, struct fuse_slot *slot, unsigned int step);
	/* Run untimed over the items of a batch before and after it. */
	const struct bench_op *before, *after;
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
	int64_t daemon_cpu_ns;
	int64_t driver_cpu_ns;
	uint64_t n_kicks;
	uint64_t n_wakeups;		 /* of the front-end by the daemon */
	uint32_t buckets[BENCH_BUCKETS]; /* latencies of single requests */
};

struct bench_lane {
	struct bench *bench;
	unsigned int index;
	struct fuse_client client;
	const struct bench_op *op;		  /* the bench's, or what goes before or after it */
	struct bench_item items[BENCH_MAX_DEPTH]; /* as the slots are numbered */
	uint64_t next_number;
	struct bench_result result;
	/* The tree: what setup found or made. */
	uint64_t dir; /* nodeid of the folder that the operation works in */
	uint64_t nodes[BENCH_FILES];
	uint64_t data_node, data_fh;
	int host_fd; /* of the file behind data_node, where the operation needs it; or -1 */
	/* Of the items of this batch, by number modulo BENCH_BATCH. */
	uint64_t made_node[BENCH_BATCH], made_fh[BENCH_BATCH];
	/* The order for this batch. */
	uint64_t n_order;
	int64_t limit_ns;
	pthread_t thread; /* but for the first lane */
};

struct bench_config {
	const char *socket_path;
	const struct bench_op *op;
	uint32_t data_bytes;	  /* of a slot; 0 means what the operation moves */
	unsigned int depth;	  /* the greatest that will be asked for */
	unsigned int n_lanes;	  /* 0 means 1 */
	unsigned int n_queues;	  /* of the device; 0 means one per lane */
	int64_t spin_ns;	  /* look for replies this long before sleeping */
	const char *share_dir;	  /* as the host sees it; some operations need it */
	uint64_t n_known;	  /* inodes that lookup-known goes over */
	const unsigned int *cpus; /* to pin lanes to, or NULL */
	unsigned int n_cpus;
	struct cost *cost; /* whose CPU time is counted, or NULL */
};

struct bench {
	struct bench_config config;
	struct vmm vmm;
	const struct bench_op *op;
	unsigned int depth; /* of this run */
	unsigned int n_lanes;
	struct bench_lane *lanes;
	struct bench_result result; /* of all lanes, once bench_run() is back */
	pthread_barrier_t begin, end;
	bool stopping;
};

/* The end of a table is an entry without a name. */
extern const struct bench_op bench_ops[];
extern const struct bench_op bench_io_ops[];
const struct bench_op *bench_op_find(const char *name);

/* Connects, negotiates and prepares the tree; dies on failure. Free with bench_stop(). */
struct bench *bench_start(const struct bench_config *config);
/* Goes on with another operation, which moves no more than data_bytes. */
void bench_switch(struct bench *bench, const struct bench_op *op);
/* Hangs up, which ends the daemon. */
void bench_stop(struct bench *bench);

/* The threads of all lanes but the first (bench-load.c). */
void bench_start_threads(struct bench *bench);
void bench_stop_threads(struct bench *bench);

/* Forgets what was measured so far. */
void bench_clear(struct bench *bench);
/*
 * Adds to bench->result: until n_items are done on each lane, or with 0 until elapsed_ns
 * passed; operations that are cleaned after go on to the end of their batch.
 */
void bench_run(struct bench *bench, unsigned int depth, uint64_t n_items, int64_t elapsed_ns);
/* @n items of another operation on one lane, not measured, numbered from the lane's next on. */
void bench_run_untimed(struct bench_lane *lane, const struct bench_op *op, unsigned int depth,
		       uint64_t n);
/* The latency in nanoseconds that @share (0..1) of the requests stayed under. */
uint64_t bench_percentile(const struct bench_result *result, double share);
/* The histogram behind it: the bucket of a value, the smallest value of a bucket. */
unsigned int bench_bucket_of(uint64_t ns);
uint64_t bench_bucket_start(unsigned int bucket);

static inline struct bench_item *bench_item(struct bench_lane *lane, const struct fuse_slot *slot)
{
	return &lane->items[slot - lane->client.slots];
}

/* The parts of the tree, made where they are missing (bench-tree.c). */
void bench_make_files(struct bench_lane *lane);
void bench_make_many(struct bench_lane *lane);
void bench_make_empty(struct bench_lane *lane);
void bench_make_links(struct bench_lane *lane);
void bench_make_moved(struct bench_lane *lane);
void bench_make_data(struct bench_lane *lane);
void bench_make_small(struct bench_lane *lane);
void bench_make_cold(struct bench_lane *lane);
void bench_make_known(struct bench_lane *lane);

/* Names in it; @number is cut to the range that exists. */
#define BENCH_LINK_TARGET "../files/where-the-link-leads"
void bench_file_name(char name[BENCH_NAME_BYTES], unsigned int lane, uint64_t number);
void bench_many_name(char name[BENCH_NAME_BYTES], uint64_t number);
void bench_new_name(char name[BENCH_NAME_BYTES], unsigned int lane, uint64_t number);
void bench_moved_name(char name[BENCH_NAME_BYTES], unsigned int lane, unsigned int slot,
		      bool moved);
void bench_known_name(char name[BENCH_NAME_BYTES], uint64_t number);
/* Scattered over n blocks, each once before any comes again. */
static inline uint64_t bench_scatter(uint64_t number, uint64_t n)
{
	return number * 7919 % n;
}

#endif
