/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict parsing of numbers: the whole string must be the number, in range, without sign or blanks.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdint.h>

/* 0, -EINVAL (not a decimal number) or -ERANGE (above max). */
int parse_u64(const char *text, uint64_t max, uint64_t *ret);

/*
 * Seconds as a decimal number with or without a fraction ("1", "0.25") in nanoseconds; digits beyond
 * the ninth are cut. -EINVAL for anything else, -ERANGE above `max_s` seconds.
 */
int parse_seconds(const char *text, uint64_t max_s, uint64_t *ret_ns);

#endif
