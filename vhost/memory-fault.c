/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live mappings of guest memory, as the SIGBUS handler sees them.
 *
 * A front-end can truncate the file behind its memory at any time; touching what was cut off is
 * SIGBUS for the thread that does it. The handler looks the address up and puts zero pages there,
 * so the access repeats and succeeds. (System calls get EFAULT instead and need no help.)
 *
 * The handler may interrupt anything, the table's own writer too, so it takes no lock: a slot is
 * valid while `start` is not zero, and `start` is read again after the other fields.
 */
#include "vhost/memory-fault.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vhost/memory.h"

/* An old table and its successor may be alive at once, each with regions of its own. */
#define N_SLOTS ((int)(2 * GUEST_MEMORY_MAX_REGIONS + 16))

static struct {
	uintptr_t start;
	uintptr_t bytes;
	uintptr_t granule;
} slots[N_SLOTS]; /* read lock-free in the handler */

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER; /* writers; innermost */

int memory_fault_watch(const void *base, size_t bytes, size_t granule)
{
	scoped_lock(&slots_lock);

	for (int i = 0; i < N_SLOTS; i++) {
		if (slots[i].start)
			continue;
		__atomic_store_n(&slots[i].bytes, bytes, __ATOMIC_RELAXED);
		__atomic_store_n(&slots[i].granule, granule, __ATOMIC_RELAXED);
		__atomic_store_n(&slots[i].start, (uintptr_t)base, __ATOMIC_RELEASE);
		return i;
	}
	return -ENOSPC;
}

void memory_fault_unwatch(int slot)
{
	scoped_lock(&slots_lock);

	__atomic_store_n(&slots[slot].start, 0, __ATOMIC_SEQ_CST);
}

struct fault_place {
	uintptr_t page, granule;
	uintptr_t start, bytes; /* of the whole mapping */
};

/* False when no mapping has the address. */
static bool find_place(uintptr_t addr, struct fault_place *ret_place)
{
	for (int i = 0; i < N_SLOTS; i++) {
		uintptr_t start = __atomic_load_n(&slots[i].start, __ATOMIC_ACQUIRE);
		uintptr_t bytes = __atomic_load_n(&slots[i].bytes, __ATOMIC_ACQUIRE);
		uintptr_t granule = __atomic_load_n(&slots[i].granule, __ATOMIC_ACQUIRE);

		if (!start || start != __atomic_load_n(&slots[i].start, __ATOMIC_ACQUIRE))
			continue;
		if (addr < start || addr - start >= bytes)
			continue;
		*ret_place = (struct fault_place){ addr & ~(granule - 1), granule, start, bytes };
		return true;
	}
	return false;
}

static bool put_zeros(uintptr_t start, uintptr_t bytes)
{
	return mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/*
 * A mapping too many, and not even one that takes the place of thousands is permitted: then this one
 * makes room. It is shared, so that it is never one with its neighbour.
 */
static struct {
	void *page;
	bool taken; /* atomic; a lock that handlers spin for */
} spare;

static void map_spare(void)
{
	spare.page = mmap(NULL, 1, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static bool put_zeros_everywhere(const struct fault_place *place)
{
	bool done;

	while (__atomic_exchange_n(&spare.taken, true, __ATOMIC_ACQUIRE))
		sched_yield();
	done = put_zeros(place->start, place->bytes);
	if (!done && spare.page != MAP_FAILED) {
		(void)munmap(spare.page, 1);
		done = put_zeros(place->start, place->bytes);
		map_spare();
	}
	__atomic_store_n(&spare.taken, false, __ATOMIC_RELEASE);
	return done;
}

/*
 * Page by page the mappings would run out, if somebody takes away every second page; then the whole
 * region goes, which that front-end has ruined anyway.
 */
static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;
	struct fault_place place;

	(void)context; /* the access is repeated as it was */
	/* A code above 0 is a fault; others were sent by somebody. */
	if (info->si_code > 0 && find_place((uintptr_t)info->si_addr, &place) &&
	    (put_zeros(place.page, place.granule) || put_zeros_everywhere(&place))) {
		errno = saved;
		return;
	}
	/* Ours to die of: the signal stays blocked until this returns, then the default acts. */
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	errno = saved;
}

int guest_memory_install_sigbus_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	map_spare();
	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}
