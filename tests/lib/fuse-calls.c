/* SPDX-License-Identifier: Apache-2.0 */
/* Typed FUSE calls: session, names, creation and removal. */
#include "tests/lib/fuse-calls.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tests/lib/bounded.h"
#include "tests/lib/fuse-calls-internal.h"

int fuse_init(struct fuse_client *client, uint32_t minor, uint64_t flags)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = minor,
		.max_readahead = 131072,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
	};
	bool old = minor < 36;
	struct fuse_op op = {
		.opcode = FUSE_INIT,
		.in = { { &in, old ? offsetof(struct fuse_init_in, flags2) : sizeof(in) } },
		.out = &client->init,
		.out_len = sizeof(client->init),
	};
	int result;

	if (old)
		in.flags &= ~(uint32_t)FUSE_INIT_EXT;
	memset(&client->init, 0, sizeof(client->init));
	result = fuse_transact(client, &op);
	if (result < 0)
		return result;
	client->init_flags = client->init.flags;
	if (client->init.flags & FUSE_INIT_EXT)
		client->init_flags |= (uint64_t)client->init.flags2 << 32;
	return 0;
}

int fuse_init_default(struct fuse_client *client)
{
	return fuse_init(client, 46, FUSE_TEST_LINUX_FLAGS);
}

int fuse_destroy(struct fuse_client *client)
{
	return fuse_transact(client, &(struct fuse_op){ .opcode = FUSE_DESTROY });
}

int fuse_lookup(struct fuse_client *client, uint64_t parent, const char *name,
		struct fuse_entry_out *ret_entry)
{
	struct fuse_op op = {
		.opcode = FUSE_LOOKUP,
		.nodeid = parent,
		.in = { NAME_PART(name) },
		.out = ret_entry,
		.out_len = sizeof(*ret_entry),
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_walk(struct fuse_client *client, const char *path, struct fuse_entry_out *ret_entry)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);

	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->nodeid = FUSE_ROOT_ID;
	for (char **name = names; *name; name++) {
		int result;

		if (!**name)
			continue;
		result = fuse_lookup(client, ret_entry->nodeid, *name, ret_entry);
		if (result)
			return result;
		if (!ret_entry->nodeid)
			return -ENOENT; /* a cached negative entry */
	}
	return 0;
}

uint64_t fuse_node(struct fuse_client *client, const char *path)
{
	struct fuse_entry_out entry;
	int result = fuse_walk(client, path, &entry);

	if (result)
		test_die("look up %s: %s", path, strerror(-result));
	return entry.nodeid;
}

void fuse_forget(struct fuse_client *client, uint64_t nodeid, uint64_t count)
{
	struct ring *ring = &client->vmm->queues[0];
	struct fuse_forget_in in = { .nlookup = count };
	struct fuse_in_header header = {
		.len = sizeof(header) + sizeof(in),
		.opcode = FUSE_FORGET,
		.nodeid = nodeid,
	};
	uint16_t head = (uint16_t)(ring->config.size - 1);
	uint32_t id, len;
	int result;

	memcpy(client->forget_message, &header, sizeof(header));
	memcpy(client->forget_message + sizeof(header), &in, sizeof(in));
	ring_set_desc(ring, head, guest_gpa(ring->mem, client->forget_message), header.len, 0, 0);
	ring_offer(ring, head);
	result = ring_flush(ring);
	if (!result)
		result = ring_wait(ring, client->config.spin_ns, deadline_default());
	if (result)
		test_die("FORGET: %s", strerror(-result));
	if (!ring_pop(ring, &id, &len) || id != head || len != 0)
		test_die("FORGET came back as head %u with %u bytes", id, len);
}

void fuse_batch_forget(struct fuse_client *client, const struct fuse_forget_one *items,
		       uint32_t n_items)
{
	struct fuse_batch_forget_in in = { .count = n_items };
	struct fuse_op op = {
		.opcode = FUSE_BATCH_FORGET,
		.in = { { &in, sizeof(in) }, { items, n_items * sizeof(*items) } },
		.no_reply = true,
	};

	fuse_transact(client, &op);
}

/*
 * The FUSE_EXT_GROUPS extension behind a creation's arguments, when the client
 * has a group to send and INIT agreed on it. Lengths are counted in 8 bytes.
 */
struct group_extension {
	struct fuse_ext_header header;
	uint32_t n_groups;
	uint32_t group;
};

static int create_call(struct fuse_client *client, struct fuse_op *op)
{
	struct group_extension ext = {
		.header = { .size = sizeof(ext), .type = TEST_FUSE_EXT_GROUPS },
		.n_groups = 1,
		.group = (uint32_t)client->supp_group,
	};
	unsigned int i = 0;

	if (client->supp_group < 0 || !(client->init_flags & FUSE_CREATE_SUPP_GROUP))
		return zero_or_error(fuse_transact(client, op));
	while (op->in[i].n_bytes)
		i++;
	op->in[i] = (struct fuse_part){ &ext, sizeof(ext) };
	op->total_extlen = sizeof(ext) / 8;
	return zero_or_error(fuse_transact(client, op));
}

int fuse_symlink(struct fuse_client *client, uint64_t parent, const char *name, const char *target,
		 struct fuse_entry_out *ret_entry)
{
	struct fuse_op op = {
		.opcode = FUSE_SYMLINK,
		.nodeid = parent,
		.in = { NAME_PART(name), NAME_PART(target) },
		.out = ret_entry,
		.out_len = sizeof(*ret_entry),
	};

	return create_call(client, &op);
}

int fuse_mknod(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
	       uint32_t rdev, struct fuse_entry_out *ret_entry)
{
	struct fuse_mknod_in in = { .mode = mode, .rdev = rdev, .umask = client->umask };
	struct fuse_op op = {
		.opcode = FUSE_MKNOD,
		.nodeid = parent,
		.in = { { &in, sizeof(in) }, NAME_PART(name) },
		.out = ret_entry,
		.out_len = sizeof(*ret_entry),
	};

	return create_call(client, &op);
}

int fuse_mkdir(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
	       struct fuse_entry_out *ret_entry)
{
	struct fuse_mkdir_in in = { .mode = mode, .umask = client->umask };
	struct fuse_op op = {
		.opcode = FUSE_MKDIR,
		.nodeid = parent,
		.in = { { &in, sizeof(in) }, NAME_PART(name) },
		.out = ret_entry,
		.out_len = sizeof(*ret_entry),
	};

	return create_call(client, &op);
}

static int create_and_open(struct fuse_client *client, uint32_t opcode, uint64_t parent,
			   const char *name, const struct fuse_create_in *in,
			   struct fuse_entry_out *ret_entry, struct fuse_open_out *ret_open)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	struct fuse_op op = {
		.opcode = opcode,
		.nodeid = parent,
		.in = { { in, sizeof(*in) }, NAME_PART(name) },
		.out = &out,
		.out_len = sizeof(out),
	};
	int result = create_call(client, &op);

	if (!result) {
		*ret_entry = out.entry;
		*ret_open = out.open;
	}
	return result;
}

int fuse_create(struct fuse_client *client, uint64_t parent, const char *name, uint32_t mode,
		uint32_t flags, struct fuse_entry_out *ret_entry, struct fuse_open_out *ret_open)
{
	struct fuse_create_in in = { .flags = flags, .mode = mode, .umask = client->umask };

	return create_and_open(client, FUSE_CREATE, parent, name, &in, ret_entry, ret_open);
}

int fuse_tmpfile(struct fuse_client *client, uint64_t parent, uint32_t mode, uint32_t flags,
		 struct fuse_entry_out *ret_entry, struct fuse_open_out *ret_open)
{
	struct fuse_create_in in = { .flags = flags, .mode = mode, .umask = client->umask };

	/* Linux sends the name of the unnamed dentry, which is "/". */
	return create_and_open(client, FUSE_TMPFILE, parent, "/", &in, ret_entry, ret_open);
}

static int remove_call(struct fuse_client *client, uint32_t opcode, uint64_t parent,
		       const char *name)
{
	struct fuse_op op = { .opcode = opcode, .nodeid = parent, .in = { NAME_PART(name) } };

	return fuse_transact(client, &op);
}

int fuse_unlink(struct fuse_client *client, uint64_t parent, const char *name)
{
	return remove_call(client, FUSE_UNLINK, parent, name);
}

int fuse_rmdir(struct fuse_client *client, uint64_t parent, const char *name)
{
	return remove_call(client, FUSE_RMDIR, parent, name);
}

int fuse_rename(struct fuse_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name)
{
	struct fuse_rename_in in = { .newdir = new_parent };
	struct fuse_op op = {
		.opcode = FUSE_RENAME,
		.nodeid = parent,
		.in = { { &in, sizeof(in) }, NAME_PART(name), NAME_PART(new_name) },
	};

	return fuse_transact(client, &op);
}

int fuse_rename2(struct fuse_client *client, uint64_t parent, const char *name, uint64_t new_parent,
		 const char *new_name, uint32_t flags)
{
	struct fuse_rename2_in in = { .newdir = new_parent, .flags = flags };
	struct fuse_op op = {
		.opcode = FUSE_RENAME2,
		.nodeid = parent,
		.in = { { &in, sizeof(in) }, NAME_PART(name), NAME_PART(new_name) },
	};

	return fuse_transact(client, &op);
}

int fuse_link(struct fuse_client *client, uint64_t nodeid, uint64_t new_parent,
	      const char *new_name, struct fuse_entry_out *ret_entry)
{
	struct fuse_link_in in = { .oldnodeid = nodeid };
	struct fuse_op op = {
		.opcode = FUSE_LINK,
		.nodeid = new_parent,
		.in = { { &in, sizeof(in) }, NAME_PART(new_name) },
		.out = ret_entry,
		.out_len = sizeof(*ret_entry),
	};

	return zero_or_error(fuse_transact(client, &op));
}

int fuse_readlink(struct fuse_client *client, uint64_t nodeid, char *target, size_t size)
{
	struct fuse_op op = {
		.opcode = FUSE_READLINK,
		.nodeid = nodeid,
		.out = target,
		.out_len = (uint32_t)size - 1,
		.variable = true,
	};
	int result = fuse_transact(client, &op);

	if (result >= 0)
		target[result] = '\0';
	return result;
}
