/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading one descriptor chain into iovecs.
 *
 * The guest wrote the descriptors and may rewrite them meanwhile: each is copied once and only the
 * copy is looked at. Addresses, lengths, links, flags and indirect tables may be anything. After
 * this file every iovec lies inside mapped guest memory, readable ones come first, and the walk
 * has ended after at most as many steps as the table has entries.
 *
 * A bad address closes the part it is in and the walk goes on, so that a request whose data is
 * bad can still be given its answer; a bad structure ends the walk.
 */
#include <string.h>

#include "base/util.h"
#include "vhost/memory.h"
#include "vhost/virtqueue-internal.h"

/* A link is 16 bits wide, so that no more entries of an indirect table can be reached. */
#define MAX_TABLE_ENTRIES 65536u

struct walk {
	const struct virtqueue *vq;
	struct vq_chain *chain;
	/* The table in hand: directly readable, or only by its guest address. */
	const struct vring_desc *table;
	uint64_t table_gpa;
	uint32_t n_entries;
	bool in_indirect;
	bool part_closed; /* a segment of the part in hand was bad: no more of this part */
};

/* Copies a descriptor that is unaligned or lies across regions. */
static bool gather_desc(const struct walk *w, uint32_t i, struct vq_desc *ret_desc)
{
	struct vring_desc raw;
	uint64_t gpa = w->table_gpa + (uint64_t)i * sizeof(raw);
	size_t done = 0;

	while (done < sizeof(raw)) {
		uint64_t n;
		const void *from = guest_memory_from_gpa(w->vq->memory, gpa + done,
							 sizeof(raw) - done, &n);

		if (!from)
			return false;
		memcpy((char *)&raw + done, from, n);
		done += n;
	}
	*ret_desc = vring_read_desc(&raw, 0);
	return true;
}

static bool read_desc(const struct walk *w, uint32_t i, struct vq_desc *ret_desc)
{
	if (!w->table)
		return gather_desc(w, i, ret_desc);
	*ret_desc = vring_read_desc(w->table, i);
	return true;
}

/* Turns to the table that `desc` names. False when it is malformed (virtio 1.2, 2.7.5.3). */
static bool enter_indirect(struct walk *w, const struct vq_desc *desc)
{
	uint64_t end, mapped = 0;
	void *table;

	if (!w->vq->indirect || w->in_indirect || (desc->flags & VRING_DESC_F_NEXT))
		return false;
	if (desc->len == 0 || desc->len % sizeof(struct vring_desc) != 0)
		return false;
	if (add_overflows(desc->gpa, desc->len - 1, &end))
		return false;
	table = guest_memory_from_gpa(w->vq->memory, desc->gpa, desc->len, &mapped);
	if (!table)
		return false;
	if (mapped < desc->len || (uintptr_t)table % __alignof__(struct vring_desc) != 0)
		table = NULL;
	w->table = table;
	w->table_gpa = desc->gpa;
	w->n_entries = MIN(desc->len / (uint32_t)sizeof(struct vring_desc), MAX_TABLE_ENTRIES);
	w->in_indirect = true;
	return true;
}

/*
 * Adds a piece to the part that has `*count` segments so far. Guests send large data page by page,
 * often of adjacent pages: as one segment they cost the system call less. False when full.
 */
static bool add_piece(struct vq_chain *chain, unsigned int *count, void *base, size_t n)
{
	unsigned int place = chain->n_readable + chain->n_writable;
	struct iovec *last = *count ? &chain->iov[place - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == base) {
		last->iov_len += n;
	} else {
		if (place == VQ_MAX_SEGMENTS)
			return false;
		chain->iov[place] = (struct iovec){ .iov_base = base, .iov_len = n };
		(*count)++;
	}
	chain->n_bytes += n;
	return true;
}

/* Adds the segments of one descriptor to the part in hand. False when a piece is bad. */
static bool add_segments(struct walk *w, const struct vq_desc *desc, bool writable)
{
	struct vq_chain *chain = w->chain;
	unsigned int *count = writable ? &chain->n_writable : &chain->n_readable;
	uint64_t gpa = desc->gpa, left = desc->len, end;

	if (left && add_overflows(gpa, left - 1, &end))
		return false;
	while (left > 0) {
		uint64_t n = 0;
		void *base = guest_memory_from_gpa(w->vq->memory, gpa, left, &n);

		if (!base || !add_piece(chain, count, base, n))
			return false;
		gpa += n;
		left -= n;
	}
	return true;
}

/* One data descriptor. False ends the walk: readable behind writable (virtio 1.2, 2.7.4.2). */
static bool take_buffer(struct walk *w, const struct vq_desc *desc, bool *writing)
{
	bool writable = desc->flags & VRING_DESC_F_WRITE;

	if (writable && !*writing) {
		*writing = true;
		w->part_closed = false;
	}
	if (!writable && *writing)
		return false;
	if (!w->part_closed && !add_segments(w, desc, writable)) {
		w->part_closed = true;
		w->chain->damaged = true;
	}
	return true;
}

/* False when the chain's structure is broken. */
static bool walk_chain(struct walk *w, uint16_t head)
{
	uint32_t i = head, steps = 0;
	bool writing = false;
	struct vq_desc desc;

	for (;;) {
		if (steps++ >= w->n_entries || !read_desc(w, i, &desc))
			return false;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!enter_indirect(w, &desc))
				return false;
			i = 0;
			steps = 0;
			continue;
		}
		if (!take_buffer(w, &desc, &writing))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		i = desc.next;
		if (i >= w->n_entries)
			return false;
	}
}

void vq_read_chain(const struct virtqueue *vq, uint16_t head, struct vq_chain *chain)
{
	struct walk w = {
		.vq = vq,
		.chain = chain,
		.table = vq->ring.desc,
		.n_entries = vq->ring.size,
	};

	chain->head = head;
	chain->damaged = false;
	chain->n_readable = 0;
	chain->n_writable = 0;
	chain->n_bytes = 0;
	if (!walk_chain(&w, head))
		chain->damaged = true;
}
