/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over an array of iovecs.
 */
#include "base/iov.h"

#include <string.h>

#include "base/util.h"

void iov_cursor_init(struct iov_cursor *cur, const struct iovec *iov, unsigned int n_iov)
{
	*cur = (struct iov_cursor){ .iov = iov, .n_iov = n_iov };
	for (unsigned int i = 0; i < n_iov; i++)
		cur->remaining += iov[i].iov_len;
}

/* The next contiguous piece of at most `len` bytes; NULL at the end. Moves on. */
static char *next_piece(struct iov_cursor *cur, size_t len, size_t *ret_len)
{
	while (cur->index < cur->n_iov) {
		const struct iovec *v = &cur->iov[cur->index];
		size_t left = v->iov_len - cur->offset;
		char *base = (char *)v->iov_base + cur->offset;

		if (left == 0) {
			cur->index++;
			cur->offset = 0;
			continue;
		}
		*ret_len = MIN(left, len);
		cur->offset += *ret_len;
		cur->remaining -= *ret_len;
		return base;
	}
	return NULL;
}

size_t iov_copy_out(struct iov_cursor *cur, void *buf, size_t len)
{
	size_t done = 0, n;
	char *piece;

	while (done < len && (piece = next_piece(cur, len - done, &n))) {
		memcpy((char *)buf + done, piece, n);
		done += n;
	}
	return done;
}

size_t iov_copy_in(struct iov_cursor *cur, const void *buf, size_t len)
{
	size_t done = 0, n;
	char *piece;

	while (done < len && (piece = next_piece(cur, len - done, &n))) {
		memcpy(piece, (const char *)buf + done, n);
		done += n;
	}
	return done;
}

size_t iov_skip(struct iov_cursor *cur, size_t len)
{
	size_t done = 0, n;

	while (done < len && next_piece(cur, len - done, &n))
		done += n;
	return done;
}

unsigned int iov_slice(struct iov_cursor *cur, size_t len, struct iovec *out, unsigned int max_out,
		       size_t *ret_len)
{
	unsigned int used = 0;
	size_t done = 0, n;
	char *piece;

	while (done < len && used < max_out && (piece = next_piece(cur, len - done, &n))) {
		out[used++] = (struct iovec){ .iov_base = piece, .iov_len = n };
		done += n;
	}
	*ret_len = done;
	return used;
}
