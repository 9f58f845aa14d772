/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a guest on an overlay file system sees copy-ups as a local process does: what was open
 * goes on with the new content, files of the lower layer with one number stay different files, and
 * nodes survive the changes of numbers and birth times that come with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/component/stores.h"
#include "tests/lib/bounded.h"

#define N_DIRS 700u

typedef void (*store_maker)(const struct share *share);

static const struct {
	const char *name;
	store_maker make;
} layouts[] = {
	{ "one-file-system", store_overlay },
	{ "two-file-systems", store_overlay_apart },
};

static struct fixture *start(gconstpointer layout, const char *const *args)
{
	const struct fixture_config config = {
		.populate = layouts[GPOINTER_TO_INT(layout)].make,
		.args = args,
	};

	return fixture_start(&config);
}

static void stop(struct fixture *f)
{
	struct share share = { .base = g_strdup(f->share.base), .dir = g_strdup(f->share.dir) };

	vmm_stop(&f->vmm);
	f->has_vmm = false;
	g_assert_cmpint(daemon_wait(f->daemon), ==, 0);
	store_unmount(&share);
	fixture_stop(f);
	g_free(share.base);
	g_free(share.dir);
}

static uint64_t open_file(struct fixture *f, uint64_t node, uint32_t flags)
{
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, node, flags, &open), ==, 0);
	return open.fh;
}

static void close_file(struct fixture *f, uint64_t node, uint64_t fh)
{
	g_assert_cmpint(fuse_release(&f->client, node, fh), ==, 0);
}

static void check_read(struct fixture *f, uint64_t node, uint64_t fh, const char *want)
{
	char text[64] = { 0 };

	g_assert_cmpint(fuse_read(&f->client, node, fh, 0, sizeof(text) - 1, text), ==,
			(int)strlen(want));
	g_assert_cmpstr(text, ==, want);
}

static void check_content(struct fixture *f, uint64_t node, const char *want)
{
	uint64_t fh = open_file(f, node, O_RDONLY);

	check_read(f, node, fh, want);
	close_file(f, node, fh);
}

static void overwrite(struct fixture *f, uint64_t node, const char *text)
{
	uint64_t fh = open_file(f, node, O_WRONLY | O_TRUNC);
	int n = (int)strlen(text);

	g_assert_cmpint(fuse_write(&f->client, node, fh, 0, (uint32_t)n, text, 0), ==, n);
	close_file(f, node, fh);
}

static void check_host(struct fixture *f, const char *name, const char *want)
{
	g_autofree char *text = share_read(&f->share, name, NULL);

	g_assert_cmpstr(text, ==, want);
}

static void an_open_file_sees_its_copy(gconstpointer layout)
{
	struct fixture *f = start(layout, NULL);
	uint64_t node = fuse_node(&f->client, "low");
	uint64_t early = open_file(f, node, O_RDONLY);
	struct fuse_attr_out before, after;

	g_assert_cmpint(fuse_getattr(&f->client, node, UINT64_MAX, &before), ==, 0);
	check_read(f, node, early, "lower");
	overwrite(f, node, "changed");
	check_read(f, node, early, "changed");
	g_assert_cmpint(fuse_getattr(&f->client, node, early, &after), ==, 0);
	g_assert_cmpuint(after.attr.ino, ==, before.attr.ino);
	g_assert_cmpuint(after.attr.size, ==, 7);
	g_assert_cmpuint(fuse_node(&f->client, "low"), ==, node);
	check_host(f, "low", "changed");
	close_file(f, node, early);
	stop(f);
}

/* The host has two files here, whatever their numbers say. */
static void names_of_one_lower_file_are_two_files(gconstpointer layout)
{
	struct fixture *f = start(layout, NULL);
	uint64_t a = fuse_node(&f->client, "twin-a"), b = fuse_node(&f->client, "twin-b");
	uint64_t early = open_file(f, b, O_RDONLY);

	g_assert_cmpuint(share_lstat(&f->share, "twin-a").st_ino, ==,
			 share_lstat(&f->share, "twin-b").st_ino);
	g_assert_cmpuint(fuse_node(&f->client, "twin-a"), ==, a);
	g_assert_cmpuint(fuse_node(&f->client, "twin-b"), ==, b);
	overwrite(f, b, "written as b");
	check_content(f, a, "twins");
	check_read(f, b, early, "written as b");
	check_host(f, "twin-a", "twins");
	check_host(f, "twin-b", "written as b");
	g_assert_cmpuint(share_lstat(&f->share, "twin-a").st_ino, !=,
			 share_lstat(&f->share, "twin-b").st_ino);
	/* With another number it is still the file that the guest has open. */
	g_assert_cmpuint(fuse_node(&f->client, "twin-a"), ==, a);
	g_assert_cmpuint(fuse_node(&f->client, "twin-b"), ==, b);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "twin-b"), ==, 0);
	check_content(f, fuse_node(&f->client, "twin-a"), "twins");
	check_read(f, b, early, "written as b");
	close_file(f, b, early);
	stop(f);
}

static void names_made_by_the_guest_are_one_file(gconstpointer layout)
{
	struct fixture *f = start(layout, NULL);
	struct fuse_client *c = &f->client;
	uint64_t node = fuse_node(c, "low");
	struct fuse_entry_out entry;

	g_assert_cmpint(fuse_link(c, node, FUSE_ROOT_ID, "second", &entry), ==, 0);
	g_assert_cmpuint(entry.nodeid, ==, node);
	g_assert_cmpuint(fuse_node(c, "low"), ==, node);
	g_assert_cmpuint(fuse_node(c, "second"), ==, node);
	overwrite(f, node, "both");
	check_content(f, fuse_node(c, "second"), "both");
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "low"), ==, 0);
	g_assert_cmpuint(fuse_node(c, "second"), ==, node);
	stop(f);
}

/* Met with two names, they stay the same file when one of them has gone. */
static void names_made_by_the_host_are_one_file(gconstpointer layout)
{
	struct fixture *f = start(layout, NULL);
	struct fuse_client *c = &f->client;
	g_autofree char *first = NULL;
	uint64_t node;

	share_write_text(&f->share, "first", "upper");
	first = g_strdup(share_path(&f->share, "first"));
	g_assert_cmpint(link(first, share_path(&f->share, "second")), ==, 0);
	node = fuse_node(c, "first");
	g_assert_cmpuint(fuse_node(c, "second"), ==, node);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "first"), ==, 0);
	g_assert_cmpuint(fuse_node(c, "second"), ==, node);
	check_content(f, node, "upper");
	/* Once forgotten, it is met anew. */
	fuse_forget(c, node, 3);
	check_content(f, fuse_node(c, "second"), "upper");
	stop(f);
}

/* What the kernel of the host can drop, it has dropped. */
static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(write(fd, "2", 1), ==, 1);
	close(fd);
}

/* Enough directories to drive out all that are not in use. */
static void make_dirs(struct fixture *f)
{
	for (unsigned int i = 0; i < N_DIRS; i++) {
		g_autofree char *name = g_strdup_printf("many-%u", i);

		share_mkdir(&f->share, name, 0755);
	}
}

static void use_dirs(struct fixture *f)
{
	for (unsigned int round = 0; round < 6; round++) {
		for (unsigned int i = 0; i < N_DIRS; i++) {
			g_autofree char *name = g_strdup_printf("many-%u", i);

			(void)fuse_node(&f->client, name);
		}
	}
}

static void directories_without_descriptors_are_found_again(gconstpointer layout)
{
	static const char *const args[] = { "--rlimit-nofile=512", NULL };
	struct fixture *f = start(layout, args);
	struct fuse_client *c = &f->client;
	uint64_t dir = fuse_node(c, "dir"), sub = fuse_node(c, "dir/sub");
	struct fuse_attr_out attr;
	struct fuse_entry_out entry;

	make_dirs(f);
	use_dirs(f);
	drop_caches();
	g_assert_cmpint(fuse_getattr(c, dir, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpint(fuse_getattr(c, sub, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpint(fuse_mkdir(c, sub, "new", 0755, &entry), ==, 0);
	stop(f);
}

/* A new file copies up all directories above it, their birth times become those of the copies. */
static void directories_are_found_again_after_a_copy_up(gconstpointer layout)
{
	static const char *const args[] = { "--rlimit-nofile=512", NULL };
	struct fixture *f = start(layout, args);
	struct fuse_client *c = &f->client;
	uint64_t dir = fuse_node(c, "dir"), sub = fuse_node(c, "dir/sub");
	struct fuse_attr_out attr;

	make_dirs(f);
	use_dirs(f);
	share_write_text(&f->share, "dir/sub/by-host", "text");
	g_assert_cmpint(fuse_getattr(c, dir, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpint(fuse_getattr(c, sub, UINT64_MAX, &attr), ==, 0);
	stop(f);
}

static const struct {
	const char *sentence;
	void (*run)(gconstpointer layout);
} tests[] = {
	{ "an-open-file-sees-its-copy", an_open_file_sees_its_copy },
	{ "names-of-one-lower-file-are-two-files", names_of_one_lower_file_are_two_files },
	{ "names-made-by-the-guest-are-one-file", names_made_by_the_guest_are_one_file },
	{ "names-made-by-the-host-are-one-file", names_made_by_the_host_are_one_file },
	{ "directories-without-descriptors-are-found-again",
	  directories_without_descriptors_are_found_again },
	{ "directories-are-found-again-after-a-copy-up",
	  directories_are_found_again_after_a_copy_up },
};

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stores_init();
	for (size_t l = 0; l < G_N_ELEMENTS(layouts); l++) {
		for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
			g_autofree char *path = g_strdup_printf("/layers/%s/%s", layouts[l].name,
								tests[i].sentence);

			g_test_add_data_func(path, GINT_TO_POINTER(l), tests[i].run);
		}
	}
	return g_test_run();
}
