/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict parsing of numbers.
 */
#include "base/parse.h"

#include "base/util.h"

int parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		if (mul_overflows(value, 10u, &value) ||
		    add_overflows(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_seconds(const char *text, uint64_t max_s, uint64_t *ret_ns)
{
	uint64_t digit = 1000000000;
	uint64_t ns = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		ns = ns * 10 + (uint64_t)(*text - '0');
		if (ns > max_s)
			return -ERANGE;
	}
	ns *= digit;
	if (*text == '.') {
		while (*++text >= '0' && *text <= '9') {
			digit /= 10;
			ns += digit * (uint64_t)(*text - '0');
		}
	}
	if (*text)
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}
