/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over an array of iovecs: bounded copies in and out, and slices for preadv/pwritev.
 *
 * The iovecs describe memory that a guest may change at any time; the cursor reads each byte at
 * most once and never looks at what it copied.
 *
 * What is asked for lies in one piece nearly always. That case is a comparison and a copy, inline: of
 * a fixed size, where the caller asks for one.
 */
#ifndef BASE_IOV_H
#define BASE_IOV_H

#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "base/util.h"

struct iov_cursor {
	const struct iovec *next; /* borrowed; behind the piece in hand */
	const struct iovec *end;
	char *at;	  /* position in the piece in hand */
	size_t left;	  /* bytes left of it; 0 only at the end of all */
	size_t remaining; /* bytes behind the position in all pieces */
};

/* The next piece that is not empty becomes the one in hand; there may be none. */
static inline void iov_next_piece(struct iov_cursor *cur)
{
	cur->left = 0;
	while (cur->next < cur->end && cur->left == 0) {
		cur->at = cur->next->iov_base;
		cur->left = cur->next->iov_len;
		cur->next++;
	}
}

static inline void iov_cursor_init(struct iov_cursor *cur, const struct iovec *iov,
				   unsigned int n_iov)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < n_iov; i++)
		bytes += iov[i].iov_len;
	cur->next = iov;
	cur->end = iov + n_iov;
	cur->at = NULL;
	cur->remaining = bytes;
	iov_next_piece(cur);
}

/*
 * The next `len` bytes where they lie, if that is in one piece, and moves on. NULL if it is not, or
 * there are fewer: then the functions below do it piece by piece.
 */
static inline char *iov_take_whole(struct iov_cursor *cur, size_t len)
{
	char *piece = cur->at;

	if (unlikely(len > cur->left || len == 0))
		return NULL;
	cur->at += len;
	cur->left -= len;
	cur->remaining -= len;
	if (cur->left == 0)
		iov_next_piece(cur);
	return piece;
}

/* For the three below, in any number of pieces. */
size_t iov_copy_out_pieces(struct iov_cursor *cur, void *buf, size_t len);
size_t iov_copy_in_pieces(struct iov_cursor *cur, const void *buf, size_t len);
size_t iov_skip_pieces(struct iov_cursor *cur, size_t len);

/* Copies up to `len` bytes out and moves on; returns the number copied. */
static inline size_t iov_copy_out(struct iov_cursor *cur, void *buf, size_t len)
{
	const char *piece = iov_take_whole(cur, len);

	if (unlikely(!piece))
		return iov_copy_out_pieces(cur, buf, len);
	memcpy(buf, piece, len);
	return len;
}

/* Copies up to `len` bytes into the iovecs and moves on; returns the number copied. */
static inline size_t iov_copy_in(struct iov_cursor *cur, const void *buf, size_t len)
{
	char *piece = iov_take_whole(cur, len);

	if (unlikely(!piece))
		return iov_copy_in_pieces(cur, buf, len);
	memcpy(piece, buf, len);
	return len;
}

/* Moves on by up to `len` bytes; returns the number skipped. */
static inline size_t iov_skip(struct iov_cursor *cur, size_t len)
{
	return iov_take_whole(cur, len) ? len : iov_skip_pieces(cur, len);
}

/*
 * Describes the next up to `len` bytes with at most `max_out` iovecs and moves on. Returns the
 * number of iovecs written to `out`; *ret_len is the number of bytes they cover (less than asked
 * when the cursor ends or `max_out` is reached).
 */
unsigned int iov_slice(struct iov_cursor *cur, size_t len, struct iovec *out, unsigned int max_out,
		       size_t *ret_len);

#endif
