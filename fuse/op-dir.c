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

struct listing {
	struct fs_dir_sink sink;
	const struct request *req;
	char *buf; /* borrowed */
	size_t used;
	size_t limit;
	bool full; /* an entry was refused */
};

static size_t record_head(const struct listing *list)
{
	return list->sink.plus ? offsetof(struct fuse_direntplus, dirent.name)
			       : offsetof(struct fuse_dirent, name);
}

static size_t record_size(const struct listing *list, uint32_t name_len)
{
	return FUSE_REC_ALIGN(record_head(list) + (size_t)name_len);
}

static bool listing_room(struct fs_dir_sink *sink, uint32_t name_len)
{
	struct listing *list = container_of(sink, struct listing, sink);

	if (record_size(list, name_len) > list->limit - list->used) {
		list->full = true;
		return false;
	}
	return true;
}

static void listing_add(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
			const struct fs_entry *entry)
{
	struct listing *list = container_of(sink, struct listing, sink);
	size_t size = record_size(list, dirent->name_len);
	char *record = list->buf + list->used;
	const struct fuse_dirent head = {
		.ino = dirent->ino,
		.off = dirent->next_offset,
		.namelen = dirent->name_len,
		.type = dirent->type,
	};
	char *name = record + record_head(list);

	assert(size <= list->limit - list->used);
	if (list->sink.plus) {
		struct fuse_entry_out out = { 0 }; /* nodeid 0: the name alone */

		if (entry)
			reply_encode_entry(list->req, entry, &out);
		memcpy(record, &out, sizeof(out));
	}
	memcpy(name - sizeof(head), &head, sizeof(head));
	memcpy(name, dirent->name, dirent->name_len);
	memset(name + dirent->name_len, 0, (size_t)(record + size - name) - dirent->name_len);
	list->used += size;
}

static int list_directory(struct request *req, bool plus)
{
	const struct fuse_read_in *in = req_take(req, sizeof(*in));
	struct listing list = {
		.sink = { .plus = plus, .room = listing_room, .add = listing_add },
		.req = req,
		.buf = req->thread->out,
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
