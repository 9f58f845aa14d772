/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a dead worker left: those somebody knows of stay, the others are closed.
 */
#ifndef DAEMON_DESCRIPTORS_H
#define DAEMON_DESCRIPTORS_H

#include <stdint.h>

struct descriptors {
	uint64_t *known; /* owned; a bit for each */
	int n_max;
};

/* 0 or -ENOMEM. */
int descriptors_init(struct descriptors *descriptors);
void descriptors_deinit(struct descriptors *descriptors);

/* `descriptors` is a struct descriptors; -1 is accepted. */
void descriptors_know(void *descriptors, int fd);

/* 0 or -errno. */
int descriptors_close_others(const struct descriptors *descriptors);

#endif
