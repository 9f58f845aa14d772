/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories: every name once, whatever changes meanwhile, and positions in them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "world.h"

#define MANY 5000

static unsigned char seen[MANY];

static void make_many(const char *dir, int count)
{
	char name[32];

	make_dir(dir, &root, 0755);
	must(chdir(dir));
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		must(mknod(name, S_IFREG | 0600, 0));
	}
	must(chdir(".."));
}

/* Counts a name; how many names were seen that are none of the many, dots not counted. */
static int mark(const struct dirent *entry, int count)
{
	int i;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return 0;
	if (sscanf(entry->d_name, "name-%d", &i) != 1 || i < 0 || i >= count)
		return 1;
	seen[i]++;
	return 0;
}

static int count_seen(int count, unsigned char times)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		n += seen[i] == times;
	return n;
}

static void check_many(void)
{
	struct dirent *entry;
	int strangers = 0, removed = 0;
	DIR *dir;

	make_many("d", MANY);
	memset(seen, 0, sizeof(seen));
	dir = opendir("d");
	while (dir && (entry = readdir(dir)))
		strangers += mark(entry, MANY);
	equals("thousands of names are listed once each", MANY, count_seen(MANY, 1));
	equals("no other names are listed", 0, strangers);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	while ((entry = readdir(dir))) {
		mark(entry, MANY);
		removed += entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) == 0;
	}
	equals("names are listed once each while they are removed", MANY, count_seen(MANY, 1));
	equals("each is removed when it is listed", MANY, removed);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	while ((entry = readdir(dir)))
		mark(entry, MANY);
	equals("nothing is listed after that", MANY, count_seen(MANY, 0));
	closedir(dir);
	works("the directory is removed then", rmdir("d"));
}

static void check_changes(void)
{
	int half = 0, strangers = 0;
	struct dirent *entry;
	char path[300];
	DIR *dir;

	make_many("d", 600);
	memset(seen, 0, sizeof(seen));
	dir = opendir("d");
	while ((entry = readdir(dir)) && half++ < 300)
		mark(entry, 600);
	if (entry)
		mark(entry, 600);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "d/other-%d", i);
		must(try_open(path, O_CREAT | O_WRONLY, 0600));
	}
	while ((entry = readdir(dir)))
		strangers += mark(entry, 600);
	equals("names are listed once each while others are made", 600, count_seen(600, 1));
	holds("others are listed once at most", strangers <= 100);
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	strangers = 0;
	while ((entry = readdir(dir)))
		strangers += mark(entry, 600);
	equals("all others are listed from the start again", 100, strangers);
	equals("and all names", 600, count_seen(600, 1));
	must(rename("d/name-5", "d/other-5"));
	rewinddir(dir);
	strangers = 0;
	while ((entry = readdir(dir)))
		strangers += mark(entry, 600);
	equals("a renamed name is listed as the new one only", 100, strangers);
	equals("the old one is not listed again", 1, seen[5]);
	closedir(dir);
}

static void check_positions(void)
{
	char names[4][256] = { "" };
	struct dirent *entry;
	long place[4] = { 0 }, start;
	int total = 0;
	DIR *dir;

	make_many("d", 200);
	dir = opendir("d");
	start = telldir(dir);
	for (int i = 0; (entry = readdir(dir)); i++) {
		if (i % 60 == 10 && i / 60 < 4) {
			place[i / 60] = telldir(dir);
			entry = readdir(dir);
			i++;
			if (entry)
				snprintf(names[i / 60], sizeof(names[0]), "%s", entry->d_name);
		}
	}
	for (int i = 3; i >= 0; i--) {
		static const char *const sentences[] = { "the first of four places is found again",
							 "the second is found again",
							 "the third is found again",
							 "the last is found again" };

		seekdir(dir, place[i]);
		entry = readdir(dir);
		holds(sentences[i],
		      (entry && strcmp(entry->d_name, names[i]) == 0) || !names[i][0]);
	}
	seekdir(dir, start);
	while (readdir(dir))
		total++;
	equals("all is listed from the first place", 202, total);
	seekdir(dir, place[1]);
	must(unlinkat(dirfd(dir), names[1], 0));
	seekdir(dir, place[1]);
	entry = readdir(dir);
	holds("a place whose name was removed leads on", entry != NULL);
	closedir(dir);
}

static int type_of(const char *name)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	int type = -1;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, name) == 0)
			type = entry->d_type;
	if (dir)
		closedir(dir);
	return type;
}

static void check_entries(void)
{
	struct dirent *entry;
	struct stat st, up;
	bool inode = false;
	int dots = 0;
	DIR *dir;

	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	must(symlink("file", "link"));
	must(mkfifo("fifo", 0644));
	must(mknod("socket", S_IFSOCK | 0644, 0));
	must(mknod("char", S_IFCHR | 0644, 0x103));
	must(mknod("block", S_IFBLK | 0644, 0x700));
	equals("a file is listed as one", DT_REG, type_of("file"));
	equals("a directory is listed as one", DT_DIR, type_of("d"));
	equals("a symbolic link is listed as one", DT_LNK, type_of("link"));
	equals("a FIFO is listed as one", DT_FIFO, type_of("fifo"));
	equals("a socket is listed as one", DT_SOCK, type_of("socket"));
	equals("a character device is listed as one", DT_CHR, type_of("char"));
	equals("a block device is listed as one", DT_BLK, type_of("block"));
	equals("dot is listed", DT_DIR, type_of("."));
	equals("dot dot is listed", DT_DIR, type_of(".."));
	must(stat("file", &st));
	dir = opendir("d");
	must(stat("d", &up));
	while (dir && (entry = readdir(dir))) {
		dots += entry->d_name[0] == '.';
		if (strcmp(entry->d_name, ".") == 0)
			inode = entry->d_ino == up.st_ino;
	}
	equals("an empty directory lists two dots", 2, dots);
	holds("dot has the inode that stat tells", inode);
	closedir(dir);
	dir = opendir(".");
	inode = false;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, "file") == 0)
			inode = entry->d_ino == st.st_ino;
	holds("a name has the inode that stat tells", inode);
	closedir(dir);
}

static void check_calls(void)
{
	char buf[4096];
	int fd;

	make_file("file", &root, 0644);
	fd = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	fails("a buffer for no entry is refused", EINVAL, syscall(SYS_getdents64, fd, buf, 10));
	holds("a buffer is filled", syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	equals("the end is told", 0, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	equals("the end is told again", 0, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	equals("the start is sought", 0, lseek(fd, 0, SEEK_SET));
	holds("entries are there again", syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	fails("memory that is not there is not filled", EFAULT,
	      lseek(fd, 0, SEEK_SET) < 0 ? -1 : syscall(SYS_getdents64, fd, (void *)8, 4096));
	fails("a place before the start is refused", EINVAL, lseek(fd, -5, SEEK_SET));
	close(fd);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("a file has no entries", ENOTDIR, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
	fd = must(open(".", O_PATH | O_CLOEXEC));
	fails("O_PATH does not list", EBADF, syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	close(fd);
}

static void check_links(void)
{
	char name[16];

	make_dir("d", &root, 0755);
	observe_number("links of an empty directory", links_of("d"));
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		must(mkdir(name, 0755));
	}
	observe_number("links of a directory with five in it", links_of("d"));
	must(rmdir("d/0"));
	observe_number("links after one is removed", links_of("d"));
	must(rename("d/1", "moved"));
	observe_number("links after one has moved away", links_of("d"));
	fails("a directory that is full is not removed at once", ENOTEMPTY, rmdir("d"));
	observe_number("the size of a directory is not 0", size_of("d") > 0);
}

const group_fn dir_groups[] = {
	check_many, check_changes, check_positions, check_entries, check_calls, check_links, NULL,
};
