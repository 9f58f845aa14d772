/* SPDX-License-Identifier: Apache-2.0 */
/* File systems to put under a share. */
#include "tests/component/stores.h"

#include <errno.h>
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/lib/bounded.h"

void store_run(const char *format, ...)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *command = NULL;
	g_autofree char *out = NULL;
	g_autofree char *err = NULL;
	va_list args;
	int status;

	va_start(args, format);
	command = g_strdup_vprintf(format, args);
	va_end(args);
	if (!g_spawn_command_line_sync(command, &out, &err, &status, &error) ||
	    !g_spawn_check_wait_status(status, NULL))
		test_die("%s: %s", command, error ? error->message : err);
}

void stores_init(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		test_die("a mount namespace: %s", strerror(errno));
}

/* What lies beside the share's own folder: images and layers, on a tmpfs of their own. */
static char *beside(const struct share *share, const char *what)
{
	return g_strdup_printf("%s.%s", share->base, what);
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755))
		test_die("mkdir %s: %s", path, strerror(errno));
}

void store_unmount(const struct share *share)
{
	static const char *const whats[] = { "low", "up" };

	if (umount2(share->dir, MNT_DETACH))
		test_die("umount %s: %s", share->dir, strerror(errno));
	for (size_t i = 0; i < G_N_ELEMENTS(whats); i++) {
		g_autofree char *path = beside(share, whats[i]);

		if (!g_file_test(path, G_FILE_TEST_IS_DIR))
			continue;
		(void)umount2(path, MNT_DETACH);
		store_run("rm -r --one-file-system %s", path);
	}
}

static void mount_image(const char *image, const char *place)
{
	store_run("mount -o loop %s %s", image, place);
	store_run("rm %s", image); /* the loop device holds it, as long as it is mounted */
}

static void make_image(const struct share *share, const char *place, const char *mkfs)
{
	g_autofree char *image = beside(share, "img");

	store_run("truncate -s 320M %s", image);
	store_run("%s %s", mkfs, image);
	mount_image(image, place);
}

static void make_tmpfs(const struct share *share)
{
	store_run("mount -t tmpfs -o mode=755 test %s", share->dir);
}

static void make_ext4(const struct share *share)
{
	make_image(share, share->dir, "mkfs.ext4 -q -F");
}

static void make_xfs(const struct share *share)
{
	make_image(share, share->dir, "mkfs.xfs -q");
}

void store_btrfs(const struct share *share)
{
	make_image(share, share->dir, "mkfs.btrfs -q");
}

/* ---- Overlays ---- */

/* A lower layer, written before it is one. */
static void fill_lower(const struct share *share)
{
	g_autofree char *low = beside(share, "low");

	store_run("sh -c 'cd %s && echo -n lower >low && echo -n twins >twin-a &&"
		  " ln twin-a twin-b && mkdir -p dir/sub && echo -n deep >dir/sub/deep'",
		  low);
}

static void mount_overlay(const struct share *share, const char *options)
{
	g_autofree char *low = beside(share, "low");
	g_autofree char *up = beside(share, "up");

	store_run("mkdir %s/upper %s/work", up, up);
	store_run("mount -t overlay -o lowerdir=%s,upperdir=%s/upper,workdir=%s/work%s test %s",
		  low, up, up, options, share->dir);
}

static void overlay_on_one(const struct share *share, const char *options)
{
	g_autofree char *low = beside(share, "low");
	g_autofree char *up = beside(share, "up");
	g_autofree char *lower = g_build_filename(up, "low", NULL);

	make_dir(up);
	make_dir(low);
	make_image(share, up, "mkfs.ext4 -q -F");
	make_dir(lower);
	if (mount(lower, low, NULL, MS_BIND, NULL))
		test_die("bind %s: %s", low, strerror(errno));
	fill_lower(share);
	mount_overlay(share, options);
}

void store_overlay(const struct share *share)
{
	overlay_on_one(share, "");
}

static void make_overlay_indexed(const struct share *share)
{
	overlay_on_one(share, ",index=on,nfs_export=on");
}

void store_overlay_apart(const struct share *share)
{
	g_autofree char *low = beside(share, "low");
	g_autofree char *up = beside(share, "up");

	make_dir(up);
	make_dir(low);
	make_image(share, up, "mkfs.ext4 -q -F");
	make_image(share, low, "mkfs.xfs -q");
	fill_lower(share);
	mount_overlay(share, "");
}

/* ---- A FUSE server; it ends with its mount ---- */

static void make_fuse(const struct share *share)
{
	g_autofree char *low = beside(share, "low");

	make_dir(low);
	store_run("bindfs -o attr_timeout=0,entry_timeout=0 %s %s", low, share->dir);
}

/* ---- Stores that cannot be written ---- */

static void fill_folder(const struct share *share)
{
	store_run("sh -c 'cd %s && echo -n lower >low && mkdir -p dir/sub &&"
		  " echo -n deep >dir/sub/deep && ln -s low link'",
		  share->dir);
}

static void make_squashfs(const struct share *share)
{
	g_autofree char *image = beside(share, "img");

	fill_folder(share);
	store_run("mksquashfs %s %s -quiet -no-progress", share->dir, image);
	mount_image(image, share->dir);
}

static void make_erofs(const struct share *share)
{
	g_autofree char *image = beside(share, "img");

	fill_folder(share);
	store_run("mkfs.erofs --quiet %s %s", image, share->dir);
	mount_image(image, share->dir);
}

#define YES true

const struct store stores[] = {
	{ .name = "tmpfs",
	  .make = make_tmpfs,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES },
	{ .name = "ext4",
	  .make = make_ext4,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES },
	{ .name = "xfs",
	  .make = make_xfs,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES },
	{ .name = "btrfs",
	  .make = store_btrfs,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES },
	{ .name = "overlayfs",
	  .make = store_overlay,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES,
	  .reads_wait = YES },
	{ .name = "overlayfs-apart",
	  .make = store_overlay_apart,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES,
	  .reads_wait = YES },
	{ .name = "overlayfs-indexed",
	  .make = make_overlay_indexed,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_tmpfile = YES,
	  .has_birth = YES,
	  .has_extents = YES,
	  .reads_wait = YES },
	{ .name = "fuse",
	  .make = make_fuse,
	  .has_handles = YES,
	  .has_xattrs = YES,
	  .has_flush = YES,
	  .reads_wait = YES },
	{ .name = "squashfs",
	  .make = make_squashfs,
	  .readonly = YES,
	  .has_handles = YES,
	  .reads_wait = YES },
	{ .name = "erofs",
	  .make = make_erofs,
	  .readonly = YES,
	  .has_handles = YES,
	  .reads_wait = YES },
	{ .name = NULL },
};
