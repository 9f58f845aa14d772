/* SPDX-License-Identifier: Apache-2.0 */
/* The instructions of a program that runs under callgrind, counted between two moments. */
#ifndef TESTS_BENCH_CALLGRIND_H
#define TESTS_BENCH_CALLGRIND_H

#include <stdint.h>
#include <sys/types.h>

struct callgrind {
	pid_t pid;	 /* of valgrind */
	const char *out; /* its --callgrind-out-file, without anything behind it */
	unsigned int n_dumps;
};

/*
 * What part of the instructions is meant: those of the object (a whole path) but for the source
 * files and functions listed, each list ended by NULL. A file is matched at its end.
 */
struct callgrind_part {
	const char *object;
	const char *const *not_files;
	const char *const *not_functions;
};

/* The instructions since the last call (or the start). Dies when the program does not answer. */
uint64_t callgrind_count(struct callgrind *callgrind, const struct callgrind_part *part);

#endif
