/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a request between its pop and its push: one cache line in the state arena.
 *
 * A worker may die at any instruction. Its successor finds here which requests the guest still
 * waits for, and how far each had come, and serves them again: most operations are harmless to
 * repeat, and those that are not note what they are about to do (INTENT) and what came of it
 * (DONE), so that the repetition recognises its predecessor's work as its own.
 *
 * The ring's side writes `order` last when a request is popped and first, as 0, when it has been
 * pushed; everything else belongs to the thread that serves the request.
 */
#ifndef BASE_INFLIGHT_H
#define BASE_INFLIGHT_H

#include <stdint.h>

enum inflight_step {
	INFLIGHT_NEW,	 /* nothing that a repetition could double has been begun */
	INFLIGHT_INTENT, /* about to change something; `word` tells what was there before */
	INFLIGHT_DONE,	 /* changed; `result` and `word` tell the outcome */
};

#define INFLIGHT_WORDS	5u

/* In `attempts`: the last one was waiting for something when its worker died. */
#define INFLIGHT_WAITED 0x8000u

struct inflight {
	uint64_t order;	   /* 0: not in flight; otherwise counts the pops of the queue from 1 */
	uint16_t attempts; /* how many workers have begun it before */
	uint16_t step;	   /* enum inflight_step */
	int32_t result;	   /* 0 or -errno, when done */
	uint64_t began_ns; /* CLOCK_REALTIME_COARSE when the intent was noted */
	uint64_t word[INFLIGHT_WORDS];
} __attribute__((__aligned__(64)));

#endif
