/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identities for the reference tree: the calling thread acts as the guest's caller for a moment.
 */
#ifndef TESTS_DIFFERENTIAL_REFERENCE_H
#define TESTS_DIFFERENTIAL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/lib/fuse-client.h"

struct caller {
	uid_t uid;
	gid_t gid;
	int64_t group; /* the one supplementary group, or -1 */
};

/* Creations by this thread are @caller's, wherever that is: the guest has checked. */
void reference_become(const struct caller *caller);
/* Set-id bits of the file are dropped as for a member of its group without CAP_FSETID. */
void reference_drop_fsetid(const char *path);
/* Back to root. */
void reference_restore(void);

#endif
