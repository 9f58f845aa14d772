/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story of the daemon in order: options, socket, sandbox, serve, end.
 */
#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/options.h"
#include "daemon/serve.h"
#include "sandbox/sandbox.h"
#include "vhost/listener.h"

#define EXIT_USAGE 2

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

static int open_listener(const struct options *options, struct vhost_listener *listener)
{
	gid_t group;
	int r;

	if (options->fd >= 0) {
		r = vhost_listener_adopt(listener, options->fd);
		if (r < 0)
			log_error("Cannot use --fd=%d: %s; pass a listening unix socket",
				  options->fd, log_strerror(r));
		return r;
	}
	r = find_group(options->socket_group, &group);
	if (r < 0)
		return r;
	r = vhost_listener_bind(listener, options->socket_path, group);
	if (r < 0)
		log_error("Cannot listen on '%s': %s; %s", options->socket_path, log_strerror(r),
			  bind_remedy(r));
	return r;
}

static void launcher_close_listener(void *arg)
{
	vhost_listener_close(arg);
}

static void launcher_remove_socket(void *arg)
{
	vhost_listener_deinit(arg);
}

static int run(const struct options *options, struct vhost_listener *listener)
{
	struct sandbox_options sandbox = {
		.mode = options->sandbox,
		.seccomp = options->seccomp,
		.shared_dir = options->shared_dir,
		.readonly = options->readonly,
		.rlimit_nofile = options->rlimit_nofile,
		.keeper = options->max_restarts > 0,
		.file_handles = options->inode_file_handles != HANDLES_NEVER,
		.in_launcher = launcher_close_listener,
		.launcher_end = launcher_remove_socket,
		.arg = listener,
	};
	const uint32_t max_watches = serve_max_watches();
	struct sandbox_view view;

	if (open_listener(options, listener) < 0)
		return EXIT_FAILURE;
	if (sandbox_enter(&sandbox, &view) < 0)
		return EXIT_FAILURE;
	return serve(options, max_watches, &sandbox, &view, listener);
}

int main(int argc, char **argv)
{
	struct options options;
	struct vhost_listener listener = VHOST_LISTENER_NULL;
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
		log_set_level(options.log_level);
		status = run(&options, &listener);
		break;
	case OPTIONS_DONE:
		status = EXIT_SUCCESS;
		break;
	default:
		status = EXIT_USAGE;
		break;
	}
	vhost_listener_deinit(&listener);
	options_deinit(&options);
	return status;
}
