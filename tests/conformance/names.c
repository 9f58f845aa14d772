/* SPDX-License-Identifier: Apache-2.0 */
/* Names and paths: their lengths, their bytes, dots and slashes. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "world.h"

static void check_lengths(void)
{
	char name[300], other[300];
	struct stat st;

	memset(name, 'n', sizeof(name));
	memset(other, 'o', sizeof(other));
	name[255] = other[255] = '\0';
	works("a file with a name of 255 bytes", try_open(name, O_CREAT | O_WRONLY, 0644));
	works("it is found", stat(name, &st));
	works("it is renamed to another of 255 bytes", rename(name, other));
	works("a link with a name of 255 bytes", link(other, name));
	works("a name of 255 bytes is removed", unlink(name));
	works("a directory with a name of 255 bytes", mkdir(name, 0755));
	works("it is removed", rmdir(name));
	works("a symbolic link with a name of 255 bytes", symlink("x", name));
	must(unlink(name));
	works("a FIFO with a name of 255 bytes", mkfifo(name, 0644));
	name[255] = 'n';
	name[256] = '\0';
	fails("a file with a name of 256 bytes", ENAMETOOLONG,
	      try_open(name, O_CREAT | O_WRONLY, 0644));
	fails("stat with a name of 256 bytes", ENAMETOOLONG, stat(name, &st));
	fails("a directory with a name of 256 bytes", ENAMETOOLONG, mkdir(name, 0755));
	fails("a symbolic link with a name of 256 bytes", ENAMETOOLONG, symlink("x", name));
	fails("a hard link with a name of 256 bytes", ENAMETOOLONG, link(other, name));
	fails("a rename to a name of 256 bytes", ENAMETOOLONG, rename(other, name));
	fails("a FIFO with a name of 256 bytes", ENAMETOOLONG, mkfifo(name, 0644));
	fails("a removal of a name of 256 bytes", ENAMETOOLONG, unlink(name));
	fails("a removal of a directory's name of 256 bytes", ENAMETOOLONG, rmdir(name));
	name[5] = '\0';
	works("a short name follows", try_open(name, O_CREAT | O_WRONLY, 0644));
}

static void check_paths(void)
{
	char path[PATH_MAX + 2], part[201];
	struct stat st;
	size_t depth = 0;

	memset(part, 'p', 200);
	part[200] = '\0';
	for (; depth < 20; depth++) {
		if (mkdir(part, 0755) < 0 || chdir(part) < 0)
			break;
	}
	equals("directories are made deeper than a path is long", 20, (long long)depth);
	put("file", "deep\n");
	for (size_t i = 0; i < 20; i++)
		must(chdir(".."));
	path[0] = '\0';
	for (int i = 0; i < 20; i++)
		sprintf(path + 201L * i, "%s/", part);
	strcpy(path + 4020, "file");
	reads("a path of 4024 bytes is read", "deep\n", get(path));
	memset(path + 4020, '/', 76);
	strcpy(path + 4091, "file");
	works("a path of 4095 bytes is found", stat(path, &st));
	path[4091] = '/';
	strcpy(path + 4092, "file");
	fails("a path of 4096 bytes is too long", ENAMETOOLONG, stat(path, &st));
	fails("nothing is made with a path of 4096 bytes", ENAMETOOLONG, mkdir(path, 0755));
	strcpy(path + 4019, "/../");
	works("dot dot leads up at the end of a long path", stat(path, &st));
}

static int count_name(const char *wanted)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += strcmp(entry->d_name, wanted) == 0;
	if (dir)
		closedir(dir);
	return n;
}

static const struct {
	const char *kind;
	const char *name;
} rows[] = {
	{ "bytes that are no UTF-8", "\xff\xfe\x80" },
	{ "half a character of UTF-8", "a\xc3" },
	{ "control characters", "\x01\x02\x1b[31m\x7f" },
	{ "a line's end", "two\nlines" },
	{ "a blank alone", " " },
	{ "blanks around", " x " },
	{ "a backslash", "back\\slash" },
	{ "three dots", "..." },
	{ "a dot before", ".hidden" },
	{ "two dots before", "..hidden" },
	{ "a dot behind", "name." },
	{ "a colon", "a:b" },
	{ "a star and a question", "*?" },
	{ "a dash before", "-rf" },
	{ "quotes", "'\"`" },
	{ "a composed letter", "\xc3\xa9" },
	{ "a letter and its accent", "e\xcc\x81" },
	{ "four bytes of UTF-8", "\xf0\x9f\x90\xa7" },
	{ "letters that are large", "CASE" },
	{ "letters that are small", "case" },
	{ "what a silly rename looks like", ".fuse_hidden0001" },
	{ "a number", "0" },
};

static void check_bytes(void)
{
	char sentence[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(sentence, sizeof(sentence), "a name with %s is made", rows[i].kind);
		works(sentence, try_open(rows[i].name, O_CREAT | O_EXCL | O_WRONLY, 0644));
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(sentence, sizeof(sentence), "a name with %s is listed once", rows[i].kind);
		equals(sentence, 1, count_name(rows[i].name));
		snprintf(sentence, sizeof(sentence), "a name with %s is removed", rows[i].kind);
		works(sentence, unlink(rows[i].name));
	}
}

static void check_dots(void)
{
	struct stat st, here;

	make_dir("d", &root, 0755);
	make_file("file", &root, 0644);
	must(stat("d", &here));
	works("dot is the directory", stat("d/.", &st));
	holds("dot has the directory's inode", st.st_ino == here.st_ino);
	must(stat("d/../d", &st));
	holds("dot dot leads back", st.st_ino == here.st_ino);
	must(stat("d//.//./../././/d/", &st));
	holds("slashes and dots add nothing", st.st_ino == here.st_ino);
	fails("dot is not made", EEXIST, mkdir("d/.", 0755));
	fails("dot dot is not made", EEXIST, mkdir("d/..", 0755));
	fails("dot is no file to make", EISDIR, try_open("d/.", O_CREAT | O_WRONLY, 0644));
	fails("dot is not linked", EEXIST, link("file", "d/."));
	fails("dot is not removed as a file", EISDIR, unlink("d/."));
	fails("an empty path is not found", ENOENT, stat("", &st));
	works("an empty path is the descriptor's on demand",
	      fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	fails("a file has no dot", ENOTDIR, stat("file/.", &st));
	fails("a file has no dot dot", ENOTDIR, stat("file/..", &st));
	fails("a file has no slash behind it", ENOTDIR, stat("file/", &st));
	works("a directory has a slash behind it", stat("d/", &st));
	works("a directory is made with a slash behind it", mkdir("e/", 0755));
	works("a directory is made with many slashes before it", mkdir("e////f", 0755));
	fails("a file is not made with a slash behind it", EISDIR,
	      try_open("g/", O_CREAT | O_WRONLY, 0644));
	fails("a directory is not made again", EEXIST, mkdir("d", 0755));
	fails("a directory is not made where a file is", EEXIST, mkdir("file", 0755));
	fails("a directory is not made where none is", ENOENT, mkdir("missing/x", 0755));
	fails("a directory is not made below a file", ENOTDIR, mkdir("file/x", 0755));
}

const group_fn name_groups[] = { check_lengths, check_paths, check_bytes, check_dots, NULL };
