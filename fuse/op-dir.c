/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open directories.
 *
 * A listing is built in the thread's buffer and copied out once. It never holds more than what
 * the guest has room for: an entry of READDIRPLUS that was looked up but not delivered would stay
 * referenced for ever.
 */
#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

#define RECORD_ALIGN sizeof(uint64_t)
_Static_assert(FUSE_REC_ALIGN(1) == RECORD_ALIGN, "records are padded to words");
_Static_assert(sizeof(struct fuse_dirent) == offsetof(struct fuse_dirent, name) &&
		       sizeof(struct fuse_entry_out) == offsetof(struct fuse_direntplus, dirent),
	       "a record is its entry, its head and its name");

struct listing {
	struct fs_dir_sink sink;
	const struct request *req;
	char *buf;	    /* borrowed */
	size_t entry_bytes; /* what each record begins with */
	size_t used;
	size_t limit;
	bool full; /* an entry was refused */
};

static size_t record_size(const struct listing *list, uint32_t name_len)
{
	return list->entry_bytes + FUSE_REC_ALIGN(sizeof(struct fuse_dirent) + (size_t)name_len);
}

static bool listing_room(struct fs_dir_sink *sink, uint32_t name_len)
{
	struct listing *list = container_of(sink, struct listing, sink);

	if (likely(record_size(list, name_len) <= list->limit - list->used))
		return true;
	list->full = true;
	return false;
}

/* What goes before a name of READDIRPLUS; nodeid 0: the name alone. */
static void put_entry(const struct listing *list, const struct fs_entry *entry, void *place)
{
	if (entry)
		reply_encode_entry(list->req, entry, place);
	else
		memset(place, 0, sizeof(struct fuse_entry_out));
}

static void listing_add(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
			const struct fs_entry *entry)
{
	struct listing *list = container_of(sink, struct listing, sink);
	size_t size = record_size(list, dirent->name_len);
	char *record = list->buf + list->used; /* aligned, as all records are */
	void *place = record + list->entry_bytes;
	struct fuse_dirent *out = place;

	assert(size <= list->limit - list->used);
	if (list->sink.plus)
		put_entry(list, entry, record);
	out->ino = dirent->ino;
	out->off = dirent->next_offset;
	out->namelen = dirent->name_len;
	out->type = dirent->type;
	/* A record ends with its padding, less than one word of it. */
	memset(record + size - RECORD_ALIGN, 0, RECORD_ALIGN);
	memcpy(out->name, dirent->name, dirent->name_len);
	list->used += size;
}

static int list_directory(struct request *req, bool plus)
{
	const struct fuse_read_in *in = req_take(req, sizeof(*in));
	struct listing list = {
		.sink = { .plus = plus, .room = listing_room, .add = listing_add },
		.req = req,
		.buf = req->thread->out,
		.entry_bytes = plus ? sizeof(struct fuse_entry_out) : 0,
		.limit = MIN(in->size, SESSION_OUT_BYTES),
	};
	int r;

	list.limit = MIN(list.limit, reply_room(&req->reply));
	r = fs_readdir(req_fs(req), req->in.nodeid, req_file(req, req->in.nodeid, in->fh),
		       in->offset, (uint32_t)list.limit, &list.sink);
	/* What was gathered before a failure is delivered; the failure comes with the next call. */
	if (r < 0 && list.used == 0)
		return r;
	/* An empty reply would mean the end of the directory. */
	if (list.full && list.used == 0)
		return -EINVAL;
	return reply_data(req, list.buf, list.used);
}

int op_opendir(struct request *req)
{
	const struct fuse_open_in *in = req_take(req, sizeof(*in));
	struct fs_opened opened;
	int r;

	r = fs_opendir(req_fs(req), req->in.nodeid, in->flags, &opened);
	if (r < 0)
		return r;
	return reply_open(req, &opened);
}

int op_readdir(struct request *req)
{
	return list_directory(req, false);
}

int op_readdirplus(struct request *req)
{
	return list_directory(req, true);
}

int op_releasedir(struct request *req)
{
	const struct fuse_release_in *in = req_take(req, sizeof(*in));
	int r;

	r = fs_releasedir(req_fs(req), in->fh);
	if (r < 0)
		return r;
	return reply_empty(req);
}

int op_fsyncdir(struct request *req)
{
	const struct fuse_fsync_in *in = req_take(req, sizeof(*in));
	int r;

	r = fs_fsyncdir(req_fs(req), req_file(req, req->in.nodeid, in->fh),
			in->fsync_flags & FUSE_FSYNC_FDATASYNC);
	if (r < 0)
		return r;
	return reply_empty(req);
}
