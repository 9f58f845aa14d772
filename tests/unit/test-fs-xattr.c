/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that extended attributes of every kind of node are reached without opening it and answered
 * as the kernel does, that ACLs exist only for guests that check them, that a map applies in both
 * directions, that a renamed file capability does not outlive a change of its file, and that new
 * nodes get their label or are not made. Runs as root: trusted.* attributes and owners.
 */
#include "fs-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/xattr.h>

static int set(struct fs_unit *unit, uint64_t nodeid, const char *name, const char *value,
	       uint32_t flags)
{
	const struct fs_xattr xattr = {
		.name = name,
		.value = value,
		.size = strlen(value),
		.flags = flags,
	};

	return fs_setxattr(unit->thread, nodeid, &xattr);
}

static void check_value(struct fs_unit *unit, uint64_t nodeid, const char *name, const char *value)
{
	char buf[64];
	ssize_t n = fs_getxattr(unit->thread, nodeid, name, buf, sizeof(buf));

	g_assert_cmpint(n, ==, (ssize_t)strlen(value));
	g_assert_cmpmem(buf, (size_t)n, value, strlen(value));
}

/* The names a guest sees, with blanks between. */
static char *list(struct fs_unit *unit, uint64_t nodeid)
{
	char buf[512];
	ssize_t n = fs_listxattr(unit->thread, nodeid, buf, sizeof(buf));

	g_assert_cmpint(n, >=, 0);
	g_assert_cmpint(fs_listxattr(unit->thread, nodeid, NULL, 0), ==, n);
	if (n > 0)
		g_assert_cmpint(fs_listxattr(unit->thread, nodeid, buf, (size_t)n - 1), ==,
				-ERANGE);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!buf[i])
			buf[i] = ' ';
	return g_strndup(buf, n ? (size_t)n - 1 : 0);
}

static void check_list(struct fs_unit *unit, uint64_t nodeid, const char *names)
{
	g_autofree char *found = list(unit, nodeid);

	g_assert_cmpstr(found, ==, names);
}

static void each_kind_of_node_has_attributes_of_its_own(void)
{
	static const char *const names[] = { "file", "dir", "link", "fifo" };
	struct fs_unit unit;
	char path[4096];

	fs_unit_start(&unit);
	fs_unit_write(&unit, "file", "");
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0700), ==, 0);
	g_assert_cmpint(symlinkat("file", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(mkfifoat(unit.dir_fd, "fifo", 0600), ==, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		uint64_t nodeid = fs_unit_lookup(&unit, names[i]);

		g_snprintf(path, sizeof(path), "%s/%s", unit.path, names[i]);
		g_assert_cmpint(set(&unit, nodeid, "trusted.name", names[i], 0), ==, 0);
		check_value(&unit, nodeid, "trusted.name", names[i]);
		check_list(&unit, nodeid, "trusted.name");
		g_assert_cmpint(lgetxattr(path, "trusted.name", NULL, 0), ==,
				(ssize_t)strlen(names[i]));
		g_assert_cmpint(fs_removexattr(unit.thread, nodeid, "trusted.name"), ==, 0);
		check_list(&unit, nodeid, "");
	}
	fs_unit_stop(&unit);
}

static void answers_are_those_of_the_kernel(void)
{
	struct fs_unit unit;
	uint64_t file;
	char buf[8];

	fs_unit_start(&unit);
	fs_unit_write(&unit, "file", "");
	file = fs_unit_lookup(&unit, "file");
	g_assert_cmpint(set(&unit, file, "user.a", "12345", XATTR_REPLACE), ==, -ENODATA);
	g_assert_cmpint(set(&unit, file, "user.a", "12345", XATTR_CREATE), ==, 0);
	g_assert_cmpint(set(&unit, file, "user.a", "12345", XATTR_CREATE), ==, -EEXIST);
	g_assert_cmpint(set(&unit, file, "user.a", "1", 4), ==, -EINVAL);
	g_assert_cmpint(set(&unit, file, "nonsense", "1", 0), ==, -EOPNOTSUPP);
	g_assert_cmpint(set(&unit, file, "", "1", 0), ==, -ERANGE);
	g_assert_cmpint(fs_setxattr(unit.thread, file,
				    &(struct fs_xattr){ .name = "user.a", .size = 65537 }),
			==, -E2BIG);
	g_assert_cmpint(set(&unit, 999, "user.a", "1", 0), ==, -ESTALE);
	g_assert_cmpint(fs_getxattr(unit.thread, file, "user.a", NULL, 0), ==, 5);
	g_assert_cmpint(fs_getxattr(unit.thread, file, "user.a", buf, 4), ==, -ERANGE);
	g_assert_cmpint(fs_getxattr(unit.thread, file, "user.b", buf, 4), ==, -ENODATA);
	g_assert_cmpint(fs_removexattr(unit.thread, file, "user.b"), ==, -ENODATA);
	fs_unit_stop(&unit);
}

static void a_read_only_share_keeps_its_attributes(void)
{
	struct fs_options options = fs_unit_options();
	struct fs_unit unit;
	uint64_t file;

	options.readonly = true;
	fs_unit_start_with(&unit, NULL, &options);
	fs_unit_write(&unit, "file", "");
	file = fs_unit_lookup(&unit, "file");
	g_assert_cmpint(set(&unit, file, "user.a", "1", 0), ==, -EROFS);
	g_assert_cmpint(fs_removexattr(unit.thread, file, "user.a"), ==, -EROFS);
	check_list(&unit, file, "");
	fs_unit_stop(&unit);
}

/* ---- ACLs ---- */

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry entries[5];
};

/* user::rwx user:1234:rwx group::r-x mask::rwx other::--- */
static struct acl sample_acl(void)
{
	return (struct acl){
		.head = { .a_version = GUINT32_TO_LE(POSIX_ACL_XATTR_VERSION) },
		.entries = {
			{ GUINT16_TO_LE(ACL_USER_OBJ), GUINT16_TO_LE(7), UINT32_MAX },
			{ GUINT16_TO_LE(ACL_USER), GUINT16_TO_LE(7), GUINT32_TO_LE(1234) },
			{ GUINT16_TO_LE(ACL_GROUP_OBJ), GUINT16_TO_LE(5), UINT32_MAX },
			{ GUINT16_TO_LE(ACL_MASK), GUINT16_TO_LE(7), UINT32_MAX },
			{ GUINT16_TO_LE(ACL_OTHER), GUINT16_TO_LE(0), UINT32_MAX },
		},
	};
}

static int set_acl(struct fs_unit *unit, uint64_t nodeid, const char *name, bool kill_sgid)
{
	const struct acl acl = sample_acl();
	const struct fs_xattr xattr = {
		.name = name,
		.value = &acl,
		.size = sizeof(acl),
		.acl_kill_sgid = kill_sgid,
	};

	return fs_setxattr(unit->thread, nodeid, &xattr);
}

static void negotiate_acl(struct fs_unit *unit)
{
	fs_reset(unit->fs, &(struct fs_negotiated){ .posix_acl = true });
}

static void acls_are_there_only_for_guests_that_check_them(void)
{
	struct fs_unit unit;
	uint64_t dir;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0700), ==, 0);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(set(&unit, dir, "user.a", "1", 0), ==, 0);
	g_assert_cmpint(set_acl(&unit, dir, ACL_ACCESS, false), ==, -EOPNOTSUPP);
	negotiate_acl(&unit);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(set_acl(&unit, dir, ACL_ACCESS, false), ==, 0);
	g_assert_cmpint(set_acl(&unit, dir, ACL_DEFAULT, false), ==, 0);
	g_assert_cmpint(fs_getxattr(unit.thread, dir, ACL_ACCESS, NULL, 0), ==, 44);
	fs_reset(unit.fs, &(struct fs_negotiated){ 0 });
	dir = fs_unit_lookup(&unit, "dir");
	check_list(&unit, dir, "user.a");
	g_assert_cmpint(fs_getxattr(unit.thread, dir, ACL_ACCESS, NULL, 0), ==, -EOPNOTSUPP);
	g_assert_cmpint(fs_removexattr(unit.thread, dir, ACL_DEFAULT), ==, -EOPNOTSUPP);
	fs_unit_stop(&unit);
}

static void a_default_acl_takes_the_place_of_the_umask(void)
{
	const struct fs_caller caller = { .umask = 077 };
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t dir;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0700), ==, 0);
	negotiate_acl(&unit);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, dir, "before", 0777, &entry), ==, 0);
	g_assert_cmphex(entry.attr.stx.stx_mode & 0777, ==, 0700);
	g_assert_cmpint(set_acl(&unit, dir, ACL_DEFAULT, false), ==, 0);
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, dir, "after", 0777, &entry), ==, 0);
	g_assert_cmphex(entry.attr.stx.stx_mode & 0777, ==, 0770);
	g_assert_cmpint(fs_getxattr(unit.thread, entry.nodeid, ACL_DEFAULT, NULL, 0), ==, 44);
	fs_unit_stop(&unit);
}

/* The guest has checked ACLs with groups that do not come with the request. */
static void what_an_acl_lets_a_guest_create_is_created(void)
{
	const struct fs_caller caller = { .uid = 4321, .gid = 4321 };
	struct fs_entry entry;
	struct fs_unit unit;
	uint64_t dir;

	fs_unit_start(&unit);
	g_assert_cmpint(mkdirat(unit.dir_fd, "dir", 0750), ==, 0);
	negotiate_acl(&unit);
	dir = fs_unit_lookup(&unit, "dir");
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, dir, "new", 0755, &entry), ==, 0);
	g_assert_cmpuint(entry.attr.stx.stx_uid, ==, 4321);
	fs_unit_stop(&unit);
}

static void a_stranger_who_sets_an_acl_loses_the_set_group_id_bit(void)
{
	static const gid_t groups[] = { 0, 4321 }; /* the daemon is in the first */
	struct fs_unit unit;
	struct fs_attr attr;

	fs_unit_start(&unit);
	negotiate_acl(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		uint64_t file;

		fs_unit_write(&unit, "file", "");
		g_assert_cmpint(fchownat(unit.dir_fd, "file", 0, groups[i], 0), ==, 0);
		g_assert_cmpint(fchmodat(unit.dir_fd, "file", 02755, 0), ==, 0);
		file = fs_unit_lookup(&unit, "file");
		g_assert_cmpint(set_acl(&unit, file, ACL_ACCESS, false), ==, 0);
		g_assert_cmpint(fs_getattr(unit.thread, file, FS_NO_FH, &attr), ==, 0);
		g_assert_cmphex(attr.stx.stx_mode & 07777, ==, 02770);
		g_assert_cmpint(set_acl(&unit, file, ACL_ACCESS, true), ==, 0);
		g_assert_cmpint(fs_getattr(unit.thread, file, FS_NO_FH, &attr), ==, 0);
		g_assert_cmphex(attr.stx.stx_mode & 07777, ==, 0770);
		g_assert_cmpint(unlinkat(unit.dir_fd, "file", 0), ==, 0);
	}
	fs_unit_stop(&unit);
}

/* ---- The map ---- */

static struct xattr_map *start_mapped(struct fs_unit *unit, const char *rules)
{
	struct fs_options options = fs_unit_options();
	struct xattr_map *map;
	char *why;

	g_assert_cmpint(xmap_parse(rules, &map, &why), ==, 0);
	options.xattr_map = map;
	fs_unit_start_with(unit, NULL, &options);
	return map;
}

static void mapped_names_are_others_on_the_host(void)
{
	struct fs_unit unit;
	struct xattr_map *map = start_mapped(&unit, ":map:trusted.:user.guest.:");
	g_autofree char *path = g_build_filename(unit.path, "file", NULL);
	uint64_t file;

	fs_unit_write(&unit, "file", "");
	file = fs_unit_lookup(&unit, "file");
	g_assert_cmpint(set(&unit, file, "trusted.a", "1", 0), ==, 0);
	g_assert_cmpint(getxattr(path, "user.guest.trusted.a", NULL, 0), ==, 1);
	g_assert_cmpint(getxattr(path, "trusted.a", NULL, 0), ==, -1);
	check_value(&unit, file, "trusted.a", "1");
	g_assert_cmpint(setxattr(path, "trusted.host", "x", 1, 0), ==, 0);
	g_assert_cmpint(fs_getxattr(unit.thread, file, "trusted.host", NULL, 0), ==, -ENODATA);
	check_list(&unit, file, "trusted.a");
	g_assert_cmpint(fs_removexattr(unit.thread, file, "trusted.a"), ==, 0);
	g_assert_cmpint(getxattr(path, "user.guest.trusted.a", NULL, 0), ==, -1);
	/* The place of the mapped ones is out of the guest's reach. */
	g_assert_cmpint(set(&unit, file, "user.guest.x", "1", 0), ==, -EPERM);
	g_assert_cmpint(fs_removexattr(unit.thread, file, "user.guest.x"), ==, -EPERM);
	g_assert_cmpint(fs_getxattr(unit.thread, file, "user.guest.x", NULL, 0), ==, -ENODATA);
	fs_unit_stop(&unit);
	xmap_free(map);
}

#define HOST_CAPABILITY "user.guest.security.capability"

static void check_capability(struct fs_unit *unit, bool there)
{
	g_autofree char *path = g_build_filename(unit->path, "file", NULL);

	g_assert_cmpint(getxattr(path, HOST_CAPABILITY, NULL, 0), ==, there ? 1 : -1);
	g_assert_cmpint(setxattr(path, HOST_CAPABILITY, "c", 1, 0), ==, 0);
}

static void a_renamed_capability_goes_with_each_change_of_the_file(void)
{
	const struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct fs_setattr set_size = { .fh = FS_NO_FH, .set_size = true, .size = 100 };
	struct fs_setattr set_owner = { .fh = FS_NO_FH, .set_uid = true, .uid = 1 };
	struct fs_setattr set_mode = { .fh = FS_NO_FH, .set_mode = true, .mode = 0755 };
	struct fs_copy copy = { .offset_in = 0, .offset_out = 50, .length = 10 };
	struct fs_unit unit;
	struct xattr_map *map = start_mapped(&unit, ":map::user.guest.:");
	struct fs_attr attr;
	uint64_t file, fh;

	fs_unit_write(&unit, "file", "text");
	file = fs_unit_lookup(&unit, "file");
	check_capability(&unit, false);
	fh = fs_unit_open(&unit, "file", O_RDWR);
	g_assert_cmpint(fs_setattr(unit.thread, file, &set_mode, &attr), ==, 0);
	check_capability(&unit, true);
	g_assert_cmpint(fs_write(unit.thread, &(struct fs_write){ .fh = fh }, &iov, 1), ==, 1);
	check_capability(&unit, false);
	g_assert_cmpint(fs_setattr(unit.thread, file, &set_size, &attr), ==, 0);
	check_capability(&unit, false);
	g_assert_cmpint(fs_setattr(unit.thread, file, &set_owner, &attr), ==, 0);
	check_capability(&unit, false);
	set_size.fh = set_owner.fh = copy.fh_in = copy.fh_out = fh;
	g_assert_cmpint(fs_setattr(unit.thread, file, &set_size, &attr), ==, 0);
	check_capability(&unit, false);
	g_assert_cmpint(fs_setattr(unit.thread, file, &set_owner, &attr), ==, 0);
	check_capability(&unit, false);
	g_assert_cmpint(fs_fallocate(unit.thread, &(struct fs_range){ .fh = fh, .length = 4096 }),
			==, 0);
	check_capability(&unit, false);
	g_assert_cmpint(fs_copy_file_range(unit.thread, &copy), ==, 10);
	check_capability(&unit, false);
	(void)fs_unit_open(&unit, "file", O_WRONLY | GUEST_O_TRUNC);
	check_capability(&unit, false);
	fs_unit_stop(&unit);
	xmap_free(map);
}

/* ---- Labels ---- */

static struct fs_caller labelling(const char *name)
{
	return (struct fs_caller){
		.uid = 1000,
		.gid = 1000,
		.label = { .name = name, .value = "label", .size = 5 },
	};
}

static void every_new_node_gets_its_label(void)
{
	struct fs_caller caller = labelling("trusted.label");
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fchmod(unit.dir_fd, 0777), ==, 0);
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, 1, "dir", 0755, &entry), ==, 0);
	check_value(&unit, entry.nodeid, "trusted.label", "label");
	g_assert_cmpint(fs_symlink(unit.thread, &caller, 1, "link", "x", &entry), ==, 0);
	check_value(&unit, entry.nodeid, "trusted.label", "label");
	g_assert_cmpint(fs_mknod(unit.thread, &caller, 1, "fifo", S_IFIFO | 0600, 0, &entry), ==,
			0);
	check_value(&unit, entry.nodeid, "trusted.label", "label");
	/* Also one that its maker may not write to, and that is opened for reading. */
	g_assert_cmpint(
		fs_create(unit.thread, &caller, 1, "file", 0440, O_RDONLY, false, &entry, &opened),
		==, 0);
	check_value(&unit, entry.nodeid, "trusted.label", "label");
	g_assert_cmphex(entry.attr.stx.stx_mode, ==, S_IFREG | 0440);
	g_assert_cmpuint(entry.attr.stx.stx_uid, ==, 1000);
	g_assert_cmpuint(entry.attr.stx.stx_nlink, ==, 1);
	g_assert_cmpint(fs_release(unit.thread, opened.fh), ==, 0);
	/* What was there keeps its own. */
	fs_unit_write(&unit, "old", "text");
	g_assert_cmpint(fs_create(unit.thread, &caller, 1, "old", 0600, O_RDWR | GUEST_O_EXCL,
				  false, &entry, &opened),
			==, -EEXIST);
	caller.uid = 0; /* only root is given what somebody else made */
	g_assert_cmpint(
		fs_create(unit.thread, &caller, 1, "old", 0600, O_RDWR, false, &entry, &opened), ==,
		0);
	check_list(&unit, entry.nodeid, "");
	g_assert_cmpuint(entry.attr.stx.stx_size, ==, 4);
	fs_unit_stop(&unit);
}

static void a_labelled_file_inherits_acls_as_any_other(void)
{
	struct fs_caller caller = labelling("trusted.label");
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fchmod(unit.dir_fd, 0777), ==, 0);
	negotiate_acl(&unit);
	caller.umask = 077;
	g_assert_cmpint(
		fs_create(unit.thread, &caller, 1, "before", 0666, O_RDWR, false, &entry, &opened),
		==, 0);
	g_assert_cmphex(entry.attr.stx.stx_mode & 0777, ==, 0600);
	g_assert_cmpint(set_acl(&unit, 1, ACL_DEFAULT, false), ==, 0);
	g_assert_cmpint(
		fs_create(unit.thread, &caller, 1, "after", 0666, O_RDWR, false, &entry, &opened),
		==, 0);
	g_assert_cmphex(entry.attr.stx.stx_mode & 0777, ==, 0660);
	check_value(&unit, entry.nodeid, "trusted.label", "label");
	fs_unit_stop(&unit);
}

static void what_cannot_have_its_label_is_not_made(void)
{
	const struct fs_caller caller = labelling("nonsense");
	struct fs_opened opened;
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fchmod(unit.dir_fd, 0777), ==, 0);
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, 1, "dir", 0755, &entry), ==, -EOPNOTSUPP);
	g_assert_cmpint(fs_symlink(unit.thread, &caller, 1, "link", "x", &entry), ==, -EOPNOTSUPP);
	g_assert_cmpint(
		fs_create(unit.thread, &caller, 1, "file", 0600, O_RDWR, false, &entry, &opened),
		==, -EOPNOTSUPP);
	g_assert_cmpint(rmdir(unit.path), ==, 0); /* empty */
	g_assert_cmpint(mkdir(unit.path, 0700), ==, 0);
	fs_unit_stop(&unit);
}

static void links_and_pipes_are_made_without_a_label_they_cannot_have(void)
{
	const struct fs_caller caller = labelling("user.label");
	struct fs_entry entry;
	struct fs_unit unit;

	fs_unit_start(&unit);
	g_assert_cmpint(fchmod(unit.dir_fd, 0777), ==, 0);
	g_assert_cmpint(fs_symlink(unit.thread, &caller, 1, "link", "x", &entry), ==, 0);
	check_list(&unit, entry.nodeid, "");
	g_assert_cmpint(fs_mknod(unit.thread, &caller, 1, "fifo", S_IFIFO | 0600, 0, &entry), ==,
			0);
	check_list(&unit, entry.nodeid, "");
	g_assert_cmpint(fs_mkdir(unit.thread, &caller, 1, "dir", 0700, &entry), ==, 0);
	check_value(&unit, entry.nodeid, "user.label", "label");
	fs_unit_stop(&unit);
}

int main(int argc, char **argv)
{
	(void)umask(0);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-xattr/each kind of node has attributes of its own",
			each_kind_of_node_has_attributes_of_its_own);
	g_test_add_func("/fs-xattr/answers are those of the kernel",
			answers_are_those_of_the_kernel);
	g_test_add_func("/fs-xattr/a read-only share keeps its attributes",
			a_read_only_share_keeps_its_attributes);
	g_test_add_func("/fs-xattr/ACLs are there only for guests that check them",
			acls_are_there_only_for_guests_that_check_them);
	g_test_add_func("/fs-xattr/a default ACL takes the place of the umask",
			a_default_acl_takes_the_place_of_the_umask);
	g_test_add_func("/fs-xattr/what an ACL lets a guest create is created",
			what_an_acl_lets_a_guest_create_is_created);
	g_test_add_func("/fs-xattr/a stranger who sets an ACL loses the set-group-ID bit",
			a_stranger_who_sets_an_acl_loses_the_set_group_id_bit);
	g_test_add_func("/fs-xattr/mapped names are others on the host",
			mapped_names_are_others_on_the_host);
	g_test_add_func("/fs-xattr/a renamed capability goes with each change of the file",
			a_renamed_capability_goes_with_each_change_of_the_file);
	g_test_add_func("/fs-xattr/every new node gets its label", every_new_node_gets_its_label);
	g_test_add_func("/fs-xattr/a labelled file inherits ACLs as any other",
			a_labelled_file_inherits_acls_as_any_other);
	g_test_add_func("/fs-xattr/what cannot have its label is not made",
			what_cannot_have_its_label_is_not_made);
	g_test_add_func("/fs-xattr/links and pipes are made without a label they cannot have",
			links_and_pipes_are_made_without_a_label_they_cannot_have);
	return g_test_run();
}
