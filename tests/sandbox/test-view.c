/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what a server sees from inside each sandbox mode, for each kind of starter: the shared
 * directory and nothing else, no process, no network, nothing of /proc but its own descriptors;
 * and that the host's mounts are the same afterwards.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/sandbox/harness.h"

/* The starters for whom a mode works at all. */
static const enum starter all_starters[] = { AS_ROOT, AS_USER, AS_USERNS_ROOT,
					     AS_ROOT_WITHOUT_SETFCAP };

static void test_only_the_share_is_visible(gconstpointer args)
{
	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		struct probe probe;

		if (strstr(args, "chroot") && all_starters[i] == AS_USER)
			continue; /* test-errors shows that it is refused */
		probe_start_sealed(&probe, all_starters[i], args);
		probe_expect(&probe, "list", "hello");
		probe_expect(&probe, "path /hello", "ok");
		probe_expect(&probe, "path /..", "ok");
		probe_expect(&probe, "path /../hello", "ok");
		probe_expect(&probe, "path /proc", "ENOENT");
		probe_expect(&probe, "path /etc/passwd", "ENOENT");
		probe_expect(&probe, "path secret", "ENOENT");
		probe_expect(&probe, "path ../secret", "ENOENT");
		probe_end(&probe);
	}
}

static void test_files_reopen_by_descriptor(gconstpointer args)
{
	struct probe probe;

	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		if (strstr(args, "chroot") && all_starters[i] == AS_USER)
			continue;
		probe_start_sealed(&probe, all_starters[i], args);
		probe_expect(&probe, "reopen hello", "from the host");
		probe_end(&probe);
	}
}

static void test_proc_is_out_of_reach(gconstpointer args)
{
	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		struct probe probe;

		/* A chroot by one who may not clone mounts leaves /proc reachable to a hijacker. */
		if (strstr(args, "chroot") &&
		    (all_starters[i] == AS_USER || all_starters[i] == AS_USERNS_ROOT))
			continue;
		probe_start_sealed(&probe, all_starters[i], args);
		probe_expect(&probe, "proc 0", "ok");
		probe_expect(&probe, "proc 999999", "ENOENT");
		probe_expect(&probe, "proc ../status", "ENOENT");
		probe_expect(&probe, "proc ../../self/status", "ENOENT");
		probe_expect(&probe, "proc ../../../proc/version", "ENOENT");
		probe_end(&probe);
	}
}

static void test_nobody_else_in_the_namespaces(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		struct probe probe;
		g_autofree char *entered = NULL;

		probe_start(&probe, all_starters[i], "");
		entered = probe_read(&probe);
		probe_expect(&probe, "ids", "1 0 0");
		probe_expect(&probe, "others", "ESRCH");
		probe_expect(&probe, "interfaces", "lo:down ");
		probe_end(&probe);
	}
}

static void test_none_sees_the_host(void)
{
	struct probe probe;

	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		probe_start_sealed(&probe, all_starters[i], "mode=none");
		probe_expect(&probe, "list", "hello");
		probe_expect(&probe, "reopen hello", "from the host");
		probe_expect(&probe, "path /etc/passwd", "ok");
		probe_end(&probe);
	}
}

/* Chroot by root without CAP_SYS_ADMIN: no mount may be cloned, serving works all the same. */
static void test_chroot_works_without_mounts(void)
{
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, "mode=chroot without=open_tree:EPERM");
	probe_expect(&probe, "reopen hello", "from the host");
	probe_expect(&probe, "path /etc/passwd", "ENOENT");
	probe_end(&probe);
}

static void test_readonly_mount_refuses_writes(gconstpointer args)
{
	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		struct probe probe;

		probe_start_sealed(&probe, all_starters[i], args);
		probe_expect(&probe, "reopen hello", "from the host");
		probe_expect(&probe, "write hello", "EROFS");
		probe_expect(&probe, "create new", "EROFS");
		probe_end(&probe);
	}
}

/*
 * A share with another mount below it, on a mount that propagates as those of most hosts do. The
 * holder only lends its scratch folder.
 */
struct submount {
	struct probe holder;
	char *path; /* owned */
	bool mounted;
};

static void start_with_submount(struct submount *sub, struct probe *probe, const char *args)
{
	g_autofree char *entered = NULL;
	const char *share;

	probe_start(&sub->holder, AS_ROOT, "mode=none");
	g_free(probe_read(&sub->holder));
	share = sub->holder.share;
	g_assert_cmpint(mount(share, share, NULL, MS_BIND, NULL), ==, 0);
	g_assert_cmpint(mount(NULL, share, NULL, MS_SHARED, NULL), ==, 0);
	sub->path = g_build_filename(share, "sub", NULL);
	g_assert_cmpint(mkdir(sub->path, 0755), ==, 0);
	g_assert_cmpint(mount("none", sub->path, "tmpfs", 0, NULL), ==, 0);
	sub->mounted = true;
	probe_start_on(probe, AS_ROOT, args, share);
	entered = probe_read(probe);
	g_assert_cmpstr(entered, ==, "entered");
	probe_expect(probe, "seal", "sealed");
}

static void submount_unmount(struct submount *sub)
{
	if (sub->mounted)
		g_assert_cmpint(umount(sub->path), ==, 0);
	sub->mounted = false;
}

static void submount_end(struct submount *sub)
{
	submount_unmount(sub);
	g_assert_cmpint(umount(sub->holder.share), ==, 0);
	g_free(sub->path);
	probe_end(&sub->holder);
}

static void test_submounts_are_shared(void)
{
	struct submount sub;
	struct probe probe;

	start_with_submount(&sub, &probe, "");
	probe_expect(&probe, "create sub/new", "ok");
	probe_expect(&probe, "mode sub/new", "666");
	probe_end(&probe);
	submount_end(&sub);
}

static void test_submounts_are_readonly_as_well(void)
{
	struct submount sub;
	struct probe probe;

	start_with_submount(&sub, &probe, "readonly");
	probe_expect(&probe, "create sub/new", "EROFS");
	probe_expect(&probe, "create new", "EROFS");
	probe_end(&probe);
	submount_end(&sub);
}

/* What the host mounts is seen, and what it unmounts does not stay busy in a sandbox. */
static void test_host_mounts_reach_the_sandbox(void)
{
	struct submount sub;
	struct probe probe;

	start_with_submount(&sub, &probe, "");
	probe_expect(&probe, "create sub/new", "ok");
	submount_unmount(&sub);
	probe_expect(&probe, "path /sub/new", "ENOENT");
	g_assert_cmpint(mount("none", sub.path, "tmpfs", 0, "mode=0700"), ==, 0);
	sub.mounted = true;
	probe_expect(&probe, "mode sub", "700");
	probe_end(&probe);
	submount_end(&sub);
}

static void test_device_nodes_cannot_be_opened(gconstpointer args)
{
	struct probe probe;

	probe_start_sealed(&probe, AS_ROOT, args);
	probe_expect(&probe, "device", "EACCES");
	probe_end(&probe);
}

static void test_the_whole_host_can_be_shared(void)
{
	struct probe probe;
	g_autofree char *entered = NULL;

	probe_start_on(&probe, AS_ROOT, "", "/");
	entered = probe_read(&probe);
	probe_expect(&probe, "seal", "sealed");
	probe_expect(&probe, "path /etc/passwd", "ok");
	probe_end(&probe);
}

static void start_on_a_file(struct probe *probe, enum starter starter, const char *args,
			    const char *file)
{
	g_autofree char *entered = NULL;

	probe_start_on(probe, starter, args, file);
	entered = probe_read(probe);
	g_assert_cmpstr(entered, ==, "entered");
	probe_expect(probe, "seal", "sealed");
}

/* Nothing else lies beside it, not even what is in its folder. */
static void test_a_file_can_be_shared(gconstpointer args)
{
	g_autofree char *dir = g_dir_make_tmp("sandbox-file-XXXXXX", NULL);
	g_autofree char *file = g_build_filename(dir, "single", NULL);

	g_assert_true(g_file_set_contents(file, "single", -1, NULL));
	g_assert_cmpint(chmod(dir, 0755), ==, 0);
	g_assert_cmpint(chmod(file, 0666), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(all_starters); i++) {
		bool readonly = strstr(args, "readonly");
		struct probe probe;

		if (strstr(args, "chroot") && all_starters[i] == AS_USER)
			continue;
		start_on_a_file(&probe, all_starters[i], args, file);
		probe_expect(&probe, "reopen ", "single");
		probe_expect(&probe, "path /single", "ENOENT");
		probe_expect(&probe, "path /etc/passwd", "ENOENT");
		probe_expect(&probe, "path /../etc/passwd", "ENOENT");
		probe_expect(&probe, "write ", readonly ? "EROFS" : "ok");
		g_assert_true(g_file_set_contents(file, "single", -1, NULL));
		g_assert_cmpint(chmod(file, 0666), ==, 0);
		probe_end(&probe);
	}
	g_assert_cmpint(remove(file), ==, 0);
	g_assert_cmpint(remove(dir), ==, 0);
}

int main(int argc, char **argv)
{
	g_autofree char *before = NULL, *after = NULL;
	int r;

	g_test_init(&argc, &argv, NULL);
	g_assert_true(g_file_get_contents("/proc/self/mountinfo", &before, NULL, NULL));
	g_test_add_data_func("/view/only the share is visible in namespaces", "mode=namespace",
			     test_only_the_share_is_visible);
	g_test_add_data_func("/view/only the share is visible in a chroot", "mode=chroot",
			     test_only_the_share_is_visible);
	g_test_add_data_func("/view/only the share is visible where the root is no mount point",
			     "mode=namespace without=pivot_root:EINVAL",
			     test_only_the_share_is_visible);
	g_test_add_data_func("/view/proc is out of reach where the root is no mount point",
			     "mode=namespace without=pivot_root:EINVAL", test_proc_is_out_of_reach);
	g_test_add_data_func("/view/files reopen by descriptor in namespaces", "mode=namespace",
			     test_files_reopen_by_descriptor);
	g_test_add_data_func("/view/files reopen by descriptor in a chroot", "mode=chroot",
			     test_files_reopen_by_descriptor);
	g_test_add_data_func("/view/proc is out of reach in namespaces", "mode=namespace",
			     test_proc_is_out_of_reach);
	g_test_add_data_func("/view/proc is out of reach in a chroot", "mode=chroot",
			     test_proc_is_out_of_reach);
	g_test_add_func("/view/nobody else is in the namespaces",
			test_nobody_else_in_the_namespaces);
	g_test_add_func("/view/without a sandbox the host is visible", test_none_sees_the_host);
	g_test_add_func("/view/a chroot works where mounts are forbidden",
			test_chroot_works_without_mounts);
	g_test_add_data_func("/view/a read-only mount refuses writes", "readonly",
			     test_readonly_mount_refuses_writes);
	g_test_add_data_func("/view/a read-only mount refuses writes on an older kernel",
			     "readonly without=mount_setattr:ENOSYS",
			     test_readonly_mount_refuses_writes);
	g_test_add_func("/view/submounts are shared", test_submounts_are_shared);
	g_test_add_func("/view/submounts are read-only as well",
			test_submounts_are_readonly_as_well);
	g_test_add_func("/view/mounts and unmounts of the host reach the sandbox",
			test_host_mounts_reach_the_sandbox);
	g_test_add_data_func("/view/device nodes cannot be opened", "",
			     test_device_nodes_cannot_be_opened);
	g_test_add_data_func("/view/device nodes cannot be opened on an older kernel",
			     "without=mount_setattr:ENOSYS", test_device_nodes_cannot_be_opened);
	g_test_add_data_func("/view/a file can be shared in namespaces", "mode=namespace",
			     test_a_file_can_be_shared);
	g_test_add_data_func("/view/a file can be shared in a chroot", "mode=chroot",
			     test_a_file_can_be_shared);
	g_test_add_data_func("/view/a file can be shared read-only", "readonly",
			     test_a_file_can_be_shared);
	g_test_add_data_func("/view/a file can be shared read-only on an older kernel",
			     "readonly without=mount_setattr:ENOSYS", test_a_file_can_be_shared);
	g_test_add_func("/view/the whole host can be shared", test_the_whole_host_can_be_shared);
	r = g_test_run();
	g_assert_true(g_file_get_contents("/proc/self/mountinfo", &after, NULL, NULL));
	g_assert_cmpstr(before, ==, after);
	return r;
}
