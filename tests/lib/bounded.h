/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time limits and the one way in which the test library gives up.
 *
 * Nothing in tests/lib waits without a limit: a peer that hangs turns into a
 * failed test, never into a hung one. Functions documented as "dies" end the
 * test program through test_die().
 */
#ifndef TESTS_LIB_BOUNDED_H
#define TESTS_LIB_BOUNDED_H

#include <stdint.h>

/*
 * The limit of one wait in milliseconds: 10 s, or TEST_TIMEOUT_MS from the
 * environment (slow wrappers such as valgrind set it).
 */
int test_timeout_ms(void);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t now_ns(void);

/* The moment test_timeout_ms() from now, as now_ns() counts. */
int64_t deadline_default(void);
int64_t deadline_in_ms(int ms);

/* Milliseconds until @deadline rounded up, 0 when it has passed: for poll(). */
int deadline_left_ms(int64_t deadline);

/* Prints the message with the source of the failure and aborts. */
_Noreturn void test_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
