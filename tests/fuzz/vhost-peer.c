/* SPDX-License-Identifier: Apache-2.0 */
/* The two ends of a vhost-user connection in one thread. */
#include "tests/fuzz/vhost-peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "tests/lib/bounded.h"
#include "vhost/memory.h"

#define PEER_MAX_FDS 16

static int queue_start(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct peer *peer = opaque;

	if (index >= VHOST_MAX_QUEUES || peer->queues[index])
		test_die("queue %u is started twice", index);
	peer->queues[index] = vq;
	return 0;
}

static void queue_stop(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct peer *peer = opaque;

	if (index >= VHOST_MAX_QUEUES || peer->queues[index] != vq)
		test_die("queue %u is stopped and does not run", index);
	peer->queues[index] = NULL;
}

static void reset(void *opaque)
{
	struct peer *peer = opaque;

	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		if (peer->queues[i])
			test_die("queue %u runs during a reset", i);
}

static const struct vhost_device_ops device_ops = {
	.queue_start = queue_start,
	.queue_stop = queue_stop,
	.reset = reset,
};

static void prepare_process(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	log_set_level(LOG_LEVEL_OFF);
	signal(SIGPIPE, SIG_IGN);
	if (guest_memory_install_sigbus_handler())
		test_die("no SIGBUS handler");
}

void peer_init(struct peer *peer, const void *config, uint32_t config_bytes)
{
	int ends[2];

	prepare_process();
	memset(peer, 0, sizeof(*peer));
	peer->section = mmap(NULL, vhost_session_section_bytes(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (peer->section == MAP_FAILED)
		test_die("no memory for the session");
	peer->device.ops = &device_ops;
	peer->device.opaque = peer;
	peer->device.inband = true;
	peer->device.config = config;
	peer->device.config_bytes = config_bytes;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		test_die("socketpair: %s", strerror(errno));
	peer->fd = ends[0];
	if (vhost_session_new(ends[1], &peer->device, peer->section, &peer->session))
		test_die("no session");
}

void peer_deinit(struct peer *peer)
{
	vhost_session_free(peer->session);
	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		if (peer->queues[i])
			test_die("queue %u runs without a session", i);
	munmap(peer->section, vhost_session_section_bytes());
	close(peer->fd);
}

void peer_send(struct peer *peer, const void *bytes, size_t n_bytes, const int *fds,
	       unsigned int n_fds)
{
	char control[CMSG_SPACE(PEER_MAX_FDS * sizeof(int))]
		__attribute__((__aligned__(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n_bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	n_fds = MIN(n_fds, (unsigned int)PEER_MAX_FDS);
	if (n_fds) {
		struct cmsghdr *head = (struct cmsghdr *)(void *)control;

		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	(void)sendmsg(peer->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (unsigned int i = 0; i < n_fds; i++)
		close(fds[i]);
}

void peer_send_end(struct peer *peer)
{
	shutdown(peer->fd, SHUT_WR);
}

enum vhost_session_result peer_handle(struct peer *peer)
{
	enum vhost_session_result result = vhost_session_handle(peer->session);
	char bytes[4096];

	while (recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return result;
}

int peer_memory_fd(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, PEER_BYTES))
		test_die("memfd: %s", strerror(errno));
	return fd;
}

/* Writing what was read changes nothing and proves that both are possible. */
static uint32_t touch(const struct vq_chain *chain)
{
	uint32_t written = 0;

	if (chain->n_readable + chain->n_writable > VQ_MAX_SEGMENTS)
		test_die("a chain of %u and %u segments", chain->n_readable, chain->n_writable);
	for (unsigned int i = 0; i < chain->n_readable + chain->n_writable; i++) {
		volatile uint8_t *bytes = chain->iov[i].iov_base;
		size_t len = chain->iov[i].iov_len;

		for (size_t at = 0; at < len; at += at + 64 < len ? 64 : 1)
			if (i < chain->n_readable)
				(void)bytes[at];
			else
				bytes[at] = bytes[at];
		written += i < chain->n_readable ? 0 : (uint32_t)len;
	}
	return written;
}

void peer_run_queue(struct peer *peer, unsigned int index, unsigned int max)
{
	struct virtqueue *vq = peer->queues[index];
	struct vq_used used;

	if (!vq)
		return;
	if (vq_index(vq) != index)
		test_die("queue %u calls itself %u", index, vq_index(vq));
	vq_notifications_off(vq);
	for (unsigned int i = 0; i < max; i++) {
		if (vq_pop(vq, &peer->chain) != VQ_POP_CHAIN)
			break;
		used = (struct vq_used){ .head = peer->chain.head,
					 .n_written = touch(&peer->chain) };
		vq_push(vq, &used, 1);
	}
	(void)vq_has_work(vq);
	(void)vq_notifications_on(vq);
}
