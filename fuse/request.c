/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of requests.
 *
 * Trust: all bytes come from a guest, which may send anything and change it while we read. Each
 * byte is copied to private memory at most once and only the copy is checked and used; file data
 * is the exception, it stays where it is and is never looked at. After req_init() the lengths in
 * struct request lie inside the message whatever the header claimed; after a take that did not
 * fail, the piece lies inside the copy, and a name is one component that means nothing else.
 */
#include "fuse/request.h"

#include <limits.h>
#include <string.h>

#include "base/util.h"
#include "fuse/session-internal.h"

#define MINOR_OF_EXTLEN 38u

static void set_error(struct request *req, int error)
{
	if (!req->error)
		req->error = error;
}

/*
 * The header's length may be smaller than the message (the rest is padding some guests send) or
 * larger (a lie): what both agree on counts.
 */
static void check_header(struct request *req, size_t copied)
{
	size_t body;

	if (copied < sizeof(req->in) || req->in.len < sizeof(req->in)) {
		set_error(req, -EINVAL);
		return;
	}
	body = req->in.len - sizeof(req->in);
	req->payload_len = MIN(body, req->payload.remaining);
}

enum req_result req_init(struct request *req, struct fuse_thread *thread,
			 const struct fuse_message *message)
{
	size_t copied;

	req->thread = thread;
	req->session = thread->session;
	req->message = message;
	req->error = 0;
	req->args = thread->args;
	req->args_len = 0;
	req->args_pos = 0;
	req->payload_len = 0;
	iov_cursor_init(&req->payload, message->readable, message->n_readable);
	copied = iov_copy_out(&req->payload, &req->in, sizeof(req->in));
	if (unlikely(copied < sizeof(req->in)))
		memset((char *)&req->in + copied, 0, sizeof(req->in) - copied);
	if (copied < offsetof(struct fuse_in_header, nodeid))
		return REQ_UNANSWERABLE;
	reply_init(&req->reply, message->writable, message->n_writable, req->in.unique);
	if (message->damaged)
		set_error(req, -EIO);
	check_header(req, copied);
	return REQ_OK;
}

void req_load_args(struct request *req, size_t max)
{
	size_t len = MIN(max, sizeof(req->thread->args));

	len = MIN(len, req->payload_len);
	req->args_len = iov_copy_out(&req->payload, req->thread->args, len);
	req->payload_len -= req->args_len;
}

const void *req_take(struct request *req, size_t size)
{
	const char *piece = req->args + req->args_pos;

	if (!req->error && size > req->args_len - req->args_pos)
		set_error(req, -EINVAL);
	if (req->error)
		return NULL;
	req->args_pos += size;
	return piece;
}

const char *req_take_string(struct request *req, size_t max_len)
{
	const char *text = req->args + req->args_pos;
	const char *end;

	if (req->error)
		return NULL;
	end = memchr(text, '\0', req->args_len - req->args_pos);
	if (!end || end == text) {
		set_error(req, -EINVAL);
		return NULL;
	}
	if ((size_t)(end - text) > max_len) {
		set_error(req, -ENAMETOOLONG);
		return NULL;
	}
	req->args_pos += (size_t)(end - text) + 1;
	return text;
}

const char *req_take_name(struct request *req)
{
	const char *name = req_take_string(req, NAME_MAX);

	if (!name)
		return NULL;
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		set_error(req, -EINVAL);
		return NULL;
	}
	return name;
}

const char *req_take_xattr_name(struct request *req)
{
	const char *name = req->args + req->args_pos;
	size_t left = req->args_len - req->args_pos;
	size_t len;

	if (req->error)
		return NULL;
	len = strnlen(name, left);
	if (len == left)
		set_error(req, -EINVAL);
	else if (len == 0 || len > XATTR_NAME_MAX)
		set_error(req, -ERANGE);
	else
		req->args_pos += len + 1;
	return req->error ? NULL : name;
}

const void *req_take_value(struct request *req, size_t size)
{
	size_t copied = req->args_len - req->args_pos;
	char *value = req->thread->out;

	if (size <= copied)
		return req_take(req, size);
	if (!req->error && (size > sizeof(req->thread->out) || size - copied > req->payload_len))
		set_error(req, -EINVAL);
	if (req->error)
		return NULL;
	memcpy(value, req->args + req->args_pos, copied);
	req->args_pos += copied;
	iov_copy_out(&req->payload, value + copied, size - copied);
	req->payload_len -= size - copied;
	return value;
}

/* `data` are the `len` bytes behind the extension's header. At most one group is ever sent. */
static int take_group(struct fs_caller *caller, const char *data, size_t len)
{
	uint32_t n_groups;

	if (len < sizeof(n_groups) || caller->has_group)
		return -EINVAL;
	memcpy(&n_groups, data, sizeof(n_groups));
	if (n_groups == 0)
		return 0;
	if (n_groups != 1 || len < sizeof(n_groups) + sizeof(caller->group))
		return -EINVAL;
	memcpy(&caller->group, data + sizeof(n_groups), sizeof(caller->group));
	caller->has_group = true;
	return 0;
}

/* The same for security contexts, of which there are `n`: name and value of at most one label. */
static int take_label(struct fs_caller *caller, uint32_t n, const char *data, size_t len)
{
	struct fuse_secctx head;
	size_t name_len;

	if (n == 0)
		return 0;
	if (n != 1 || caller->label.name || len < sizeof(head))
		return -EINVAL;
	memcpy(&head, data, sizeof(head));
	data += sizeof(head);
	len -= sizeof(head);
	name_len = strnlen(data, len);
	if (name_len == 0 || name_len > XATTR_NAME_MAX || name_len == len ||
	    head.size > len - name_len - 1)
		return -EINVAL;
	caller->label = (struct fs_label){
		.name = data,
		.value = data + name_len + 1,
		.size = head.size,
	};
	return 0;
}

static int take_extension(struct request *req, struct fs_caller *caller, uint32_t type,
			  const char *data, size_t len)
{
	if (type == FUSE_EXT_GROUPS)
		return take_group(caller, data, len);
	/* Below, the type is a number of security contexts. */
	if (type < FUSE_EXT_GROUPS && session_has(req->session, FUSE_SECURITY_CTX))
		return take_label(caller, type, data, len);
	return 0;
}

/*
 * The header tells how long the extensions are; before protocol 7.38 it did not, and all there
 * could be was a security context.
 */
static size_t extension_bytes(const struct request *req)
{
	uint32_t minor = __atomic_load_n(&req->session->state->minor, __ATOMIC_RELAXED);

	if (minor < MINOR_OF_EXTLEN && session_has(req->session, FUSE_SECURITY_CTX))
		return req->args_len - req->args_pos;
	return (size_t)req->in.total_extlen * 8;
}

/* Extensions stand one behind the other, each padded to 8 bytes. */
static int take_extensions(struct request *req, struct fs_caller *caller)
{
	size_t len = extension_bytes(req);
	const char *at = req_take(req, len);

	while (at && len > 0) {
		struct fuse_ext_header head;
		size_t padded;
		int r;

		if (len < sizeof(head))
			return -EINVAL;
		memcpy(&head, at, sizeof(head));
		if (head.size < sizeof(head) || head.size > len)
			return -EINVAL;
		r = take_extension(req, caller, head.type, at + sizeof(head),
				   head.size - sizeof(head));
		if (r < 0)
			return r;
		/* The last one of an old guest may lack its padding. */
		padded = MIN(FUSE_REC_ALIGN((size_t)head.size), len);
		at += padded;
		len -= padded;
	}
	return req->error;
}

int req_take_creator(struct request *req, struct fs_caller *ret_caller)
{
	*ret_caller = (struct fs_caller){ .uid = req->in.uid, .gid = req->in.gid };
	if (req->error)
		return req->error;
	/* To set*id(2) these ids would mean "as you are": the daemon's own. */
	if (req->in.uid == WIRE_NO_ID || req->in.gid == WIRE_NO_ID) {
		set_error(req, -EOVERFLOW);
		return req->error;
	}
	set_error(req, take_extensions(req, ret_caller));
	return req->error;
}

bool req_kills_suidgid(const struct request *req, uint32_t open_flags)
{
	if (open_flags & FUSE_OPEN_KILL_SUIDGID)
		return true;
	return !session_has(req->session, FUSE_HANDLE_KILLPRIV_V2) && req->in.uid != 0 &&
	       req->in.uid != WIRE_NO_ID;
}

bool req_change_kills_suidgid(const struct request *req)
{
	return session_has(req->session, FUSE_HANDLE_KILLPRIV_V2) && req->in.uid != 0;
}

uint32_t req_umask(const struct request *req, uint32_t umask)
{
	return session_has(req->session, FUSE_DONT_MASK) ? umask & 0777 : 0;
}

/* No guest is given a number with that bit; 0 is no file, either. */
uint64_t req_file(const struct request *req, uint64_t nodeid, uint64_t fh)
{
	if (!fh && !(nodeid & FS_FH_OF_NODE) &&
	    session_has(req->session, FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT))
		return fs_fh_of_node(nodeid);
	return fh & FS_FH_OF_NODE ? 0 : fh;
}

struct fs_thread *req_fs(struct request *req)
{
	return &req->thread->fs;
}
