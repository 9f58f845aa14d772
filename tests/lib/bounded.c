/* SPDX-License-Identifier: Apache-2.0 */
/* Time limits and the one way in which the test library gives up. */
#include "tests/lib/bounded.h"

#include <glib.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_MS INT64_C(1000000)

int test_timeout_ms(void)
{
	static int limit;

	if (!limit) {
		const char *text = getenv("TEST_TIMEOUT_MS");
		long value = text ? strtol(text, NULL, 10) : 0;

		limit = value > 0 && value < INT_MAX ? (int)value : 10000;
	}
	return limit;
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 * NS_PER_MS + ts.tv_nsec;
}

int64_t deadline_in_ms(int ms)
{
	return now_ns() + ms * NS_PER_MS;
}

int64_t deadline_default(void)
{
	return deadline_in_ms(test_timeout_ms());
}

int deadline_left_ms(int64_t deadline)
{
	int64_t left = deadline - now_ns();

	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void test_die(const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_error("%s", text);
}
