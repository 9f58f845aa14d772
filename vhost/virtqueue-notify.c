/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the driver's side: call and error descriptors, or messages in their place.
 *
 * The front-end supplies the descriptors: eventfds as a rule, pipes from User-Mode Linux, and
 * possibly full, broken or blocking ones. Writing never waits; what cannot be told is lost, which
 * hurts only who does not listen.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vhost/virtqueue-internal.h"

/*
 * Serialises asking and writing for blocking eventfds: two queues that were given the same one
 * must not both find room for one more. Innermost.
 */
static pthread_mutex_t blocking_lock = PTHREAD_MUTEX_INITIALIZER;

void vq_signals_init(struct virtqueue *vq)
{
	pthread_mutex_init(&vq->signal_lock, NULL);
	vq->call = (struct vq_signal){ .fd = -1 };
	vq->err = (struct vq_signal){ .fd = -1 };
	vq->channel_fd = -1;
}

void vq_signals_deinit(struct virtqueue *vq)
{
	fd_close(&vq->call.fd);
	fd_close(&vq->err.fd);
	pthread_mutex_destroy(&vq->signal_lock);
}

static void write_one(int fd)
{
	uint64_t one = 1;

	/*
	 * Full: the reader has not yet looked and will see this, too. Broken: nobody is there. Not
	 * by write(2)'s wrapper, a cancellation point, which takes two atomic operations.
	 */
	(void)syscall(SYS_write, fd, &one, sizeof(one));
}

static void write_one_blocking(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	scoped_lock(&blocking_lock);

	if (poll(&p, 1, 0) > 0 && (p.revents & POLLOUT))
		write_one(fd);
}

static void emit(struct virtqueue *vq, struct vq_signal *signal,
		 enum vhost_user_backend_request request)
{
	scoped_lock(&vq->signal_lock);

	switch (signal->kind) {
	case VQ_SIGNAL_NONE:
		break;
	case VQ_SIGNAL_FD:
		if (signal->may_block)
			write_one_blocking(signal->fd);
		else
			write_one(signal->fd);
		break;
	case VQ_SIGNAL_INBAND:
		if (vq->channel_fd >= 0)
			vhost_backend_send(vq->channel_fd, request, vq->index);
		else
			signal->missed = true;
		break;
	}
}

void vq_signal_call(struct virtqueue *vq)
{
	emit(vq, &vq->call, VHOST_USER_BACKEND_VRING_CALL);
}

void vq_signal_err(struct virtqueue *vq)
{
	emit(vq, &vq->err, VHOST_USER_BACKEND_VRING_ERR);
}

void vq_kick(struct virtqueue *vq)
{
	write_one_blocking(vq->kick_fd);
}

/*
 * Pipes and sockets have our own file description at this end and are made non-blocking. An
 * eventfd shares it with the front-end, whose blocking reads that would break.
 */
static int prepare_fd(int fd, bool *ret_may_block)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH))
		return -EINVAL;
	*ret_may_block = false;
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
	if (st.st_mode & S_IFMT) /* a file that grows, a terminal, a disk: nothing to notify */
		return -EINVAL;
	*ret_may_block = !(flags & O_NONBLOCK);
	return 0;
}

static int set_signal(struct virtqueue *vq, struct vq_signal *signal, enum vq_signal_kind kind,
		      int fd, bool *ret_missed, int *ret_former_fd)
{
	cleanup_fd int owned = fd;
	bool may_block = false;

	if (kind == VQ_SIGNAL_FD) {
		int r = prepare_fd(fd, &may_block);

		if (r < 0)
			return r;
	}
	scoped_lock(&vq->signal_lock);
	*ret_former_fd = signal->fd;
	*ret_missed = signal->missed;
	*signal = (struct vq_signal){
		.kind = kind,
		.fd = take_fd(&owned),
		.may_block = may_block,
	};
	return 0;
}

int vq_set_call(struct virtqueue *vq, enum vq_signal_kind kind, int fd, int *ret_former_fd)
{
	bool missed = false;
	int r = set_signal(vq, &vq->call, kind, fd, &missed, ret_former_fd);

	/* Completions from before the front-end could be told; once too often does no harm. */
	if (r == 0 && missed)
		vq_signal_call(vq);
	return r;
}

int vq_set_err(struct virtqueue *vq, enum vq_signal_kind kind, int fd, int *ret_former_fd)
{
	bool missed = false;

	return set_signal(vq, &vq->err, kind, fd, &missed, ret_former_fd);
}

void vq_set_channel(struct virtqueue *vq, int fd)
{
	bool missed;

	{
		scoped_lock(&vq->signal_lock);

		vq->channel_fd = fd;
		missed = fd >= 0 && vq->call.missed;
		if (missed)
			vq->call.missed = false;
	}
	if (missed)
		vq_signal_call(vq);
}
