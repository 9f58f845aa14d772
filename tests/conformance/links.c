/* SPDX-License-Identifier: Apache-2.0 */
/* Hard links and symbolic links: names of the same file, loops, and what follows a link. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "world.h"

#define MANY_LINKS 300

static void check_hard_links(void)
{
	make_file("file", &root, 0644);
	works("a file gets a second name", link("file", "second"));
	holds("both names lead to one inode", inode_of("file") == inode_of("second"));
	put("second", "other\n");
	reads("what is written under one name is read under the other", "other\n", get("file"));
	must(chmod("second", 0600));
	modes_equal("the mode changes under both names", 0600, mode_of("file"));
	equals("two names are counted", 2, links_of("file"));
	must(unlink("file"));
	equals("one name is counted after one is gone", 1, links_of("second"));
	reads("the other name still leads to the content", "other\n", get("second"));
	make_dir("d", &root, 0755);
	works("a name in another directory", link("second", "d/third"));
	fails("a directory gets no second name", EPERM, link("d", "d2"));
	fails("no name is given to what is missing", ENOENT, link("missing", "name"));
	fails("an existing name is not replaced by a link", EEXIST, link("second", "d/third"));
	fails("an existing directory is not replaced by a link", EEXIST, link("second", "d"));
	fails("no link below what is no directory", ENOTDIR, link("second", "second/x"));
	fails("no link in a missing directory", ENOENT, link("second", "missing/x"));
	fails("no link to an empty name", ENOENT, link("", "name"));
	fails("no link across file systems", EXDEV, link("second", "/dev/shm/second"));
}

static void check_many_links(void)
{
	char name[32];
	int made = 0;

	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	for (int i = 0; i < MANY_LINKS; i++) {
		snprintf(name, sizeof(name), "d/link-%d", i);
		made += link("file", name) == 0;
	}
	equals("hundreds of links are made", MANY_LINKS, made);
	equals("hundreds of links are counted", MANY_LINKS + 1, links_of("file"));
	put("d/link-123", "changed\n");
	reads("the last of hundreds of links has what was written to one", "changed\n",
	      get("d/link-299"));
	for (int i = 0; i < MANY_LINKS; i++) {
		snprintf(name, sizeof(name), "d/link-%d", i);
		made -= unlink(name) == 0;
	}
	equals("hundreds of links are removed", 0, made);
	equals("the first name remains", 1, links_of("file"));
}

static void check_link_kinds(void)
{
	make_file("file", &root, 0644);
	must(symlink("file", "link"));
	works("a symbolic link gets a second name", link("link", "link2"));
	equals("the symbolic link has two names", 2, links_of("link"));
	equals("the file it leads to has one", 1, links_of("file"));
	works("a link is followed on demand",
	      linkat(AT_FDCWD, "link", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	equals("the file got the name", 2, links_of("file"));
	must(mkfifo("fifo", 0644));
	works("a FIFO gets a second name", link("fifo", "fifo2"));
	equals("a FIFO's names are counted", 2, links_of("fifo2"));
	fails("an unknown flag is refused", EINVAL,
	      linkat(AT_FDCWD, "file", AT_FDCWD, "x", AT_REMOVEDIR));
	fails("a dangling link is not followed to a file", ENOENT,
	      symlink("missing", "dangling") < 0
		      ? -1
		      : linkat(AT_FDCWD, "dangling", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
}

static void check_foreign_links(void)
{
	make_file("readable", &alice, 0644);
	make_file("writable", &alice, 0666);
	become(&bob);
	observe("a link to another's file that is only readable", link("readable", "r"));
	works("a link to another's file that is writable", link("writable", "w"));
	equals("the linked file keeps its owner", alice.uid, uid_of("writable"));
}

static void check_targets(void)
{
	char target[PATH_MAX + 2], text[64];

	make_file("file", &root, 0644);
	works("a symbolic link is made", symlink("file", "link"));
	equals("its size is the target's length", 4, size_of("link"));
	equals("its target is read", 4, readlink("link", text, sizeof(text)));
	holds("its target is as given", memcmp(text, "file", 4) == 0);
	equals("a small buffer gets the start of the target", 2, readlink("link", text, 2));
	fails("what is no link is not read as one", EINVAL, readlink("file", text, 9));
	fails("a missing link is not read", ENOENT, readlink("missing", text, 9));
	fails("a link to nothing is not made", ENOENT, symlink("", "empty"));
	fails("a link does not replace a name", EEXIST, symlink("file", "link"));
	memset(target, 'x', sizeof(target));
	target[1000] = '\0';
	works("a target of 1000 bytes is kept", symlink(target, "long"));
	equals("its 1000 bytes are told", 1000, size_of("long"));
	target[1000] = 'x';
	target[4095] = '\0';
	observe("a target of 4095 bytes", symlink(target, "longest"));
	observe_number("the size of a link of 4095 bytes", size_of("longest"));
	target[4095] = 'x';
	target[4096] = '\0';
	fails("a target of 4096 bytes is too long", ENAMETOOLONG, symlink(target, "longer"));
	works("a target may be any bytes", symlink("\xff\x01 /*", "bytes"));
	equals("any bytes are read", 5, readlink("bytes", text, sizeof(text)));
	holds("any bytes are as given", memcmp(text, "\xff\x01 /*", 5) == 0);
	modes_equal("a symbolic link has all permissions", 0777, mode_of("bytes"));
}

static void check_following(void)
{
	struct stat st;

	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	must(symlink("file", "link"));
	must(symlink("d", "dlink"));
	reads("what a link leads to is read", "text\n", get("link"));
	must(chmod("link", 0600));
	modes_equal("chmod follows a link", 0600, mode_of("file"));
	must(lchown("link", bob.uid, bob.gid));
	equals("lchown changes the link", bob.uid, uid_of("link"));
	equals("lchown leaves the file", 0, uid_of("file"));
	must(chown("link", alice.uid, alice.gid));
	equals("chown follows a link", alice.uid, uid_of("file"));
	must(truncate("link", 2));
	equals("truncate follows a link", 2, size_of("file"));
	works("a file is made through a link to its directory",
	      try_open("dlink/new", O_CREAT | O_WRONLY, 0644));
	holds("it is in the directory", exists("d/new"));
	fails("rmdir does not follow a link", ENOTDIR, rmdir("dlink"));
	fails("rmdir does not follow a link with a slash", ENOTDIR, rmdir("dlink/"));
	works("stat follows a link with a slash", stat("dlink/", &st));
	fails("a link to a file has no slash", ENOTDIR, stat("link/", &st));
	works("a link is removed", unlink("link"));
	holds("what it led to stays", exists("file"));
	must(symlink("../file", "d/up"));
	reads("a target starts where the link is", "te", get("d/up"));
	must(rename("d", "moved"));
	reads("a moved link leads on", "te", get("moved/up"));
	fails("a link to a moved name dangles", ENOENT, stat("dlink", &st));
}

static void check_dangling(void)
{
	struct stat st;

	must(symlink("missing", "dangling"));
	fails("stat of a dangling link finds nothing", ENOENT, stat("dangling", &st));
	works("lstat of a dangling link finds it", lstat("dangling", &st));
	fails("a dangling link is not opened", ENOENT, try_open("dangling", O_RDONLY, 0));
	fails("O_EXCL does not go through a dangling link", EEXIST,
	      try_open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	fails("mkdir does not go through a dangling link", EEXIST, mkdir("dangling", 0755));
	works("O_CREAT goes through a dangling link",
	      try_open("dangling", O_CREAT | O_WRONLY, 0640));
	modes_equal("the file it led to is made", 0640, mode_of("missing"));
	must(symlink("no/where", "dangling2"));
	fails("O_CREAT makes no directories", ENOENT,
	      try_open("dangling2", O_CREAT | O_WRONLY, 0640));
	works("a dangling link is renamed", rename("dangling2", "dangling3"));
	works("a dangling link is removed", unlink("dangling3"));
}

static void check_loops(void)
{
	char name[16], target[16];
	struct stat st;

	must(symlink("b", "a"));
	must(symlink("a", "b"));
	must(symlink("self", "self"));
	fails("two links in a circle lead nowhere", ELOOP, stat("a", &st));
	fails("a circle is not opened", ELOOP, try_open("b", O_RDONLY, 0));
	fails("nothing is made through a circle", ELOOP, try_open("a", O_CREAT | O_WRONLY, 0644));
	fails("a link to itself leads nowhere", ELOOP, stat("self", &st));
	fails("a name below a circle is not found", ELOOP, stat("self/x", &st));
	fails("a circle does not change its mode", ELOOP, chmod("self", 0600));
	works("a link to itself is removed", unlink("self"));
	make_file("n0", &root, 0644);
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(target, sizeof(target), "n%d", i - 1);
		must(symlink(target, name));
	}
	works("40 links in a row lead on", stat("n40", &st));
	fails("41 links in a row are too many", ELOOP, stat("n41", &st));
}

const group_fn link_groups[] = {
	check_hard_links,    check_many_links, check_link_kinds,
	check_foreign_links, check_targets,    check_following,
	check_dangling,	     check_loops,      NULL,
};
