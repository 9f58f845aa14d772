/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's side of one split virtqueue. */
#include "tests/lib/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/lib/bounded.h"

static void open_fds(struct ring *ring)
{
	int ends[2];

	ring->kick_fd = ring->call_fd = ring->call_peer_fd = -1;
	ring->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!ring->config.inband)
		ring->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->err_fd < 0 || (!ring->config.inband && ring->kick_fd < 0))
		test_die("eventfd: %s", strerror(errno));
	if (ring->config.inband || ring->config.call == RING_CALL_NONE)
		return;
	if (ring->config.call == RING_CALL_PIPE) {
		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
			test_die("pipe: %s", strerror(errno));
		ring->call_fd = ends[0];
		ring->call_peer_fd = ends[1];
		return;
	}
	ring->call_fd = ring->call_peer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->call_fd < 0)
		test_die("eventfd: %s", strerror(errno));
}

void ring_init(struct ring *ring, struct frontend *fe, struct guest_ram *mem,
	       const struct ring_config *config)
{
	unsigned int size = config->size;

	if (!is_power_of_two(size) || size > 32768)
		test_die("ring size %u", size);
	*ring = (struct ring){ .fe = fe, .mem = mem, .config = *config };
	ring->desc = guest_alloc(mem, size * sizeof(*ring->desc), 16);
	ring->avail = guest_alloc(mem, sizeof(*ring->avail) + (size + 1) * sizeof(uint16_t), 2);
	ring->used = guest_alloc(
		mem, sizeof(*ring->used) + size * sizeof(ring->used->ring[0]) + sizeof(uint16_t),
		4);
	ring->used_event = &ring->avail->ring[size];
	ring->avail_event = (uint16_t *)&ring->used->ring[size];
	open_fds(ring);
}

void ring_deinit(struct ring *ring)
{
	if (ring->call_peer_fd != ring->call_fd)
		fd_close(&ring->call_peer_fd);
	ring->call_peer_fd = -1;
	fd_close(&ring->call_fd);
	fd_close(&ring->kick_fd);
	fd_close(&ring->err_fd);
}

int ring_start(struct ring *ring, uint16_t base)
{
	struct frontend *fe = ring->fe;
	unsigned int index = ring->config.index;
	struct fe_vring_addr addr = {
		.index = index,
		.desc = guest_uva(ring->desc),
		.used = guest_uva(ring->used),
		.avail = guest_uva(ring->avail),
	};
	int result = fe_set_vring(fe, FE_SET_VRING_NUM, index, ring->config.size);

	if (!result)
		result = fe_set_vring(fe, FE_SET_VRING_BASE, index, base);
	if (!result)
		result = fe_set_vring_addr(fe, &addr);
	if (!result)
		result = fe_set_vring_fd(fe, FE_SET_VRING_CALL, index, ring->call_peer_fd);
	if (!result)
		result = fe_set_vring_fd(fe, FE_SET_VRING_ERR, index, ring->err_fd);
	if (!result)
		result = fe_set_vring_fd(fe, FE_SET_VRING_KICK, index, ring->kick_fd);
	if (!result && (fe->features & FE_F_PROTOCOL_FEATURES))
		result = ring_enable(ring, true);
	return result;
}

int ring_stop(struct ring *ring, uint32_t *ret_base)
{
	return fe_get_vring_base(ring->fe, ring->config.index, ret_base);
}

int ring_enable(struct ring *ring, bool on)
{
	return fe_set_vring(ring->fe, FE_SET_VRING_ENABLE, ring->config.index, on);
}

void ring_publish(struct ring *ring)
{
	ring->published = ring->next_avail;
	__atomic_store_n(&ring->avail->idx, ring->published, __ATOMIC_RELEASE);
}

bool ring_kick_needed(struct ring *ring)
{
	uint16_t old = ring->kicked;

	ring->kicked = ring->published;
	if (old == ring->published)
		return false;
	/* The index store must be visible before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!ring->config.event_idx)
		return !(__atomic_load_n(&ring->used->flags, __ATOMIC_RELAXED) &
			 VRING_USED_F_NO_NOTIFY);
	return vring_need_event(__atomic_load_n(ring->avail_event, __ATOMIC_RELAXED),
				ring->published, old);
}

int ring_kick(struct ring *ring)
{
	struct fe_vring_state state = { .index = ring->config.index };
	uint64_t one = 1;

	ring->n_kicks++;
	if (ring->config.inband)
		return fe_send(ring->fe, FE_VRING_KICK, 0, &state, sizeof(state), NULL, 0);
	if (write(ring->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

int ring_flush(struct ring *ring)
{
	ring_publish(ring);
	if (ring_kick_needed(ring))
		return ring_kick(ring);
	ring->n_kicks_saved++;
	return 0;
}

bool ring_pop(struct ring *ring, uint32_t *ret_id, uint32_t *ret_len)
{
	const struct vring_used_elem *elem;

	if (!ring_has_used(ring))
		return false;
	elem = &ring->used->ring[ring->used_seen & (ring->config.size - 1)];
	*ret_id = elem->id;
	*ret_len = elem->len;
	ring->used_seen++;
	return true;
}

void ring_disable_calls(struct ring *ring)
{
	/* With EVENT_IDX a notification costs the device a look at used_event only: park it. */
	if (ring->config.event_idx)
		__atomic_store_n(ring->used_event, (uint16_t)(ring->used_seen + 0x8000),
				 __ATOMIC_RELAXED);
	else
		__atomic_store_n(&ring->avail->flags, VRING_AVAIL_F_NO_INTERRUPT, __ATOMIC_RELAXED);
}

static void enable_calls(struct ring *ring)
{
	if (ring->config.event_idx)
		__atomic_store_n(ring->used_event, ring->used_seen, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&ring->avail->flags, 0, __ATOMIC_RELAXED);
	/* The wish must be visible before the used index is looked at again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool spin(struct ring *ring, int64_t spin_ns)
{
	int64_t until = now_ns() + spin_ns;

	for (unsigned int i = 1;; i++) {
		if (ring_has_used(ring))
			return true;
		cpu_relax();
		if (i % 64 == 0 && now_ns() >= until)
			return false;
	}
}

/* Empties the notification source that poll() named; 0 or -errno. */
static int consume_call(struct ring *ring, const struct pollfd *pfd)
{
	struct fe_reply request;
	uint8_t bytes[4096];

	if (pfd->fd == ring->fe->backend_req_fd && pfd->fd != ring->call_fd)
		return fe_recv_backend_request(ring->fe, &request);
	/* An eventfd needs at least 8 bytes of room, a pipe gives what is there. */
	if (read(pfd->fd, bytes, sizeof(bytes)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

int ring_wait(struct ring *ring, int64_t spin_ns, int64_t deadline)
{
	struct pollfd pfds[2] = {
		{ .fd = ring->fe->fd, .events = POLLRDHUP },
		{ .fd = ring->config.inband ? ring->fe->backend_req_fd : ring->call_fd,
		  .events = POLLIN },
	};

	if (ring_has_used(ring))
		return 0;
	if (spin_ns && spin(ring, spin_ns))
		return 0;
	for (;;) {
		int left = deadline_left_ms(deadline);
		int result = 0;
		int n;

		enable_calls(ring);
		if (ring_has_used(ring))
			return 0;
		/* Without any notification source the used index is looked at each millisecond. */
		n = poll(pfds, 2, pfds[1].fd < 0 ? MIN(left, 1) : left);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && pfds[1].revents) {
			ring->n_wakeups++;
			result = consume_call(ring, &pfds[1]);
		}
		if (ring_has_used(ring))
			return 0;
		if (result || (n > 0 && pfds[0].revents))
			return result ? result : -ECONNRESET;
		if (!left)
			return -ETIMEDOUT;
	}
}
