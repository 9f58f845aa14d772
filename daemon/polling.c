/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the leader of a queue looks at an empty ring before it sleeps.
 *
 * Theory. A guest that works keeps a leader awake and pays no exit for a kick (they are off while
 * the leader is awake); an idle or sparse one shall cost no CPU. The whole wait, looked at or slept,
 * decides the next window: a guest whose requests come sooner than the longest window after each
 * other is worth waiting for awake. So the window doubles with each wait that was slept and short,
 * and is closed by one that was long. The leader yields before it looks, so that a front-end on the
 * same processor runs at once.
 *
 * On a host with more to do than processors, a yield gives away a whole time slice, some
 * milliseconds, which a kick would have ended at once, and the looking takes the processor from the
 * front-end that is waited for: on two processors with a busy process on each, GETATTR cost 15 to 45
 * µs of CPU with polling and 3 to 5 without, at no better rate. What shows it is a look that took
 * longer than any window may be: then waits are slept through for a while, which doubles each time it
 * turns out so again.
 *
 * Requests that follow upon each other are found at the first look. Two readings of the clock would
 * be a good part of what is left of the cost of such a wait, so that only one look in some is timed.
 */
#include "daemon/polling.h"

#include <sched.h>
#include <time.h>

#include "base/util.h"

#define WINDOW_MIN_NS	10000u
#define LOOKS_PER_YIELD 64u
#define WAITS_PER_CLOCK 8u
#define REST_MIN	16u
#define REST_MAX	4096u

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static bool look(struct virtqueue *vq)
{
	sched_yield();
	for (unsigned int i = 0; i < LOOKS_PER_YIELD; i++) {
		if (vq_has_work(vq))
			return true;
		cpu_relax();
	}
	return false;
}

/* Others want this processor. */
static void leave_it_to_others(struct polling *polling)
{
	polling->window_ns = 0;
	polling->rest = MIN(MAX(polling->rest * 2, REST_MIN), REST_MAX);
	polling->n_to_sleep = polling->rest;
}

/* Goes on after the first look. */
static bool look_on(struct polling *polling, struct virtqueue *vq, const bool *stopping, bool found)
{
	uint64_t waited = now_ns() - polling->start_ns;

	while (!found && waited < polling->window_ns &&
	       !__atomic_load_n(stopping, __ATOMIC_ACQUIRE)) {
		found = look(vq);
		waited = now_ns() - polling->start_ns;
	}
	if (waited > polling->max_ns)
		leave_it_to_others(polling);
	else if (found && polling->rest)
		polling->rest--;
	return found;
}

bool polling_find(struct polling *polling, struct virtqueue *vq, const bool *stopping)
{
	bool awake = polling->window_ns > 0;
	bool timed = !awake || polling->n_looks++ % WAITS_PER_CLOCK == 0;
	bool found;

	if (!polling->max_ns)
		return false;
	if (timed)
		polling->start_ns = now_ns();
	if (!awake)
		return false;
	found = look(vq);
	if (found && !timed)
		return true;
	if (!timed)
		polling->start_ns = now_ns();
	return look_on(polling, vq, stopping, found);
}

void polling_slept(struct polling *polling)
{
	if (polling->n_to_sleep)
		polling->n_to_sleep--;
	else if (!polling->max_ns || now_ns() - polling->start_ns >= polling->max_ns)
		polling->window_ns = 0;
	else
		polling->window_ns = MIN(MAX(polling->window_ns * 2, WINDOW_MIN_NS),
					 polling->max_ns);
}
