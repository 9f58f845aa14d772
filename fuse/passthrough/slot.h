/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a numbered slot in one atomic word, and the pool that free slots come from.
 *
 * A slot's word is generation (high 32 bits), a live bit, a cold bit, and the number of pins. A key
 * made of index and generation can be pinned only while the slot is live and the generation fits,
 * so a stale key is found out without any lock. A live slot is found by new keys' holders; killing
 * it only clears the live bit. Whoever drops the last pin of a dead slot is alone with it, tears it
 * down and retires it with the next generation. So nothing a pin protects, above all a descriptor
 * number, goes away or is used again under a running request.
 *
 * A live slot may lose its descriptor and get one again: it is cold in between. It cools only while
 * the one who cools it has the only pin, so that whoever pinned it warm finds it warm until the
 * unpin.
 *
 *   free (g,-,0) --fill, publish--> live (g,L,n) --kill--> dead (g,-,n) --last unpin--> retire
 */
#ifndef FUSE_PASSTHROUGH_SLOT_H
#define FUSE_PASSTHROUGH_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_LIVE UINT64_C(0x80000000)
#define SLOT_COLD UINT64_C(0x40000000)
#define SLOT_PINS UINT64_C(0x3fffffff)

#define SLOT_NONE UINT32_MAX

static inline uint32_t slot_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* False when the slot is not live or its generation is another one. */
static inline bool slot_pin(uint64_t *word, uint32_t generation)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	do {
		if (!(old & SLOT_LIVE) || slot_generation(old) != generation)
			return false;
	} while (!__atomic_compare_exchange_n(word, &old, old + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/* True for the last pin of a dead slot: the caller must tear it down and retire it. */
static inline bool slot_unpin(uint64_t *word)
{
	uint64_t old = __atomic_fetch_sub(word, 1, __ATOMIC_ACQ_REL);

	return (old & (SLOT_LIVE | SLOT_PINS)) == 1;
}

/* Only under a pin. False when somebody else has killed it before. */
static inline bool slot_kill(uint64_t *word)
{
	return __atomic_fetch_and(word, ~SLOT_LIVE, __ATOMIC_ACQ_REL) & SLOT_LIVE;
}

/* Under a pin. True may become false in the same moment; false stays. */
static inline bool slot_is_cold(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE) & SLOT_COLD;
}

/* Under a pin. False when there are other pins, or the slot is dead or cold already. */
static inline bool slot_cool(uint64_t *word)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	if ((old & (SLOT_LIVE | SLOT_COLD | SLOT_PINS)) != (SLOT_LIVE | 1))
		return false;
	return __atomic_compare_exchange_n(word, &old, old | SLOT_COLD, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* Under a pin: what was missing is there again. */
static inline void slot_warm(uint64_t *word)
{
	__atomic_fetch_and(word, ~SLOT_COLD, __ATOMIC_RELEASE);
}

/* The last store of filling a slot. */
static inline void slot_publish(uint64_t *word, uint64_t n_pins)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	__atomic_store_n(word, (old & ~(SLOT_LIVE | SLOT_COLD | SLOT_PINS)) | SLOT_LIVE | n_pins,
			 __ATOMIC_RELEASE);
}

static inline void slot_retire(uint64_t *word)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	__atomic_store_n(word, (uint64_t)(slot_generation(old) + 1) << 32, __ATOMIC_RELEASE);
}

/* What stands before the slots of an arena section. */
struct slot_section {
	uint32_t n_used; /* atomic; slots from here on were never used */
	uint32_t spare[15];
};

/* Free slots: a lock-free stack of used ones, then those never used. All threads. */
struct slot_pool {
	struct slot_section *section; /* borrowed, in the arena */
	/*
	 * Owned, atomic, per slot: the slot after it plus one, 0 at the end. A free slot is in the
	 * stack; what stands there for a taken one is up to the table.
	 */
	uint32_t *link;
	uint32_t n_max;
	uint64_t top __attribute__((__aligned__(64))); /* atomic; tag against reuse, slot + 1 */
};

/* Nothing is free but the slots never used; the table gives the others by its scan. */
int slot_pool_init(struct slot_pool *pool, struct slot_section *section, uint32_t n_max);
void slot_pool_deinit(struct slot_pool *pool);

/* SLOT_NONE when all are taken. */
uint32_t slot_pool_take(struct slot_pool *pool);
void slot_pool_give(struct slot_pool *pool, uint32_t slot);

/* Number of slots that a scan has to look at. */
static inline uint32_t slot_pool_used(const struct slot_pool *pool)
{
	return __atomic_load_n(&pool->section->n_used, __ATOMIC_ACQUIRE);
}

#endif
