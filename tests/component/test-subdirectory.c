/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a subdirectory is made with the owner that was asked for, is served alone, and is never
 * reached through a link.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/launch.h"
#include "tests/lib/bounded.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define USUAL	  "--shared-dir=@SHARE", "--socket-path=@SOCKET"

static struct launch *start(const char *const *args)
{
	const struct launch_config config = { .args = args };

	return launch_start(&config);
}

/* What launch_use() would look for is not there: it lies above. */
static void mount_and_work(struct launch *launch)
{
	const struct fuse_client_config client = { .queue = 1, .data_bytes = 1 << 16 };
	struct fuse_client *c = &launch->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_attr_out attr;

	launch_wait_output(launch, "Waiting for vhost-user socket connection");
	vmm_start(&launch->vmm, launch->socket, -1, NULL);
	fuse_client_init(c, &launch->vmm, &client);
	g_assert_cmpint(fuse_init_default(c), ==, 0);
	g_assert_cmpint(fuse_lookup(c, FUSE_ROOT_ID, "from-host", &entry), ==, -ENOENT);
	g_assert_cmpint(fuse_getattr(c, FUSE_ROOT_ID, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.mode & S_IFMT, ==, S_IFDIR);
	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, "inside", 0644, O_RDWR, &entry, &open), ==, 0);
	g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
	g_assert_true(share_exists(&launch->share, "clone/inside"));
	launch_hang_up(launch);
	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
}

static void it_is_made_and_served_alone(gconstpointer sandbox)
{
	struct launch *launch = start(ARGS(USUAL, "--subdirectory=clone",
					   "--subdirectory-owner=1000:1001:0750", sandbox));
	struct stat st;

	mount_and_work(launch);
	st = share_lstat(&launch->share, "clone");
	g_assert_cmpuint(st.st_mode, ==, S_IFDIR | 0750);
	g_assert_cmpuint(st.st_uid, ==, 1000);
	g_assert_cmpuint(st.st_gid, ==, 1001);
	launch_free(launch);
}

static void it_is_the_daemons_otherwise(void)
{
	struct launch *launch = start(ARGS(USUAL, "--subdirectory", "clone"));
	struct stat st;

	mount_and_work(launch);
	st = share_lstat(&launch->share, "clone");
	g_assert_cmpuint(st.st_mode, ==, S_IFDIR | 0700);
	g_assert_cmpuint(st.st_uid, ==, 0);
	launch_free(launch);
}

/* Of tests that prepare it before the start. */
static char *other_share;

static void one_that_is_there_stays_as_it_is(void)
{
	g_autofree char *dir = g_strconcat("--shared-dir=", other_share, NULL);
	g_autofree char *clone = g_build_filename(other_share, "clone", NULL);
	struct launch *launch;
	struct stat st;

	g_assert_cmpint(mkdir(clone, 0755), ==, 0);
	g_assert_cmpint(chmod(clone, 0711), ==, 0);
	launch = start(ARGS(USUAL, dir, "--subdirectory=clone", "--subdirectory-owner=7:7"));
	launch_wait_output(launch, "Waiting for vhost-user socket connection");
	g_assert_cmpint(stat(clone, &st), ==, 0);
	g_assert_cmpuint(st.st_mode, ==, S_IFDIR | 0711);
	g_assert_cmpuint(st.st_uid, ==, 0);
	launch_free(launch);
	g_assert_cmpint(rmdir(clone), ==, 0);
}

static void links_and_files_are_refused(void)
{
	static const char *const targets[] = { "/", "..", ".", "elsewhere", "/proc/self/root" };
	g_autofree char *dir = g_strconcat("--shared-dir=", other_share, NULL);
	g_autofree char *clone = g_build_filename(other_share, "clone", NULL);
	struct launch *launch;

	for (size_t i = 0; i <= G_N_ELEMENTS(targets); i++) {
		if (i < G_N_ELEMENTS(targets))
			g_assert_cmpint(symlink(targets[i], clone), ==, 0);
		else
			g_assert_true(g_file_set_contents(clone, "", 0, NULL));
		launch = start(
			ARGS(USUAL, dir, "--subdirectory=clone", "--subdirectory-owner=7:7:0777"));
		g_assert_cmpint(launch_wait_end(launch, 0), ==, 1);
		launch_wait_sentence(launch,
				     "Cannot open or make the directory '%s' in '%s': %s; nothing "
				     "but a directory may be in its place, no link either");
		launch_free(launch);
		g_assert_cmpint(unlink(clone), ==, 0);
	}
}

/* A name that is nearly as long as names can be leaves room for that of the new directory. */
static void a_long_name_is_made_as_well(void)
{
	g_autofree char *dir = g_strconcat("--shared-dir=", other_share, NULL);
	g_autofree char *name = g_strnfill(255, 'x');
	g_autofree char *option = g_strconcat("--subdirectory=", name, NULL);
	g_autofree char *path = g_build_filename(other_share, name, NULL);
	struct launch *launch = start(ARGS(USUAL, dir, option));

	launch_wait_output(launch, "Waiting for vhost-user socket connection");
	launch_free(launch);
	g_assert_cmpint(rmdir(path), ==, 0);
}

int main(int argc, char **argv)
{
	int status;

	g_test_init(&argc, &argv, NULL);
	other_share = g_dir_make_tmp("subdirectory-XXXXXX", NULL);
	g_test_add_data_func("/subdirectory/it is made and served alone, with namespaces",
			     "--sandbox=namespace", it_is_made_and_served_alone);
	g_test_add_data_func("/subdirectory/it is made and served alone, in a chroot",
			     "--sandbox=chroot", it_is_made_and_served_alone);
	g_test_add_data_func("/subdirectory/it is made and served alone, without a sandbox",
			     "--sandbox=none", it_is_made_and_served_alone);
	g_test_add_func("/subdirectory/it is the daemon's otherwise", it_is_the_daemons_otherwise);
	g_test_add_func("/subdirectory/one that is there stays as it is",
			one_that_is_there_stays_as_it_is);
	g_test_add_func("/subdirectory/links and files are refused", links_and_files_are_refused);
	g_test_add_func("/subdirectory/a long name is made as well", a_long_name_is_made_as_well);
	status = g_test_run();
	g_assert_cmpint(rmdir(other_share), ==, 0);
	g_free(other_share);
	return status;
}
