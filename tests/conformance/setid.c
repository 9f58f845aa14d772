/* SPDX-License-Identifier: Apache-2.0 */
/* Sticky and set-group-ID directories, and when files lose their set-id bits. */
#include <errno.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "world.h"

static void check_sticky(void)
{
	make_dir("t", &root, 01777);
	make_file("t/alices", &alice, 0666);
	make_dir("t/dir", &alice, 0777);
	make_file("t/other", &alice, 0666);
	must(symlink("x", "t/link"));
	must(lchown("t/link", alice.uid, alice.gid));
	become(&bob);
	fails("another's file is not removed", EPERM, unlink("t/alices"));
	fails("another's directory is not removed", EPERM, rmdir("t/dir"));
	fails("another's link is not removed", EPERM, unlink("t/link"));
	works("a file is made", try_open("t/bobs", O_CREAT | O_WRONLY, 0644));
	works("one's own file is removed", unlink("t/bobs"));
	works("a directory below is not sticky itself", mkdir("t/dir/x", 0755));
	works("another's file is linked", link("t/other", "t/linked"));
	fails("the link is still the other's", EPERM, unlink("t/linked"));
	become(&alice);
	works("the file's owner removes it", unlink("t/alices"));
	fails("a directory with content is not removed", ENOTEMPTY, rmdir("t/dir"));
	become(&root);
	works("root removes anybody's", unlink("t/other"));
	make_dir("hers", &alice, 01777);
	make_file("hers/bobs", &bob, 0600);
	become(&alice);
	works("the directory's owner removes anybody's", unlink("hers/bobs"));
	become(&root);
	make_dir("ordinary", &root, 0777);
	make_file("ordinary/alices", &alice, 0600);
	become(&bob);
	works("another's file is removed where nothing is sticky", unlink("ordinary/alices"));
	must(mkdir("bobs", 0755));
	works("a user makes a directory sticky", chmod("bobs", 01777));
	modes_equal("it is sticky", 01777, mode_of("bobs"));
	must(try_open("plain", O_CREAT | O_WRONLY, 0644));
	observe("a user makes a file sticky", chmod("plain", 01644));
	observe_number("a file's sticky bit for a user", mode_of("plain"));
}

static void check_group_directories(void)
{
	struct stat st;
	int fd;

	make_dir("d", &root, 0777);
	set_group("d", TEAM, 02777);
	become(&alice);
	umask(0);
	must(try_open("d/file", O_CREAT | O_WRONLY, 0644));
	must(mkdir("d/dir", 0755));
	must(symlink("x", "d/link"));
	must(mkfifo("d/fifo", 0644));
	equals("a new file has the directory's group", TEAM, gid_of("d/file"));
	equals("a new directory has the directory's group", TEAM, gid_of("d/dir"));
	equals("a new link has the directory's group", TEAM, gid_of("d/link"));
	equals("a new FIFO has the directory's group", TEAM, gid_of("d/fifo"));
	modes_equal("a new directory hands the rule on", 02755, mode_of("d/dir"));
	modes_equal("a new file does not have the bit", 0644, mode_of("d/file"));
	must(mkdir("d/dir/deep", 0700));
	modes_equal("the rule goes on below", 02700, mode_of("d/dir/deep"));
	equals("the group goes on below", TEAM, gid_of("d/dir/deep"));
	fd = must(open("d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640));
	must(fstat(fd, &st));
	equals("a file without a name has the directory's group", TEAM, st.st_gid);
	close(fd);
	must(try_open("d/exec", O_CREAT | O_WRONLY, 02775));
	modes_equal("who is no member makes no executable with the bit", 0775, mode_of("d/exec"));
	must(try_open("d/noexec", O_CREAT | O_WRONLY, 02644));
	observe_number("who is no member makes another file with the bit", mode_of("d/noexec"));
	must(mknod("d/node", S_IFREG | 02775, 0));
	modes_equal("nor with mknod", 0775, mode_of("d/node"));
	must(mkdir("d/asked", 02777));
	modes_equal("a directory may ask for the bit", 02777, mode_of("d/asked"));
	become(&carol);
	must(try_open("d/carols", O_CREAT | O_WRONLY, 02775));
	modes_equal("a member makes an executable with the bit", 02775, mode_of("d/carols"));
	become(&root);
	must(try_open("d/roots", O_CREAT | O_WRONLY, 02775));
	modes_equal("root makes an executable with the bit", 02775, mode_of("d/roots"));
	make_dir("ordinary", &root, 0777);
	set_group("ordinary", TEAM, 0777);
	become(&alice);
	must(try_open("ordinary/file", O_CREAT | O_WRONLY, 0644));
	equals("an ordinary directory gives no group", alice.gid, gid_of("ordinary/file"));
}

static void check_chmod(void)
{
	make_file("file", &alice, 0755);
	become(&alice);
	works("the owner sets the set-user-ID bit", chmod("file", 04755));
	modes_equal("it is set", 04755, mode_of("file"));
	works("the owner sets both bits", chmod("file", 06755));
	modes_equal("both are set", 06755, mode_of("file"));
	become(&root);
	set_group("file", TEAM, 0755);
	become(&alice);
	works("the set-group-ID bit of a foreign group is asked for", chmod("file", 02755));
	modes_equal("it is not set", 0755, mode_of("file"));
	become(&root);
	must(chmod("file", 02755));
	modes_equal("root sets it", 02755, mode_of("file"));
	make_dir("d", &alice, 0755);
	set_group("d", TEAM, 0755);
	become(&alice);
	must(chmod("d", 02755));
	modes_equal("nor is a directory's", 0755, mode_of("d"));
}

/* Operations on "file", opened for reading and writing beforehand. */
static int op_write(int fd)
{
	return (int)write(fd, "x", 1);
}

static int op_pwritev(int fd)
{
	struct iovec part = { (char[1]){ 'x' }, 1 };

	return (int)pwritev(fd, &part, 1, 2);
}

static int op_write_nothing(int fd)
{
	return (int)write(fd, "", 0);
}

static int op_truncate(int fd)
{
	(void)fd;
	return truncate("file", 1);
}

static int op_ftruncate(int fd)
{
	return ftruncate(fd, 1);
}

static int op_same_size(int fd)
{
	return ftruncate(fd, 5);
}

static int op_open_truncating(int fd)
{
	(void)fd;
	return try_open("file", O_WRONLY | O_TRUNC, 0);
}

static int op_allocate(int fd)
{
	return fallocate(fd, 0, 0, 9000);
}

static int op_punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static int op_copy(int fd)
{
	off_t in = 0, out = 3;

	return (int)copy_file_range(fd, &in, fd, &out, 1, 0);
}

static int op_own_group(int fd)
{
	(void)fd;
	return chown("file", (uid_t)-1, getegid());
}

static int op_chown_nothing(int fd)
{
	(void)fd;
	return chown("file", (uid_t)-1, (gid_t)-1);
}

static int op_setxattr(int fd)
{
	return fsetxattr(fd, "user.x", "y", 1, 0);
}

static int op_times(int fd)
{
	return futimens(fd, NULL);
}

static int op_read(int fd)
{
	return (int)read(fd, (char[1]){ 0 }, 1);
}

static int op_rename(int fd)
{
	(void)fd;
	return rename("file", "tmp") < 0 ? -1 : rename("tmp", "file");
}

static int op_link(int fd)
{
	(void)fd;
	return link("file", "tmp") < 0 ? -1 : unlink("tmp");
}

static int op_map(int fd)
{
	char *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	map[0] = 'x';
	return msync(map, 5, MS_SYNC) < 0 ? -1 : munmap(map, 5);
}

/* A file of the actor's own; a wanted mode of 0 is observed only. */
static const struct {
	const char *what;
	mode_t mode;
	const struct actor *who;
	int (*act)(int fd);
	mode_t then;
} rows[] = {
	{ "a write takes both bits", 06755, &alice, op_write, 0755 },
	{ "a write takes the set-user-ID bit", 04755, &alice, op_write, 0755 },
	{ "a write takes set-user-ID of what is not executable", 04644, &alice, op_write, 0644 },
	{ "a write and set-group-ID without group execute", 02745, &alice, op_write, 0 },
	{ "a vector's write takes both bits", 06777, &alice, op_pwritev, 0777 },
	{ "a write of nothing leaves them", 06755, &alice, op_write_nothing, 06755 },
	{ "a write of root leaves them", 06755, &root, op_write, 06755 },
	{ "truncate takes both bits", 06755, &alice, op_truncate, 0755 },
	{ "truncate of root leaves them", 06755, &root, op_truncate, 06755 },
	{ "ftruncate takes both bits", 06755, &alice, op_ftruncate, 0755 },
	{ "ftruncate of root leaves them", 06755, &root, op_ftruncate, 06755 },
	{ "ftruncate to the same size takes both bits", 06755, &alice, op_same_size, 0755 },
	{ "an open with O_TRUNC takes both bits", 06755, &alice, op_open_truncating, 0755 },
	{ "an open with O_TRUNC of root leaves them", 06755, &root, op_open_truncating, 06755 },
	{ "an allocation takes both bits", 06755, &alice, op_allocate, 0755 },
	{ "an allocation of root leaves them", 06755, &root, op_allocate, 06755 },
	{ "punching takes both bits", 06755, &alice, op_punch, 0755 },
	{ "a copy takes both bits", 06755, &alice, op_copy, 0755 },
	{ "a new group takes both bits", 06755, &alice, op_own_group, 0755 },
	{ "a new group of root takes both bits", 06755, &root, op_own_group, 0755 },
	{ "a new group leaves the bit of a lock", 02644, &root, op_own_group, 02644 },
	{ "chown to nobody new", 06755, &alice, op_chown_nothing, 0 },
	{ "an attribute leaves them", 06755, &alice, op_setxattr, 06755 },
	{ "new times leave them", 06755, &alice, op_times, 06755 },
	{ "a read leaves them", 06755, &alice, op_read, 06755 },
	{ "a rename leaves them", 06755, &alice, op_rename, 06755 },
	{ "a link leaves them", 06755, &alice, op_link, 06755 },
	{ "a mapping's write", 06755, &alice, op_map, 0 },
	{ "a write leaves the sticky bit", 01755, &alice, op_write, 01755 },
};

static void check_dropping(void)
{
	char place[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd;

		snprintf(place, sizeof(place), "row%zu", i);
		make_dir(place, &root, 0777);
		must(chdir(place));
		make_file("file", rows[i].who, rows[i].mode);
		become(rows[i].who);
		fd = must(open("file", O_RDWR | O_CLOEXEC));
		must(rows[i].act(fd));
		close(fd);
		if (rows[i].then)
			modes_equal(rows[i].what, rows[i].then, mode_of("file"));
		else
			observe_number(rows[i].what, mode_of("file"));
		become(&root);
		must(chdir(".."));
	}
}

static void check_owners(void)
{
	struct stat st;
	int fd;

	make_file("file", &alice, 06755);
	must(chown("file", bob.uid, (gid_t)-1));
	modes_equal("a new owner takes both bits", 0755, mode_of("file"));
	make_dir("d", &alice, 06755);
	must(chown("d", bob.uid, bob.gid));
	modes_equal("a directory keeps them with a new owner", 06755, mode_of("d"));
	make_file("foreign", &alice, 06777);
	become(&bob);
	fd = must(open("foreign", O_RDWR | O_CLOEXEC));
	must(write(fd, "x", 1));
	modes_equal("another's write takes both bits", 0777, mode_of("foreign"));
	must(fstat(fd, &st));
	modes_equal("the open file says so too", 0777, st.st_mode & 07777);
	close(fd);
}

/* Version 2 of what vfs_cap_data is on disk: CAP_NET_RAW, permitted and effective. */
static const uint32_t capability[5] = { 0x02000001, 1U << 13, 0, 0, 0 };

static void check_capabilities(void)
{
	char buf[32];
	int fd;

	make_file("file", &alice, 0755);
	works("a file gets a capability",
	      setxattr("file", "security.capability", capability, sizeof(capability), 0));
	equals("the capability is told", sizeof(capability),
	       getxattr("file", "security.capability", buf, sizeof(buf)));
	must(chmod("file", 0700));
	equals("chmod leaves the capability", sizeof(capability),
	       getxattr("file", "security.capability", buf, sizeof(buf)));
	fd = must(open("file", O_WRONLY | O_CLOEXEC));
	must(write(fd, "x", 1));
	close(fd);
	fails("a write takes the capability, even root's", ENODATA,
	      getxattr("file", "security.capability", buf, sizeof(buf)));
	must(setxattr("file", "security.capability", capability, sizeof(capability), 0));
	must(truncate("file", 1));
	fails("truncation takes the capability", ENODATA,
	      getxattr("file", "security.capability", buf, sizeof(buf)));
	must(setxattr("file", "security.capability", capability, sizeof(capability), 0));
	must(chown("file", bob.uid, bob.gid));
	fails("a new owner takes the capability", ENODATA,
	      getxattr("file", "security.capability", buf, sizeof(buf)));
	become(&bob);
	fails("a user gives no capability", EPERM,
	      setxattr("file", "security.capability", capability, sizeof(capability), 0));
}

const group_fn setid_groups[] = {
	check_sticky, check_group_directories, check_chmod, check_dropping,
	check_owners, check_capabilities,      NULL,
};
