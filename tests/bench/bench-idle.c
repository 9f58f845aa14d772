/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connects to one or many daemons, lets them be idle or asks the first something now
 * and then, and prints what they used meanwhile as a line of JSON.
 */
#include <glib.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench-cost.h"
#include "tests/bench/bench.h"
#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls.h"

/* A daemon that polled because it was busy has seen by then that it is not. */
#define SETTLE_MS    500
#define MEMORY_BYTES (8u << 20)

struct guest {
	struct vmm vmm;
	struct fuse_client client;
	struct cost cost;
};

static void start_guest(struct guest *guest, const char *socket_path, pid_t pid,
			unsigned int n_queues)
{
	struct vmm_config vmm = { .n_request_queues = n_queues, .memory_bytes = MEMORY_BYTES };
	struct fuse_client_config client = { .queue = 1, .depth = 1 };
	struct fuse_attr_out attr;

	vmm_start(&guest->vmm, socket_path, -1, &vmm);
	fuse_client_init(&guest->client, &guest->vmm, &client);
	if (fuse_init_default(&guest->client))
		test_die("INIT failed");
	for (unsigned int i = 0; i < 100; i++)
		if (fuse_getattr(&guest->client, FUSE_ROOT_ID, UINT64_MAX, &attr))
			test_die("the root has no attributes");
	cost_init(&guest->cost, pid);
}

static void stop_guest(struct guest *guest)
{
	vmm_stop(&guest->vmm);
	fuse_client_deinit(&guest->client);
}

static uint64_t sum(struct guest **guests, unsigned int n, uint64_t (*what)(const struct cost *))
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < n; i++)
		total += what(&guests[i]->cost);
	return total;
}

static uint64_t cpu_ns(const struct cost *cost)
{
	return (uint64_t)cost_cpu_ns(cost);
}

/* Asks at fixed moments, @rate a second. */
static void ask_for(struct guest *guest, double seconds, int rate)
{
	int64_t step = 1000000000 / rate, next = now_ns();
	uint64_t n = (uint64_t)(seconds * rate);

	while (n--) {
		struct timespec moment;
		struct fuse_attr_out attr;

		next += step;
		moment = (struct timespec){ next / 1000000000, next % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
		if (fuse_getattr(&guest->client, FUSE_ROOT_ID, UINT64_MAX, &attr))
			test_die("the root has no attributes");
	}
}

static void measure(struct guest **guests, unsigned int n, double seconds, int rate)
{
	uint64_t wakeups, cpu;

	poll(NULL, 0, SETTLE_MS);
	wakeups = sum(guests, n, cost_wakeups);
	cpu = sum(guests, n, cpu_ns);
	if (rate)
		ask_for(guests[0], seconds, rate);
	else
		poll(NULL, 0, (int)(seconds * 1000));
	cpu = sum(guests, n, cpu_ns) - cpu;
	wakeups = sum(guests, n, cost_wakeups) - wakeups;
	printf("{\"guests\":%u,\"queues\":%u,\"seconds\":%.1f,\"asked_per_s\":%d", n,
	       guests[0]->vmm.n_queues - 1, seconds, rate);
	printf(",\"wakeups\":%" PRIu64 ",\"cpu_ms\":%.3f,\"private_kib\":%.1f}\n", wakeups,
	       (double)cpu / 1e6, (double)sum(guests, n, cost_private_kib) / n);
}

int main(int argc, char **argv)
{
	double seconds = 10;
	int rate = 0, n_queues = 1;
	const GOptionEntry entries[] = {
		{ "seconds", 's', 0, G_OPTION_ARG_DOUBLE, &seconds, "How long (default 10)", "S" },
		{ "rate", 'r', 0, G_OPTION_ARG_INT, &rate,
		  "Ask the first daemon this often a second (default 0)", "N" },
		{ "queues", 'q', 0, G_OPTION_ARG_INT, &n_queues, "Request queues (default 1)",
		  "N" },
		{ 0 },
	};
	g_autoptr(GOptionContext) context = g_option_context_new("SOCKET PID [SOCKET PID]...");
	g_autoptr(GPtrArray) guests = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 3 || argc % 2 == 0 ||
	    seconds < 0 || rate < 0 || n_queues < 1 || n_queues >= VMM_MAX_QUEUES) {
		fprintf(stderr, "bench-idle: %s\n", error ? error->message : "wrong arguments");
		return 2;
	}
	for (int i = 1; i < argc; i += 2) {
		struct guest *guest = g_new0(struct guest, 1);

		start_guest(guest, argv[i], (pid_t)strtol(argv[i + 1], NULL, 10),
			    (unsigned int)n_queues);
		g_ptr_array_add(guests, guest);
	}
	measure((struct guest **)guests->pdata, guests->len, seconds, rate);
	for (unsigned int i = 0; i < guests->len; i++)
		stop_guest(guests->pdata[i]);
	return 0;
}
