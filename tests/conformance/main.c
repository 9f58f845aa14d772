/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system does, in some hundreds of sentences: run on the host and in a guest that
 * has the same file system through the daemon, each must be answered alike.
 *
 *   conformance DIR    in a new directory DIR, which is left behind; as root
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "world.h"

#define GROUP_SECONDS 100 /* for a group of checks, or it hangs */

static const struct {
	const char *name;
	const group_fn *groups;
} themes[] = {
	{ "permissions", permission_groups },
	{ "links", link_groups },
	{ "rename", rename_groups },
	{ "open", open_groups },
	{ "truncate", truncate_groups },
	{ "times", time_groups },
	{ "set-id", setid_groups },
	{ "acl", acl_groups },
	{ "xattr", xattr_groups },
	{ "locks", lock_groups },
	{ "mappings", map_groups },
	{ "io", io_groups },
	{ "holes", hole_groups },
	{ "unlinked", unlinked_groups },
	{ "names", name_groups },
	{ "directories", dir_groups },
	{ "special", special_groups },
	{ "copies", copy_groups },
	{ "stat", stat_groups },
	{ "races", race_groups },
	{ "programs", watch_groups },
};

static int enter(const char *path)
{
	if (mkdir(path, 0777) < 0 || chmod(path, 0777) < 0 || chdir(path) < 0) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

static int run_theme(const char *name, const group_fn *groups)
{
	char number[16];

	check_theme(name);
	if (enter(name) < 0)
		return -1;
	for (int i = 0; groups[i]; i++) {
		int home = must(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));

		snprintf(number, sizeof(number), "%d", i);
		if (enter(number) < 0)
			return -1;
		umask(022);
		alarm(GROUP_SECONDS);
		groups[i]();
		become(&root);
		must(fchdir(home));
		must(close(home));
	}
	return chdir("..");
}

int main(int argc, char **argv)
{
	/* As a program of a file that belongs to somebody: whom it runs as. */
	if (argc == 2 && strcmp(argv[1], "--ids") == 0)
		return (int)((geteuid() - 1000) * 10 + getegid() - 1000);
	if (argc != 2 || geteuid() != 0) {
		fprintf(stderr, "usage: conformance DIR (as root)\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	if (enter(argv[1]) < 0)
		return 2;
	become(&root);
	for (unsigned int i = 0; i < sizeof(themes) / sizeof(themes[0]); i++)
		if (run_theme(themes[i].name, themes[i].groups) < 0)
			return 2;
	return check_finish();
}
