/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes in a request's record (inflight.h): an intent before what must not happen twice, the outcome
 * after it. What each operation notes, and why, is told in fuse/passthrough/fs-intent.h.
 *
 * Without a record (NULL) nothing is noted, and nothing is ever a repetition.
 */
#ifndef BASE_INTENT_H
#define BASE_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/inflight.h"
#include "base/util.h"

/* The words of a record, by operation. */
enum intent_word {
	/* What makes or opens. */
	INTENT_NODE = 0,    /* N; 0: none */
	INTENT_HANDLE = 1,  /* H; 0: none */
	INTENT_COUNTED = 2, /* C; 0: none */
	INTENT_ABSENT = 3,  /* the name was looked for and not there */
	/* Appending. */
	INTENT_SIZE = 0,  /* of the file before this piece; for FALLOCATE too */
	INTENT_BYTES = 1, /* of the request, appended by the pieces before */
	/* RENAME_EXCHANGE: device and number. */
	INTENT_OLD = 0,
	INTENT_NEW = 2,
	/* RELEASE. */
	INTENT_NODEID = 0,
	/* BATCH_FORGET. */
	INTENT_COUNT = 0,
};

/* Whether a dead worker has noted an intent, and perhaps an outcome, for this request. */
static inline bool intent_repeats(const struct inflight *record)
{
	return record && unlikely(record->attempts) && record->step != INFLIGHT_NEW;
}

/* `ret_result` is what was noted. */
static inline bool intent_is_done(const struct inflight *record, int *ret_result)
{
	if (likely(!intent_repeats(record)) || record->step != INFLIGHT_DONE)
		return false;
	*ret_result = record->result;
	return true;
}

/* What was written to the record before is there before this is. */
static inline void intent_step(struct inflight *record, enum inflight_step step)
{
	__atomic_store_n(&record->step, (uint16_t)step, __ATOMIC_RELEASE);
}

static inline void intent_set(struct inflight *record, enum intent_word which, uint64_t value)
{
	if (record)
		__atomic_store_n(&record->word[which], value, __ATOMIC_RELEASE);
}

/* Begins an intent with all words 0, unless a predecessor's stands. */
static inline void intent_begin(struct inflight *record)
{
	if (!record || intent_repeats(record))
		return;
	for (unsigned int i = 0; i < INFLIGHT_WORDS; i++)
		record->word[i] = 0;
	intent_step(record, INFLIGHT_INTENT);
}

/* The same with the time. */
static inline void intent_begin_timed(struct inflight *record)
{
	struct timespec now;

	if (!record || intent_repeats(record))
		return;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* without a system call */
	record->began_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	intent_begin(record);
}

static inline void intent_done(struct inflight *record, int result)
{
	if (!record)
		return;
	record->result = result;
	intent_step(record, INFLIGHT_DONE);
}

/* Where a word goes that others write; NULL without a record. */
static inline uint64_t *intent_place(struct inflight *record, enum intent_word which)
{
	return record ? &record->word[which] : NULL;
}

static inline uint64_t intent_get(const struct inflight *record, enum intent_word which)
{
	return intent_repeats(record) ? record->word[which] : 0;
}

#endif
