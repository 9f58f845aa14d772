/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stages of the sandbox, in order.
 *
 * The process starts with whatever its user gave it and ends as a server that sees one directory.
 * What must be done with privileges is done between the two stages; nothing a peer sent is looked
 * at before the second is over.
 *
 *   enter   limits        open files up, core files off
 *           time zone     loaded now: later the path would lead into the shared directory, where
 *                         a guest could place whatever it wants parsed
 *           groups        root's supplementary groups would count for every guest
 *           namespaces    pid, mount and net (user as well when started by an ordinary user);
 *                         the launcher stays behind and only waits
 *           root          the shared directory becomes the whole file system
 *   seal    capabilities  only those that acting for the guest's users needs
 *           no_new_privs  nothing executed could regain any
 *           not dumpable  no other process of the same user looks into guest data
 *           seccomp       only the system calls that serving makes
 *
 * With a keeper the second stage has two halves. The keeper seals itself first and makes workers
 * then; each seals itself as above before it serves. Neither can get more than the keeper was
 * permitted, so that is a little more than serving takes (seccomp.c), and the keeper does not use
 * it: it has no capability in effect, looks at nothing that a peer sent, and waits.
 *
 * The walls are independent: each mode of --sandbox and --seccomp takes away one of them and
 * leaves the others. None of them replaces a check of what a guest sent.
 */
#include "sandbox/sandbox.h"

#include <linux/capability.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/util.h"
#include "sandbox/caps.h"
#include "sandbox/limits.h"
#include "sandbox/namespaces.h"
#include "sandbox/root.h"
#include "sandbox/seccomp.h"

static int enter_view(const struct sandbox_options *options, struct sandbox_view *ret_view)
{
	int r;

	switch (options->mode) {
	case SANDBOX_NAMESPACE:
		r = namespaces_enter(options);
		return r < 0 ? r : root_pivot(options, ret_view);
	case SANDBOX_CHROOT:
		return root_chroot(options, ret_view);
	case SANDBOX_NONE:
		return root_plain(options, ret_view);
	}
	return -EINVAL;
}

int sandbox_enter(const struct sandbox_options *options, struct sandbox_view *ret_view)
{
	int r;

	r = limits_apply(options->rlimit_nofile);
	if (r < 0)
		return r;
	tzset();
	/* Modes come from guests, who have applied their own mask. */
	umask(0);
	r = root_check(options->shared_dir);
	if (r < 0)
		return r;
	r = caps_drop_groups();
	if (r < 0) {
		log_error("Cannot drop supplementary groups: %s; start as an ordinary user.",
			  log_strerror(r));
		return r;
	}
	return enter_view(options, ret_view);
}

/* The same for all who serve: what is given up cannot be had back. */
static int give_up(int caps_result)
{
	int r = caps_result;

	if (r < 0) {
		log_error("Cannot reduce capabilities: %s; start as an ordinary user.",
			  log_strerror(r));
		return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		r = -errno;
		log_error("Cannot give up privileges for good: %s; a Linux kernel of 5.10 or "
			  "later is needed.",
			  log_strerror(r));
	}
	return r;
}

int sandbox_seal(const struct sandbox_options *options)
{
	int r = give_up(
		caps_keep_for_serving(options->readonly, options->caps_add, options->caps_drop));

	return r < 0 ? r : seccomp_install_server(options->seccomp, options->file_handles);
}

int sandbox_seal_keeper(const struct sandbox_options *options)
{
	/* Each worker makes the folder of its descriptors its root, or clones its mount (root.c). */
	static const uint64_t besides[] = {
		[SANDBOX_NAMESPACE] = UINT64_C(1) << CAP_SYS_CHROOT,
		[SANDBOX_CHROOT] = UINT64_C(1) << CAP_SYS_ADMIN,
		[SANDBOX_NONE] = 0,
	};
	int r = give_up(caps_keep_for_workers(options->readonly, options->caps_add,
					      options->caps_drop, besides[options->mode]));

	return r < 0 ? r : seccomp_install_keeper(options->seccomp, options->file_handles);
}

int sandbox_enter_worker(const struct sandbox_options *options, struct sandbox_view *view)
{
	int r = caps_take_up();

	if (r < 0) {
		log_error("Cannot take up the worker's capabilities: %s", log_strerror(r));
		return r;
	}
	return root_enter_worker(options, view);
}
