/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story of the daemon in order: options, socket, sandbox, serve, end.
 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/activation.h"
#include "daemon/background.h"
#include "daemon/options.h"
#include "daemon/pid-file.h"
#include "daemon/serve.h"
#include "daemon/subdirectory.h"
#include "sandbox/sandbox.h"
#include "vhost/listener.h"

#define EXIT_USAGE	  2
#define PREDECESSOR_TRIES 50

static int find_group(const char *name, gid_t *ret)
{
	struct group *group;

	*ret = (gid_t)-1;
	if (!name)
		return 0;
	group = getgrnam(name);
	if (!group) {
		log_error("There is no group '%s' for the socket; create it or give another", name);
		return -ENOENT;
	}
	*ret = group->gr_gid;
	return 0;
}

/* The remedy for each way in which binding fails. */
static const char *bind_remedy(int r)
{
	switch (-r) {
	case EADDRINUSE:
		return "another process listens on it: end that one or give another path";
	case EEXIST:
		return "something that is not a socket is in the way: remove it or give another path";
	case ENAMETOOLONG:
		return "the path must be shorter than 108 bytes";
	case ENOENT:
		return "create the directory it is to be in";
	default:
		return "give a path this user may create";
	}
}

/* Where others find the daemon; removed at the end by the process that still sees the path. */
struct endpoint {
	struct vhost_listener listener;
	struct pid_file pid_file;
};

/*
 * A supervisor starts the next daemon as soon as the launcher of one that was killed is gone; the
 * serving process follows a moment later.
 */
static bool predecessor_may_go(int r, unsigned int *tries)
{
	const struct timespec moment = { .tv_nsec = 10000000 };

	if ((r != -EBUSY && r != -EADDRINUSE) || ++*tries > PREDECESSOR_TRIES)
		return false;
	(void)nanosleep(&moment, NULL); /* a signal only shortens it */
	return true;
}

static int create_pid_file(const char *socket_path, struct pid_file *file)
{
	unsigned int tries = 0;
	int r;

	do
		r = pid_file_create(file, socket_path);
	while (predecessor_may_go(r, &tries));

	if (r == -EBUSY)
		log_error("Another virtiofsd serves on '%s': end that one or give another path",
			  socket_path);
	else if (r < 0)
		log_error("Cannot write '%s.pid': %s; give a --socket-path in a directory where "
			  "this user may create files",
			  socket_path, log_strerror(r));
	return r;
}

static int open_endpoint(const struct options *options, struct endpoint *endpoint)
{
	unsigned int tries = 0;
	gid_t group;
	int r;

	if (options->fd >= 0) {
		r = vhost_listener_adopt(&endpoint->listener, options->fd);
		if (r < 0)
			log_error("Cannot use --fd=%d: %s; pass a listening unix socket",
				  options->fd, log_strerror(r));
		return r;
	}
	r = find_group(options->socket_group, &group);
	if (r == 0)
		r = create_pid_file(options->socket_path, &endpoint->pid_file);
	if (r < 0)
		return r;
	do
		r = vhost_listener_bind(&endpoint->listener, options->socket_path, group);
	while (predecessor_may_go(r, &tries));
	if (r < 0)
		log_error("Cannot listen on '%s': %s; %s", options->socket_path, log_strerror(r),
			  bind_remedy(r));
	return r;
}

static void endpoint_remove(struct endpoint *endpoint)
{
	vhost_listener_deinit(&endpoint->listener);
	pid_file_remove(&endpoint->pid_file);
}

static void launcher_starts(void *arg)
{
	struct endpoint *endpoint = arg;

	vhost_listener_close(&endpoint->listener);
	background_let_go();
}

static void launcher_ends(void *arg)
{
	endpoint_remove(arg);
}

/* 0 on the command line: the limit stays what it is. */
static uint64_t rlimit_nofile(const struct options *options)
{
	struct rlimit now = { .rlim_cur = 1024 };

	if (options->rlimit_nofile_as_is)
		(void)getrlimit(RLIMIT_NOFILE, &now); /* fails for bad arguments only */
	return options->rlimit_nofile_as_is ? now.rlim_cur : options->rlimit_nofile;
}

/* Paths of the host that the sandbox will hide. */
static int reach_out(const struct options *options)
{
	int r;

	if (options->daemonize) {
		r = background_enter();
		if (r < 0) {
			log_error("Cannot go to the background: %s; use --foreground",
				  log_strerror(r));
			return r;
		}
	}
	if (options->syslog) {
		r = log_open_syslog();
		if (r < 0)
			log_warn("No system log at /dev/log (%s): logging to standard error",
				 log_strerror(r));
	}
	r = activation_open_notify();
	if (r < 0)
		log_warn("Cannot reach the service manager at NOTIFY_SOCKET: %s; it will not hear "
			 "that the daemon is ready",
			 log_strerror(r));
	return 0;
}

static int run(const struct options *options, struct endpoint *endpoint,
	       const struct subdirectory *share)
{
	struct sandbox_options sandbox = {
		.mode = options->sandbox,
		.seccomp = options->seccomp,
		.shared_dir = share->path,
		.readonly = options->readonly,
		.rlimit_nofile = rlimit_nofile(options),
		.keeper = options->max_restarts > 0,
		.file_handles = options->inode_file_handles != HANDLES_NEVER,
		.caps_add = options->caps_add,
		.caps_drop = options->caps_drop,
		.in_launcher = launcher_starts,
		.launcher_end = launcher_ends,
		.arg = endpoint,
	};
	const uint32_t max_watches = serve_max_watches();
	struct sandbox_view view;

	if (open_endpoint(options, endpoint) < 0 || sandbox_enter(&sandbox, &view) < 0 ||
	    !subdirectory_is(share, view.root_fd))
		return EXIT_FAILURE;
	return serve(options, max_watches, &sandbox, &view, &endpoint->listener,
		     endpoint->pid_file.fd);
}

/* What the starter left open by mistake would lead out of the sandbox. `keep`: --fd, or -1. */
static void close_inherited(int keep)
{
	unsigned int first = STDERR_FILENO + 1;

	if (keep >= (int)first) {
		if ((unsigned int)keep > first)
			(void)close_range(first, (unsigned int)keep - 1, 0);
		first = (unsigned int)keep + 1;
	}
	(void)close_range(first, UINT_MAX, 0);
}

static int start(const struct options *options, struct endpoint *endpoint)
{
	struct subdirectory share CLEANUP(subdirectory_deinit) = { .path = NULL };

	log_set_level(options->log_level);
	close_inherited(options->fd);
	if (reach_out(options) < 0 || subdirectory_open(&share, options) < 0)
		return EXIT_FAILURE;
	return run(options, endpoint, &share);
}

int main(int argc, char **argv)
{
	struct options options;
	struct endpoint endpoint = { VHOST_LISTENER_NULL, PID_FILE_NULL };
	int status;

	/*
	 * With more arenas than a few, the allocator counts processors by opening a path under /sys,
	 * which in the sandbox would lie in the share.
	 */
	(void)mallopt(M_ARENA_MAX, 2);
	/* Modes come from the guest, complete; a peer that goes away is an error code, no signal. */
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_RUN:
		status = start(&options, &endpoint);
		break;
	case OPTIONS_DONE:
		status = EXIT_SUCCESS;
		break;
	default:
		status = EXIT_USAGE;
		break;
	}
	endpoint_remove(&endpoint);
	options_deinit(&options);
	return status;
}
