/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: vhost-user messages into vhost_session_handle(), with descriptors of many kinds,
 * and the queues run that come of it.
 *
 * Input: one byte of flags (1: the device has a configuration space), then pieces: length (2
 * bytes), number of descriptors (1), one byte of kind each, the bytes. A message may be spread
 * over pieces, a piece may hold many.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/vhost-peer.h"
#include "tests/lib/bounded.h"

#define MAX_PIECES 200
#define MAX_FDS	   16

static int first_of_pair(int result, const int ends[2])
{
	if (result)
		test_die("a pair of descriptors: %s", strerror(errno));
	close(ends[1]);
	return ends[0];
}

static int make_fd(uint8_t kind)
{
	int ends[2] = { -1, -1 };

	switch (kind % 6) {
	case 0:
		return eventfd(0, EFD_CLOEXEC);
	case 1:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case 2:
		return first_of_pair(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
				     ends);
	case 3:
		return first_of_pair(pipe2(ends, O_CLOEXEC), ends);
	case 4:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	default:
		return peer_memory_fd();
	}
}

static void send_all(struct peer *peer, struct fuzz_input *in)
{
	for (unsigned int i = 0; in->left && i < MAX_PIECES; i++) {
		uint16_t length = fuzz_take_u16(in);
		unsigned int n_fds = MIN(fuzz_take_u8(in), (uint8_t)MAX_FDS);
		const uint8_t *bytes;
		int fds[MAX_FDS];
		size_t n_bytes;

		for (unsigned int k = 0; k < n_fds; k++)
			fds[k] = make_fd(fuzz_take_u8(in));
		bytes = fuzz_take(in, length, &n_bytes);
		peer_send(peer, bytes, n_bytes, fds, n_fds);
	}
	peer_send_end(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char config[44] = "tag";
	static struct peer peer;
	struct fuzz_input in = { data, size };
	bool has_config = fuzz_take_u8(&in) & 1;
	unsigned int n_fds = fuzz_n_fds();
	enum vhost_session_result result;

	peer_init(&peer, has_config ? config : NULL, has_config ? sizeof(config) : 0);
	send_all(&peer, &in);
	do {
		result = peer_handle(&peer);
		for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
			peer_run_queue(&peer, i, 8);
	} while (result == VHOST_SESSION_GOES_ON);
	peer_deinit(&peer);
	if (fuzz_n_fds() != n_fds)
		test_die("%u descriptors before, %u after", n_fds, fuzz_n_fds());
	return 0;
}
