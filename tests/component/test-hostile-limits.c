/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that what a peer tries to make endless or to use up has an end: libc's own paths below the
 * share's root, notifications that block, lists that repeat, memory taken away page by page.
 */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define N_COPIES   14u
#define COPY_BYTES (64u << 20)

static void put_source(const struct share *share)
{
	g_autofree char *bytes = g_malloc0(COPY_BYTES);

	share_write(share, "source", bytes, COPY_BYTES, 0644);
}

/* The guest lays a FIFO where the allocator of many threads would look for processors. */
static void lay_fifo(struct fuse_client *client)
{
	static const char *const path[] = { "sys", "devices", "system", "cpu" };
	uint64_t dir = FUSE_ROOT_ID;
	struct fuse_entry_out entry;

	for (size_t i = 0; i < G_N_ELEMENTS(path); i++) {
		g_assert_cmpint(fuse_mkdir(client, dir, path[i], 0755, &entry), ==, 0);
		dir = entry.nodeid;
	}
	g_assert_cmpint(fuse_mknod(client, dir, "online", S_IFIFO | 0644, 0, &entry), ==, 0);
}

static void send_copy(struct fuse_client *client, const struct fuse_copy_file_range_in *in,
		      uint64_t nodeid)
{
	struct fuse_slot *slot = fuse_slot_get(client);

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_COPY_FILE_RANGE, nodeid);
	memcpy(slot->arg, in, sizeof(*in));
	slot->arg_len = sizeof(*in);
	slot->reply_room = sizeof(struct fuse_write_out);
	fuse_submit(slot);
}

static void no_path_of_libc_is_opened_in_the_share(void)
{
	const struct fixture_config config = {
		.client = { .depth = N_COPIES },
		.populate = put_source,
	};
	struct fixture *f = fixture_start(&config);
	struct fuse_entry_out source, copy;
	struct fuse_open_out from, to;
	struct fuse_slot *slots[N_COPIES];
	unsigned int n = 0;

	lay_fifo(&f->client);
	g_assert_cmpint(fuse_lookup(&f->client, FUSE_ROOT_ID, "source", &source), ==, 0);
	g_assert_cmpint(fuse_open(&f->client, source.nodeid, O_RDONLY, &from), ==, 0);
	g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, "copy", 0644, O_RDWR, &copy, &to), ==,
			0);
	for (unsigned int i = 0; i < N_COPIES; i++) {
		const struct fuse_copy_file_range_in in = {
			.fh_in = from.fh,
			.nodeid_out = copy.nodeid,
			.fh_out = to.fh,
			.off_out = (uint64_t)i * COPY_BYTES,
			.len = COPY_BYTES,
		};

		send_copy(&f->client, &in, source.nodeid);
	}
	fuse_flush(&f->client);
	while (n < N_COPIES) {
		int got = fuse_reap(&f->client, slots, N_COPIES, deadline_default());

		g_assert_cmpint(got, >, 0);
		for (int i = 0; i < got; i++)
			fuse_slot_put(slots[i]);
		n += (unsigned int)got;
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

/* A non-blocking descriptor passes the check; then it is filled and made to block. */
static void send_getattr_to_full(struct fixture *f, int fd, int access)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_slot *slot = fuse_slot_get(&f->client);
	struct ring *ring = f->client.ring;

	g_assert_cmpint(fcntl(fd, F_SETFL, access), ==, 0);
	*ring->used_event = ring->used->idx;
	ring->avail->flags = 0;
	fuse_slot_prepare(slot, FUSE_GETATTR, FUSE_ROOT_ID);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	slot->reply_room = sizeof(struct fuse_attr_out);
	fuse_submit(slot);
	fuse_flush(&f->client);
	for (int64_t end = deadline_default(); !ring_has_used(ring);)
		if (deadline_left_ms(end) == 0)
			test_die("the request was not served");
}

static void a_full_eventfd_that_blocks_does_not_keep_the_daemon(void)
{
	struct fixture *f = fixture_start(NULL);
	uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, 1, fd), "call");
	g_assert_cmpint(write(fd, &full, sizeof(full)), ==, sizeof(full));
	send_getattr_to_full(f, fd, O_RDWR);
	close(fd);
	frontend_close(&f->vmm.fe);
	fixture_expect_orderly_end(f);
}

static void a_full_pipe_that_blocks_does_not_keep_the_daemon(void)
{
	struct fixture *f = fixture_start(NULL);
	char bytes[4096] = { 0 };
	int ends[2];

	g_assert_cmpint(pipe2(ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
	fe_or_die(fe_set_vring_fd(&f->vmm.fe, FE_SET_VRING_CALL, 1, ends[1]), "call");
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	while (write(ends[1], bytes, 1) > 0)
		;
	send_getattr_to_full(f, ends[1], O_WRONLY);
	frontend_close(&f->vmm.fe);
	fixture_expect_orderly_end(f);
	close(ends[0]);
	close(ends[1]);
}

/* Hundreds of descriptors on the same memory: four gigabytes of forgets in one request. */
static void an_endless_list_of_forgets_ends(void)
{
	const size_t piece = 16u << 20;
	const unsigned int n = 255;
	struct fuse_in_header header = { .opcode = FUSE_BATCH_FORGET,
					 .unique = 77,
					 .len = UINT32_MAX };
	struct fuse_batch_forget_in in = { .count = UINT32_MAX };
	struct fixture *f = fixture_start(NULL);
	struct guest_ram *ram = &f->vmm.mem;
	struct fuse_forget_one *list = guest_alloc(ram, piece, 4096);
	uint8_t *head = guest_alloc(ram, 64, 64);
	struct vring_desc *table = guest_alloc(ram, 16 * (n + 1), 16);
	struct fuse_entry_out entry;
	uint32_t base;

	g_assert_cmpint(fuse_mkdir(&f->client, FUSE_ROOT_ID, "kept", 0755, &entry), ==, 0);
	for (size_t i = 0; i < piece / sizeof(*list); i++)
		list[i] = (struct fuse_forget_one){ .nodeid = entry.nodeid };
	memcpy(head, &header, sizeof(header));
	memcpy(head + sizeof(header), &in, sizeof(in));
	table[0] = (struct vring_desc){ .addr = guest_gpa(ram, head),
					.len = sizeof(header) + sizeof(in),
					.flags = VRING_DESC_F_NEXT,
					.next = 1 };
	for (unsigned int i = 1; i <= n; i++)
		table[i] = (struct vring_desc){ .addr = guest_gpa(ram, list),
						.len = (uint32_t)piece,
						.flags = i < n ? VRING_DESC_F_NEXT : 0,
						.next = (uint16_t)(i + 1) };
	ring_set_desc(f->client.ring, RAW_FIRST_DESC, guest_gpa(ram, table), 16 * (n + 1),
		      VRING_DESC_F_INDIRECT, 0);
	ring_offer(f->client.ring, RAW_FIRST_DESC);
	fe_or_die(ring_flush(f->client.ring), "kick");
	fe_or_die(ring_wait(f->client.ring, 0, deadline_default()), "the list");
	fe_or_die(ring_stop(f->client.ring, &base), "stop");
	fixture_stop(f);
}

#ifndef __SANITIZE_ADDRESS__
/*
 * Every second page would be a mapping of its own: more than a process may have. AddressSanitizer's
 * allocator ends the process when mappings run short even for a moment.
 */
static void memory_taken_away_page_by_page_is_survived(void)
{
	const struct fixture_config config = {
		.vmm = { .n_regions = 2, .memory_bytes = 512u << 20 },
	};
	const unsigned int n = 1000, rounds = 66;
	struct fuse_in_header header = { .opcode = FUSE_BATCH_FORGET, .unique = 77 };
	struct fuse_batch_forget_in in = { .count = n };
	struct fixture *f = fixture_start(&config);
	struct guest_ram *ram = &f->vmm.mem;
	uint8_t *head = guest_alloc_in(ram, 0, 64, 64);
	struct vring_desc *table = guest_alloc_in(ram, 0, 16 * (n + 1), 16);
	uint64_t page = 0;

	g_assert_cmpint(ftruncate(ram->regions[1].fd, 0), ==, 0);
	header.len = sizeof(header) + sizeof(in) + n * 16;
	memcpy(head, &header, sizeof(header));
	memcpy(head + sizeof(header), &in, sizeof(in));
	for (unsigned int round = 0; round < rounds; round++) {
		uint32_t id, len;

		table[0] = (struct vring_desc){ .addr = guest_gpa(ram, head),
						.len = sizeof(header) + sizeof(in),
						.flags = VRING_DESC_F_NEXT,
						.next = 1 };
		for (unsigned int i = 1; i <= n; i++, page += 2)
			table[i] = (struct vring_desc){ .addr = ram->regions[1].gpa + page * 4096,
							.len = 16,
							.flags = i < n ? VRING_DESC_F_NEXT : 0,
							.next = (uint16_t)(i + 1) };
		ring_set_desc(f->client.ring, RAW_FIRST_DESC, guest_gpa(ram, table), 16 * (n + 1),
			      VRING_DESC_F_INDIRECT, 0);
		ring_offer(f->client.ring, RAW_FIRST_DESC);
		fe_or_die(ring_flush(f->client.ring), "kick");
		fe_or_die(ring_wait(f->client.ring, 0, deadline_default()), "the list");
		g_assert_true(ring_pop(f->client.ring, &id, &len));
	}
	fixture_check_alive(f);
	fixture_stop(f);
}

#endif

/* It is data like others, and no message begins so. */
static void test_urgent_byte(void)
{
	struct fixture_config config = { .no_vmm = true };
	struct fixture *f = fixture_start(&config);

	frontend_connect(&f->vmm.fe, daemon_socket_path(f->daemon));
	f->has_vmm = true;
	g_assert_cmpint(send(f->vmm.fe.fd, "x", 1, MSG_OOB), ==, 1);
	g_assert_cmpint(fe_wait_hangup(&f->vmm.fe), ==, 0);
	fixture_stop_sane(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hostile-limits/no path of libc is opened in the share",
			no_path_of_libc_is_opened_in_the_share);
	g_test_add_func("/hostile-limits/a full eventfd that blocks does not keep the daemon",
			a_full_eventfd_that_blocks_does_not_keep_the_daemon);
	g_test_add_func("/hostile-limits/a full pipe that blocks does not keep the daemon",
			a_full_pipe_that_blocks_does_not_keep_the_daemon);
	g_test_add_func("/hostile-limits/an endless list of forgets ends",
			an_endless_list_of_forgets_ends);
#ifndef __SANITIZE_ADDRESS__
	g_test_add_func("/hostile-limits/memory taken away page by page is survived",
			memory_taken_away_page_by_page_is_survived);
#endif
	g_test_add_func("/hostile-limits/an urgent byte is no reason to spin", test_urgent_byte);
	return g_test_run();
}
