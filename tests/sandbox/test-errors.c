/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a sandbox that cannot be built is never left half-built: the start fails, and one line
 * names the cause and a remedy.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/sandbox/harness.h"

struct refusal {
	const char *name;
	enum starter starter;
	const char *args;
	const char *share; /* NULL: the usual one */
	const char *cause; /* both must be in the line */
	const char *remedy;
};

static const struct refusal refusals[] = {
	{ "/errors/the share does not exist", AS_ROOT, "", "/does/not/exist",
	  "No such file or directory", "must exist" },
	{ "/errors/the share is a device", AS_ROOT, "", "/dev/null", "not a directory",
	  "share the directory" },
	{ "/errors/the share is closed to the user", AS_USER, "", "/root", "may not read",
	  "start as another user" },
	{ "/errors/the share is closed to the user without a sandbox", AS_USER, "mode=none",
	  "/root", "may not read", "start as another user" },
	{ "/errors/chroot needs root", AS_USER, "mode=chroot", NULL, "needs root",
	  "--sandbox=namespace" },
	{ "/errors/a container forbids namespaces", AS_ROOT, "without=unshare:EPERM", NULL,
	  "not permitted", "--sandbox=chroot" },
	{ "/errors/user namespaces are forbidden", AS_USER, "without=unshare:EPERM", NULL,
	  "User namespaces are not available", "--sandbox=none" },
	{ "/errors/the number of namespaces is limited", AS_ROOT, "without=unshare:ENOSPC", NULL,
	  "limit", "raise it" },
	{ "/errors/the kernel has no namespaces", AS_ROOT, "without=unshare:EINVAL", NULL, "kernel",
	  "--sandbox=chroot" },
	{ "/errors/pivot_root is forbidden", AS_ROOT, "without=pivot_root:EPERM", NULL,
	  "pivot_root was refused", "--sandbox=chroot" },
	{ "/errors/mounts are forbidden", AS_ROOT, "without=mount:EPERM", NULL, "mount",
	  "--sandbox=none" },
	{ "/errors/the share cannot be mounted", AS_ROOT, "without=move_mount:EPERM", NULL,
	  "Cannot mount the shared directory", "--sandbox=chroot" },
	{ "/errors/a chroot is forbidden", AS_ROOT, "mode=chroot without=chroot:EPERM", NULL,
	  "Cannot change the root", "--sandbox=namespace" },
	{ "/errors/proc cannot be confined", AS_ROOT, "without=open_tree:EPERM", NULL,
	  "/proc/self/fd", "--sandbox=chroot" },
	{ "/errors/no process can be started", AS_ROOT, "without=clone:EAGAIN", NULL,
	  "Cannot start the server process", "limits" },
};

static void test_refused(gconstpointer data)
{
	const struct refusal *refusal = data;
	struct probe probe;
	int status;

	probe_start_on(&probe, refusal->starter, refusal->args, refusal->share);
	status = probe_finish(&probe);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 2);
	g_test_message("%s", probe.errors);
	g_assert_nonnull(strstr(probe.errors, "ERROR"));
	g_assert_nonnull(strstr(probe.errors, refusal->cause));
	g_assert_nonnull(strstr(probe.errors, refusal->remedy));
	/* One line, not a cascade. */
	g_assert_cmpuint(strcspn(probe.errors, "\n") + 1, ==, strlen(probe.errors));
	g_free(probe.errors);
}

/* Sealing that fails must not go on to serve. */
static void test_sealing_without_a_filter_fails(void)
{
	g_autofree char *entered = NULL;
	struct probe probe;
	int status;

	probe_start(&probe, AS_ROOT, "mode=none without=seccomp:ENOSYS");
	entered = probe_read(&probe);
	probe_send(&probe, "seal");
	status = probe_finish(&probe);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 96);
	g_assert_nonnull(strstr(probe.errors, "--seccomp=none"));
	g_free(probe.errors);
}

static void test_too_high_a_limit_is_told(void)
{
	g_autofree char *entered = NULL;
	struct probe probe;

	probe_start(&probe, AS_ROOT, "mode=none nofile=18000000000000");
	entered = probe_read(&probe);
	g_assert_cmpstr(entered, ==, "entered");
	g_assert_cmpint(probe_finish(&probe), ==, 0);
	g_assert_nonnull(strstr(probe.errors, "limit of open files"));
	g_free(probe.errors);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++)
		g_test_add_data_func(refusals[i].name, &refusals[i], test_refused);
	g_test_add_func("/errors/sealing without a filter fails",
			test_sealing_without_a_filter_fails);
	g_test_add_func("/errors/too high a limit is told", test_too_high_a_limit_is_told);
	return g_test_run();
}
