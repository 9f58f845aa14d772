/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over an array of iovecs: bounded copies in and out, and slices for preadv/pwritev.
 *
 * The iovecs describe memory that a guest may change at any time; the cursor reads each byte at
 * most once and never looks at what it copied.
 */
#ifndef BASE_IOV_H
#define BASE_IOV_H

#include <stddef.h>
#include <sys/uio.h>

struct iov_cursor {
	const struct iovec *iov; /* borrowed */
	unsigned int n_iov;
	unsigned int index; /* current iovec */
	size_t offset;	    /* bytes already consumed of the current iovec */
	size_t remaining;   /* bytes behind the position in all iovecs */
};

void iov_cursor_init(struct iov_cursor *cur, const struct iovec *iov, unsigned int n_iov);

/* Copies up to `len` bytes out and moves on; returns the number copied. */
size_t iov_copy_out(struct iov_cursor *cur, void *buf, size_t len);

/* Copies up to `len` bytes into the iovecs and moves on; returns the number copied. */
size_t iov_copy_in(struct iov_cursor *cur, const void *buf, size_t len);

/* Moves on by up to `len` bytes; returns the number skipped. */
size_t iov_skip(struct iov_cursor *cur, size_t len);

/*
 * Describes the next up to `len` bytes with at most `max_out` iovecs and moves on. Returns the
 * number of iovecs written to `out`; *ret_len is the number of bytes they cover (less than asked
 * when the cursor ends or `max_out` is reached).
 */
unsigned int iov_slice(struct iov_cursor *cur, size_t len, struct iovec *out, unsigned int max_out,
		       size_t *ret_len);

#endif
