/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sees to it that the daemon ends: a thread that waits for signals and for the front-end to hang up.
 *
 * The control thread may be held up for ever by what a peer or the host does: a notification
 * descriptor that is full and blocks, a descriptor that is slow to close, a request on a dead file
 * system that a queue's stop waits for. None of that may keep a daemon that was told to end, or
 * whose front-end is gone. So this thread, which touches nothing of the kind, hears of it first and
 * gives the others some time.
 */
#include "daemon/watchdog.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

#define GRACE_MS 5000

struct watchdog {
	int signal_fd; /* borrowed */
	int socket_fd; /* owned; only its hang-up is of interest */
	int ending_fd; /* owned; the control thread's word */
	int stop_fd;   /* owned; ours to the control thread */
};

static void tell(int event_fd)
{
	uint64_t one = 1;

	(void)!write(event_fd, &one, sizeof(one)); /* an eventfd of our own takes it */
}

static void *watchdog_main(void *arg)
{
	struct watchdog *w = arg;
	struct pollfd fds[] = {
		{ .fd = w->signal_fd, .events = POLLIN },
		{ .fd = w->ending_fd, .events = POLLIN },
		{ .fd = w->socket_fd, .events = POLLRDHUP },
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) <= 0)
		;
	if (fds[0].revents)
		tell(w->stop_fd);
	(void)poll(NULL, 0, GRACE_MS); /* too short is better than for ever */
	log_error("Ended by force: requests or descriptors of the front-end hold it up");
	_exit(EXIT_FAILURE);
}

static int open_fds(struct watchdog *w, int socket_fd)
{
	w->socket_fd = fcntl(socket_fd, F_DUPFD_CLOEXEC, 0);
	w->ending_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->socket_fd < 0 || w->ending_fd < 0 || w->stop_fd < 0 ? -errno : 0;
}

static int start_thread(struct watchdog *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attr, watchdog_main, w);
	pthread_attr_destroy(&attr);
	return r;
}

int watchdog_start(int signal_fd, int socket_fd, struct watchdog **ret_watchdog)
{
	/* Not on the heap, for a thread that outlives everybody. */
	static struct watchdog the_watchdog = { .socket_fd = -1, .ending_fd = -1, .stop_fd = -1 };
	struct watchdog *w = &the_watchdog;
	int r;

	w->signal_fd = signal_fd;
	r = open_fds(w, socket_fd);
	if (r == 0)
		r = start_thread(w);
	if (r < 0) {
		fd_close(&w->socket_fd);
		fd_close(&w->ending_fd);
		fd_close(&w->stop_fd);
		return r;
	}
	*ret_watchdog = w;
	return 0;
}

int watchdog_stop_fd(const struct watchdog *watchdog)
{
	return watchdog->stop_fd;
}

void watchdog_ending(struct watchdog *watchdog)
{
	tell(watchdog->ending_fd);
}
