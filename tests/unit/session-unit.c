/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user session with a recording device, and the front-end's side of it. */
#include "tests/unit/session-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static int fake_start(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct fake_device *device = opaque;

	g_assert_null(device->queue[index]);
	g_assert_cmpuint(vq_index(vq), ==, index);
	if (device->refuse)
		return device->refuse;
	g_assert_cmpint(fcntl(vq_kick_fd(vq), F_GETFD), >=, 0);
	device->queue[index] = vq;
	device->n_starts++;
	return 0;
}

static void drain(struct fake_device *device, struct virtqueue *vq)
{
	struct vq_chain *chain = g_new(struct vq_chain, 1);

	while (vq_has_again(vq)) {
		g_assert_cmpint(vq_pop(vq, chain), ==, VQ_POP_CHAIN);
		vq_push(vq, &(struct vq_used){ .head = chain->head }, 1);
	}
	for (; device->n_held > 0; device->n_held--)
		vq_push(vq, &(struct vq_used){ .head = device->held[device->n_held - 1] }, 1);
	g_free(chain);
}

static void fake_stop(void *opaque, unsigned int index, struct virtqueue *vq)
{
	struct fake_device *device = opaque;

	g_assert_true(device->queue[index] == vq);
	drain(device, vq);
	device->queue[index] = NULL;
	device->n_stops++;
}

static void fake_reset(void *opaque)
{
	struct fake_device *device = opaque;

	for (unsigned int i = 0; i < VHOST_MAX_QUEUES; i++)
		g_assert_null(device->queue[i]);
	device->n_resets++;
}

static const struct vhost_device_ops fake_ops = { fake_start, fake_stop, fake_reset };

struct fixture *fixture_new(void)
{
	struct fixture *f = g_new0(struct fixture, 1);
	int pair[2];

	f->fds_before = unit_count_fds();
	f->device.vhost.ops = &fake_ops;
	f->device.vhost.inband = true;
	f->device.vhost.opaque = &f->device;
	unit_ram_init(&f->ram);
	unit_ring_init(&f->ring, &f->ram);
	f->section = unit_section_new(vhost_session_section_bytes());
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	f->fd = pair[0];
	g_assert_cmpint(vhost_session_new(pair[1], &f->device.vhost, f->section, &f->session), ==,
			0);
	return f;
}

void fixture_free(struct fixture *f)
{
	vhost_session_free(f->session);
	g_assert_cmpuint(f->device.n_starts, ==, f->device.n_stops);
	close(f->fd);
	unit_section_free(f->section, vhost_session_section_bytes());
	unit_ram_deinit(&f->ram);
	g_assert_cmpuint(unit_count_fds(), ==, f->fds_before);
	g_free(f);
}

/* ---- Messages ---- */

enum vhost_session_result send_message(struct fixture *f, uint32_t request, uint32_t flags,
				       const void *payload, uint32_t size, const int *fds,
				       unsigned int n_fds)
{
	struct vhost_user_header head = { .request = request, .flags = flags, .size = size };
	char control[CMSG_SPACE(8 * sizeof(int))] __attribute__((__aligned__(8))) = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = size },
	};
	struct msghdr header = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds) {
		struct cmsghdr *c;

		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	g_assert_cmpint(sendmsg(f->fd, &header, 0), ==, (ssize_t)(sizeof(head) + size));
	return f->session ? vhost_session_handle(f->session) : VHOST_SESSION_GOES_ON;
}

int recv_answer(struct fixture *f, uint32_t request, void *payload, size_t room)
{
	struct vhost_user_header head;

	if (recv(f->fd, &head, sizeof(head), MSG_DONTWAIT) < 0) {
		g_assert_cmpint(errno, ==, EAGAIN);
		return -1;
	}
	g_assert_cmpuint(head.request, ==, request);
	g_assert_cmphex(head.flags, ==, 5);
	g_assert_cmpuint(head.size, <=, room);
	if (head.size)
		g_assert_cmpint(recv(f->fd, payload, head.size, 0), ==, (ssize_t)head.size);
	return (int)head.size;
}

bool accepted(struct fixture *f, uint32_t request, const void *payload, uint32_t size, int fd)
{
	uint64_t status = 99;

	g_assert_cmpint(send_message(f, request, ACKED, payload, size, &fd, fd >= 0), ==,
			VHOST_SESSION_GOES_ON);
	g_assert_cmpint(recv_answer(f, request, &status, sizeof(status)), ==, 8);
	g_assert_cmpuint(status, <=, 1);
	return status == 0;
}

uint64_t ask_u64(struct fixture *f, uint32_t request)
{
	uint64_t value = 0;

	g_assert_cmpint(send_message(f, request, VHOST_USER_VERSION, NULL, 0, NULL, 0), ==,
			VHOST_SESSION_GOES_ON);
	g_assert_cmpint(recv_answer(f, request, &value, sizeof(value)), ==, 8);
	return value;
}

bool set_u64(struct fixture *f, uint32_t request, uint64_t value)
{
	return accepted(f, request, &value, sizeof(value), -1);
}

bool set_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	return accepted(f, request, &state, sizeof(state), -1);
}

bool set_addr_at(struct fixture *f, uint32_t index, uint64_t uva)
{
	struct vhost_user_vring_addr addr = {
		.index = index,
		.desc_uva = uva + UNIT_DESC_OFFSET,
		.avail_uva = uva + UNIT_AVAIL_OFFSET,
		.used_uva = uva + UNIT_USED_OFFSET,
	};

	return accepted(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
}

bool set_addr(struct fixture *f, uint32_t index)
{
	return set_addr_at(f, index, UNIT_UVA);
}

bool set_fd(struct fixture *f, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NOFD_MASK : 0);

	return accepted(f, request, &value, sizeof(value), fd);
}

bool set_kick(struct fixture *f, uint32_t index)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bool done = set_fd(f, VHOST_USER_SET_VRING_KICK, index, fd);

	close(fd);
	return done;
}

struct vhost_user_region wire_region(const struct guest_region_desc *desc)
{
	return (struct vhost_user_region){ desc->gpa, desc->size_bytes, desc->uva,
					   desc->mmap_offset };
}

bool change_region(struct fixture *f, uint32_t request, unsigned int page, unsigned int n_pages)
{
	struct guest_region_desc desc = unit_region(page, n_pages);
	struct vhost_user_mem_region region = { .region = wire_region(&desc) };

	return accepted(f, request, &region, sizeof(region), f->ram.fd);
}

bool set_table(struct fixture *f, uint32_t n_regions)
{
	struct guest_region_desc desc = unit_region(0, UNIT_RAM_SIZE / UNIT_PAGE);
	struct vhost_user_mem_table table = {
		.n_regions = n_regions,
		.regions = { wire_region(&desc) },
	};

	/* With room for two regions, as User-Mode Linux sends it. */
	return accepted(f, VHOST_USER_SET_MEM_TABLE, &table, 8 + 2 * 32,
			n_regions ? f->ram.fd : -1);
}

int get_base(struct fixture *f, uint32_t index)
{
	struct vhost_user_vring_state state = { .index = index }, answer;

	send_message(f, VHOST_USER_GET_VRING_BASE, VHOST_USER_VERSION, &state, sizeof(state), NULL,
		     0);
	if (recv_answer(f, VHOST_USER_GET_VRING_BASE, &answer, sizeof(answer)) != sizeof(answer))
		return -1;
	g_assert_cmpuint(answer.index, ==, index);
	return (int)answer.num;
}

void handshake(struct fixture *f, uint64_t protocol)
{
	g_assert_true(set_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, protocol | P_REPLY_ACK));
	g_assert_true(accepted(f, VHOST_USER_SET_OWNER, NULL, 0, -1));
	g_assert_true(set_u64(f, VHOST_USER_SET_FEATURES, F_USUAL));
}

bool runs(const struct fixture *f, unsigned int index)
{
	return f->device.queue[index];
}

void prepare_queue(struct fixture *f, uint32_t index, uint32_t base)
{
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_NUM, index, UNIT_RING_SIZE));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_BASE, index, base));
	g_assert_true(set_addr(f, index));
	g_assert_true(set_kick(f, index));
}

struct fixture *fixture_new_running(uint64_t protocol)
{
	struct fixture *f = fixture_new();

	handshake(f, protocol);
	g_assert_true(set_table(f, 1));
	prepare_queue(f, 1, 0);
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	g_assert_true(runs(f, 1));
	return f;
}

void serve_one(struct fixture *f)
{
	struct vq_chain *chain = g_new(struct vq_chain, 1);
	struct virtqueue *vq = f->device.queue[1];

	unit_desc(&f->ring, 0, unit_gpa(32 * UNIT_PAGE), 8, 0, 0);
	unit_offer(&f->ring, 0);
	g_assert_cmpint(vq_pop(vq, chain), ==, VQ_POP_CHAIN);
	g_assert_false(chain->damaged);
	vq_push(vq, &(struct vq_used){ .head = chain->head }, 1);
	g_free(chain);
}
