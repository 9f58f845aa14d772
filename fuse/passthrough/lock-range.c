/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte ranges that one owner has locked in one file.
 */
#include "fuse/passthrough/lock-range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"

static void append(struct lock_ranges *to, struct lock_range range)
{
	struct lock_range *last = to->n ? &to->range[to->n - 1] : NULL;

	if (last && last->end + 1 == range.start && last->type == range.type &&
	    last->pid == range.pid)
		last->end = range.end;
	else
		to->range[to->n++] = range;
}

static void append_part(struct lock_ranges *to, struct lock_range range, uint64_t start,
			uint64_t end)
{
	range.start = start;
	range.end = end;
	append(to, range);
}

int lock_ranges_set(const struct lock_ranges *from, const struct lock_range *set,
		    struct lock_ranges *ret_ranges)
{
	/* At most one range is cut in two, and one comes. */
	struct lock_ranges to = { .range = calloc((size_t)from->n + 2, sizeof(*to.range)) };
	uint32_t i = 0;

	if (!to.range)
		return -ENOMEM;
	while (i < from->n && from->range[i].end < set->start)
		append(&to, from->range[i++]);
	if (i < from->n && from->range[i].start < set->start)
		append_part(&to, from->range[i], from->range[i].start, set->start - 1);
	if (set->type != F_UNLCK)
		append(&to, *set);
	while (i < from->n && from->range[i].end <= set->end)
		i++;
	if (i < from->n && from->range[i].start <= set->end) {
		append_part(&to, from->range[i], set->end + 1, from->range[i].end);
		i++;
	}
	while (i < from->n)
		append(&to, from->range[i++]);
	if (!to.n)
		free_ptr(&to.range);
	*ret_ranges = to;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct lock_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void lock_ranges_sort(struct lock_ranges *ranges)
{
	qsort(ranges->range, ranges->n, sizeof(*ranges->range), by_start);
}

void lock_ranges_clear(struct lock_ranges *ranges)
{
	free_ptr(&ranges->range);
	ranges->n = 0;
}

const struct lock_range *lock_ranges_find(const struct lock_ranges *ranges, uint64_t at)
{
	for (uint32_t i = 0; i < ranges->n; i++)
		if (ranges->range[i].start <= at && at <= ranges->range[i].end)
			return &ranges->range[i];
	return NULL;
}
