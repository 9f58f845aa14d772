/* SPDX-License-Identifier: Apache-2.0 */
/* The share that hostile FUSE requests are aimed at. */
#include "tests/component/hostile-share.h"

#include <glib.h>
#include <string.h>

#define FILE_TEXT "contents that stay\n"

static void populate(const struct share *share)
{
	share_mkdir(share, "dir", 0755);
	share_write_text(share, "dir/file", FILE_TEXT);
	share_symlink(share, "dir/link", "../../canary-file");
}

void target_resolve(struct target *target)
{
	struct fuse_client *client = &target->f->client;
	struct fuse_open_out open;

	target->dir = fuse_node(client, "dir");
	target->file = fuse_node(client, "dir/file");
	target->link = fuse_node(client, "dir/link");
	g_assert_cmpint(fuse_open(client, target->file, 2, &open), ==, 0);
	target->file_fh = open.fh;
	g_assert_cmpint(fuse_opendir(client, target->dir, 0, &open), ==, 0);
	target->dir_fh = open.fh;
}

void target_start(struct target *target)
{
	static const char *const args[] = { "--xattr", "--security-label=auto", NULL };

	target_start_with(target, args);
}

void target_start_with(struct target *target, const char *const *args)
{
	struct fixture_config config = { .populate = populate, .args = args };

	target->f = fixture_start(&config);
	raw_init(&target->raw, target->f, 1);
	target_resolve(target);
}

void target_check(struct target *target)
{
	const struct share *share = &target->f->share;
	g_autofree char *text = share_read(share, "dir/file", NULL);
	g_autoptr(GDir) dir = g_dir_open(share_path(share, "dir"), 0, NULL);
	unsigned int n = 0;

	fixture_check_alive(target->f);
	g_assert_cmpstr(text, ==, FILE_TEXT);
	while (dir && g_dir_read_name(dir))
		n++;
	g_assert_cmpuint(n, ==, 2);
	share_check_canaries(share);
}

void target_stop(struct target *target)
{
	target_check(target);
	fixture_stop(target->f);
}

int target_request(struct target *target, uint32_t opcode, uint64_t nodeid, const void *arg,
		   size_t n_arg)
{
	return raw_request(&target->raw, raw_fill(&target->raw, opcode, nodeid, arg, n_arg),
			   RAW_BYTES);
}
