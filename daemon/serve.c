/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the serving process: builds the server, waits for a front-end, serves it.
 */
#include "daemon/serve.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "daemon/activation.h"
#include "daemon/background.h"
#include "daemon/descriptors.h"
#include "daemon/device.h"
#include "daemon/keeper.h"
#include "daemon/watchdog.h"
#include "fuse/session.h"
#include "sandbox/caps.h"
#include "vhost/memory.h"
#include "vhost/session.h"

/*
 * Descriptors kept back from the guest: rings, memory regions, mounts, and what each thread may
 * hold for the time of a request.
 */
#define RESERVED_FDS		896u
#define RESERVED_FDS_PER_THREAD 4u

/* A cap on memory, of at most about 150 bytes each; pages are used as they are needed. */
#define MAX_INODES		(8u << 20)

#define WATCHES_OF_USER		"/proc/sys/fs/inotify/max_user_watches"
#define WATCHES_DEFAULT		8192u
#define WATCHES_SHARE		4u /* every so many is for one guest */

struct server {
	const struct options *options; /* borrowed, as the next three */
	const struct sandbox_options *sandbox;
	struct sandbox_view *view;
	struct vhost_listener *listener;
	struct fs_options limits; /* only those */
	struct arena arena;
	struct fs *fs;
	struct fuse_session *fuse;
	struct fs_device *device;
	int signal_fd;
	int pid_file_fd;  /* borrowed */
	bool *told_ready; /* in memory that all workers share */
};

static void server_deinit(struct server *s)
{
	fs_device_free(s->device);
	fuse_session_free(s->fuse);
	fs_free(s->fs);
	arena_deinit(&s->arena);
	fd_close(&s->signal_fd);
}

/* ---- Building ---- */

/*
 * Open files, and processes of the guest that hold byte range locks, need their descriptors; known
 * inodes share what those leave.
 */
static void share_out_fds(struct fs_options *fs, const struct options *options)
{
	uint64_t reserved = RESERVED_FDS +
			    (uint64_t)options->thread_pool_size * RESERVED_FDS_PER_THREAD;
	struct rlimit limit = { .rlim_cur = 1024 };
	uint64_t budget;

	(void)getrlimit(RLIMIT_NOFILE, &limit); /* fails for bad arguments only */
	budget = MIN(limit.rlim_cur, (rlim_t)1000000);
	budget = budget > 2 * reserved ? budget - reserved : budget / 2;
	if (options->posix_lock)
		fs->max_lock_owners = (uint32_t)(budget / 16);
	fs->max_fds = (uint32_t)MAX(budget - fs->max_lock_owners, UINT64_C(8));
	fs->max_handles = fs->max_fds / 4 * 3;
	fs->max_inodes = MAX_INODES;
}

/* What the guest relies on lies in here, and outlives a process that serves it. */
static int build_arena(struct server *s)
{
	const struct fs_options *limits = &s->limits;
	size_t sizes[ARENA_N_SECTIONS];

	share_out_fds(&s->limits, s->options);
	sizes[ARENA_SESSION] = fuse_session_section_bytes();
	sizes[ARENA_INODES] = fs_inode_section_bytes(limits->max_inodes);
	sizes[ARENA_KEYS] = fs_key_section_bytes(limits->max_inodes);
	sizes[ARENA_HANDLES] = fs_handle_section_bytes(limits->max_handles);
	sizes[ARENA_VHOST] = vhost_session_section_bytes();
	sizes[ARENA_LOCKS] = fs_lock_section_bytes(limits->max_lock_owners);
	sizes[ARENA_FDS] = fs_fds_section_bytes();
	return arena_init(&s->arena, sizes);
}

static int build_fs(struct server *s)
{
	struct fs_options fs = s->limits;

	fs.root_fd = take_fd(&s->view->root_fd);
	fs.proc_self_fd = take_fd(&s->view->proc_self_fd);
	fs.cache = s->options->cache;
	fs.readonly = s->options->readonly;
	fs.allow_direct_io = s->options->allow_direct_io;
	fs.exclusive = s->options->exclusive;
	fs.xattr_map = s->options->xattr_map;
	return fs_new(&fs, &s->arena, &s->fs);
}

static int build_server(struct server *s)
{
	const struct options *options = s->options;
	const struct fuse_session_options fuse = {
		.cache = options->cache,
		.readonly = options->readonly,
		.no_readdirplus = options->no_readdirplus,
		.announce_submounts = options->announce_submounts,
		.posix_lock = options->posix_lock,
		.flock = options->flock,
		.attr = options->attr_timeout,
		.entry = options->entry_timeout,
		.negative = options->negative_timeout,
		.writeback = options->writeback,
		.allow_mmap = options->allow_mmap,
		.xattr = options->xattr,
		.killpriv_v2 = options->killpriv_v2,
		.posix_acl = options->posix_acl,
		.security_label = options->security_label,
	};
	int r;

	/* Threads will want a working directory each; better refused now than in the middle. */
	if (options->xattr && unshare(CLONE_FS) < 0) {
		log_error(
			"--xattr needs unshare(2), which is not permitted here (%s); permit it in "
			"the container or do without extended attributes",
			log_strerror(errno));
		return -EPERM;
	}
	r = build_fs(s);
	if (r == 0)
		r = fuse_session_new(&fuse, s->fs, &s->arena, &s->fuse);
	if (r == 0)
		r = fs_device_new(options, s->fuse, &s->device);
	if (r == 0)
		r = guest_memory_install_sigbus_handler();
	if (r < 0)
		log_error("Cannot set up the server: %s", log_strerror(r));
	return r;
}

/* When privileges are what they will stay: more than serving needs would prove nothing. */
static int choose_handles(struct server *s)
{
	const struct options *options = s->options;
	int r;

	if (options->inode_file_handles == HANDLES_NEVER)
		return 0;
	r = fs_use_handles(s->fs);
	if (r == 0)
		return 0;
	if (options->inode_file_handles == HANDLES_MANDATORY) {
		log_error(
			"File handles cannot be used on the shared directory: %s; they need "
			"CAP_DAC_READ_SEARCH on the host, not in a user namespace, and a file "
			"system that has them: start as root, or use --inode-file-handles=prefer.",
			log_strerror(r));
		return r;
	}
	log_debug("File handles cannot be used: %s; files are found again by name",
		  log_strerror(r));
	return 0;
}

/*
 * Signals that end the daemon arrive on an fd; blocked here, before threads exist, they are
 * blocked in all of them.
 */
static int open_signal_fd(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* ---- Serving ---- */

enum wait_result {
	WAIT_READABLE,
	WAIT_SIGNAL,
};

static enum wait_result wait_for(int stop_fd, int fd)
{
	struct pollfd fds[] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) <= 0)
			continue;
		if (fds[0].revents)
			return WAIT_SIGNAL;
		if (fds[1].revents)
			return WAIT_READABLE;
	}
}

static int end_by_signal(void)
{
	log_info("Ended by a signal");
	return EXIT_SUCCESS;
}

/* Until the front-end goes, breaks the protocol, or a signal comes. */
static int serve_session(struct vhost_session *session, int stop_fd)
{
	enum vhost_session_result result = VHOST_SESSION_GOES_ON;

	while (result == VHOST_SESSION_GOES_ON) {
		if (wait_for(stop_fd, vhost_session_fd(session)) == WAIT_SIGNAL)
			return end_by_signal();
		result = vhost_session_handle(session);
	}
	log_info("Client disconnected, shutting down");
	return result == VHOST_SESSION_CLOSED ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_session(struct server *s, struct vhost_session *session)
{
	struct watchdog *watchdog;
	int status = EXIT_FAILURE;
	int r = watchdog_start(s->signal_fd, vhost_session_fd(session), &watchdog);

	if (r < 0) {
		log_error("Cannot watch over the connection: %s", log_strerror(r));
	} else {
		status = serve_session(session, watchdog_stop_fd(watchdog));
		watchdog_ending(watchdog);
	}
	vhost_session_free(session);
	return status;
}

static int cannot_set_up(int r)
{
	log_error("Cannot set up the connection: %s", log_strerror(r));
	return EXIT_FAILURE;
}

/* Once for all workers: what was told through is closed then, and its numbers are others'. */
static void tell_ready(struct server *s)
{
	if (*s->told_ready)
		return;
	*s->told_ready = true;
	activation_tell_ready();
	background_tell_ready();
}

static int accept_and_serve(struct server *s)
{
	struct vhost_listener *listener = s->listener;
	struct vhost_session *session;
	int fd, r;

	log_info("Waiting for vhost-user socket connection...");
	tell_ready(s);
	do {
		if (wait_for(s->signal_fd, listener->fd) == WAIT_SIGNAL)
			return end_by_signal();
		fd = vhost_listener_accept(listener);
	} while (fd == -EINTR || fd == -EAGAIN || fd == -ECONNABORTED);
	if (fd < 0) {
		log_error("Cannot accept a front-end: %s", log_strerror(fd));
		return EXIT_FAILURE;
	}
	r = vhost_session_new(fd, fs_device_vhost(s->device), arena_section(&s->arena, ARENA_VHOST),
			      &session);
	if (r < 0)
		return cannot_set_up(r);
	/* Not before: a successor has the one or the other. */
	vhost_listener_close(listener);
	log_info("Client connected, servicing requests");
	return run_session(s, session);
}

static int adopt_and_serve(struct server *s)
{
	struct vhost_session *session;
	int r = vhost_session_adopt(fs_device_vhost(s->device),
				    arena_section(&s->arena, ARENA_VHOST), &session);

	if (r < 0)
		return cannot_set_up(r);
	log_info("Servicing requests again");
	return run_session(s, session);
}

static bool has_session(struct server *s)
{
	return vhost_section_live(arena_section(&s->arena, ARENA_VHOST));
}

/* In the process that serves; `s->view` is its own. */
static int build_and_serve(struct server *s)
{
	s->signal_fd = open_signal_fd();
	if (s->signal_fd < 0) {
		log_error("Cannot watch for signals: %s", log_strerror(s->signal_fd));
		return EXIT_FAILURE;
	}
	/* A taken-over predecessor may have written what it liked into the arena. */
	if (sandbox_seal(s->sandbox) < 0 || build_server(s) < 0 || choose_handles(s) < 0)
		return EXIT_FAILURE;
	(void)malloc_trim(0);
	return has_session(s) ? adopt_and_serve(s) : accept_and_serve(s);
}

uint32_t serve_max_watches(void)
{
	cleanup_fd int fd = open(WATCHES_OF_USER, O_RDONLY | O_CLOEXEC);
	char text[24];
	ssize_t n = fd < 0 ? fd : read(fd, text, sizeof(text) - 1);
	uint64_t all;

	if (n <= 0)
		return WATCHES_DEFAULT / WATCHES_SHARE;
	text[n - 1] = '\0'; /* in place of the newline */
	if (parse_u64(text, UINT32_MAX, &all) < 0)
		all = WATCHES_DEFAULT;
	return (uint32_t)(all / WATCHES_SHARE);
}

/* ---- Workers ---- */

/* The predecessor ended the session, or was about to begin it: somebody may come, or nobody can. */
static bool still_listens(const struct vhost_listener *listener)
{
	struct vhost_listener same;

	return vhost_listener_adopt(&same, listener->fd) == 0;
}

/* What is not known to be somebody's was a dead worker's own, or being opened or closed by it. */
static int close_leftovers(struct server *s)
{
	CLEANUP(descriptors_deinit) struct descriptors known = { 0 };
	int r = descriptors_init(&known);

	if (r < 0)
		return r;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		descriptors_know(&known, fd);
	descriptors_know(&known, s->arena.fd);
	fs_arena_each_fd(&s->arena, descriptors_know, &known);
	/* The first worker may have died before it was in the arena. */
	descriptors_know(&known, s->view->root_fd);
	descriptors_know(&known, s->pid_file_fd);
	descriptors_know(&known, log_syslog_fd());
	if (!*s->told_ready) {
		activation_each_fd(descriptors_know, &known);
		background_each_fd(descriptors_know, &known);
	}
	if (has_session(s))
		vhost_section_each_fd(arena_section(&s->arena, ARENA_VHOST), descriptors_know,
				      &known);
	else
		descriptors_know(&known, s->listener->fd);
	return descriptors_close_others(&known);
}

static int take_over(struct server *s)
{
	int r;

	if (!has_session(s) && !still_listens(s->listener)) {
		log_error("The connection was lost with the worker");
		return -ECONNRESET;
	}
	r = close_leftovers(s);
	if (r < 0)
		log_error("Cannot take over from the worker: %s", log_strerror(r));
	return r;
}

static int work(void *arg, bool successor)
{
	struct server *s = arg;
	int status = EXIT_FAILURE;

	if ((!successor || take_over(s) == 0) && sandbox_enter_worker(s->sandbox, s->view) == 0)
		status = build_and_serve(s);
	server_deinit(s);
	return status;
}

static int keep_workers(struct server *s)
{
	const struct keeper_options keeper = {
		.max_restarts = s->options->max_restarts,
		.work = work,
		.arg = s,
	};
	int status;

	if (sandbox_seal_keeper(s->sandbox) < 0)
		return EXIT_FAILURE;
	(void)malloc_trim(0); /* or every worker would get what the filter was made of */
	status = keeper_run(&keeper);
	(void)caps_take_up(); /* to remove the socket */
	return status;
}

/* What workers tell their successors and is nothing of a guest's. */
static int share_word(struct server *s)
{
	void *page = mmap(NULL, sizeof(*s->told_ready), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	s->told_ready = page; /* until the process ends */
	return 0;
}

int serve(const struct options *options, uint32_t max_watches,
	  const struct sandbox_options *sandbox, struct sandbox_view *view,
	  struct vhost_listener *listener, int pid_file_fd)
{
	struct server s CLEANUP(server_deinit) = {
		.options = options,
		.sandbox = sandbox,
		.view = view,
		.listener = listener,
		.pid_file_fd = pid_file_fd,
		.limits.max_watches = max_watches,
		.arena = ARENA_NULL,
		.signal_fd = -1,
	};
	int r = build_arena(&s);

	if (r == 0)
		r = share_word(&s);
	if (r < 0) {
		log_error("Cannot set up the server: %s", log_strerror(r));
		return EXIT_FAILURE;
	}
	return view->proc_self_fd < 0 ? keep_workers(&s) : build_and_serve(&s);
}
