/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a split ring, each read or written exactly once and with its ordering.
 *
 * Everything here is shared with the guest, which may change any of it at any time. Pointers were
 * checked for alignment and mapping when the ring was set up; indexes into the rings are masked
 * here, descriptor numbers are the caller's to check. Byte order: little-endian (virtio 1.2, 2.7).
 */
#ifndef VHOST_VRING_H
#define VHOST_VRING_H

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdint.h>

struct vq_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint32_t size; /* power of two */
};

struct vq_desc {
	uint64_t gpa;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Orders a store before with a load after, as seen by the driver (virtio 1.2, 2.7.7, 2.7.10). */
static inline void vring_full_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	/* ThreadSanitizer does not model fences. */
	static unsigned int word;

	__atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Acquire: what the driver wrote before it moved the index is visible. */
static inline uint16_t vring_avail_idx(const struct vq_ring *ring)
{
	return le16toh(__atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE));
}

static inline uint16_t vring_avail_entry(const struct vq_ring *ring, uint16_t i)
{
	return le16toh(__atomic_load_n(&ring->avail->ring[i & (ring->size - 1)], __ATOMIC_RELAXED));
}

static inline uint16_t vring_avail_flags(const struct vq_ring *ring)
{
	return le16toh(__atomic_load_n(&ring->avail->flags, __ATOMIC_RELAXED));
}

/* Behind the available ring: at which used index the driver wants to hear from us. */
static inline uint16_t vring_get_used_event(const struct vq_ring *ring)
{
	return le16toh(__atomic_load_n(&ring->avail->ring[ring->size], __ATOMIC_RELAXED));
}

/* Behind the used ring: at which available index we want to hear from the driver. */
static inline void vring_set_avail_event(const struct vq_ring *ring, uint16_t idx)
{
	uint16_t *event = (uint16_t *)&ring->used->ring[ring->size];

	__atomic_store_n(event, htole16(idx), __ATOMIC_RELAXED);
}

static inline void vring_set_used_flags(const struct vq_ring *ring, uint16_t flags)
{
	__atomic_store_n(&ring->used->flags, htole16(flags), __ATOMIC_RELAXED);
}

static inline uint16_t vring_used_idx(const struct vq_ring *ring)
{
	return le16toh(__atomic_load_n(&ring->used->idx, __ATOMIC_RELAXED));
}

static inline void vring_set_used_entry(const struct vq_ring *ring, uint16_t i, uint32_t id,
					uint32_t len)
{
	struct vring_used_elem *entry = &ring->used->ring[i & (ring->size - 1)];

	__atomic_store_n(&entry->id, htole32(id), __ATOMIC_RELAXED);
	__atomic_store_n(&entry->len, htole32(len), __ATOMIC_RELAXED);
}

/* For entries of our own that a predecessor wrote; the driver may have changed them. */
static inline uint32_t vring_used_id(const struct vq_ring *ring, uint16_t i)
{
	return le32toh(
		__atomic_load_n(&ring->used->ring[i & (ring->size - 1)].id, __ATOMIC_RELAXED));
}

/* Release: the entry and the data of the chain are visible before the index. */
static inline void vring_publish_used_idx(const struct vq_ring *ring, uint16_t idx)
{
	__atomic_store_n(&ring->used->idx, htole16(idx), __ATOMIC_RELEASE);
}

/* A private copy of a descriptor in an aligned table. */
static inline struct vq_desc vring_read_desc(const struct vring_desc *table, unsigned int i)
{
	return (struct vq_desc){
		.gpa = le64toh(__atomic_load_n(&table[i].addr, __ATOMIC_RELAXED)),
		.len = le32toh(__atomic_load_n(&table[i].len, __ATOMIC_RELAXED)),
		.flags = le16toh(__atomic_load_n(&table[i].flags, __ATOMIC_RELAXED)),
		.next = le16toh(__atomic_load_n(&table[i].next, __ATOMIC_RELAXED)),
	};
}

/* Whether moving an index from `old` to `now` passed `event` (virtio 1.2, 2.7.7.2). */
static inline int vring_passed_event(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

#endif
