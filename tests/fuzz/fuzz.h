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
