/* SPDX-License-Identifier: Apache-2.0 */
/*
 * That the load generator counts right: each operation, a few times at two
 * depths on one and two queues, leaves the counts that follow from its definition.
 */
#include <glib.h>

#include "tests/bench/bench.h"
#include "tests/component/fixture.h"

#define N_ITEMS 40

static unsigned int requests_per_item(const struct bench_op *op)
{
	if (!g_strcmp0(op->name, "small-file"))
		return 5;
	return !g_strcmp0(op->name, "open") ? 2 : 1;
}

static bool in_batches(const struct bench_op *op)
{
	return op->before || op->after || op->forgets;
}

static void check_counts(const struct bench *bench, uint64_t n_items)
{
	const struct bench_result *result = &bench->result;

	g_assert_cmpuint(result->n_items, ==, n_items);
	g_assert_cmpint(result->elapsed_ns, >, 0);
	g_assert_cmpuint(bench_percentile(result, 0.5), >, 0);
	g_assert_cmpuint(bench_percentile(result, 0.5), <=, bench_percentile(result, 0.99));
	g_assert_cmpuint(result->n_kicks, <=, result->n_requests);
	if (!g_strcmp0(bench->op->unit, "entries")) {
		/* "." and ".." may be listed, and each pass ends with an empty reply. */
		g_assert_cmpuint(result->n_units, >=, n_items * BENCH_MANY);
		g_assert_cmpuint(result->n_units, <=, n_items * (BENCH_MANY + 2));
		g_assert_cmpuint(result->n_requests, >, n_items * 2);
	} else {
		g_assert_cmpuint(result->n_units, ==, n_items);
		g_assert_cmpuint(result->n_requests, ==, n_items * requests_per_item(bench->op));
	}
}

static void check_op(const struct bench_op *op, unsigned int depth, unsigned int n_lanes)
{
	/* So that an operation with untimed cleaning cleans more than once. */
	uint64_t n_items = in_batches(op) ? BENCH_BATCH + N_ITEMS : N_ITEMS;

	struct fixture_config config = { .no_vmm = true };
	struct fixture *f = fixture_start(&config);
	struct bench_config bench_config = {
		.socket_path = daemon_socket_path(f->daemon),
		.op = op,
		.depth = depth,
		.n_lanes = n_lanes,
	};
	struct bench *bench = bench_start(&bench_config);

	bench_run(bench, depth, n_items, 0);
	check_counts(bench, n_items * n_lanes);
	bench_clear(bench);
	bench_run(bench, depth, 0, 1);
	g_assert_cmpuint(bench->result.n_items, >=, n_lanes);
	g_assert_cmpuint(bench->result.n_items, <=,
			 n_lanes * (in_batches(op) ? BENCH_BATCH : depth));
	bench_stop(bench);
	fixture_stop(f);
}

static void test_op(gconstpointer op)
{
	check_op(op, 1, 1);
	check_op(op, 8, 2);
}

static void test_percentiles(void)
{
	static const uint64_t values[] = { 0, 1, 31, 32, 63, 64, 1000, 123456, 1ull << 40 };
	struct bench_result result = { .n_items = 1 };

	g_assert_cmpuint(bench_percentile(&result, 0.5), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
		g_assert_cmpuint(bench_bucket_start(bench_bucket_of(values[i])), <=, values[i]);
	for (unsigned int i = 0; i < BENCH_BUCKETS - BENCH_STEPS * 5; i++)
		g_assert_cmpuint(bench_bucket_of(bench_bucket_start(i)), ==, i);
	result.buckets[bench_bucket_of(100)] = 98;
	result.buckets[bench_bucket_of(1 << 20)] = 2;
	g_assert_cmpuint(bench_percentile(&result, 0.5), ==, 100);
	g_assert_cmpuint(bench_percentile(&result, 0.99), ==, 1 << 20);
}

static void add_table(const struct bench_op *ops)
{
	for (const struct bench_op *op = ops; op->name; op++) {
		g_autofree char *path = g_strdup_printf("/bench/%s-counts-what-was-asked-for",
							op->name);

		if (!op->extra)
			g_test_add_data_func(path, op, test_op);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bench/percentiles-come-from-the-right-bucket", test_percentiles);
	add_table(bench_ops);
	add_table(bench_io_ops);
	return g_test_run();
}
