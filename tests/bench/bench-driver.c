/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures one operation at one or more depths against the daemon behind a socket,
 * or natively in a folder, and prints a line of JSON for each depth. contrib/bench/run
 * makes tables out of many such lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench-native.h"
#include "tests/bench/bench.h"

/* Every buffer touched, every thread made: before the clock runs. */
#define WARM_UP_ROUNDS 4
/* A front-end that never sleeps. */
#define SPIN_NS	       INT64_C(3600000000000)
#define MAX_DEPTHS     16

struct arguments {
	double seconds;
	double warm_up;
	gint64 count;
	gint64 known;
	gboolean spin;
	gboolean list;
	gboolean native;
	gint lanes;
	gint queues;
	gint pid;
	char *cpus_text;
	char *share_dir;
	const char *place; /* socket or folder */
	const struct bench_op *op;
	unsigned int depths[MAX_DEPTHS];
	unsigned int n_depths;
	unsigned int cpus[MAX_DEPTHS];
	unsigned int n_cpus;
};

static G_NORETURN void refuse(const char *text)
{
	fprintf(stderr, "bench-driver: %s\n", text);
	exit(2);
}

static void list_ops(void)
{
	for (const struct bench_op *op = bench_ops; op->name; op++)
		if (!op->extra)
			puts(op->name);
	for (const struct bench_op *op = bench_io_ops; op->name; op++)
		if (!op->extra)
			puts(op->name);
	exit(0);
}

static unsigned int parse_list(const char *text, unsigned int list[MAX_DEPTHS])
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);
	unsigned int n = 0;

	for (char **word = words; *word; word++) {
		char *end;

		if (n == MAX_DEPTHS)
			refuse("a list is too long");
		list[n++] = (unsigned int)strtoul(*word, &end, 10);
		if (end == *word || *end)
			refuse("a list has something else than numbers and commas");
	}
	return n;
}

static void check(struct arguments *args)
{
	if (!args->op)
		refuse("no such operation; --list prints them");
	for (unsigned int i = 0; i < args->n_depths; i++)
		if (!args->depths[i] || args->depths[i] > BENCH_MAX_DEPTH)
			refuse("a depth is out of range");
	if (args->count < 0 || args->seconds <= 0 || args->warm_up < 0 || args->lanes < 1 ||
	    args->lanes > BENCH_MAX_LANES || args->queues < 0 || args->queues >= VMM_MAX_QUEUES ||
	    args->known < 1 || args->known > 100000000)
		refuse("a number is out of range");
}

static void parse(struct arguments *args, int argc, char **argv)
{
	const GOptionEntry entries[] = {
		{ "seconds", 's', 0, G_OPTION_ARG_DOUBLE, &args->seconds,
		  "Measured time per depth (default 0.3)", "S" },
		{ "warm-up", 'w', 0, G_OPTION_ARG_DOUBLE, &args->warm_up,
		  "Time before that (default 0.05)", "S" },
		{ "count", 'n', 0, G_OPTION_ARG_INT64, &args->count,
		  "Measure this many items instead, after a warm-up of fixed length", "N" },
		{ "lanes", 0, 0, G_OPTION_ARG_INT, &args->lanes,
		  "Keep this many request queues busy, a thread each (default 1)", "N" },
		{ "queues", 0, 0, G_OPTION_ARG_INT, &args->queues,
		  "Set up at least this many request queues", "N" },
		{ "cpus", 0, 0, G_OPTION_ARG_STRING, &args->cpus_text,
		  "Pin the threads of the lanes to these processors in turn", "LIST" },
		{ "spin", 0, 0, G_OPTION_ARG_NONE, &args->spin,
		  "Look at the used ring without ever sleeping", NULL },
		{ "pid", 'p', 0, G_OPTION_ARG_INT, &args->pid,
		  "Count CPU time and memory of this process and its descendants", "PID" },
		{ "share", 0, 0, G_OPTION_ARG_FILENAME, &args->share_dir,
		  "The shared folder; lookup-known and getattr-loaded need it", "DIR" },
		{ "known", 0, 0, G_OPTION_ARG_INT64, &args->known,
		  "Inodes that the daemon knows in lookup-known (default 1000)", "N" },
		{ "native", 0, 0, G_OPTION_ARG_NONE, &args->native,
		  "No daemon: the same system calls in the folder named instead of a socket",
		  NULL },
		{ "list", 'l', 0, G_OPTION_ARG_NONE, &args->list, "Print the operations", NULL },
		{ 0 },
	};
	g_autoptr(GOptionContext)
		context = g_option_context_new("SOCKET OPERATION DEPTH[,DEPTH...]");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		refuse(error->message);
	if (args->list)
		list_ops();
	if (argc != 4)
		refuse("give a socket, an operation and a depth");
	args->place = argv[1];
	args->op = bench_op_find(argv[2]);
	args->n_depths = parse_list(argv[3], args->depths);
	if (args->cpus_text)
		args->n_cpus = parse_list(args->cpus_text, args->cpus);
	check(args);
}

static void print_latency(const struct bench_result *result, const char *name, double share)
{
	printf(",\"%s_us\":%.3f", name, (double)bench_percentile(result, share) / 1000);
}

/* Everything but what only a daemon has. The closing brace is the caller's. */
static void print_result(const struct arguments *args, const struct bench_result *result,
			 unsigned int depth)
{
	double seconds = (double)result->elapsed_ns / 1e9;
	double n_units = (double)MAX(result->n_units, 1);

	printf("{\"op\":\"%s\",\"depth\":%u,\"lanes\":%d,\"rate\":%.1f,\"unit\":\"%s\"",
	       args->op->name, depth, args->lanes, (double)result->n_units / seconds,
	       args->op->unit);
	printf(",\"items\":%" PRIu64 ",\"seconds\":%.6f", result->n_items, seconds);
	printf(",\"bytes_per_s\":%.0f", (double)result->n_items * args->op->data_bytes / seconds);
	print_latency(result, "p50", 0.5);
	print_latency(result, "p99", 0.99);
	print_latency(result, "p999", 0.999);
	printf(",\"driver_cpu_us\":%.4f", (double)result->driver_cpu_ns / 1000 / n_units);
}

static void measure_native(const struct arguments *args)
{
	g_autofree struct bench_result *result = g_new0(struct bench_result, 1);

	native_run(args->place, args->op, (uint64_t)args->known, (int64_t)(args->warm_up * 1e9),
		   (int64_t)(args->seconds * 1e9), result);
	print_result(args, result, 1);
	puts("}");
}

static void measure(const struct arguments *args, struct bench *bench, unsigned int depth)
{
	const struct bench_result *result = &bench->result;

	bench_run(bench, depth, WARM_UP_ROUNDS * depth, 0);
	if (!args->count && args->warm_up > 0)
		bench_run(bench, depth, 0, (int64_t)(args->warm_up * 1e9));
	bench_clear(bench);
	bench_run(bench, depth, (uint64_t)args->count, (int64_t)(args->seconds * 1e9));
	print_result(args, result, depth);
	printf(",\"requests\":%" PRIu64 ",\"kicks\":%" PRIu64 ",\"wakeups\":%" PRIu64,
	       result->n_requests, result->n_kicks, result->n_wakeups);
	if (args->pid)
		printf(",\"cpu_us\":%.4f,\"private_kib\":%" PRIu64,
		       (double)result->daemon_cpu_ns / 1000 / (double)MAX(result->n_units, 1),
		       cost_private_kib(bench->config.cost));
}

/* Makes the daemon know the inodes; each costs this many bytes. */
static double learn_known(const struct arguments *args, struct bench *bench)
{
	uint64_t before = args->pid ? cost_private_kib(bench->config.cost) : 0;

	bench_run_untimed(&bench->lanes[0], args->op, bench->config.depth, (uint64_t)args->known);
	if (!args->pid)
		return 0;
	return ((double)cost_private_kib(bench->config.cost) - (double)before) * 1024 /
	       (double)args->known;
}

static void measure_daemon(const struct arguments *args)
{
	struct cost cost;
	struct bench_config config = {
		.socket_path = args->place,
		.op = args->op,
		.n_lanes = (unsigned int)args->lanes,
		.n_queues = (unsigned int)args->queues,
		.spin_ns = args->spin ? SPIN_NS : 0,
		.share_dir = args->share_dir,
		.n_known = (uint64_t)args->known,
		.cpus = args->cpus,
		.n_cpus = args->n_cpus,
		.cost = args->pid ? &cost : NULL,
	};
	struct bench *bench;
	double known_bytes = 0;
	bool known = args->op == bench_op_find("lookup-known");

	for (unsigned int i = 0; i < args->n_depths; i++)
		config.depth = MAX(config.depth, args->depths[i]);
	bench = bench_start(&config);
	/* Some daemons fork once they are connected. */
	if (args->pid)
		cost_init(&cost, args->pid);
	if (known)
		known_bytes = learn_known(args, bench);
	for (unsigned int i = 0; i < args->n_depths; i++) {
		measure(args, bench, args->depths[i]);
		if (known)
			printf(",\"known\":%" PRId64 ",\"known_bytes\":%.1f", args->known,
			       known_bytes);
		puts("}");
	}
	bench_stop(bench);
}

int main(int argc, char **argv)
{
	struct arguments args = { .seconds = 0.3, .warm_up = 0.05, .lanes = 1, .known = 1000 };

	parse(&args, argc, argv);
	if (args.native)
		measure_native(&args);
	else
		measure_daemon(&args);
	g_free(args.cpus_text);
	g_free(args.share_dir);
	return 0;
}
