/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: values, names, name spaces, limits and rights. */
#include <errno.h>
#include <limits.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "world.h"

static char value[XATTR_SIZE_MAX + 1];

static void check_values(void)
{
	char buf[64];

	make_file("file", &root, 0644);
	fails("what was never set is not there", ENODATA, getxattr("file", "user.a", buf, 64));
	works("a value is set", setxattr("file", "user.a", "one", 3, 0));
	equals("its length is told", 3, getxattr("file", "user.a", NULL, 0));
	equals("it is read", 3, getxattr("file", "user.a", buf, sizeof(buf)));
	holds("it is as set", memcmp(buf, "one", 3) == 0);
	fails("a buffer too small is refused", ERANGE, getxattr("file", "user.a", buf, 2));
	equals("a buffer of the exact size is enough", 3, getxattr("file", "user.a", buf, 3));
	works("a value is replaced", setxattr("file", "user.a", "longer", 6, 0));
	equals("it has its new length", 6, getxattr("file", "user.a", buf, sizeof(buf)));
	works("a value becomes shorter", setxattr("file", "user.a", "x", 1, 0));
	equals("it has its shorter length", 1, getxattr("file", "user.a", buf, sizeof(buf)));
	works("an empty value is set", setxattr("file", "user.empty", "", 0, 0));
	equals("an empty value is there", 0, getxattr("file", "user.empty", buf, sizeof(buf)));
	works("zeros are a value", setxattr("file", "user.zeros", "\0\0\0", 3, 0));
	equals("zeros are counted", 3, getxattr("file", "user.zeros", buf, sizeof(buf)));
	works("a value is removed", removexattr("file", "user.a"));
	fails("it is gone", ENODATA, getxattr("file", "user.a", buf, sizeof(buf)));
	fails("it is not removed twice", ENODATA, removexattr("file", "user.a"));
	fails("a missing file has no attributes", ENOENT, getxattr("missing", "user.a", buf, 1));
}

static void check_flags(void)
{
	make_file("file", &root, 0644);
	fails("XATTR_REPLACE needs a value", ENODATA,
	      setxattr("file", "user.a", "x", 1, XATTR_REPLACE));
	works("XATTR_CREATE sets a value", setxattr("file", "user.a", "x", 1, XATTR_CREATE));
	fails("XATTR_CREATE refuses a second", EEXIST,
	      setxattr("file", "user.a", "y", 1, XATTR_CREATE));
	works("XATTR_REPLACE replaces", setxattr("file", "user.a", "zz", 2, XATTR_REPLACE));
	equals("it is replaced", 2, getxattr("file", "user.a", NULL, 0));
	fails("an unknown flag is refused", EINVAL, setxattr("file", "user.a", "x", 1, 0x10));
	observe("both flags for what is there",
		setxattr("file", "user.a", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	observe("both flags for what is not there",
		setxattr("file", "user.b", "x", 1, XATTR_CREATE | XATTR_REPLACE));
}

static void check_names(void)
{
	char name[300] = "user.";

	make_file("file", &root, 0644);
	memset(name + 5, 'n', 250);
	name[255] = '\0';
	works("a name of 255 bytes is set", setxattr("file", name, "x", 1, 0));
	equals("a name of 255 bytes is read", 1, getxattr("file", name, NULL, 0));
	name[255] = 'n';
	name[256] = '\0';
	fails("a name of 256 bytes is refused", ERANGE, setxattr("file", name, "x", 1, 0));
	fails("a name of 256 bytes is not read", ERANGE, getxattr("file", name, NULL, 0));
	fails("an empty name is refused", ERANGE, setxattr("file", "", "x", 1, 0));
	fails("a name without a space is refused", EOPNOTSUPP, setxattr("file", "a", "x", 1, 0));
	fails("an unknown space is refused", EOPNOTSUPP, setxattr("file", "unknown.a", "x", 1, 0));
	fails("a space alone is no name", EINVAL, setxattr("file", "user.", "x", 1, 0));
	works("a name may be any bytes", setxattr("file", "user.\xff \x01\n", "x", 1, 0));
	equals("a name of any bytes is read", 1, getxattr("file", "user.\xff \x01\n", NULL, 0));
	works("names differ by case", setxattr("file", "user.Case", "x", 1, 0));
	fails("names of another case are others", ENODATA, getxattr("file", "user.case", NULL, 0));
	works("a name has dots", setxattr("file", "user.a.b.c", "x", 1, 0));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the user space in the order of the alphabet. */
static const char *list(const char *path)
{
	static char text[2000];
	char buf[1000], *names[100];
	ssize_t size = listxattr(path, buf, sizeof(buf));
	size_t n = 0;

	text[0] = '\0';
	for (char *p = buf; size > 0 && p < buf + size && n < 100; p += strlen(p) + 1)
		if (strncmp(p, "user.", 5) == 0)
			names[n++] = p;
	qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++) {
		strcat(text, names[i] + 5);
		strcat(text, " ");
	}
	return text;
}

static void check_lists(void)
{
	char buf[100];

	make_file("file", &root, 0644);
	equals("a new file has an empty list", 0, listxattr("file", buf, sizeof(buf)));
	must(setxattr("file", "user.b", "x", 1, 0));
	must(setxattr("file", "user.a", "x", 1, 0));
	must(setxattr("file", "user.c", "x", 1, 0));
	reads("the list has all names", "a b c ", list("file"));
	equals("the length of the list is told", 21, listxattr("file", NULL, 0));
	fails("a buffer too small for the list is refused", ERANGE, listxattr("file", buf, 20));
	equals("a buffer of the list's size is enough", 21, listxattr("file", buf, 21));
	must(removexattr("file", "user.b"));
	reads("a removed name is not in the list", "a c ", list("file"));
	must(link("file", "second"));
	reads("a second name has the same list", "a c ", list("second"));
	must(rename("file", "moved"));
	reads("a moved file has the same list", "a c ", list("moved"));
	put("moved", "");
	reads("truncation leaves the list", "a c ", list("moved"));
	make_file("copy", &root, 0644);
	reads("a new file does not have it", "", list("copy"));
}

static void check_sizes(void)
{
	char *buf = malloc(sizeof(value));

	make_file("file", &root, 0644);
	memset(value, 'v', sizeof(value));
	works("a value of 1000 bytes is set", setxattr("file", "user.a", value, 1000, 0));
	equals("a value of 1000 bytes is read", 1000,
	       getxattr("file", "user.a", buf, sizeof(value)));
	holds("a value of 1000 bytes is as set", memcmp(buf, value, 1000) == 0);
	observe("a value of 3900 bytes", setxattr("file", "user.a", value, 3900, 0));
	observe_number("the length of 3900 bytes", getxattr("file", "user.a", NULL, 0));
	observe("a value of 16000 bytes", setxattr("file", "user.b", value, 16000, 0));
	observe("a value of 65535 bytes", setxattr("file", "user.c", value, 65535, 0));
	observe("a value of 65536 bytes", setxattr("file", "user.d", value, 65536, 0));
	observe_number("the length of 65536 bytes", getxattr("file", "user.d", NULL, 0));
	fails("a value of 65537 bytes is refused", E2BIG,
	      setxattr("file", "user.e", value, 65537, 0));
	observe_number("the length read into a large buffer",
		       getxattr("file", "user.d", buf, sizeof(value)));
	free(buf);
}

static void check_many(void)
{
	char name[32];
	int set = 0, got = 0;

	make_file("file", &root, 0644);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		set += setxattr("file", name, name, strlen(name), 0) == 0;
	}
	equals("forty values are set", 40, set);
	for (int i = 0; i < 40; i++) {
		char buf[32];

		snprintf(name, sizeof(name), "user.name-%d", i);
		got += getxattr("file", name, buf, sizeof(buf)) == (ssize_t)strlen(name);
	}
	equals("forty values are read", 40, got);
	for (int i = 0; i < 40; i += 2) {
		snprintf(name, sizeof(name), "user.name-%d", i);
		set -= removexattr("file", name) == 0;
	}
	equals("twenty values are removed", 20, set);
	observe_number("the length of twenty names", listxattr("file", NULL, 0));
}

static void check_kinds(void)
{
	char buf[16];
	int fd;

	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	must(symlink("file", "link"));
	must(mkfifo("fifo", 0644));
	works("a directory has attributes", setxattr("d", "user.a", "dir", 3, 0));
	equals("a directory's attribute is read", 3, getxattr("d", "user.a", buf, sizeof(buf)));
	works("a link is followed", setxattr("link", "user.a", "x", 1, 0));
	equals("the file has it", 1, getxattr("file", "user.a", buf, sizeof(buf)));
	fails("a link has no user attributes", EPERM, lsetxattr("link", "user.b", "x", 1, 0));
	observe("a link's user attribute is read", lgetxattr("link", "user.a", buf, sizeof(buf)));
	equals("a link's list is empty", 0, llistxattr("link", buf, sizeof(buf)));
	fails("a FIFO has no user attributes", EPERM, setxattr("fifo", "user.a", "x", 1, 0));
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	works("an attribute is set through a descriptor for reading",
	      fsetxattr(fd, "user.fd", "x", 1, 0));
	equals("it is read through the descriptor", 1, fgetxattr(fd, "user.fd", buf, 16));
	works("it is removed through the descriptor", fremovexattr(fd, "user.fd"));
	must(unlink("file"));
	works("a file without a name has attributes", fsetxattr(fd, "user.gone", "x", 1, 0));
	equals("they are read", 1, fgetxattr(fd, "user.gone", buf, 16));
	close(fd);
	fd = must(open("d", O_PATH | O_CLOEXEC));
	fails("O_PATH sets no attribute", EBADF, fsetxattr(fd, "user.a", "x", 1, 0));
	close(fd);
}

static void check_rights(void)
{
	char buf[16];

	make_file("file", &alice, 0640);
	make_dir("sticky", &root, 01777);
	become(&alice);
	works("the owner sets an attribute", setxattr("file", "user.a", "x", 1, 0));
	must(chmod("file", 0040));
	fails("the owner needs write to set", EACCES, setxattr("file", "user.a", "x", 1, 0));
	fails("the owner needs write to remove", EACCES, removexattr("file", "user.a"));
	fails("the owner needs read to read", EACCES, getxattr("file", "user.a", buf, 16));
	works("names are listed without read", listxattr("file", buf, sizeof(buf)));
	must(chmod("file", 0604));
	become(&bob);
	works("others read with read", getxattr("file", "user.a", buf, sizeof(buf)));
	fails("others do not set without write", EACCES, setxattr("file", "user.a", "x", 1, 0));
	fails("others do not mark a sticky directory", EPERM,
	      setxattr("sticky", "user.a", "x", 1, 0));
	become(&root);
	must(chmod("file", 0));
	works("root sets whatever the mode", setxattr("file", "user.a", "x", 1, 0));
}

static void check_spaces(void)
{
	char buf[100];

	make_file("file", &alice, 0666);
	observe("root sets a trusted attribute", setxattr("file", "trusted.a", "x", 1, 0));
	observe("root reads a trusted attribute", getxattr("file", "trusted.a", buf, 100));
	observe("root sets a security attribute", setxattr("file", "security.a", "x", 1, 0));
	observe("root reads a security attribute", getxattr("file", "security.a", buf, 100));
	observe("a system attribute is set", setxattr("file", "system.a", "x", 1, 0));
	observe("a btrfs property is set", setxattr("file", "btrfs.compression", "zstd", 4, 0));
	become(&alice);
	fails("a user sets no trusted attribute", EPERM, setxattr("file", "trusted.b", "x", 1, 0));
	fails("a user sees no trusted attribute", ENODATA,
	      getxattr("file", "trusted.a", buf, sizeof(buf)));
	fails("a user sets no security attribute", EPERM,
	      setxattr("file", "security.b", "x", 1, 0));
	fails("a user removes no security attribute", EPERM, removexattr("file", "security.a"));
}

const group_fn xattr_groups[] = {
	check_values, check_flags, check_names,	 check_lists,  check_sizes,
	check_many,   check_kinds, check_rights, check_spaces, NULL,
};
