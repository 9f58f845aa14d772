/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the daemon with the arguments, descriptors, user and folder that each launcher gives it,
 * waits for what that launcher waits for, lets a guest mount and work, and ends it that launcher's
 * way.
 */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/component/launch.h"
#include "tests/component/service.h"
#include "tests/lib/bounded.h"

#define USER	107 /* of QEMU, where there is one */

#define WAITING "Waiting for vhost-user socket connection"

enum waits {
	FOR_NOTHING, /* the launcher listens itself */
	FOR_SOCKET,
	FOR_LINE,
};

enum ends {
	BY_VMM,	 /* the connection closes */
	BY_TERM, /* SIGTERM while the VMM is connected */
	BY_KILL,
};

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct launcher {
	const char *name;
	struct launch_config launch;
	enum waits waits;
	enum ends ends;
} launchers[] = {
	{ "libvirt 9",
	  { .args = ARGS("--fd=28", "-o",
			 "source=@SHARE,cache=always,sandbox=namespace,xattr,flock,posix_lock",
			 "--thread-pool-size=4", "-d"),
	    .listen_at = 28 },
	  FOR_NOTHING,
	  BY_TERM },
	{ "libvirt 9 as Ravada has it",
	  { .args = ARGS("--fd=31", "-o", "source=@SHARE"), .listen_at = 31 },
	  FOR_NOTHING,
	  BY_VMM },
	{ "libvirt 11 without separate-options",
	  { .args = ARGS("--fd=30", "-o",
			 "source=@SHARE,cache=none,no_xattr,no_flock,no_posix_lock",
			 "--thread-pool-size=8", "--rlimit-nofile=65536", "--readonly"),
	    .listen_at = 30 },
	  FOR_NOTHING,
	  BY_TERM },
	{ "libvirt 11 with separate-options",
	  { .args = ARGS("--fd=30", "--shared-dir", "@SHARE", "--cache", "never", "--sandbox",
			 "chroot", "--xattr", "--thread-pool-size=8", "--rlimit-nofile=65536",
			 "--log-level", "debug"),
	    .listen_at = 30 },
	  FOR_NOTHING,
	  BY_TERM },
	{ "kata",
	  { .args = ARGS("--syslog", "--cache=auto", "--shared-dir=@SHARE", "--fd=3",
			 "--thread-pool-size=1", "--announce-submounts", "--xattr"),
	    .listen_at = 3,
	    .system_log = true },
	  FOR_NOTHING,
	  BY_KILL },
	{ "kata's Rust runtime",
	  { .args = ARGS("--socket-path", "@SOCKET", "--shared-dir", "@SHARE", "--cache", "never",
			 "--thread-pool-size=1", "-o", "announce_submounts") },
	  FOR_LINE,
	  BY_KILL },
	{ "kata's Rust runtime without root",
	  { .args = ARGS("--socket-path", "sock", "--shared-dir", "@SHARE", "--cache", "auto",
			 "--thread-pool-size=1", "-o", "announce_submounts", "--sandbox", "none",
			 "--seccomp", "none"),
	    .in_run = true,
	    .user = USER },
	  FOR_LINE,
	  BY_KILL },
	{ "Incus",
	  { .args = ARGS("--fd=3", "--cache=never", "--shared-dir=@SHARE", "--posix-acl=auto"),
	    .listen_at = 3,
	    .own_session = true },
	  FOR_NOTHING,
	  BY_KILL },
	{ "LXD",
	  { .args = ARGS("--fd=3", "-o", "cache=none", "-o", "source=@SHARE", "-o",
			 "sandbox=chroot"),
	    .listen_at = 3,
	    .own_session = true },
	  FOR_NOTHING,
	  BY_KILL },
	{ "Proxmox",
	  { .args = ARGS("--fd=8", "--shared-dir=@SHARE", "--xattr", "--posix-acl",
			 "--announce-submounts", "--allow-direct-io", "--cache=auto", "--syslog"),
	    .listen_at = 8,
	    .own_session = true,
	    .system_log = true },
	  FOR_NOTHING,
	  BY_VMM },
	{ "Proxmox for Windows",
	  { .args = ARGS("--fd=8", "--shared-dir=@SHARE", "--announce-submounts",
			 "--inode-file-handles=prefer", "--syslog"),
	    .listen_at = 8,
	    .own_session = true },
	  FOR_NOTHING,
	  BY_VMM },
	{ "KubeVirt",
	  { .args = ARGS("--socket-path=@SOCKET", "--shared-dir=@SHARE", "--sandbox=none",
			 "--cache=auto"),
	    .user = USER },
	  FOR_SOCKET,
	  BY_TERM },
	{ "microvm.nix",
	  { .args = ARGS("--socket-path=@SOCKET", "--socket-group=root", "--shared-dir=@SHARE",
			 "--rlimit-nofile", "1048576", "--thread-pool-size", "4", "--posix-acl",
			 "--xattr", "--inode-file-handles=prefer", "--tag=store") },
	  FOR_SOCKET,
	  BY_VMM },
	{ "Lima",
	  { .args = ARGS("--socket-path", "@SOCKET", "--shared-dir", "@SHARE"), .user = USER },
	  FOR_SOCKET,
	  BY_KILL },
	{ "podman machine",
	  { .args = ARGS("--sandbox", "none", "--socket-path", "@SOCKET", "--shared-dir", ".",
			 "--seccomp=none"),
	    .env = ARGS("RUST_LOG=ERROR"),
	    .in_share = true,
	    .user = USER },
	  FOR_SOCKET,
	  BY_KILL },
	{ "cloud-hypervisor's page",
	  { .args = ARGS("--log-level", "debug", "--socket-path=@SOCKET", "--shared-dir=@SHARE",
			 "--cache=never", "--thread-pool-size=4") },
	  FOR_SOCKET,
	  BY_VMM },
	{ "QEMU's page",
	  { .args = ARGS("--socket-path=@SOCKET", "-o", "source=@SHARE", "-o", "cache=always") },
	  FOR_LINE,
	  BY_VMM },
	{ "systemd",
	  { .args = ARGS("--shared-dir", "@SHARE"),
	    .env = ARGS("LISTEN_FDS=1", "LISTEN_PID="),
	    .listen_at = 3 },
	  FOR_NOTHING,
	  BY_TERM },
	{ "a shell",
	  { .args = ARGS("-foxattr,source=@SHARE", "--socket", "@SOCKET") },
	  FOR_SOCKET,
	  BY_TERM },
};

static void wait_for(struct launch *launch, enum waits waits)
{
	if (waits == FOR_SOCKET)
		launch_wait_socket(launch);
	else if (waits == FOR_LINE)
		launch_wait_output(launch, WAITING);
}

/* What is logged goes where it was asked for. */
static void check_log(struct launch *launch)
{
	g_autofree char *first = datagram_from(launch->syslog_fd);
	g_autofree char *output = launch_output(launch);

	g_assert_nonnull(first);
	g_assert_true(g_str_has_prefix(first, "<30>virtiofsd["));
	g_assert_nonnull(strstr(first, WAITING));
	g_assert_cmpstr(output, ==, "");
}

static void end(struct launch *launch, enum ends ends)
{
	switch (ends) {
	case BY_VMM:
		launch_hang_up(launch);
		g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
		return;
	case BY_TERM:
		kill(launch->pid, SIGTERM);
		g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
		break;
	case BY_KILL:
		kill(launch->pid, SIGKILL);
		g_assert_cmpint(launch_wait_end(launch, SIGKILL), ==, -SIGKILL);
		break;
	}
	launch_hang_up(launch);
}

static void check_launcher(gconstpointer data)
{
	const struct launcher *launcher = data;
	struct launch *launch = launch_start(&launcher->launch);

	wait_for(launch, launcher->waits);
	launch_use(launch);
	if (launcher->launch.system_log)
		check_log(launch);
	end(launch, launcher->ends);
	/* The launcher's own socket is the launcher's to remove; ours is gone unless killed. */
	g_assert_cmpint(access(launch->socket, F_OK), ==,
			launcher->launch.listen_at || launcher->ends == BY_KILL ? 0 : -1);
	launch_free(launch);
}

/* Id maps of Incus and libvirt's session mode: told, and never passed over. */
static void check_refused(gconstpointer data)
{
	const struct launch_config config = { .args = data, .listen_at = 3 };
	struct launch *launch = launch_start(&config);
	g_autofree char *output = NULL;

	g_assert_cmpint(launch_wait_end(launch, 0), ==, 2);
	output = launch_output(launch);
	g_assert_nonnull(strstr(output, " is not supported: "));
	launch_free(launch);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(launchers); i++) {
		g_autofree char *name = g_strdup_printf("/launchers/%s starts it and works",
							launchers[i].name);

		g_test_add_data_func(name, &launchers[i], check_launcher);
	}
	g_test_add_data_func("/launchers/Incus with id maps is told",
			     ARGS("--fd=3", "--cache=never", "--shared-dir=@SHARE",
				  "--translate-uid=map:0:1000000:65536",
				  "--translate-uid=forbid-guest:65536:4294901759",
				  "--translate-gid=map:0:1000000:65536"),
			     check_refused);
	g_test_add_data_func("/launchers/libvirt's session mode is told",
			     ARGS("--fd=3", "-o", "source=@SHARE",
				  "--uid-map=:0:1000:1:", "--gid-map=:0:1000:1:"),
			     check_refused);
	return g_test_run();
}
