/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the contents of a ring into vq_pop(), through a memfd that a session maps.
 *
 * Input: one byte of flags (1: EVENT_IDX, 2: INDIRECT_DESC), the descriptor table (256 bytes), the
 * available ring (38), then what follows at PEER_DATA_AT: indirect tables, for example.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/vhost-peer.h"
#include "tests/lib/bounded.h"
#include "tests/lib/vhost-user-wire.h"

#define DESC_BYTES  (PEER_RING * 16)
#define AVAIL_BYTES (4 + 2 * PEER_RING + 2)

static void send_message(struct peer *peer, uint32_t request, const void *payload, uint32_t size,
			 int fd)
{
	uint8_t bytes[sizeof(struct fe_header) + sizeof(struct fe_mem_table)];
	const struct fe_header header = { .request = request,
					  .flags = FE_FLAG_VERSION,
					  .size = size };

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), payload, size);
	peer_send(peer, bytes, sizeof(header) + size, &fd, fd >= 0 ? 1 : 0);
	if (peer_handle(peer) != VHOST_SESSION_GOES_ON)
		test_die("message %u ends the session", request);
}

static void send_u64(struct peer *peer, uint32_t request, uint64_t value, int fd)
{
	send_message(peer, request, &value, sizeof(value), fd);
}

static void send_vring(struct peer *peer, uint32_t request, uint32_t num)
{
	const struct fe_vring_state state = { .num = num };

	send_message(peer, request, &state, sizeof(state), -1);
}

/* As any front-end begins, up to a running queue 0. */
static void start_queue(struct peer *peer, uint64_t features, int memory_fd)
{
	const struct fe_mem_table table = {
		.n_regions = 1,
		.regions[0] = { .gpa = PEER_GPA, .size = PEER_BYTES, .uva = PEER_UVA },
	};
	const struct fe_vring_addr addr = {
		.desc = PEER_UVA + PEER_DESC_AT,
		.avail = PEER_UVA + PEER_AVAIL_AT,
		.used = PEER_UVA + PEER_USED_AT,
	};

	send_message(peer, FE_SET_OWNER, "", 0, -1);
	send_u64(peer, FE_SET_FEATURES, features | FE_F_VERSION_1, -1);
	send_message(peer, FE_SET_MEM_TABLE, &table,
		     offsetof(struct fe_mem_table, regions) + sizeof(table.regions[0]), memory_fd);
	send_vring(peer, FE_SET_VRING_NUM, PEER_RING);
	send_vring(peer, FE_SET_VRING_BASE, 0);
	send_message(peer, FE_SET_VRING_ADDR, &addr, sizeof(addr), -1);
	send_u64(peer, FE_SET_VRING_CALL, 0, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	send_u64(peer, FE_SET_VRING_KICK, 0, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (!peer->queues[0])
		test_die("the queue does not start");
}

static void put(int fd, struct fuzz_input *in, size_t max, off_t at)
{
	size_t n;
	const uint8_t *bytes = fuzz_take(in, max, &n);

	if (pwrite(fd, bytes, n, at) != (ssize_t)n)
		test_die("pwrite: %s", strerror(errno));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct peer peer;
	struct fuzz_input in = { data, size };
	uint8_t flags = fuzz_take_u8(&in);
	unsigned int n_fds = fuzz_n_fds();
	int fd = peer_memory_fd();

	put(fd, &in, DESC_BYTES, PEER_DESC_AT);
	put(fd, &in, AVAIL_BYTES, PEER_AVAIL_AT);
	put(fd, &in, PEER_BYTES - PEER_DATA_AT, PEER_DATA_AT);
	peer_init(&peer, NULL, 0);
	start_queue(&peer, (flags & 1 ? FE_F_EVENT_IDX : 0) | (flags & 2 ? FE_F_INDIRECT_DESC : 0),
		    fd);
	/* More often than the ring has entries. */
	peer_run_queue(&peer, 0, 3 * PEER_RING);
	peer_deinit(&peer);
	if (fuzz_n_fds() != n_fds)
		test_die("%u descriptors before, %u after", n_fds, fuzz_n_fds());
	return 0;
}
