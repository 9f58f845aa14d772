/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what a sealed server may still do, read from outside through /proc and tried from inside:
 * capabilities, groups, no_new_privs, dumpability, limits, and the system call filter with its
 * four actions.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "tests/sandbox/harness.h"

#define BIT(cap) (G_GUINT64_CONSTANT(1) << (cap))

#define READING	 (BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SETGID) | BIT(CAP_SETUID))
#define SERVING                                                                                 \
	(READING | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | \
	 BIT(CAP_MKNOD) | BIT(CAP_SETFCAP))

static const char *const modes[] = { "mode=namespace", "mode=chroot", "mode=none" };

static void check_capabilities(enum starter starter, const char *args, guint64 expected)
{
	struct probe probe;

	probe_start_sealed(&probe, starter, args);
	g_assert_cmphex(probe_status_hex(&probe, "CapPrm"), ==, expected);
	g_assert_cmphex(probe_status_hex(&probe, "CapEff"), ==, expected);
	g_assert_cmphex(probe_status_hex(&probe, "CapInh"), ==, 0);
	g_assert_cmphex(probe_status_hex(&probe, "CapAmb"), ==, 0);
	if (expected)
		g_assert_cmphex(probe_status_hex(&probe, "CapBnd"), ==, expected);
	probe_end(&probe);
}

static void test_capabilities_are_few(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		check_capabilities(AS_ROOT, modes[i], SERVING);
		check_capabilities(AS_USERNS_ROOT, modes[i], SERVING);
	}
	check_capabilities(AS_USER, "mode=namespace", SERVING);
	check_capabilities(AS_USER, "mode=none", 0);
}

static void test_readonly_keeps_fewer(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		g_autofree char *args = g_strconcat(modes[i], " readonly", NULL);

		check_capabilities(AS_ROOT, args, READING);
	}
}

/* Without a read-only mount, and below the table of operations: the third wall alone. */
static void check_writing(const char *args, const char *answer)
{
	g_autofree char *hello = NULL;
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, args);
	hello = g_build_filename(probe.share, "hello", NULL);
	g_assert_cmpint(chown(probe.share, USER_ID, USER_ID), ==, 0);
	g_assert_cmpint(chown(hello, USER_ID, USER_ID), ==, 0);
	probe_expect(&probe, "reopen hello", "from the host");
	probe_expect(&probe, "write hello", answer);
	probe_expect(&probe, "create new", answer);
	probe_end(&probe);
}

static void test_what_readonly_keeps_cannot_write(void)
{
	check_writing("mode=none", "ok");
	check_writing("mode=none readonly", "EACCES");
	check_writing("mode=chroot readonly", "EACCES");
}

static void test_missing_capabilities_are_no_error(void)
{
	const guint64 expected = SERVING & ~(BIT(CAP_SETFCAP) | BIT(CAP_MKNOD));

	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++)
		check_capabilities(AS_ROOT_WITHOUT_SETFCAP, modes[i], expected);
}

static void check_status(const struct probe *probe, const char *field, const char *expected)
{
	g_autofree char *value = probe_status(probe, field);

	g_assert_cmpstr(value, ==, expected);
}

static void test_privileges_are_gone_for_good(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		struct probe probe;

		probe_start_sealed(&probe, AS_ROOT, modes[i]);
		check_status(&probe, "NoNewPrivs", "1");
		check_status(&probe, "Seccomp", "2");
		check_status(&probe, "Groups", "");
		probe_end(&probe);
	}
}

/* The kernel gives the /proc files of a process that is not dumpable to root. */
static void test_server_is_not_dumpable(void)
{
	g_autofree char *path = NULL;
	struct probe probe;
	struct stat st;

	probe_start_sealed(&probe, AS_USER, "mode=none");
	path = g_strdup_printf("/proc/%d/mem", probe_server(&probe));
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpuint(st.st_uid, ==, 0);
	probe_end(&probe);
}

static void check_open_files(enum starter starter, const char *args, const char *expected)
{
	g_autofree char *entered = NULL;
	struct probe probe;

	probe_start(&probe, starter, args);
	entered = probe_read(&probe);
	g_assert_cmpstr(entered, ==, "entered");
	probe_expect(&probe, "nofile", expected);
	probe_end(&probe);
}

static void test_open_files_are_limited(void)
{
	g_autofree char *hard = NULL;
	struct rlimit limit;

	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
	hard = g_strdup_printf("%llu", (unsigned long long)limit.rlim_max);
	check_open_files(AS_ROOT, "nofile=512", "512");
	check_open_files(AS_USER, "mode=none nofile=300", "300");
	/* An ordinary user gets what the hard limit permits. */
	if (limit.rlim_max < 1000000) {
		check_open_files(AS_USER, "", hard);
		check_open_files(AS_USER, "nofile=900000", hard);
	} else {
		check_open_files(AS_USER, "", "1000000");
	}
}

static void test_a_file_size_limit_is_an_error(void)
{
	g_autofree char *entered = NULL;
	struct probe probe;

	probe_start(&probe, AS_ROOT, "mode=none");
	entered = probe_read(&probe);
	probe_expect(&probe, "file-limit new", "EFBIG");
	probe_end(&probe);
}

static void test_guest_modes_are_not_masked(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		struct probe probe;

		probe_start_sealed(&probe, AS_ROOT, modes[i]);
		probe_expect(&probe, "create new", "ok");
		probe_expect(&probe, "mode new", "666");
		probe_end(&probe);
	}
}

static void test_serving_works_inside(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
		struct probe probe;

		probe_start_sealed(&probe, AS_ROOT, modes[i]);
		probe_expect(&probe, "thread", "ok");
		probe_expect(&probe, "thread", "ok");
		/* Root alone may write in the share; its mode is 0755. */
		probe_expect(&probe, "as-user new", "EACCES");
		probe_expect(&probe, "list", "hello");
		probe_end(&probe);
	}
}

static const char *const forbidden_calls[] = {
	"socket", "ioctl",   "execve", "fork",	    "ptrace",	     "unshare",		"kill",
	"tgkill", "prlimit", "prctl",  "mmap-exec", "mprotect-exec", "open-tree-clone",
};

/* Each forbidden call in a probe of its own, which must end by SIGSYS. */
static void check_all_end(const char *args, bool launcher)
{
	for (gsize i = 0; i < G_N_ELEMENTS(forbidden_calls); i++) {
		g_autofree char *command = g_strconcat("call ", forbidden_calls[i], NULL);
		struct probe probe;
		int status;

		probe_start_sealed(&probe, AS_ROOT, args);
		probe_send(&probe, command);
		status = probe_finish(&probe);
		g_test_message("%s", command);
		if (launcher) {
			g_assert_true(WIFEXITED(status));
			g_assert_cmpint(WEXITSTATUS(status), ==, 128 + SIGSYS);
			g_assert_nonnull(strstr(probe.errors, "--seccomp=log"));
		} else {
			g_assert_true(WIFSIGNALED(status));
			g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
		}
		g_free(probe.errors);
	}
}

static void test_forbidden_calls_kill(void)
{
	check_all_end("seccomp=kill", true);
	check_all_end("mode=none seccomp=kill", false);
}

static void test_forbidden_calls_trap(void)
{
	check_all_end("seccomp=trap", true);
	check_all_end("mode=none seccomp=trap", false);
}

static void test_forbidden_calls_pass(gconstpointer args)
{
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, args);
	probe_expect(&probe, "call socket", "ok");
	probe_expect(&probe, "call ioctl", "ok");
	probe_expect(&probe, "call execve", "ENOENT");
	check_status(&probe, "Seccomp", strstr(args, "log") ? "2" : "0");
	probe_end(&probe);
}

static void test_clone3_is_answered(void)
{
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, "");
	probe_expect(&probe, "call clone3", "ENOSYS");
	probe_end(&probe);
}

static void test_abort_still_says_abort(void)
{
	struct probe probe;
	int status;

	probe_start_sealed(&probe, AS_ROOT, "mode=none");
	probe_send(&probe, "abort");
	status = probe_finish(&probe);
	g_assert_true(WIFSIGNALED(status));
	g_assert_cmpint(WTERMSIG(status), ==, SIGABRT);
	g_free(probe.errors);
}

/* What libc opens by itself would be looked for in the share. */
static void test_no_path_is_opened_without_a_descriptor(void)
{
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, "mode=namespace");
	probe_expect(&probe, "path /hello", "ok");
	probe_expect(&probe, "open /hello", "ENOENT");
	probe_expect(&probe, "open hello", "ENOENT");
	probe_expect(&probe, "reopen hello", "from the host");
	probe_end(&probe);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/walls/only serving capabilities are kept", test_capabilities_are_few);
	g_test_add_func("/walls/a read-only share keeps fewer", test_readonly_keeps_fewer);
	g_test_add_func("/walls/what a read-only share keeps cannot write",
			test_what_readonly_keeps_cannot_write);
	g_test_add_func("/walls/capabilities a container lacks are no error",
			test_missing_capabilities_are_no_error);
	g_test_add_func("/walls/privileges are gone for good", test_privileges_are_gone_for_good);
	g_test_add_func("/walls/the server is not dumpable", test_server_is_not_dumpable);
	g_test_add_func("/walls/open files are limited", test_open_files_are_limited);
	g_test_add_func("/walls/a file-size limit is an error", test_a_file_size_limit_is_an_error);
	g_test_add_func("/walls/modes from guests are not masked", test_guest_modes_are_not_masked);
	g_test_add_func("/walls/serving works inside", test_serving_works_inside);
	g_test_add_func("/walls/forbidden calls kill", test_forbidden_calls_kill);
	g_test_add_func("/walls/forbidden calls trap", test_forbidden_calls_trap);
	g_test_add_data_func("/walls/forbidden calls pass when logged", "seccomp=log",
			     test_forbidden_calls_pass);
	g_test_add_data_func("/walls/forbidden calls pass without a filter", "seccomp=none",
			     test_forbidden_calls_pass);
	g_test_add_func("/walls/clone3 is answered, not punished", test_clone3_is_answered);
	g_test_add_func("/walls/abort still says abort", test_abort_still_says_abort);
	g_test_add_func("/walls/no path is opened without a descriptor",
			test_no_path_is_opened_without_a_descriptor);
	return g_test_run();
}
