/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes on the same names at once: who wins, and what nobody may ever see. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"

#define RIVALS 4
#define TRIES  60

/* Runs in RIVALS children, which exit with how often they won; the sum. */
static int sum_of(int (*run)(int))
{
	int pipes[2], sum = 0, won;

	must(pipe2(pipes, O_CLOEXEC));
	fflush(NULL);
	for (int i = 0; i < RIVALS; i++) {
		if (must(fork()) == 0) {
			won = run(i);
			_exit(write(pipes[1], &won, sizeof(won)) < 0);
		}
	}
	close(pipes[1]);
	while (read(pipes[0], &won, sizeof(won)) == sizeof(won))
		sum += won;
	close(pipes[0]);
	while (wait(NULL) > 0)
		;
	return sum;
}

static const char *numbered(const char *what, int i)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s-%d", what, i);
	return name;
}

static int create_exclusively(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += try_open(numbered("file", i), O_CREAT | O_EXCL | O_WRONLY, 0600) == 0;
	return won;
}

static int create_somehow(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += try_open(numbered("any", i), O_CREAT | O_WRONLY, 0600) == 0;
	return won;
}

static int make_directories(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += mkdir(numbered("dir", i), 0700) == 0;
	return won;
}

static int make_links(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += link("source", numbered("link", i)) == 0;
	return won;
}

static int remove_files(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += unlink(numbered("file", i)) == 0;
	return won;
}

static int remove_directories(int me)
{
	int won = 0;

	(void)me;
	for (int i = 0; i < TRIES; i++)
		won += rmdir(numbered("dir", i)) == 0;
	return won;
}

static int take_names(int me)
{
	int won = 0;
	char mine[64];

	for (int i = 0; i < TRIES; i++) {
		snprintf(mine, sizeof(mine), "taken-%d-%d", me, i);
		won += rename(numbered("link", i), mine) == 0;
	}
	return won;
}

static int take_free_name(int me)
{
	char mine[64];

	snprintf(mine, sizeof(mine), "candidate-%d", me);
	put(mine, "x");
	return renameat2(AT_FDCWD, mine, AT_FDCWD, "chosen", RENAME_NOREPLACE) == 0;
}

static void check_winners(void)
{
	make_file("source", &root, 0644);
	equals("each name is made once with O_EXCL", TRIES, sum_of(create_exclusively));
	equals("each name is opened by all without", RIVALS * TRIES, sum_of(create_somehow));
	equals("each directory is made once", TRIES, sum_of(make_directories));
	equals("each link is made once", TRIES, sum_of(make_links));
	equals("all links are counted", TRIES + 1, links_of("source"));
	equals("each file is removed once", TRIES, sum_of(remove_files));
	equals("each directory is removed once", TRIES, sum_of(remove_directories));
	equals("each name is taken once", TRIES, sum_of(take_names));
	equals("no link was lost", TRIES + 1, links_of("source"));
	equals("one of all gets a free name", 1, sum_of(take_free_name));
}

/* The first one changes names for as long as the others look. */
static int replace_or_look(int me)
{
	char text[8] = "";
	int fd, missed = 0;

	for (int i = 0; i < 150; i++) {
		if (me == 0) {
			put("next", "whole");
			if (rename("next", "current") < 0)
				missed++;
			continue;
		}
		fd = open("current", O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text)) != 5 || memcmp(text, "whole", 5) != 0)
			missed++;
		if (fd >= 0)
			close(fd);
	}
	return missed;
}

static int exchange_or_look(int me)
{
	int missed = 0;
	struct stat st;

	for (int i = 0; i < 150; i++) {
		if (me == 0)
			missed += renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) < 0;
		else
			missed += stat(i % 2 ? "a" : "b", &st) < 0;
	}
	return missed;
}

static int link_or_look(int me)
{
	int missed = 0;
	struct stat st;

	for (int i = 0; i < 150; i++) {
		if (me == 0)
			missed += link("kept", "extra") < 0 || unlink("extra") < 0;
		else
			missed += stat("kept", &st) < 0 || st.st_nlink < 1 || st.st_nlink > 2;
	}
	return missed;
}

static int write_own_range(int me)
{
	char text[100];
	int fd = open("shared", O_WRONLY | O_CLOEXEC), short_writes = 0;

	memset(text, 'a' + me, sizeof(text));
	for (int i = 0; i < 100; i++)
		short_writes += pwrite(fd, text, 100, 100L * (i * RIVALS + me)) != 100;
	close(fd);
	return short_writes;
}

static int count_wrong_ranges(void)
{
	char text[100];
	int fd = must(open("shared", O_RDONLY | O_CLOEXEC)), wrong = 0;

	for (int i = 0; i < 100 * RIVALS; i++)
		wrong += read(fd, text, 100) != 100 ||
			 !all_bytes(text, 100, (char)('a' + i % RIVALS));
	close(fd);
	return wrong;
}

static void check_witnesses(void)
{
	put("current", "whole");
	equals("a name that is replaced is never missing or half", 0, sum_of(replace_or_look));
	put("a", "a");
	put("b", "b");
	equals("names that are exchanged are never missing", 0, sum_of(exchange_or_look));
	put("kept", "kept");
	equals("links come and go without a wrong count", 0, sum_of(link_or_look));
	equals("one link is left", 1, links_of("kept"));
	put("shared", "");
	equals("each process writes its ranges of a file", 0, sum_of(write_own_range));
	equals("no range has another's bytes", 0, count_wrong_ranges());
	equals("the size is that of all", 100LL * 100 * RIVALS, size_of("shared"));
}

const group_fn race_groups[] = { check_winners, check_witnesses, NULL };
