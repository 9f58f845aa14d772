/* SPDX-License-Identifier: Apache-2.0 */
/* Named checks: each tells a sentence, whether it is true, and what was seen. */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

#include <stdbool.h>

/*
 * A result line is "ok N - THEME: SENTENCE -> SEEN" or the same with "not ok". What was seen is
 * compared between two runs of the program, so it holds nothing that differs from run to run.
 * The functions take the result of a call and read errno.
 */

/* The checks that follow belong to this theme. */
void check_theme(const char *name);

/* Prints the plan; 0, or 1 when a check failed or two have the same sentence. */
int check_finish(void);

/* The call succeeds. */
void works(const char *sentence, long result);

/* The call fails with this error. */
void fails(const char *sentence, int error, long result);

void equals(const char *sentence, long long want, long long got);
void modes_equal(const char *sentence, long want, long got);
void holds(const char *sentence, bool truth);
void reads(const char *sentence, const char *want, const char *got);

/* What differs between file systems: nothing is expected, but what is seen counts. */
void observe(const char *sentence, long result);
void observe_number(const char *sentence, long long got);

/* A step that has to succeed for the checks after it to mean anything. */
#define must(call) must_do((long)(call), __FILE__, __LINE__)
int must_do(long result, const char *file, int line);

#endif
