/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owners of byte range locks in the arena.
 */
#include "fuse/passthrough/lock-save.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/util.h"

/* While an owner's ranges are replaced there are both. */
static uint32_t n_cells(uint32_t max_ranges)
{
	return 2 * max_ranges;
}

static size_t owner_bytes(uint32_t max_owners)
{
	return align_up(sizeof(struct slot_section) +
				(size_t)max_owners * sizeof(struct lock_saved_owner),
			_Alignof(struct slot_section) * 16);
}

size_t lock_save_bytes(uint32_t max_owners, uint32_t max_ranges)
{
	if (!max_owners)
		return sizeof(struct slot_section); /* which says that there are none */
	return owner_bytes(max_owners) + sizeof(struct slot_section) +
	       (size_t)n_cells(max_ranges) * sizeof(struct lock_saved_range);
}

/* ---- Succession ---- */

static bool is_valid(const struct lock_save *save, const struct lock_saved_range *range)
{
	const struct lock_saved_owner *owner;

	if (!range->owner || range->owner > lock_save_n_owners(save))
		return false;
	owner = &save->owner[range->owner - 1];
	return owner->live && owner->version == range->version;
}

/* What chains a taken slot is up to us: an owner begins the chain of its cells. */
static void adopt(struct lock_save *save)
{
	uint32_t *first = save->owners.link, *next = save->ranges.link;

	for (uint32_t i = 0; i < lock_save_n_owners(save); i++)
		if (!save->owner[i].live)
			slot_pool_give(&save->owners, i);
	for (uint32_t i = 0; i < slot_pool_used(&save->ranges); i++) {
		if (is_valid(save, &save->range[i])) {
			next[i] = first[save->range[i].owner - 1];
			first[save->range[i].owner - 1] = i + 1;
			continue;
		}
		save->range[i].owner = 0;
		slot_pool_give(&save->ranges, i);
	}
}

int lock_save_init(struct lock_save *save, void *section, uint32_t max_owners, uint32_t max_ranges)
{
	struct slot_section *owners = section;
	struct slot_section *ranges =
		(struct slot_section *)(void *)((char *)section + owner_bytes(max_owners));
	int r;

	*save = (struct lock_save){ 0 };
	if (!max_owners)
		return 0;
	save->owner = (struct lock_saved_owner *)(owners + 1);
	save->range = (struct lock_saved_range *)(ranges + 1);
	r = slot_pool_init(&save->owners, owners, max_owners);
	if (r == 0)
		r = slot_pool_init(&save->ranges, ranges, n_cells(max_ranges));
	if (r < 0) {
		lock_save_deinit(save);
		return r;
	}
	adopt(save);
	return 0;
}

void lock_save_deinit(struct lock_save *save)
{
	slot_pool_deinit(&save->owners);
	slot_pool_deinit(&save->ranges);
}

void lock_save_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg)
{
	const struct slot_section *head = section;
	const struct lock_saved_owner *owner = (const struct lock_saved_owner *)(head + 1);

	for (uint32_t i = 0; i < head->n_used; i++)
		if (owner[i].live)
			fn(arg, owner[i].fd);
}

int lock_save_load(const struct lock_save *save, uint32_t owner, struct lock_ranges *ret_ranges,
		   struct lock_cells *ret_cells)
{
	uint32_t first = save->owners.link[owner];
	const uint32_t *next = save->ranges.link;
	uint32_t n = 0;

	*ret_ranges = (struct lock_ranges){ 0 };
	*ret_cells = (struct lock_cells){ 0 };
	for (uint32_t at = first; at; at = next[at - 1])
		n++;
	if (!n)
		return 0;
	ret_ranges->range = calloc(n, sizeof(*ret_ranges->range));
	ret_cells->cell = calloc(n, sizeof(*ret_cells->cell));
	if (!ret_ranges->range || !ret_cells->cell) {
		free_ptr(&ret_ranges->range);
		free_ptr(&ret_cells->cell);
		return -ENOMEM;
	}
	for (uint32_t at = first; at; at = next[at - 1]) {
		ret_ranges->range[ret_ranges->n++] = save->range[at - 1].range;
		ret_cells->cell[ret_cells->n++] = at - 1;
	}
	lock_ranges_sort(ret_ranges);
	return 0;
}

/* ---- Owners ---- */

uint32_t lock_save_add(struct lock_save *save, const struct lock_saved_owner *owner)
{
	uint32_t index = slot_pool_take(&save->owners);
	struct lock_saved_owner *slot;

	if (index == SLOT_NONE)
		return SLOT_NONE;
	slot = &save->owner[index];
	slot->nodeid = owner->nodeid;
	slot->owner = owner->owner;
	slot->fh = owner->fh;
	slot->fd = owner->fd;
	slot->version++; /* ranges of one who was here before are not its own */
	__atomic_store_n(&slot->live, 1, __ATOMIC_RELEASE);
	return index;
}

void lock_save_remove(struct lock_save *save, uint32_t owner)
{
	__atomic_store_n(&save->owner[owner].live, 0, __ATOMIC_RELEASE);
	slot_pool_give(&save->owners, owner);
}

/* ---- Ranges ---- */

int lock_save_reserve(struct lock_save *save, uint32_t n, struct lock_cells *ret_cells)
{
	struct lock_cells cells = { 0 };

	*ret_cells = cells;
	if (!n)
		return 0;
	cells.cell = calloc(n, sizeof(*cells.cell));
	if (!cells.cell)
		return -ENOMEM;
	while (cells.n < n) {
		uint32_t cell = slot_pool_take(&save->ranges);

		if (cell == SLOT_NONE) {
			lock_save_free(save, &cells);
			return -ENOLCK;
		}
		cells.cell[cells.n++] = cell;
	}
	*ret_cells = cells;
	return 0;
}

void lock_save_free(struct lock_save *save, struct lock_cells *cells)
{
	for (uint32_t i = 0; i < cells->n; i++) {
		save->range[cells->cell[i]].owner = 0;
		slot_pool_give(&save->ranges, cells->cell[i]);
	}
	free_ptr(&cells->cell);
	cells->n = 0;
}

void lock_save_replace(struct lock_save *save, uint32_t owner, const struct lock_ranges *ranges,
		       const struct lock_cells *cells)
{
	uint32_t version = save->owner[owner].version + 1;

	for (uint32_t i = 0; i < ranges->n; i++)
		save->range[cells->cell[i]] = (struct lock_saved_range){
			.range = ranges->range[i],
			.owner = owner + 1,
			.version = version,
		};
	__atomic_store_n(&save->owner[owner].version, version, __ATOMIC_RELEASE);
}
