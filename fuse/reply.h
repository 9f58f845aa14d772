/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: the only writer of the out header, at most one per request.
 *
 * Guests check lengths: an error is exactly the header, a success has exactly the bytes its
 * operation promises.
 */
#ifndef FUSE_REPLY_H
#define FUSE_REPLY_H

#include "base/iov.h"
#include "fuse/passthrough/fs.h"
#include "fuse/wire.h"

struct request;

struct reply {
	struct iov_cursor start; /* first writable byte; the reply grows from here */
	uint64_t unique;	 /* id of the request, echoed */
	uint32_t bytes;		 /* length of what was written */
	bool sent;
};

void reply_init(struct reply *reply, const struct iovec *writable, unsigned int n_writable,
		uint64_t unique);

/* Bytes left for what follows the header; 0 also when not even the header fits. */
size_t reply_room(const struct reply *reply);

/* False when not even an error can be told. */
bool reply_fits_header(const struct reply *reply);

/* A cursor at the first byte behind the header, for data that is put there directly. */
struct iov_cursor reply_body(const struct reply *reply);

/* `error` is a -errno. Sends nothing when there is no room for the header. */
void reply_error(struct reply *reply, int error);

/* A reply without a body: success, or a -errno. The same when there is no room. */
void reply_status(struct reply *reply, int status);

/* All below: 0, or -EINVAL without any effect when there is too little room. */

int reply_empty(struct request *req);
int reply_data(struct request *req, const void *data, size_t len);
/* For `len` bytes that already stand behind the header's place. */
int reply_in_place(struct request *req, size_t len);
int reply_entry(struct request *req, const struct fs_entry *entry);
/* The name does not exist, and the guest may go by that for a while. */
int reply_absence(struct request *req);
int reply_attr(struct request *req, const struct fs_attr *attr);
int reply_statx(struct request *req, const struct fs_attr *attr);
int reply_open(struct request *req, const struct fs_opened *opened);
int reply_create(struct request *req, const struct fs_entry *entry, const struct fs_opened *opened);
int reply_write(struct request *req, size_t size);
int reply_statfs(struct request *req, const struct statvfs *st);
int reply_lock(struct request *req, const struct fs_lock *lock);
int reply_lseek(struct request *req, uint64_t offset);

/* The wire form of an entry, for directory listings. */
void reply_encode_entry(const struct request *req, const struct fs_entry *entry,
			struct fuse_entry_out *ret_out);

#endif
