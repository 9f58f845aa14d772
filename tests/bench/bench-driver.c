/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures one operation against the daemon behind a socket and prints one line
 * of JSON. contrib/bench/run makes tables out of many such lines.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

/* Every buffer touched, every thread made: before the clock runs. */
#define WARM_UP_ROUNDS 4

struct arguments {
	double seconds;
	double warm_up;
	gint64 count;
	gint spin_us;
	gboolean list;
	const char *socket_path;
	const struct bench_op *op;
	unsigned int depth;
};

static G_NORETURN void refuse(const char *text)
{
	fprintf(stderr, "bench-driver: %s\n", text);
	exit(2);
}

static void list_ops(void)
{
	for (const struct bench_op *op = bench_ops; op->name; op++)
		puts(op->name);
	exit(0);
}

static void parse(struct arguments *args, int argc, char **argv)
{
	const GOptionEntry entries[] = {
		{ "seconds", 's', 0, G_OPTION_ARG_DOUBLE, &args->seconds,
		  "Measured time (default 0.3)", "S" },
		{ "warm-up", 'w', 0, G_OPTION_ARG_DOUBLE, &args->warm_up,
		  "Time before that (default 0.05)", "S" },
		{ "count", 'n', 0, G_OPTION_ARG_INT64, &args->count,
		  "Measure this many items instead, after a warm-up of fixed length", "N" },
		{ "spin-us", 0, 0, G_OPTION_ARG_INT, &args->spin_us,
		  "Look for replies this long before sleeping (default 0)", "N" },
		{ "list", 'l', 0, G_OPTION_ARG_NONE, &args->list, "Print the operations", NULL },
		{ 0 },
	};
	g_autoptr(GOptionContext) context = g_option_context_new("SOCKET OPERATION DEPTH");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		refuse(error->message);
	if (args->list)
		list_ops();
	if (argc != 4)
		refuse("give a socket, an operation and a depth");
	args->socket_path = argv[1];
	args->op = bench_op_find(argv[2]);
	args->depth = (unsigned int)strtoul(argv[3], NULL, 10);
	if (!args->op)
		refuse("no such operation; --list prints them");
	if (!args->depth || args->depth > BENCH_MAX_DEPTH)
		refuse("the depth is out of range");
	if (args->count < 0 || args->seconds <= 0 || args->warm_up < 0 || args->spin_us < 0)
		refuse("a number is out of range");
}

static void print_result(const struct bench *bench)
{
	const struct bench_result *result = &bench->result;
	double seconds = (double)result->elapsed_ns / 1e9;

	printf("{\"op\":\"%s\",\"depth\":%u,\"rate\":%.1f,\"unit\":\"%s\"", bench->op->name,
	       bench->depth, (double)result->n_units / seconds, bench->op->unit);
	printf(",\"items\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"seconds\":%.6f", result->n_items,
	       result->n_requests, seconds);
	printf(",\"bytes_per_s\":%.0f", (double)result->n_items * bench->op->data_bytes / seconds);
	printf(",\"p50_us\":%.2f,\"p99_us\":%.2f", (double)bench_percentile(result, 0.5) / 1000,
	       (double)bench_percentile(result, 0.99) / 1000);
	printf(",\"kicks\":%" PRIu64 ",\"wakeups\":%" PRIu64 "}\n", result->n_kicks,
	       result->n_wakeups);
}

int main(int argc, char **argv)
{
	struct arguments args = { .seconds = 0.3, .warm_up = 0.05 };
	struct bench *bench;

	parse(&args, argc, argv);
	bench = bench_start(args.socket_path, args.op, args.depth, args.spin_us * INT64_C(1000));
	bench_run(bench, WARM_UP_ROUNDS * args.depth, 0);
	if (!args.count && args.warm_up > 0)
		bench_run(bench, 0, (int64_t)(args.warm_up * 1e9));
	bench_clear(bench);
	bench_run(bench, (uint64_t)args.count, (int64_t)(args.seconds * 1e9));
	print_result(bench);
	bench_stop(bench);
	return 0;
}
