/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over an array of iovecs.
 */
#include "base/iov.h"

/* The next contiguous piece of at most `len` bytes; NULL at the end. Moves on. */
static char *take_piece(struct iov_cursor *cur, size_t len, size_t *ret_len)
{
	*ret_len = MIN(cur->left, len);
	return iov_take_whole(cur, *ret_len);
}

size_t iov_copy_out_pieces(struct iov_cursor *cur, void *buf, size_t len)
{
	size_t done = 0, n;
	char *piece;

	while (done < len && (piece = take_piece(cur, len - done, &n))) {
		memcpy((char *)buf + done, piece, n);
		done += n;
	}
	return done;
}

size_t iov_copy_in_pieces(struct iov_cursor *cur, const void *buf, size_t len)
{
	size_t done = 0, n;
	char *piece;

	while (done < len && (piece = take_piece(cur, len - done, &n))) {
		memcpy(piece, (const char *)buf + done, n);
		done += n;
	}
	return done;
}

size_t iov_skip_pieces(struct iov_cursor *cur, size_t len)
{
	size_t done = 0, n;

	while (done < len && take_piece(cur, len - done, &n))
		done += n;
	return done;
}

unsigned int iov_slice(struct iov_cursor *cur, size_t len, struct iovec *out, unsigned int max_out,
		       size_t *ret_len)
{
	unsigned int used = 0;
	size_t done = 0, n;
	char *piece;

	while (done < len && used < max_out && (piece = take_piece(cur, len - done, &n))) {
		out[used++] = (struct iovec){ .iov_base = piece, .iov_len = n };
		done += n;
	}
	*ret_len = done;
	return used;
}
