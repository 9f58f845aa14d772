/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the typed FUSE calls only. */
#ifndef TESTS_LIB_FUSE_CALLS_INTERNAL_H
#define TESTS_LIB_FUSE_CALLS_INTERNAL_H

#include <string.h>

/* A name with its NUL as one part of a request. */
#define NAME_PART(name)                  \
	{                                \
		(name), strlen(name) + 1 \
	}

static inline int zero_or_error(int result)
{
	return result < 0 ? result : 0;
}

#endif
