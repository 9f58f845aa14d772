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
 *
 * Most buffers lie whole in the region that the last one was in. For these, a descriptor costs one
 * copy, one comparison against that region and one iovec; what lies elsewhere or across an edge
 * takes the way round (add_pieces(), gather_desc()), with the same checks and the same outcome.
 */
#include <string.h>

#include "base/util.h"
#include "vhost/memory-internal.h"
#include "vhost/virtqueue-internal.h"

/* A link is 16 bits wide, so that no more entries of an indirect table can be reached. */
#define MAX_TABLE_ENTRIES 65536u

/* What is read of a table ahead of its use: the descriptors of a request without data. */
#define PREFETCH_BYTES	  64u

/* Where segments go. */
struct segments {
	struct iovec *next;
	struct iovec *end;
	char *edge; /* of the last one of the part in hand, NULL before the first */
};

/* Handed on by pieces and never by address out of line, so that it can live in registers. */
struct walk {
	struct virtqueue *vq;
	/* The table in hand: directly readable, or only by its guest address. */
	const struct vring_desc *table;
	uint64_t table_gpa;
	uint32_t n_entries;
	bool in_indirect;
	bool writing;	  /* the part in hand is the writable one */
	bool part_closed; /* a segment of it was bad: no more of this part */
	bool damaged;
	struct iovec *writable; /* first of that part, if it has begun */
	struct segments out;
};

/* Copies a descriptor that is unaligned or lies across regions. */
rarely static bool gather_desc(const struct virtqueue *vq, uint64_t gpa, struct vq_desc *ret_desc)
{
	struct vring_desc raw;
	size_t done = 0;

	while (done < sizeof(raw)) {
		uint64_t n;
		const void *from = guest_memory_from_gpa(vq->memory, gpa + done, sizeof(raw) - done,
							 &n);

		if (!from)
			return false;
		memcpy((char *)&raw + done, from, n);
		done += n;
	}
	*ret_desc = vring_read_desc(&raw, 0);
	return true;
}

static inline bool read_desc(const struct walk *w, uint32_t i, struct vq_desc *ret_desc)
{
	filled_later struct vq_desc gathered;

	if (likely(w->table)) {
		*ret_desc = vring_read_desc(w->table, i);
		return true;
	}
	if (!gather_desc(w->vq, w->table_gpa + (uint64_t)i * sizeof(struct vring_desc), &gathered))
		return false;
	*ret_desc = gathered;
	return true;
}

/* NULL when it cannot be read as it lies: across regions, unaligned, or nowhere. */
static inline const struct vring_desc *find_table(const struct virtqueue *vq,
						  const struct vq_desc *desc)
{
	const void *table = guest_region_at(vq->region, desc->gpa, desc->len);

	if (unlikely(!table)) {
		const struct guest_region *region = guest_memory_region(vq->memory, desc->gpa);

		table = region ? guest_region_at(region, desc->gpa, desc->len) : NULL;
	}
	return (uintptr_t)table % __alignof__(struct vring_desc) ? NULL : table;
}

/* Turns to the table that `desc` names. False when it is malformed (virtio 1.2, 2.7.5.3). */
static inline bool enter_indirect(struct walk *w, const struct vq_desc *desc)
{
	uint64_t end;

	if (!w->vq->indirect || w->in_indirect || (desc->flags & VRING_DESC_F_NEXT))
		return false;
	if (desc->len == 0 || desc->len % sizeof(struct vring_desc) != 0)
		return false;
	if (add_overflows(desc->gpa, desc->len - 1, &end))
		return false;
	w->table = find_table(w->vq, desc);
	w->table_gpa = desc->gpa;
	w->n_entries = MIN(desc->len / (uint32_t)sizeof(struct vring_desc), MAX_TABLE_ENTRIES);
	w->in_indirect = true;
	return true;
}

/*
 * Adds a piece to the part in hand. Guests send large data page by page, often of adjacent pages:
 * as one segment they cost the system call less. False when full.
 */
static inline bool add_piece(struct segments *out, void *base, size_t n)
{
	struct iovec *next = out->next;

	if (out->edge == base) {
		out->edge += n;
		next[-1].iov_len += n;
		return true;
	}
	if (unlikely(next == out->end))
		return false;
	out->edge = (char *)base + n;
	next->iov_base = base;
	next->iov_len = n;
	out->next = next + 1;
	return true;
}

/*
 * Adds a buffer that lies in another region than the last one, or in several. False when some of it
 * is bad; what stands before that is added.
 */
rarely static bool add_pieces(struct virtqueue *vq, struct vq_desc desc, struct segments *out)
{
	uint64_t gpa = desc.gpa, left = desc.len, end;

	if (left && add_overflows(gpa, left - 1, &end))
		return false;
	while (left > 0) {
		const struct guest_region *region = guest_memory_region(vq->memory, gpa);
		uint64_t n;

		if (!region)
			return false;
		vq->region = region;
		n = MIN(left, region->size_bytes - (gpa - region->gpa));
		if (!add_piece(out, guest_region_at(region, gpa, n), n))
			return false;
		gpa += n;
		left -= n;
	}
	return true;
}

static inline bool add_buffer(struct virtqueue *vq, struct segments *out,
			      const struct vq_desc *desc)
{
	void *base = guest_region_at(vq->region, desc->gpa, desc->len);
	filled_later struct segments copy;
	bool good;

	if (likely(base && desc->len))
		return add_piece(out, base, desc->len);
	copy = *out;
	good = add_pieces(vq, *desc, &copy);
	*out = copy;
	return good;
}

/* One data descriptor. False ends the walk: readable behind writable (virtio 1.2, 2.7.4.2). */
static inline bool take_buffer(struct walk *w, const struct vq_desc *desc)
{
	bool writable = desc->flags & VRING_DESC_F_WRITE;

	if (writable != w->writing) {
		if (!writable)
			return false;
		w->writing = true;
		w->part_closed = false;
		w->writable = w->out.next;
		w->out.edge = NULL;
	}
	if (likely(!w->part_closed) && unlikely(!add_buffer(w->vq, &w->out, desc))) {
		w->part_closed = true;
		w->damaged = true;
	}
	return true;
}

/* False when the chain's structure is broken. */
static inline bool walk_chain(struct walk *w, struct vq_desc desc)
{
	uint32_t steps = 1, i;

	for (;;) {
		if (unlikely(desc.flags & VRING_DESC_F_INDIRECT)) {
			if (!enter_indirect(w, &desc))
				return false;
			i = 0;
			steps = 0;
		} else {
			if (!take_buffer(w, &desc))
				return false;
			if (!(desc.flags & VRING_DESC_F_NEXT))
				return true;
			i = desc.next;
		}
		if (i >= w->n_entries || steps++ >= w->n_entries || !read_desc(w, i, &desc))
			return false;
	}
}

void vq_read_chain(struct virtqueue *vq, struct vq_desc first, struct vq_chain *chain)
{
	struct walk w = {
		.vq = vq,
		.table = vq->ring.desc,
		.n_entries = vq->ring.size,
		.out = { chain->iov, chain->iov + VQ_MAX_SEGMENTS, NULL },
	};
	bool whole = walk_chain(&w, first);
	struct iovec *writable = w.writing ? w.writable : w.out.next;

	chain->damaged = w.damaged || !whole;
	chain->n_readable = (unsigned int)(writable - chain->iov);
	chain->n_writable = (unsigned int)(w.out.next - writable);
	chain->n_bytes = 0;
	for (const struct iovec *v = chain->iov; v < w.out.next; v++)
		chain->n_bytes += v->iov_len;
}

void vq_prefetch(const struct virtqueue *vq, struct vq_desc first)
{
	uint64_t n = MIN(first.len, PREFETCH_BYTES);
	const char *ahead = guest_region_at(vq->region, first.gpa, n);

	if (!ahead || n == 0)
		return;
	__builtin_prefetch(ahead);
	__builtin_prefetch(ahead + n - 1);
}
