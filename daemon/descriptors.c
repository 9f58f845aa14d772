/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a dead worker left.
 */
#include "daemon/descriptors.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"

#define BITS 64

int descriptors_init(struct descriptors *descriptors)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	(void)getrlimit(RLIMIT_NOFILE, &limit); /* fails for bad arguments only */
	descriptors->n_max = (int)MIN(limit.rlim_cur, (rlim_t)(INT_MAX - BITS));
	descriptors->known = calloc((size_t)descriptors->n_max / BITS + 1,
				    sizeof(*descriptors->known));
	return descriptors->known ? 0 : -ENOMEM;
}

void descriptors_deinit(struct descriptors *descriptors)
{
	free_ptr(&descriptors->known);
}

void descriptors_know(void *arg, int fd)
{
	struct descriptors *descriptors = arg;

	if (fd >= 0 && fd < descriptors->n_max)
		descriptors->known[fd / BITS] |= UINT64_C(1) << fd % BITS;
}

static bool is_known(const struct descriptors *descriptors, int fd)
{
	return descriptors->known[fd / BITS] & UINT64_C(1) << fd % BITS;
}

/* The first of `from` and above that is known, or n_max. */
static int next_known(const struct descriptors *descriptors, int from)
{
	while (from < descriptors->n_max && !is_known(descriptors, from)) {
		bool none = from % BITS == 0 && !descriptors->known[from / BITS];

		from += none ? BITS : 1;
	}
	return MIN(from, descriptors->n_max);
}

int descriptors_close_others(const struct descriptors *descriptors)
{
	int from = 0;

	while (from < descriptors->n_max) {
		int to = next_known(descriptors, from);
		unsigned int last = to < descriptors->n_max ? (unsigned int)to - 1 : UINT_MAX;

		if (to > from && close_range((unsigned int)from, last, 0) < 0)
			return -errno;
		from = to + 1;
	}
	return 0;
}
