/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of a FUSE client: layout in guest memory, submission, completion. */
#include "tests/lib/fuse-client.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tests/lib/bounded.h"

/* Linux numbers its requests in steps of two. */
#define UNIQUE_STEP   2
#define FORGET_BYTES  64
#define N_SMALL_DESCS 4 /* request header, arguments, reply header, reply */

static void apply_defaults(struct fuse_client_config *config)
{
	if (!config->depth)
		config->depth = 4;
	if (!config->arg_bytes)
		config->arg_bytes = 12288;
	if (!config->reply_bytes)
		config->reply_bytes = 4096;
	if (!config->segment_bytes)
		config->segment_bytes = 4096;
}

static void *place_part(struct fuse_client *client, size_t bytes, size_t align, uint64_t *ret_gpa)
{
	void *part = guest_alloc(&client->vmm->mem, bytes, align);

	*ret_gpa = guest_gpa(&client->vmm->mem, part);
	return part;
}

static void init_slot(struct fuse_client *client, unsigned int i)
{
	const struct fuse_client_config *config = &client->config;
	struct fuse_slot *slot = &client->slots[i];

	slot->client = client;
	slot->in = place_part(client, sizeof(*slot->in), 64, &slot->in_gpa);
	slot->arg = place_part(client, config->arg_bytes, 64, &slot->arg_gpa);
	slot->out = place_part(client, sizeof(*slot->out), 64, &slot->out_gpa);
	slot->reply = place_part(client, config->reply_bytes, 64, &slot->reply_gpa);
	if (config->data_bytes)
		slot->data = place_part(client, config->data_bytes, 4096, &slot->data_gpa);
	if (client->indirect) {
		slot->table = place_part(client, client->descs_per_slot * sizeof(*slot->table), 16,
					 &slot->table_gpa);
		slot->head = (uint16_t)i;
	} else {
		slot->table = client->ring->desc;
		slot->head = (uint16_t)(i * client->descs_per_slot);
	}
	client->free_slots[client->n_free++] = slot;
}

void fuse_client_init(struct fuse_client *client, struct vmm *vmm,
		      const struct fuse_client_config *config)
{
	unsigned int n_heads;

	memset(client, 0, sizeof(*client));
	client->vmm = vmm;
	client->config = *config;
	client->supp_group = -1;
	apply_defaults(&client->config);
	if (config->queue >= vmm->n_queues)
		test_die("there is no queue %u", config->queue);
	client->ring = &vmm->queues[config->queue];
	client->indirect = (vmm->fe.features & FE_F_INDIRECT_DESC) && !config->direct;
	client->descs_per_slot = N_SMALL_DESCS + (unsigned int)((client->config.data_bytes +
								 client->config.segment_bytes - 1) /
								client->config.segment_bytes);
	n_heads = client->indirect ? client->config.depth
				   : client->config.depth * client->descs_per_slot;
	/* The last descriptor of the hiprio queue belongs to fuse_forget(). */
	if (n_heads > client->ring->config.size - (config->queue == 0))
		test_die("%u descriptors do not fit the ring", n_heads);
	client->slots = g_new0(struct fuse_slot, client->config.depth);
	client->free_slots = g_new0(struct fuse_slot *, client->config.depth);
	for (unsigned int i = client->config.depth; i-- > 0;)
		init_slot(client, i);
	client->forget_message = guest_alloc(&vmm->mem, FORGET_BYTES, 64);
}

void fuse_client_deinit(struct fuse_client *client)
{
	g_clear_pointer(&client->slots, g_free);
	g_clear_pointer(&client->free_slots, g_free);
}

struct fuse_slot *fuse_slot_get(struct fuse_client *client)
{
	return client->n_free ? client->free_slots[--client->n_free] : NULL;
}

void fuse_slot_put(struct fuse_slot *slot)
{
	slot->client->free_slots[slot->client->n_free++] = slot;
}

void fuse_slot_prepare(struct fuse_slot *slot, uint32_t opcode, uint64_t nodeid)
{
	struct fuse_client *client = slot->client;

	client->unique += UNIQUE_STEP;
	slot->unique = client->unique;
	*slot->in = (struct fuse_in_header){
		.opcode = opcode,
		.unique = slot->unique,
		.nodeid = nodeid,
		.uid = client->uid,
		.gid = client->gid,
		.pid = client->pid,
	};
	slot->arg_len = slot->reply_room = slot->data_out = slot->data_in = 0;
	slot->no_reply = false;
}

/* Where the next descriptor of a chain goes; for direct chains in the ring's own table. */
struct chain_builder {
	struct vring_desc *table;
	unsigned int first;
	unsigned int n;
};

static void add_part(struct chain_builder *chain, uint64_t gpa, uint32_t len, uint16_t flags)
{
	unsigned int i = chain->first + chain->n++;

	chain->table[i] = (struct vring_desc){
		.addr = gpa,
		.len = len,
		.flags = flags | VRING_DESC_F_NEXT,
		.next = (uint16_t)(i + 1),
	};
}

static void add_data(struct chain_builder *chain, const struct fuse_slot *slot, uint32_t len,
		     uint16_t flags)
{
	size_t segment = slot->client->config.segment_bytes;

	for (uint32_t done = 0; done < len; done += (uint32_t)segment)
		add_part(chain, slot->data_gpa + done, (uint32_t)MIN(segment, len - done), flags);
}

void fuse_submit_as_is(struct fuse_slot *slot)
{
	struct fuse_client *client = slot->client;
	struct chain_builder chain = {
		.table = slot->table,
		.first = client->indirect ? 0 : slot->head,
	};

	add_part(&chain, slot->in_gpa, sizeof(*slot->in), 0);
	if (slot->arg_len)
		add_part(&chain, slot->arg_gpa, slot->arg_len, 0);
	add_data(&chain, slot, slot->data_out, 0);
	if (!slot->no_reply) {
		/* A stale answer of the slot's last user must not look like a new one. */
		memset(slot->out, 0xee, sizeof(*slot->out));
		add_part(&chain, slot->out_gpa, sizeof(*slot->out), VRING_DESC_F_WRITE);
		if (slot->reply_room)
			add_part(&chain, slot->reply_gpa, slot->reply_room, VRING_DESC_F_WRITE);
		add_data(&chain, slot, slot->data_in, VRING_DESC_F_WRITE);
	}
	chain.table[chain.first + chain.n - 1].flags &= (uint16_t)~VRING_DESC_F_NEXT;
	if (client->indirect)
		ring_set_desc(client->ring, slot->head, slot->table_gpa,
			      chain.n * (uint32_t)sizeof(struct vring_desc), VRING_DESC_F_INDIRECT,
			      0);
	slot->in_flight = true;
	client->n_in_flight++;
	ring_offer(client->ring, slot->head);
}

void fuse_submit(struct fuse_slot *slot)
{
	slot->in->len = (uint32_t)sizeof(*slot->in) + slot->arg_len + slot->data_out;
	fuse_submit_as_is(slot);
}

void fuse_flush(struct fuse_client *client)
{
	int result = ring_flush(client->ring);

	if (result)
		test_die("kick: %s", strerror(-result));
}

static struct fuse_slot *slot_of_head(struct fuse_client *client, uint32_t head)
{
	unsigned int i = client->indirect ? head : head / client->descs_per_slot;

	if (i >= client->config.depth || client->slots[i].head != head ||
	    !client->slots[i].in_flight)
		test_die("the device returned head %u, which is not in flight", head);
	return &client->slots[i];
}

int fuse_reap_now(struct fuse_client *client, struct fuse_slot **slots, unsigned int max)
{
	unsigned int n = 0;
	uint32_t head, len;

	while (n < max && ring_pop(client->ring, &head, &len)) {
		struct fuse_slot *slot = slot_of_head(client, head);

		slot->in_flight = false;
		slot->used_len = len;
		client->n_in_flight--;
		slots[n++] = slot;
	}
	return (int)n;
}

int fuse_reap(struct fuse_client *client, struct fuse_slot **slots, unsigned int max,
	      int64_t deadline)
{
	int result = ring_wait(client->ring, client->config.spin_ns, deadline);

	return result ? result : fuse_reap_now(client, slots, max);
}

const char *fuse_slot_check(const struct fuse_slot *slot, uint32_t expected, bool variable)
{
	const struct fuse_out_header *out = slot->out;
	uint32_t payload;

	if (slot->used_len < sizeof(*out))
		return "the reply is shorter than its header";
	if (out->len != slot->used_len)
		return "the used length differs from the header's length";
	if (out->unique != slot->unique)
		return "the reply has another request's unique";
	if (out->error > 0 || out->error <= -512)
		return "the error is outside -511..0";
	payload = out->len - (uint32_t)sizeof(*out);
	if (out->error)
		return payload ? "an error reply carries a payload" : NULL;
	if (payload > expected || (payload < expected && !variable))
		return "the reply has the wrong length";
	return NULL;
}

static void fill_arguments(struct fuse_slot *slot, const struct fuse_op *op)
{
	const struct fuse_client_config *config = &slot->client->config;

	for (unsigned int i = 0; i < G_N_ELEMENTS(op->in); i++) {
		if (!op->in[i].n_bytes)
			continue;
		if (slot->arg_len + op->in[i].n_bytes > config->arg_bytes)
			test_die("arguments do not fit the slot");
		memcpy(slot->arg + slot->arg_len, op->in[i].bytes, op->in[i].n_bytes);
		slot->arg_len += (uint32_t)op->in[i].n_bytes;
	}
	if (op->data_out_len > config->data_bytes || op->data_in_len > config->data_bytes)
		test_die("data does not fit the slot");
	if (op->data_out_len)
		memcpy(slot->data, op->data_out, op->data_out_len);
	slot->data_out = op->data_out_len;
	slot->data_in = op->data_in_len;
}

int fuse_transact(struct fuse_client *client, const struct fuse_op *original)
{
	struct fuse_slot *slot = fuse_slot_get(client);
	struct fuse_op op = *original;
	struct fuse_slot *done;
	const char *wrong;
	int result;

	if (!slot || client->n_in_flight)
		test_die("a synchronous request needs an idle client");
	if (op.out_len > client->config.reply_bytes) {
		op.data_in = op.out;
		op.data_in_len = op.out_len;
		op.out_len = 0;
	}
	fuse_slot_prepare(slot, op.opcode, op.nodeid);
	fill_arguments(slot, &op);
	slot->in->total_extlen = op.total_extlen;
	slot->reply_room = op.out_len;
	slot->no_reply = op.no_reply;
	fuse_submit(slot);
	fuse_flush(client);
	result = fuse_reap(client, &done, 1, deadline_default());
	if (result < 0)
		test_die("FUSE opcode %u: %s", op.opcode, strerror(-result));
	fuse_slot_put(slot);
	if (op.no_reply)
		return 0;
	wrong = fuse_slot_check(slot, op.out_len + op.data_in_len, op.variable);
	if (wrong)
		test_die("FUSE opcode %u: %s (used %u, len %u, error %d)", op.opcode, wrong,
			 slot->used_len, slot->out->len, slot->out->error);
	if (slot->out->error)
		return slot->out->error;
	result = (int)(slot->out->len - sizeof(*slot->out));
	if (op.out_len)
		memcpy(op.out, slot->reply, MIN((uint32_t)result, op.out_len));
	if (op.data_in_len && (uint32_t)result > op.out_len)
		memcpy(op.data_in, slot->data, (uint32_t)result - op.out_len);
	return result;
}
