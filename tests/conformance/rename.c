/* SPDX-License-Identifier: Apache-2.0 */
/* rename(2) with all its flags: what replaces what, and what stays as it was. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "world.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

static int change(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

enum kind { NOTHING, PLAIN, EMPTY, FULL, LINK, FIFO };

static void prepare(const char *name, enum kind kind)
{
	char inner[64];

	switch (kind) {
	case NOTHING:
		break;
	case PLAIN:
		make_file(name, &root, 0644);
		break;
	case EMPTY:
		make_dir(name, &root, 0755);
		break;
	case FULL:
		make_dir(name, &root, 0755);
		snprintf(inner, sizeof(inner), "%s/inner", name);
		make_file(inner, &root, 0644);
		break;
	case LINK:
		must(symlink("nowhere", name));
		break;
	case FIFO:
		must(mkfifo(name, 0644));
		break;
	}
}

/* An error of -1 is observed only. */
static const struct {
	const char *sentence;
	enum kind from, to;
	unsigned int flags;
	int error;
} rows[] = {
	{ "a file gets another name", PLAIN, NOTHING, 0, 0 },
	{ "a directory gets another name", FULL, NOTHING, 0, 0 },
	{ "a symbolic link gets another name", LINK, NOTHING, 0, 0 },
	{ "a FIFO gets another name", FIFO, NOTHING, 0, 0 },
	{ "a file replaces a file", PLAIN, PLAIN, 0, 0 },
	{ "a file replaces a symbolic link", PLAIN, LINK, 0, 0 },
	{ "a file replaces a FIFO", PLAIN, FIFO, 0, 0 },
	{ "a symbolic link replaces a file", LINK, PLAIN, 0, 0 },
	{ "a FIFO replaces a file", FIFO, PLAIN, 0, 0 },
	{ "a file does not replace a directory", PLAIN, EMPTY, 0, EISDIR },
	{ "a symbolic link does not replace a directory", LINK, EMPTY, 0, EISDIR },
	{ "a FIFO does not replace a directory", FIFO, FULL, 0, EISDIR },
	{ "a directory does not replace a file", EMPTY, PLAIN, 0, ENOTDIR },
	{ "a directory does not replace a symbolic link", EMPTY, LINK, 0, ENOTDIR },
	{ "a directory does not replace a FIFO", FULL, FIFO, 0, ENOTDIR },
	{ "a directory replaces an empty directory", FULL, EMPTY, 0, 0 },
	{ "a directory does not replace one with content", EMPTY, FULL, 0, -1 },
	{ "what is missing gets no name", NOTHING, NOTHING, 0, ENOENT },
	{ "what is missing replaces nothing", NOTHING, PLAIN, 0, ENOENT },
	{ "a free name is taken with NOREPLACE", PLAIN, NOTHING, RENAME_NOREPLACE, 0 },
	{ "a file is not replaced with NOREPLACE", PLAIN, PLAIN, RENAME_NOREPLACE, EEXIST },
	{ "an empty directory is not replaced with NOREPLACE", FULL, EMPTY, RENAME_NOREPLACE,
	  EEXIST },
	{ "a dangling link is not replaced with NOREPLACE", PLAIN, LINK, RENAME_NOREPLACE, EEXIST },
	{ "what is missing stays so with NOREPLACE", NOTHING, NOTHING, RENAME_NOREPLACE, ENOENT },
	{ "files are exchanged", PLAIN, PLAIN, RENAME_EXCHANGE, 0 },
	{ "a file and a directory with content are exchanged", PLAIN, FULL, RENAME_EXCHANGE, 0 },
	{ "a directory and a symbolic link are exchanged", FULL, LINK, RENAME_EXCHANGE, 0 },
	{ "nothing is exchanged with a free name", PLAIN, NOTHING, RENAME_EXCHANGE, ENOENT },
	{ "what is missing is not exchanged", NOTHING, PLAIN, RENAME_EXCHANGE, ENOENT },
	{ "EXCHANGE and NOREPLACE exclude each other", PLAIN, PLAIN,
	  RENAME_EXCHANGE | RENAME_NOREPLACE, EINVAL },
	{ "EXCHANGE and WHITEOUT exclude each other", PLAIN, PLAIN,
	  RENAME_EXCHANGE | RENAME_WHITEOUT, EINVAL },
	{ "an unknown flag is refused", PLAIN, NOTHING, 0x80, EINVAL },
	{ "a whiteout is asked for", PLAIN, NOTHING, RENAME_WHITEOUT, -1 },
	{ "a whiteout is asked for where a file is replaced", PLAIN, PLAIN, RENAME_WHITEOUT, -1 },
	{ "a whiteout is asked for with NOREPLACE", PLAIN, PLAIN,
	  RENAME_WHITEOUT | RENAME_NOREPLACE, EEXIST },
};

static void check_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char place[16];
		int ret;

		snprintf(place, sizeof(place), "row%zu", i);
		make_dir(place, &root, 0755);
		must(chdir(place));
		prepare("from", rows[i].from);
		prepare("to", rows[i].to);
		ret = change("from", "to", rows[i].flags);
		if (rows[i].error < 0)
			observe(rows[i].sentence, ret);
		else if (rows[i].error > 0)
			fails(rows[i].sentence, rows[i].error, ret);
		else
			works(rows[i].sentence, ret);
		must(chdir(".."));
	}
}

static void check_results(void)
{
	long long inode;

	make_file("a", &root, 0640);
	put("a", "a\n");
	put("b", "b\n");
	inode = inode_of("a");
	must(rename("a", "b"));
	holds("the old name is gone", !exists("a"));
	reads("the new name has the content", "a\n", get("b"));
	holds("the inode stays the same", inode_of("b") == inode);
	modes_equal("the mode stays the same", 0640, mode_of("b"));
	put("c", "c\n");
	must(change("b", "c", RENAME_EXCHANGE));
	reads("an exchange gives the first name the second file", "c\n", get("b"));
	reads("an exchange gives the second name the first file", "a\n", get("c"));
	prepare("full", FULL);
	must(change("b", "full", RENAME_EXCHANGE));
	holds("an exchanged directory keeps its content", exists("b/inner"));
	reads("an exchanged file takes the directory's name", "c\n", get("full"));
	must(change("b", "renamed", RENAME_NOREPLACE));
	holds("a renamed directory keeps its content", exists("renamed/inner"));
	fails("a path through the old name is not found", ENOENT, try_open("b/inner", O_RDONLY, 0));
}

static void check_onto_itself(void)
{
	make_file("file", &root, 0644);
	make_dir("d", &root, 0755);
	must(link("file", "second"));
	works("a file is renamed to its own name", rename("file", "file"));
	works("a directory is renamed to its own name", rename("d", "d"));
	works("a file is renamed to its other name", rename("file", "second"));
	holds("its first name is still there", exists("file"));
	equals("it has two names still", 2, links_of("second"));
	works("a file is exchanged with itself", change("file", "file", RENAME_EXCHANGE));
	works("a file is exchanged with its other name", change("file", "second", RENAME_EXCHANGE));
	fails("its own name is taken for NOREPLACE", EEXIST,
	      change("file", "file", RENAME_NOREPLACE));
	must(symlink("file", "link"));
	works("a link is renamed to where it leads", rename("link", "file"));
	fails("and leads to itself then", ELOOP, try_open("file", O_RDONLY, 0));
}

static void check_trees(void)
{
	make_dir("a", &root, 0755);
	make_dir("a/b", &root, 0755);
	make_dir("a/b/c", &root, 0755);
	make_dir("other", &root, 0755);
	make_file("file", &root, 0644);
	fails("a directory does not move into itself", EINVAL, rename("a", "a/x"));
	fails("a directory does not move into its grandchild", EINVAL, rename("a", "a/b/c/x"));
	fails("a directory is not exchanged with its child", EINVAL,
	      change("a", "a/b", RENAME_EXCHANGE));
	observe("a directory replaces its parent", rename("a/b", "a"));
	fails("the working directory's dot is not renamed", EBUSY, rename(".", "x"));
	fails("nothing is renamed to dot", EBUSY, rename("a", "."));
	fails("dot dot is not renamed", EBUSY, rename("a/..", "x"));
	fails("nothing is renamed to dot dot", EBUSY, rename("file", "a/.."));
	works("a directory moves with a slash behind it", rename("other/", "moved/"));
	fails("a file has no slash behind it", ENOTDIR, rename("file/", "x"));
	fails("a file's new name has no slash behind it", ENOTDIR, rename("file", "x/"));
	fails("nothing moves below a file", ENOTDIR, rename("a", "file/x"));
	fails("nothing moves to a missing directory", ENOENT, rename("a", "missing/x"));
	fails("nothing gets an empty name", ENOENT, rename("a", ""));
	fails("nothing moves to another file system", EXDEV, rename("file", "/dev/shm/renamed"));
	works("a directory moves to another parent", rename("a/b", "moved/b"));
	holds("its child moved along", exists("moved/b/c"));
	holds("its dot dot is the new parent", inode_of("moved/b/..") == inode_of("moved"));
	observe_number("links of the parent it left", links_of("a"));
	observe_number("links of the parent it came to", links_of("moved"));
	works("a directory moves through a descriptor of its parent",
	      renameat(AT_FDCWD, "moved/b", AT_FDCWD, "a/b2"));
	fails("a file is no parent", ENOTDIR,
	      renameat(must(open("file", O_RDONLY | O_CLOEXEC)), "x", AT_FDCWD, "y"));
}

static void check_open_files(void)
{
	char text[8] = "";
	struct stat st;
	int moved, replaced, dir;

	make_file("file", &root, 0644);
	put("old", "old\n");
	make_dir("d", &root, 0755);
	make_dir("gone", &root, 0755);
	moved = must(open("file", O_RDWR | O_CLOEXEC));
	replaced = must(open("old", O_RDWR | O_CLOEXEC));
	dir = must(open("gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(rename("file", "old"));
	works("a file that moved is written", pwrite(moved, "new", 3, 0));
	reads("what is written is under the new name", "newt\n", get("old"));
	equals("a file that was replaced is read", 4, pread(replaced, text, 7, 0));
	must(fstat(replaced, &st));
	equals("a file that was replaced has no name", 0, (long)st.st_nlink);
	works("a file that was replaced is written", pwrite(replaced, "x", 1, 0));
	reads("the other file does not change with it", "newt\n", get("old"));
	must(rename("d", "gone"));
	fails("nothing is made in a directory that was replaced", ENOENT, mkdirat(dir, "x", 0755));
	must(rename("gone", "gone2"));
	close(dir);
	dir = must(open("gone2", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(rename("gone2", "gone3"));
	works("something is made in a directory that moved", mkdirat(dir, "x", 0755));
	holds("it is under the new name", exists("gone3/x"));
	close(moved);
	close(replaced);
	close(dir);
}

static void check_whiteout(void)
{
	struct stat st = { 0 };

	make_file("file", &root, 0644);
	if (change("file", "other", RENAME_WHITEOUT) == 0)
		must(lstat("file", &st));
	holds("a whiteout is a character device, if there are any",
	      !st.st_mode || S_ISCHR(st.st_mode));
	equals("a whiteout's device number is 0, if there are any", 0, (long)st.st_rdev);
	become(&alice);
	make_file("hers", &alice, 0644);
	observe("a user asks for a whiteout", change("hers", "hers2", RENAME_WHITEOUT));
}

static void check_sticky(void)
{
	make_dir("t", &root, 01777);
	make_file("t/alices", &alice, 0666);
	make_file("t/bobs", &bob, 0666);
	make_dir("t/dir", &alice, 0777);
	become(&bob);
	fails("another's file keeps its name in a sticky directory", EPERM,
	      rename("t/alices", "t/x"));
	fails("another's file does not move out of a sticky directory", EPERM,
	      rename("t/alices", "x"));
	fails("another's file is not replaced in a sticky directory", EPERM,
	      rename("t/bobs", "t/alices"));
	fails("files of two are not exchanged in a sticky directory", EPERM,
	      change("t/bobs", "t/alices", RENAME_EXCHANGE));
	fails("another's directory keeps its name in a sticky directory", EPERM,
	      rename("t/dir", "t/x"));
	works("one's own file is renamed in a sticky directory", rename("t/bobs", "t/x"));
	works("one's own file moves out of a sticky directory", rename("t/x", "t/dir/x"));
	become(&root);
	works("root renames in a sticky directory", rename("t/alices", "t/y"));
	make_dir("bobs", &bob, 01777);
	make_file("bobs/alices", &alice, 0600);
	become(&bob);
	works("the owner of a sticky directory renames anything in it",
	      rename("bobs/alices", "bobs/x"));
}

static void check_rights(void)
{
	make_dir("one", &alice, 0755);
	make_dir("two", &alice, 0755);
	make_dir("one/hers", &alice, 0755);
	make_dir("one/roots", &root, 0755);
	make_dir("closed", &bob, 0755);
	make_file("one/file", &root, 0000);
	become(&alice);
	works("another's file is renamed by who may write the directory",
	      rename("one/file", "one/f"));
	works("a directory of one's own moves", rename("one/hers", "two/hers"));
	fails("another's directory that cannot be written does not move", EACCES,
	      rename("one/roots", "two/roots"));
	works("it gets another name where it is", rename("one/roots", "one/r"));
	fails("nothing moves where one cannot write", EACCES, rename("one/f", "closed/f"));
	become(&root);
	works("root moves anything", rename("one/r", "closed/r"));
}

const group_fn rename_groups[] = {
	check_rows,	check_results, check_onto_itself, check_trees, check_open_files,
	check_whiteout, check_sticky,  check_rights,	  NULL,
};
