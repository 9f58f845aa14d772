/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes, ACLs and labels against the real daemon: that they are off until asked for,
 * that the sandbox lets them through for every kind of node, that the map and ACLs work with the
 * few capabilities the daemon keeps, and that a bad value changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tests/component/fixture.h"

static void populate(const struct share *share)
{
	share_write_text(share, "file", "text");
	share_mkdir(share, "dir", 0755);
	share_symlink(share, "link", "file");
	share_mknod(share, "fifo", S_IFIFO | 0644, 0);
}

static struct fixture *start(const char *const *args)
{
	struct fixture_config config = {
		.populate = populate,
		.args = args,
		.client = { .data_bytes = 1 << 17, .reply_bytes = 1 << 16 },
	};

	return fixture_start(&config);
}

static int set(struct fixture *f, const char *node, const char *name, const char *value)
{
	return fuse_setxattr(&f->client, fuse_node(&f->client, node), name, value,
			     (uint32_t)strlen(value), 0);
}

static int get(struct fixture *f, const char *node, const char *name)
{
	char value[64];

	return fuse_getxattr(&f->client, fuse_node(&f->client, node), name, value, sizeof(value));
}

static int length_on_host(struct fixture *f, const char *node, const char *name)
{
	ssize_t n = lgetxattr(share_path(&f->share, node), name, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

static void test_off(void)
{
	struct fixture *f = start(NULL);
	uint64_t file = fuse_node(&f->client, "file");

	g_assert_cmpint(set(f, "file", "user.a", "1"), ==, -ENOSYS);
	g_assert_cmpint(get(f, "file", "user.a"), ==, -ENOSYS);
	g_assert_cmpint(fuse_listxattr(&f->client, file, NULL, 0), ==, -ENOSYS);
	g_assert_cmpint(fuse_removexattr(&f->client, file, "user.a"), ==, -ENOSYS);
	fixture_stop(f);
}

static void round_trip(struct fixture *f, const char *node)
{
	uint64_t nodeid = fuse_node(&f->client, node);
	char names[64];

	g_assert_cmpint(set(f, node, "user.a", "12345"), ==, 0);
	g_assert_cmpint(length_on_host(f, node, "user.a"), ==, 5);
	g_assert_cmpint(get(f, node, "user.a"), ==, 5);
	g_assert_cmpint(fuse_getxattr(&f->client, nodeid, "user.a", NULL, 0), ==, 5);
	g_assert_cmpint(fuse_listxattr(&f->client, nodeid, NULL, 0), ==, 7);
	g_assert_cmpint(fuse_listxattr(&f->client, nodeid, names, sizeof(names)), ==, 7);
	g_assert_cmpmem(names, 7, "user.a", 7);
	g_assert_cmpint(fuse_removexattr(&f->client, nodeid, "user.a"), ==, 0);
	g_assert_cmpint(get(f, node, "user.a"), ==, -ENODATA);
}

static void test_every_kind(void)
{
	static const char *const args[] = { "--xattr", NULL };
	struct fixture *f = start(args);

	round_trip(f, "");
	round_trip(f, "file");
	round_trip(f, "dir");
	/* As the kernel answers for these; nothing was followed or opened. */
	g_assert_cmpint(set(f, "link", "user.a", "1"), ==, -EPERM);
	g_assert_cmpint(set(f, "fifo", "user.a", "1"), ==, -EPERM);
	g_assert_cmpint(get(f, "link", "user.a"), ==, -ENODATA);
	g_assert_cmpint(get(f, "fifo", "user.a"), ==, -ENODATA);
	g_assert_cmpint(length_on_host(f, "file", "user.a"), ==, -ENODATA);
	g_assert_cmpint(setxattr(share_path(&f->share, "file"), "user.a", "1", 1, 0), ==, 0);
	g_assert_cmpint(fuse_listxattr(&f->client, fuse_node(&f->client, "link"), NULL, 0), ==, 0);
	/* What others would need a capability for that the daemon has given up. */
	g_assert_cmpint(set(f, "file", "trusted.a", "1"), ==, -EPERM);
	g_assert_cmpint(get(f, "file", "trusted.a"), ==, -ENODATA);
	fixture_stop(f);
}

static void test_kept_capability(void)
{
	static const char *const args[] = { "--xattr", "--modcaps=+sys_admin", NULL };
	struct fixture *f = start(args);

	g_assert_cmpint(set(f, "file", "trusted.a", "1"), ==, 0);
	g_assert_cmpint(length_on_host(f, "file", "trusted.a"), ==, 1);
	g_assert_cmpint(get(f, "file", "trusted.a"), ==, 1);
	fixture_stop(f);
}

/* Room for 64 KiB in one attribute have some file systems only; ext4 says that there is no space. */
static void test_sizes(void)
{
	static const char *const args[] = { "--xattr", NULL };
	struct fixture *f = start(args);
	uint64_t file = fuse_node(&f->client, "file");
	g_autofree char *value = g_malloc0(65537);
	g_autofree char *name = g_strnfill(256, 'n');
	int r;

	r = fuse_setxattr(&f->client, file, "user.big", value, 65536, 0);
	g_assert_true(r == 0 || r == -ENOSPC || r == -E2BIG);
	if (r == 0)
		g_assert_cmpint(fuse_getxattr(&f->client, file, "user.big", value, 65536), ==,
				65536);
	g_assert_cmpint(fuse_setxattr(&f->client, file, "user.big", value, 65537, 0), ==, -E2BIG);
	g_assert_cmpint(fuse_setxattr(&f->client, file, "user.a", value, 3000, 0), ==, 0);
	g_assert_cmpint(fuse_getxattr(&f->client, file, "user.a", value, 3000), ==, 3000);
	g_assert_cmpint(fuse_getxattr(&f->client, file, "user.a", value, 2999), ==, -ERANGE);
	memcpy(name, "user.", 5);
	g_assert_cmpint(set(f, "file", name, "1"), ==, -ERANGE);
	g_assert_cmpint(set(f, "file", "", "1"), ==, -ERANGE);
	fixture_stop(f);
}

static void test_capability(void)
{
	static const char *const args[] = { "--xattr", NULL };
	struct vfs_cap_data caps = { .magic_etc = VFS_CAP_REVISION_2 };
	struct fixture *f = start(args);
	struct fuse_client *c = &f->client;
	uint64_t file = fuse_node(c, "file");
	struct fuse_open_out open;

	caps.data[0].permitted = 1u << CAP_NET_RAW;
	g_assert_cmpint(fuse_setxattr(c, file, "security.capability", &caps, sizeof(caps), 0), ==,
			0);
	g_assert_cmpint(get(f, "file", "security.capability"), ==, sizeof(caps));
	g_assert_cmpint(fuse_open(c, file, O_WRONLY, &open), ==, 0);
	g_assert_cmpint(fuse_write(c, file, open.fh, 0, 1, "x", 0), ==, 1);
	g_assert_cmpint(get(f, "file", "security.capability"), ==, -ENODATA);
	fixture_stop(f);
}

static void test_map(void)
{
	static const char *const args[] = { "--xattrmap=:map::user.guest.:", NULL };
	struct fixture *f = start(args);
	struct fuse_client *c = &f->client;
	uint64_t file = fuse_node(c, "file");
	struct fuse_open_out open;

	g_assert_cmpint(set(f, "file", "trusted.a", "123"), ==, 0);
	g_assert_cmpint(length_on_host(f, "file", "user.guest.trusted.a"), ==, 3);
	g_assert_cmpint(get(f, "file", "trusted.a"), ==, 3);
	/* A capability by another name is dropped by the daemon, since the kernel does not. */
	g_assert_cmpint(set(f, "file", "security.capability", "caps"), ==, 0);
	g_assert_cmpint(get(f, "file", "security.capability"), ==, 4);
	g_assert_cmpint(fuse_open(c, file, O_WRONLY, &open), ==, 0);
	g_assert_cmpint(fuse_write(c, file, open.fh, 0, 1, "x", 0), ==, 1);
	g_assert_cmpint(get(f, "file", "security.capability"), ==, -ENODATA);
	g_assert_cmpint(set(f, "file", "security.capability", "caps"), ==, 0);
	g_assert_cmpint(fuse_setattr(c, file,
				     &(struct fuse_setattr_in){ .valid = FATTR_UID, .uid = 1 },
				     &(struct fuse_attr_out){ 0 }),
			==, 0);
	g_assert_cmpint(get(f, "file", "security.capability"), ==, -ENODATA);
	fixture_stop(f);
}

/* A context as Linux sends it behind the name: head, name, value, padding. */
static int mkdir_labelled(struct fixture *f, const char *name, const char *value)
{
	struct {
		uint32_t size, n;
		struct fuse_secctx context;
		char text[48];
	} label = { .size = sizeof(label), .n = 1, .context.size = (uint32_t)strlen(value) };
	struct fuse_mkdir_in in = { .mode = 0755 };
	struct fuse_entry_out entry;
	const struct fuse_op op = {
		.opcode = FUSE_MKDIR,
		.nodeid = FUSE_ROOT_ID,
		.in = { { &in, sizeof(in) },
			{ name, strlen(name) + 1 },
			{ &label, sizeof(label) } },
		.out = &entry,
		.out_len = sizeof(entry),
		.total_extlen = sizeof(label) / 8,
	};
	int r;

	g_strlcpy(label.text, "security.selinux", sizeof(label.text));
	memcpy(label.text + sizeof("security.selinux"), value, strlen(value));
	r = fuse_transact(&f->client, &op);
	return r < 0 ? r : 0;
}

static void test_label(void)
{
	static const char *const args[] = { "--security-label",
					    "--xattrmap=:map::user.guest.:", NULL };
	struct fixture *f = start(args);

	g_assert_true(f->client.init_flags & FUSE_SECURITY_CTX);
	g_assert_cmpint(mkdir_labelled(f, "new", "label"), ==, 0);
	g_assert_cmpint(length_on_host(f, "new", "user.guest.security.selinux"), ==, 5);
	g_assert_cmpint(get(f, "new", "security.selinux"), ==, 5);
	fixture_stop(f);
}

static void test_acl(void)
{
	static const char *const args[] = { "--posix-acl", NULL };
	/* user::rwx user:1234:rwx group::r-x mask::rwx other::--- */
	static const uint8_t acl[44] = {
		2, 0,	 0,    0,    1,	   0,	 7,    0, 0xff, 0xff, 0xff, 0xff, 2,	0,    7,
		0, 0xd2, 4,    0,    0,	   4,	 0,    5, 0,	0xff, 0xff, 0xff, 0xff, 0x10, 0,
		7, 0,	 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,	0,    0xff, 0xff, 0xff, 0xff,
	};
	struct fixture *f = start(args);
	struct fuse_client *c = &f->client;
	uint64_t dir = fuse_node(c, "dir");
	struct fuse_entry_out entry;

	g_assert_true(c->init_flags & FUSE_POSIX_ACL);
	g_assert_true(c->init_flags & FUSE_DONT_MASK);
	c->umask = 077;
	g_assert_cmpint(fuse_mkdir(c, dir, "before", 0777, &entry), ==, 0);
	g_assert_cmphex(entry.attr.mode & 0777, ==, 0700);
	g_assert_cmpint(fuse_setxattr(c, dir, "system.posix_acl_default", acl, sizeof(acl), 0), ==,
			0);
	g_assert_cmpint(fuse_mkdir(c, dir, "after", 0777, &entry), ==, 0);
	g_assert_cmphex(entry.attr.mode & 0777, ==, 0770);
	g_assert_cmpint(get(f, "dir/after", "system.posix_acl_access"), ==, sizeof(acl));
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/xattr/off-until-asked-for", test_off);
	g_test_add_func("/xattr/every-kind-of-node-has-what-the-kernel-gives", test_every_kind);
	g_test_add_func("/xattr/trusted-ones-with-the-capability-kept", test_kept_capability);
	g_test_add_func("/xattr/sizes-as-the-kernel-has-them", test_sizes);
	g_test_add_func("/xattr/a-capability-ends-with-a-write", test_capability);
	g_test_add_func("/xattr/names-are-mapped", test_map);
	g_test_add_func("/xattr/a-new-directory-has-its-label", test_label);
	g_test_add_func("/xattr/a-default-acl-replaces-the-umask", test_acl);
	return g_test_run();
}
