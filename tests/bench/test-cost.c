/* SPDX-License-Identifier: Apache-2.0 */
/*
 * That no operation costs more instructions of our own code or more system calls than
 * budget.txt allows. Times say nothing on a shared machine; these counts repeat.
 *
 * "VIRTIOFSD=BUILD/daemon/virtiofsd test-cost --measured" prints the lines of a new budget.txt.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/callgrind.h"
#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"
#include "tests/lib/syscall-count.h"

#define N_WARM_UP      64
#define N_INSTRUCTIONS 400
#define N_CALLS	       400
#define N_PASSES       4 /* of a whole folder, instead */
#define MAX_OPS	       64
#define TOLERANCE      1.05

struct cost_row {
	const struct bench_op *op;
	double instructions, calls;	    /* per item, measured */
	double max_instructions, max_calls; /* the budget */
};

static struct cost_row rows[MAX_OPS];
static unsigned int n_rows;

static const char *const bare_args[] = { "--sandbox=none", "--seccomp=none", "--max-restarts=0",
					 NULL };
/* Waiting is not work: how long it takes decides how often these run. */
static const char *const waiting_files[] = { "daemon/workers.c", "daemon/polling.c", NULL };
static const char *const waiting_functions[] = { "vq_has_work", "vq_notifications_on",
						 "vq_notifications_off", NULL };

static void add_rows(const struct bench_op *ops)
{
	for (const struct bench_op *op = ops; op->name; op++)
		if (!op->extra)
			rows[n_rows++].op = op;
}

static struct bench *start(struct fixture *f)
{
	const struct bench_config config = {
		.socket_path = daemon_socket_path(f->daemon),
		.op = rows[0].op,
		.depth = 1,
		.data_bytes = 1 << 20,
	};

	return bench_start(&config);
}

/* The same items for every measurement, so that the same work is done. */
static uint64_t run_row(struct bench *bench, const struct bench_op *op, uint64_t n)
{
	if (!strcmp(op->unit, "entries"))
		n = N_PASSES;
	bench_run(bench, 1, n, 0);
	return n;
}

static struct fixture *start_under_callgrind(const char *out)
{
	struct fixture_config config = { .no_vmm = true, .args = bare_args };
	g_autofree char *wrapper =
		g_strdup_printf("valgrind -q --tool=callgrind --callgrind-out-file=%s", out);
	struct fixture *f;

	g_setenv("VIRTIOFSD_WRAPPER", wrapper, true);
	f = fixture_start(&config);
	g_unsetenv("VIRTIOFSD_WRAPPER");
	return f;
}

static void measure_instructions(void)
{
	g_autofree char *dir = g_dir_make_tmp("cost-XXXXXX", NULL);
	g_autofree char *out = g_build_filename(dir, "profile", NULL);
	struct fixture *f = start_under_callgrind(out);
	const struct callgrind_part part = {
		.object = g_getenv("VIRTIOFSD"),
		.not_files = waiting_files,
		.not_functions = waiting_functions,
	};
	struct callgrind callgrind = { .pid = daemon_pid(f->daemon), .out = out };
	struct bench *bench = start(f);

	for (unsigned int i = 0; i < n_rows; i++) {
		uint64_t n;

		bench_switch(bench, rows[i].op);
		run_row(bench, rows[i].op, N_WARM_UP);
		(void)callgrind_count(&callgrind, &part);
		n = run_row(bench, rows[i].op, N_INSTRUCTIONS);
		rows[i].instructions = (double)callgrind_count(&callgrind, &part) / (double)n;
	}
	bench_stop(bench);
	fixture_stop(f);
	(void)g_unlink(out);
	(void)g_rmdir(dir);
}

static void measure_calls(void)
{
	struct fixture_config config = { .no_vmm = true, .args = bare_args };
	struct fixture *f = fixture_start(&config);
	struct bench *bench = start(f);

	for (unsigned int i = 0; i < n_rows; i++) {
		struct syscall_count *count;
		uint64_t n;

		bench_switch(bench, rows[i].op);
		run_row(bench, rows[i].op, N_WARM_UP);
		count = syscall_count_start(daemon_worker_pid(f->daemon));
		n = run_row(bench, rows[i].op, N_CALLS);
		syscall_count_stop(count);
		rows[i].calls = (double)syscall_count_work(count) / (double)n;
		syscall_count_free(count);
	}
	bench_stop(bench);
	fixture_stop(f);
}

static void read_budget(void)
{
	const char *path = g_getenv("COST_BUDGET");
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	g_autoptr(GError) error = NULL;

	if (!path || !g_file_get_contents(path, &text, NULL, &error))
		test_die("COST_BUDGET must name the budget: %s", error ? error->message : "unset");
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		char name[32];
		double instructions, calls;

		if (sscanf(*line, "%31s %lf %lf", name, &instructions, &calls) != 3)
			continue; /* a comment */
		for (unsigned int i = 0; i < n_rows; i++)
			if (!strcmp(rows[i].op->name, name)) {
				rows[i].max_instructions = instructions;
				rows[i].max_calls = calls;
			}
	}
}

/* Of what must not grow; a budget far above the cost would hide the next growth. */
static bool is_stale(const struct cost_row *row)
{
	return row->instructions * TOLERANCE * TOLERANCE < row->max_instructions ||
	       row->calls * TOLERANCE < row->max_calls;
}

static bool fits(const struct cost_row *row)
{
	return row->instructions <= row->max_instructions * TOLERANCE &&
	       row->calls <= row->max_calls * TOLERANCE;
}

static void test_budget(void)
{
	read_budget();
	measure_instructions();
	measure_calls();
	for (unsigned int i = 0; i < n_rows; i++) {
		const struct cost_row *row = &rows[i];

		g_test_message("%-12s %9.1f instructions (%9.1f), %7.2f system calls (%7.2f)",
			       row->op->name, row->instructions, row->max_instructions, row->calls,
			       row->max_calls);
		/* The profile saw our code at all. */
		g_assert_cmpfloat(row->instructions, >, 50);
		if (is_stale(row))
			g_test_message("%s became cheaper: lower its budget", row->op->name);
		if (fits(row))
			continue;
		g_test_message("%s costs more than tests/bench/budget.txt allows", row->op->name);
		g_test_fail();
	}
}

static void print_measured(void)
{
	measure_instructions();
	measure_calls();
	for (unsigned int i = 0; i < n_rows; i++)
		printf("%-12s %9.0f %9.2f\n", rows[i].op->name, rows[i].instructions,
		       rows[i].calls);
}

int main(int argc, char **argv)
{
	/* Everything takes long under valgrind. */
	g_setenv("TEST_TIMEOUT_MS", "60000", false);
	add_rows(bench_ops);
	add_rows(bench_io_ops);
	if (argc == 2 && !strcmp(argv[1], "--measured")) {
		print_measured();
		return 0;
	}
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cost/no-operation-costs-more-than-its-budget", test_budget);
	return g_test_run();
}
