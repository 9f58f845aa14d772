/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs: whom they let do what, how they and the mode follow each other, inheritance. */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "world.h"

#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

/* The form of an ACL as an attribute. */
struct entry {
	uint16_t tag, bits;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct entry entries[10];
};

enum { U_OBJ = 1, U = 2, G_OBJ = 4, G = 8, MASK = 0x10, OTHER = 0x20 };

#define NO_ID	     0xffffffffU
/* Always with an end; an ACL of five entries at most is written in place. */
#define ENTRIES(...) ((const struct entry[6]){ __VA_ARGS__ })

static int set_acl(const char *path, const char *name, const struct entry *entries)
{
	struct acl acl = { htole32(2), { { 0 } } };
	size_t n = 0;

	for (; entries[n].tag; n++) {
		acl.entries[n].tag = htole16(entries[n].tag);
		acl.entries[n].bits = htole16(entries[n].bits);
		acl.entries[n].id = htole32(entries[n].id);
	}
	return setxattr(path, name, &acl, 4 + 8 * n, 0);
}

/* "u7 u1001:5 g4 m7 o0", or the error's name. */
static const char *acl_text(const char *path, const char *name)
{
	static char text[200];
	struct acl acl;
	ssize_t size = getxattr(path, name, &acl, sizeof(acl));
	size_t at = 0;

	text[0] = '\0';
	if (size < 0)
		return strerrorname_np(errno);
	for (size_t i = 0; i < ((size_t)size - 4) / 8; i++) {
		const struct entry *e = &acl.entries[i];
		uint16_t tag = le16toh(e->tag);
		char kind = tag & (U_OBJ | U)	? 'u'
			    : tag & (G_OBJ | G) ? 'g'
			    : tag & MASK	? 'm'
						: 'o';
		char id[12] = "";

		if (tag & (U | G))
			snprintf(id, sizeof(id), "%u:", le32toh(e->id));
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%c%s%d", i ? " " : "", kind,
				       id, le16toh(e->bits));
	}
	return text;
}

static const struct {
	const char *sentence;
	struct entry entries[7];
	const struct actor *who;
	int flags;
	int error;
} rows[] = {
	{ "a named user reads",
	  { { U_OBJ, 6, NO_ID },
	    { U, 4, 1002 },
	    { G_OBJ, 0, NO_ID },
	    { MASK, 7, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &bob,
	  O_RDONLY,
	  0 },
	{ "a named user does not write with read alone",
	  { { U_OBJ, 6, NO_ID },
	    { U, 4, 1002 },
	    { G_OBJ, 6, NO_ID },
	    { MASK, 7, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &bob,
	  O_WRONLY,
	  EACCES },
	{ "the mask bounds a named user",
	  { { U_OBJ, 6, NO_ID },
	    { U, 6, 1002 },
	    { G_OBJ, 6, NO_ID },
	    { MASK, 4, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &bob,
	  O_RDWR,
	  EACCES },
	{ "the mask leaves others alone",
	  { { U_OBJ, 6, NO_ID },
	    { U, 6, 1009 },
	    { G_OBJ, 6, NO_ID },
	    { MASK, 0, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &bob,
	  O_RDWR,
	  0 },
	{ "the mask leaves the owner alone",
	  { { U_OBJ, 6, NO_ID },
	    { U, 6, 1009 },
	    { G_OBJ, 6, NO_ID },
	    { MASK, 0, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &alice,
	  O_RDWR,
	  0 },
	{ "the owner is not a named user",
	  { { U_OBJ, 0, NO_ID },
	    { U, 7, 1001 },
	    { G_OBJ, 7, NO_ID },
	    { MASK, 7, NO_ID },
	    { OTHER, 7, NO_ID } },
	  &alice,
	  O_RDONLY,
	  EACCES },
	{ "a named group writes",
	  { { U_OBJ, 6, NO_ID },
	    { G_OBJ, 0, NO_ID },
	    { G, 6, TEAM },
	    { MASK, 6, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &carol,
	  O_RDWR,
	  0 },
	{ "a named group keeps out, whatever others may",
	  { { U_OBJ, 6, NO_ID },
	    { G_OBJ, 6, NO_ID },
	    { G, 0, TEAM },
	    { MASK, 6, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &carol,
	  O_RDONLY,
	  EACCES },
	{ "one of several groups is enough",
	  { { U_OBJ, 6, NO_ID },
	    { G_OBJ, 0, NO_ID },
	    { G, 0, 1003 },
	    { G, 4, TEAM },
	    { MASK, 7, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &carol,
	  O_RDONLY,
	  0 },
	{ "bits of two groups do not add up",
	  { { U_OBJ, 6, NO_ID },
	    { G_OBJ, 0, NO_ID },
	    { G, 2, 1003 },
	    { G, 4, TEAM },
	    { MASK, 7, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &carol,
	  O_RDWR,
	  EACCES },
	{ "the mask bounds a named group",
	  { { U_OBJ, 6, NO_ID },
	    { G_OBJ, 6, NO_ID },
	    { G, 6, TEAM },
	    { MASK, 4, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &carol,
	  O_WRONLY,
	  EACCES },
	{ "a named user counts before groups",
	  { { U_OBJ, 6, NO_ID },
	    { U, 0, 1003 },
	    { G_OBJ, 6, NO_ID },
	    { G, 6, TEAM },
	    { MASK, 6, NO_ID },
	    { OTHER, 6, NO_ID } },
	  &carol,
	  O_RDONLY,
	  EACCES },
	{ "who is not named is another",
	  { { U_OBJ, 6, NO_ID },
	    { U, 0, 1009 },
	    { G_OBJ, 0, NO_ID },
	    { G, 0, 2009 },
	    { MASK, 0, NO_ID },
	    { OTHER, 4, NO_ID } },
	  &carol,
	  O_RDONLY,
	  0 },
	{ "root reads and writes whatever the ACL says",
	  { { U_OBJ, 0, NO_ID },
	    { U, 0, 1009 },
	    { G_OBJ, 0, NO_ID },
	    { MASK, 0, NO_ID },
	    { OTHER, 0, NO_ID } },
	  &root,
	  O_RDWR,
	  0 },
};

static void check_access(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret;

		make_file("file", &alice, 0600);
		must(set_acl("file", ACCESS_ACL, rows[i].entries));
		become(rows[i].who);
		ret = try_open("file", rows[i].flags, 0);
		if (rows[i].error)
			fails(rows[i].sentence, rows[i].error, ret);
		else
			works(rows[i].sentence, ret);
		become(&root);
		must(unlink("file"));
	}
}

static void check_mode(void)
{
	make_file("file", &alice, 0640);
	fails("a new file has no ACL", ENODATA, getxattr("file", ACCESS_ACL, NULL, 0));
	works("a file gets an ACL",
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { U, 5, 1002 }, { G_OBJ, 4, NO_ID },
			      { MASK, 6, NO_ID }, { OTHER, 1, NO_ID })));
	reads("the ACL is told", "u7 u1002:5 g4 m6 o1", acl_text("file", ACCESS_ACL));
	modes_equal("the mode shows the mask for the group", 0761, mode_of("file"));
	must(chmod("file", 0624));
	reads("chmod changes the mask, not the group", "u6 u1002:5 g4 m2 o4",
	      acl_text("file", ACCESS_ACL));
	modes_equal("the mode is as set", 0624, mode_of("file"));
	become(&bob);
	fails("a named user is bounded by chmod", EACCES, try_open("file", O_RDONLY, 0));
	become(&root);
	must(chmod("file", 0670));
	become(&bob);
	works("a named user is let in by chmod", try_open("file", O_RDONLY, 0));
	become(&root);
	works("a minimal ACL is set",
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 6, NO_ID }, { G_OBJ, 5, NO_ID }, { OTHER, 2, NO_ID })));
	modes_equal("it is nothing but a mode", 0652, mode_of("file"));
	fails("it is not kept as an ACL", ENODATA, getxattr("file", ACCESS_ACL, NULL, 0));
}

static void check_removal(void)
{
	make_file("file", &alice, 0640);
	must(set_acl("file", ACCESS_ACL,
		     ENTRIES({ U_OBJ, 6, NO_ID }, { U, 5, 1002 }, { G_OBJ, 4, NO_ID },
			     { MASK, 6, NO_ID }, { OTHER, 0, NO_ID })));
	works("an ACL is removed", removexattr("file", ACCESS_ACL));
	fails("it is gone", ENODATA, getxattr("file", ACCESS_ACL, NULL, 0));
	observe_number("the mode after the removal", mode_of("file"));
	observe("an ACL that is not there is removed", removexattr("file", ACCESS_ACL));
	must(set_acl("file", ACCESS_ACL,
		     ENTRIES({ U_OBJ, 6, NO_ID }, { G_OBJ, 4, NO_ID }, { MASK, 4, NO_ID },
			     { OTHER, 0, NO_ID })));
	become(&bob);
	fails("another user does not remove an ACL", EPERM, removexattr("file", ACCESS_ACL));
	fails("another user does not set an ACL", EPERM,
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { G_OBJ, 7, NO_ID }, { OTHER, 7, NO_ID })));
	become(&alice);
	works("the owner sets an ACL",
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { U, 7, 1002 }, { G_OBJ, 7, NO_ID },
			      { MASK, 7, NO_ID }, { OTHER, 7, NO_ID })));
}

static void check_refusals(void)
{
	make_file("file", &root, 0640);
	make_dir("d", &root, 0755);
	fails("a file has no default ACL", EACCES,
	      set_acl("file", DEFAULT_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { G_OBJ, 7, NO_ID }, { OTHER, 7, NO_ID })));
	fails("a named user needs a mask", EINVAL,
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { U, 7, 1002 }, { G_OBJ, 7, NO_ID },
			      { OTHER, 7, NO_ID })));
	fails("an ACL needs entries for others", EINVAL,
	      set_acl("file", ACCESS_ACL, ENTRIES({ U_OBJ, 7, NO_ID }, { G_OBJ, 7, NO_ID })));
	fails("entries stand in their order", EINVAL,
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ G_OBJ, 7, NO_ID }, { U_OBJ, 7, NO_ID }, { OTHER, 7, NO_ID })));
	fails("there are three permission bits", EINVAL,
	      set_acl("file", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 8, NO_ID }, { G_OBJ, 7, NO_ID }, { OTHER, 7, NO_ID })));
	fails("an ACL of no form is refused", EINVAL, setxattr("file", ACCESS_ACL, "xyz", 3, 0));
	fails("an unknown version is refused", EOPNOTSUPP,
	      setxattr("file", ACCESS_ACL, "\3\0\0\0\1\0\7\0\0\0\0\0", 12, 0));
	must(symlink("file", "link"));
	fails("a symbolic link has no ACL", EOPNOTSUPP,
	      lsetxattr("link", ACCESS_ACL, "\2\0\0\0", 4, 0));
	works("a directory has an ACL",
	      set_acl("d", ACCESS_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { U, 3, 1002 }, { G_OBJ, 5, NO_ID },
			      { MASK, 7, NO_ID }, { OTHER, 0, NO_ID })));
	become(&bob);
	works("a named user makes a file in it", try_open("d/x", O_CREAT | O_WRONLY, 0600));
	fails("a named user does not list it", EACCES, try_open("d", O_RDONLY, 0));
	become(&carol);
	fails("others do not enter it", EACCES, try_open("d/x", O_RDONLY, 0));
}

/* In "d", whose default ACL names Bob; umask must not count there. */
static void check_inheritance(void)
{
	make_dir("d", &root, 0777);
	works("a directory gets a default ACL",
	      set_acl("d", DEFAULT_ACL,
		      ENTRIES({ U_OBJ, 7, NO_ID }, { U, 6, 1002 }, { G_OBJ, 5, NO_ID },
			      { MASK, 7, NO_ID }, { OTHER, 5, NO_ID })));
	modes_equal("its own mode does not change", 0777, mode_of("d"));
	fails("its own access does not change", ENODATA, getxattr("d", ACCESS_ACL, NULL, 0));
	become(&alice);
	umask(077);
	must(try_open("d/file", O_CREAT | O_WRONLY, 0666));
	modes_equal("a new file ignores umask", 0664, mode_of("d/file"));
	reads("a new file has the entries within its mode", "u6 u1002:6 g5 m6 o4",
	      acl_text("d/file", ACCESS_ACL));
	fails("a new file has no default ACL", ENODATA, getxattr("d/file", DEFAULT_ACL, NULL, 0));
	must(mkdir("d/sub", 0777));
	modes_equal("a new directory ignores umask", 0775, mode_of("d/sub"));
	reads("a new directory has the default ACL", "u7 u1002:6 g5 m7 o5",
	      acl_text("d/sub", DEFAULT_ACL));
	reads("a new directory has the entries", "u7 u1002:6 g5 m7 o5",
	      acl_text("d/sub", ACCESS_ACL));
	must(try_open("d/private", O_CREAT | O_WRONLY, 0600));
	reads("a private file has them with an empty mask", "u6 u1002:6 g5 m0 o0",
	      acl_text("d/private", ACCESS_ACL));
	must(mkfifo("d/fifo", 0666));
	reads("a FIFO inherits too", "u6 u1002:6 g5 m6 o4", acl_text("d/fifo", ACCESS_ACL));
	must(symlink("x", "d/link"));
	modes_equal("a symbolic link inherits nothing", 0777, mode_of("d/link"));
	must(mkdir("d/sub/deep", 0700));
	reads("inheritance goes on below", "u7 u1002:6 g5 m0 o0",
	      acl_text("d/sub/deep", ACCESS_ACL));
	become(&bob);
	works("a named user opens an inherited file", try_open("d/file", O_RDWR, 0));
	fails("a named user does not open a private file", EACCES,
	      try_open("d/private", O_RDONLY, 0));
}

static void check_minimal_inheritance(void)
{
	struct stat st;
	int fd;

	make_dir("d", &root, 0777);
	must(set_acl("d", DEFAULT_ACL,
		     ENTRIES({ U_OBJ, 7, NO_ID }, { G_OBJ, 5, NO_ID }, { OTHER, 0, NO_ID })));
	umask(0);
	must(try_open("d/file", O_CREAT | O_WRONLY, 0666));
	modes_equal("a minimal default ACL bounds a file's mode", 0640, mode_of("d/file"));
	fails("it is no ACL of the file", ENODATA, getxattr("d/file", ACCESS_ACL, NULL, 0));
	must(mkdir("d/sub", 0777));
	modes_equal("it bounds a directory's mode", 0750, mode_of("d/sub"));
	reads("it goes on as a default ACL", "u7 g5 o0", acl_text("d/sub", DEFAULT_ACL));
	fd = must(open("d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
	must(fstat(fd, &st));
	modes_equal("it bounds a file without a name", 0640, st.st_mode & 07777);
	close(fd);
	works("a default ACL is removed", removexattr("d", DEFAULT_ACL));
	umask(022);
	must(try_open("d/after", O_CREAT | O_WRONLY, 0666));
	modes_equal("umask counts after that", 0644, mode_of("d/after"));
	must(rename("d/sub", "moved"));
	reads("a moved directory keeps its default ACL", "u7 g5 o0",
	      acl_text("moved", DEFAULT_ACL));
	must(link("d/file", "linked"));
	modes_equal("a linked file keeps its mode", 0640, mode_of("linked"));
}

static void check_set_group(void)
{
	make_file("file", &alice, 02755);
	set_group("file", TEAM, 02755);
	become(&alice);
	must(set_acl("file", ACCESS_ACL,
		     ENTRIES({ U_OBJ, 7, NO_ID }, { U, 7, 1002 }, { G_OBJ, 5, NO_ID },
			     { MASK, 7, NO_ID }, { OTHER, 5, NO_ID })));
	modes_equal("an ACL set by who is no member takes the set-group-ID bit", 0775,
		    mode_of("file"));
	become(&root);
	must(chmod("file", 02775));
	must(set_acl("file", ACCESS_ACL,
		     ENTRIES({ U_OBJ, 7, NO_ID }, { U, 7, 1002 }, { G_OBJ, 5, NO_ID },
			     { MASK, 5, NO_ID }, { OTHER, 5, NO_ID })));
	modes_equal("an ACL set by root leaves the set-group-ID bit", 02755, mode_of("file"));
}

const group_fn acl_groups[] = {
	check_access,	   check_mode,
	check_removal,	   check_refusals,
	check_inheritance, check_minimal_inheritance,
	check_set_group,   NULL,
};
