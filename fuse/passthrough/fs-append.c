/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes at the end of the file, wherever that is: each once.
 *
 * The kernel finds the end and writes there in one step, which nothing else can do among several
 * writers. So what a worker had written when it died is known only by looking: how much the file has
 * grown since, and by what. A write that a signal has cut short left the first part of its data.
 */
#include <stdlib.h>
#include <string.h>

#include "base/iov.h"
#include "fuse/passthrough/fs-intent.h"
#include "fuse/passthrough/fs-internal.h"

/* So much of what was appended meanwhile is searched. */
#define GROWN_MAX (UINT64_C(4) << 20)

struct look {
	int fd; /* readable */
	uint64_t from;
	size_t grown; /* bytes in the file from there on */
	char *data;   /* owned; of the request */
	size_t size;
	char *found; /* owned; what is in the file */
};

static void look_end(struct look *look)
{
	fd_close(&look->fd);
	free_ptr(&look->data);
	free_ptr(&look->found);
}

static bool read_grown(struct look *look)
{
	size_t done = 0;

	while (done < look->grown) {
		ssize_t r = pread(look->fd, look->found + done, look->grown - done,
				  (off_t)(look->from + done));

		if (r <= 0)
			return false;
		done += (size_t)r;
	}
	return true;
}

/* How many of the data are in the file: all, the first part, or none. */
static size_t compare(const struct look *look)
{
	size_t n = MIN(look->grown, look->size);

	if (memcmp(look->found, look->data, n) == 0)
		return n;
	return memmem(look->found, look->grown, look->data, look->size) ? look->size : 0;
}

static size_t appended_before(struct fs_thread *thread, const struct fs_append *append, size_t size)
{
	uint64_t before = thread->inflight->word[INTENT_SIZE];
	CLEANUP(look_end) struct look look = { .fd = -1, .from = before, .size = size };
	struct iov_cursor cur;
	struct stat st;

	if (!size || fstat(append->fd, &st) < 0 || (uint64_t)st.st_size <= before)
		return 0;
	look.grown = (size_t)MIN((uint64_t)st.st_size - before, GROWN_MAX);
	look.fd = fd_reopen(thread->fs->proc_self_fd, append->fd, O_RDONLY);
	look.data = malloc(size);
	look.found = malloc(look.grown);
	/* What cannot be looked at is taken for ours. */
	if (look.fd < 0 || !look.data || !look.found || !read_grown(&look))
		return MIN(look.grown, size);
	iov_cursor_init(&cur, append->iov, append->n_iov);
	look.size = iov_copy_out(&cur, look.data, size);
	return compare(&look);
}

/* The rest behind what is there. */
static __attribute__((__noinline__)) ssize_t append_rest(struct fs_thread *thread,
							 const struct fs_append *append,
							 size_t size)
{
	size_t done = appended_before(thread, append, size);
	struct iovec part[256];
	struct iov_cursor cur;
	unsigned int n;
	size_t len;
	ssize_t r;

	iov_cursor_init(&cur, append->iov, append->n_iov);
	iov_skip(&cur, done);
	while (done < size) {
		n = iov_slice(&cur, size - done, part, ARRAY_SIZE(part), &len);
		r = fs_write_all(append->fd, part, n, append->offset, append->rwf);
		if (r < 0)
			return done ? (ssize_t)done : r;
		done += (size_t)r;
		if ((size_t)r < len)
			break;
	}
	/* What was there already may not have got further than to the page cache. */
	if (append->rwf & (RWF_SYNC | RWF_DSYNC) && fdatasync(append->fd) < 0)
		return -errno;
	return (ssize_t)done;
}

/* A piece after the first goes on with the count of those before. */
static int note_size(struct inflight *record, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (record->step != INFLIGHT_DONE)
		record->word[INTENT_BYTES] = 0;
	record->word[INTENT_SIZE] = (uint64_t)st.st_size;
	intent_step(record, INFLIGHT_INTENT);
	return 0;
}

ssize_t fs_append(struct fs_thread *thread, const struct fs_append *append)
{
	struct inflight *record = thread->inflight;
	size_t size = 0;
	ssize_t r;

	if (!record)
		return fs_write_all(append->fd, append->iov, append->n_iov, append->offset,
				    append->rwf);
	for (unsigned int i = 0; i < append->n_iov; i++)
		size += append->iov[i].iov_len;
	if (unlikely(intent_repeats(record)) && record->step == INFLIGHT_INTENT) {
		r = append_rest(thread, append, size);
	} else {
		r = note_size(record, append->fd);
		if (r == 0)
			r = fs_write_all(append->fd, append->iov, append->n_iov, append->offset,
					 append->rwf);
	}
	if (r < 0)
		return r;
	intent_set(record, INTENT_BYTES, record->word[INTENT_BYTES] + (uint64_t)r);
	intent_done(record, 0);
	return r;
}
