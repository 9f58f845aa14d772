/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target has: the function that libFuzzer and the replay program call.
 *
 * A target checks more than "no crash": a promise of the product's headers that does not hold
 * ends it through test_die().
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Always 0. Inputs are independent of each other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Changes an input once, in a way that leaves its form: a whole request or message more or less,
 * another field that means something. Returns the new size, at most @max. Targets whose form is
 * worth it have one; all randomness comes from @seed.
 */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed);

/* Numbers below @n, the same for the same seed. */
uint32_t fuzz_random(uint64_t *state, uint32_t n);
/* Room for @n bytes at @at, moved apart; 0 without room, or the new size. */
size_t fuzz_open_gap(uint8_t *data, size_t size, size_t max, size_t at, size_t n);
size_t fuzz_close_gap(uint8_t *data, size_t size, size_t at, size_t n);

/* A reader of the input: every take succeeds, zeroes follow the end. */
struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* The next bytes up to @n; *ret_n tells how many there are. */
const uint8_t *fuzz_take(struct fuzz_input *in, size_t n, size_t *ret_n);
uint8_t fuzz_take_u8(struct fuzz_input *in);
uint16_t fuzz_take_u16(struct fuzz_input *in); /* little-endian */

/* Open descriptors of this process: an input must leave as many as it found. */
unsigned int fuzz_n_fds(void);

#endif
