/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to get from a file system in the share to its twin outside: an image of the same file
 * system, in which the same inode number, generation and birth, and so the same file handle, is the
 * secret. Mounts are this program's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/escape.h"
#include "tests/component/stores.h"
#include "tests/lib/bounded.h"

#define OWN_TEXT "the guest's own!"
#define N_CROWD	 200u

static char *images; /* folder of the two images, and of the mount point of the twin */

static char *image(const char *name)
{
	return g_build_filename(images, name, NULL);
}

/* In place: a new file would be another inode. */
static void overwrite(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		test_die("write %s: %s", path, strerror(errno));
	close(fd);
}

static void make_twins(const struct escape *e, const struct share *share)
{
	g_autofree char *own = image("own"), *twin = image("twin"), *place = image("place");
	g_autofree char *inner = NULL;

	store_run("truncate -s 8M %s", own);
	store_run("mkfs.ext4 -q -I 256 %s", own);
	store_run("mkdir %s", place);
	share_mkdir(share, "mnt", 0755);
	store_run("mount -o loop %s %s", own, share_path(share, "mnt"));
	share_write_text(share, "mnt/inner", OWN_TEXT);
	store_run("umount %s", share_path(share, "mnt"));
	store_run("cp %s %s", own, twin);
	store_run("mount -o loop %s %s", twin, place);
	inner = g_build_filename(place, "inner", NULL);
	overwrite(inner, e->token);
	store_run("umount %s", place);
	store_run("mount -o loop %s %s", own, share_path(share, "mnt"));
}

/* Enough other nodes that "inner" has to be found again. */
static void make_cold(struct escape *e)
{
	for (unsigned int i = 0; i < N_CROWD; i++) {
		g_autofree char *name = g_strdup_printf("crowd-%u", i);
		struct fuse_entry_out entry;

		g_assert_cmpint(fuse_mknod(e->c, FUSE_ROOT_ID, name, S_IFREG | 0644, 0, &entry), ==,
				0);
	}
}

/* Everything the guest can still do with the node: the file it was, or an error. */
static void use(struct escape *e, uint64_t node)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	struct fuse_attr_out attr;
	char bytes[64];
	int n;

	(void)fuse_getattr(e->c, node, UINT64_MAX, &attr);
	(void)fuse_link(e->c, node, FUSE_ROOT_ID, "linked", &entry);
	if (fuse_open(e->c, node, O_RDWR, &open) == 0) {
		n = fuse_read(e->c, node, open.fh, 0, sizeof(bytes), bytes);
		if (n > 0)
			g_assert_cmpmem(bytes, n, OWN_TEXT, strlen(OWN_TEXT));
		(void)fuse_write(e->c, node, open.fh, 0, 1, OWN_TEXT, 0);
		fuse_release(e->c, node, open.fh);
	}
	escape_check(e);
}

static void check_twin(const struct escape *e, const char *place)
{
	g_autofree char *inner = g_build_filename(place, "inner", NULL);
	g_autofree char *text = NULL;
	gsize n;

	g_assert_true(g_file_get_contents(inner, &text, &n, NULL));
	g_assert_cmpuint(n, ==, strlen(OWN_TEXT));
	g_assert_cmpmem(text, ESCAPE_TOKEN_BYTES, e->token, ESCAPE_TOKEN_BYTES);
}

static void test_twin(const char *const *args)
{
	g_autofree char *twin = NULL, *place = NULL;
	struct escape e;
	uint64_t node;

	images = g_dir_make_tmp("twins-XXXXXX", NULL);
	twin = image("twin");
	place = image("place");
	escape_start_with(&e, args, make_twins);
	node = fuse_node(e.c, "mnt/inner");
	use(&e, node);
	make_cold(&e);
	/* The same file system by all it says of itself takes the place, perhaps on the same device. */
	g_assert_cmpint(umount2(share_path(&e.f->share, "mnt"), MNT_DETACH), ==, 0);
	store_run("mount -o loop %s %s", twin, place);
	use(&e, node);
	(void)fuse_node(e.c, "dir/file");
	check_twin(&e, place);
	store_run("umount %s", place);
	escape_stop(&e);
	store_run("rm -r %s", images);
	g_clear_pointer(&images, g_free);
}

static void test_by_handle(void)
{
	static const char *const args[] = { "--rlimit-nofile=128", "--sandbox=none", NULL };

	test_twin(args);
}

static void test_by_name(void)
{
	static const char *const args[] = { "--rlimit-nofile=128", "--sandbox=none",
					    "--inode-file-handles=never", NULL };

	test_twin(args);
}

static void test_sandboxed(void)
{
	static const char *const args[] = { "--rlimit-nofile=128", NULL };

	test_twin(args);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stores_init();
	g_test_add_func("/escape-mounts/a handle does not lead to the twin", test_by_handle);
	g_test_add_func("/escape-mounts/a name does not lead to the twin", test_by_name);
	g_test_add_func("/escape-mounts/nor with a sandbox", test_sandboxed);
	return g_test_run();
}
