/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE requests over one queue: preallocated slots, many in flight.
 *
 * A slot owns a request buffer, a reply buffer and optionally a data buffer in
 * guest memory, plus fixed descriptors, so the way get - fill - submit - flush
 * - reap - put allocates nothing and is fit for a load generator. Descriptors
 * are laid out as Linux does: header, arguments and data pages each on their
 * own, one indirect table per request when that was agreed. A client is used by
 * one thread at a time; several clients may share a VMM on different queues.
 *
 *	struct fuse_slot *slot = fuse_slot_get(client);
 *	fuse_slot_prepare(slot, FUSE_GETATTR, nodeid);
 *	memcpy(slot->arg, &in, slot->arg_len = sizeof(in));
 *	slot->reply_room = sizeof(struct fuse_attr_out);
 *	fuse_submit(slot);
 *	fuse_flush(client);
 *	n = fuse_reap(client, slots, ARRAY_LEN, deadline);
 *	... fuse_slot_check(slots[0], sizeof(struct fuse_attr_out), false) ...
 *	fuse_slot_put(slots[0]);
 */
#ifndef TESTS_LIB_FUSE_CLIENT_H
#define TESTS_LIB_FUSE_CLIENT_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/ring.h"
#include "tests/lib/vmm.h"

struct fuse_client_config {
	unsigned int queue;   /* 1 = first request queue */
	unsigned int depth;   /* slots; 0 means 4 */
	size_t arg_bytes;     /* after the request header; 0 means 12288 */
	size_t reply_bytes;   /* after the reply header; 0 means 4096 */
	size_t data_bytes;    /* READ and WRITE payload per slot; 0 means none */
	size_t segment_bytes; /* data bytes per descriptor; 0 means 4096 */
	bool direct;	      /* no indirect tables even when agreed */
	int64_t spin_ns;      /* look this long before sleeping */
};

struct fuse_slot {
	struct fuse_client *client;
	struct fuse_in_header *in;
	uint8_t *arg;
	struct fuse_out_header *out;
	uint8_t *reply;
	uint8_t *data;
	/* Set by the user before fuse_submit(); fuse_slot_prepare() zeroes them. */
	uint32_t arg_len;    /* bytes of arg that the device may read */
	uint32_t reply_room; /* bytes of reply that it may write */
	uint32_t data_out;   /* bytes of data that it may read (WRITE) */
	uint32_t data_in;    /* bytes of data that it may write (READ) */
	bool no_reply;	     /* FORGET: no writable part at all */
	uint64_t cookie;     /* the user's own */
	/* Set at reap. */
	uint32_t used_len; /* what the used ring says was written */
	/* Private. */
	uint64_t unique;
	struct vring_desc *table;
	uint64_t in_gpa, arg_gpa, out_gpa, reply_gpa, data_gpa, table_gpa;
	uint16_t head;
	bool in_flight;
};

struct fuse_client {
	struct vmm *vmm; /* borrowed */
	struct ring *ring;
	struct fuse_client_config config;
	struct fuse_slot *slots;
	struct fuse_slot **free_slots;
	unsigned int n_free;
	unsigned int n_in_flight;
	bool indirect;
	unsigned int descs_per_slot;
	uint64_t unique;
	/* Who asks: copied into each request header. */
	uint32_t uid, gid, pid;
	uint32_t umask;	     /* of creations, as the guest process has it */
	uint32_t file_flags; /* sent with WRITE: the file's open(2) flags as they are now */
	/* The group sent as FUSE_EXT_GROUPS with creations; -1 for none. */
	int64_t supp_group;
	/* What INIT agreed. */
	struct fuse_init_out init;
	uint64_t init_flags;	 /* flags and flags2 of the reply as one word */
	uint8_t *forget_message; /* in guest memory, for the hiprio queue */
};

/* Dies when the ring or guest memory is too small for the slots. */
void fuse_client_init(struct fuse_client *client, struct vmm *vmm,
		      const struct fuse_client_config *config);
void fuse_client_deinit(struct fuse_client *client);

/* A free slot or NULL. */
struct fuse_slot *fuse_slot_get(struct fuse_client *client);
void fuse_slot_put(struct fuse_slot *slot);
/* Fills the request header (unique, ids) and zeroes the lengths. */
void fuse_slot_prepare(struct fuse_slot *slot, uint32_t opcode, uint64_t nodeid);

/* Builds the chain and offers it; the header's len is set from the lengths. */
void fuse_submit(struct fuse_slot *slot);
/* The same, but the header's len stays what the user wrote (hostile requests). */
void fuse_submit_as_is(struct fuse_slot *slot);
/* Publishes all submitted requests with at most one kick; dies when that fails. */
void fuse_flush(struct fuse_client *client);

/*
 * Waits for at least one completion until @deadline and collects up to @max.
 * Count, -ETIMEDOUT or -ECONNRESET. The caller puts the slots back.
 */
int fuse_reap(struct fuse_client *client, struct fuse_slot **slots, unsigned int max,
	      int64_t deadline);
/* The completions that are there now; 0 when none. */
int fuse_reap_now(struct fuse_client *client, struct fuse_slot **slots, unsigned int max);

/*
 * Applies Linux 7.x's checks to a reaped reply: used length equals the header's
 * len, unique matches, error in -511..0, an error reply is exactly 16 bytes, a
 * success has exactly @expected bytes behind the header, or at most that many
 * when @variable. Returns NULL, or what is wrong (static text).
 */
const char *fuse_slot_check(const struct fuse_slot *slot, uint32_t expected, bool variable);

/*
 * One synchronous request. Parts of @in are concatenated behind the header,
 * data_out follows them. An @out bigger than reply_bytes goes through the data
 * buffer, as data_in does. Returns the payload length of the reply or its negative error; dies on a
 * time-out, a hang-up or a reply that fuse_slot_check() refuses.
 */
struct fuse_part {
	const void *bytes;
	size_t n_bytes;
};

struct fuse_op {
	uint32_t opcode;
	uint64_t nodeid;
	struct fuse_part in[6];
	const void *data_out; /* WRITE payload */
	uint32_t data_out_len;
	void *data_in; /* READ payload */
	uint32_t data_in_len;
	void *out; /* receives the payload behind the reply header */
	uint32_t out_len;
	uint16_t total_extlen; /* of the header, in 8 bytes */
	bool variable;
	bool no_reply;
};
int fuse_transact(struct fuse_client *client, const struct fuse_op *op);

#endif
