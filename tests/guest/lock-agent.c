/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that locks files as it is told: in a guest or on the host, in the same folder.
 *
 * lock-agent NAME: the n-th command is the file NAME.n, the answer NAME.n.re; both come into being
 * whole, by rename. A command has at most six words:
 *
 *   pid                              its process id
 *   open SLOT FILE                   SLOT is 0 to 9
 *   close SLOT
 *   posix SLOT r|w|u START LENGTH [wait]   fcntl(2), of the process
 *   ofd SLOT r|w|u START LENGTH [wait]     fcntl(2), of the open file
 *   flock SLOT r|w|u [wait]
 *   ask SLOT r|w START LENGTH        who is in the way of such a lock of the process
 *   ask-ofd SLOT r|w START LENGTH    the same, of the open file
 *   kill PID                         without any chance to clean up
 *   exit
 *
 * The answer is "ok", the name of an error number, or what was asked for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define N_SLOTS 10
#define N_WORDS 6
#define POLL_US 4000

static int slot_fd[N_SLOTS];
static char *word[N_WORDS];
static char answer[200];

static void say_result(int r)
{
	snprintf(answer, sizeof(answer), "%s", r < 0 ? strerrorname_np(errno) : "ok");
}

static short type_of(const char *letter)
{
	return letter[0] == 'r' ? F_RDLCK : letter[0] == 'w' ? F_WRLCK : F_UNLCK;
}

static struct flock wanted(void)
{
	return (struct flock){
		.l_type = type_of(word[2]),
		.l_whence = SEEK_SET,
		.l_start = atol(word[3]),
		.l_len = atol(word[4]),
	};
}

static int *slot(void)
{
	return &slot_fd[atoi(word[1]) % N_SLOTS];
}

static void lock_bytes(int command, int waiting_command)
{
	struct flock flock = wanted();

	say_result(fcntl(*slot(), word[5] ? waiting_command : command, &flock));
}

static void ask(int command)
{
	struct flock flock = wanted();

	if (fcntl(*slot(), command, &flock) < 0)
		say_result(-1);
	else if (flock.l_type == F_UNLCK)
		snprintf(answer, sizeof(answer), "free");
	else
		snprintf(answer, sizeof(answer), "%c %ld %ld %d",
			 flock.l_type == F_RDLCK ? 'r' : 'w', (long)flock.l_start,
			 (long)flock.l_len, flock.l_pid);
}

static void lock_whole(void)
{
	static const int operations[] = {
		[F_RDLCK] = LOCK_SH,
		[F_WRLCK] = LOCK_EX,
		[F_UNLCK] = LOCK_UN,
	};

	say_result(flock(*slot(), operations[type_of(word[2])] | (word[3] ? 0 : LOCK_NB)));
}

static void open_slot(void)
{
	*slot() = open(word[2], O_RDWR | O_CREAT, 0666);
	say_result(*slot());
}

static int is(const char *command)
{
	return strcmp(word[0], command) == 0;
}

static void obey(void)
{
	if (is("pid"))
		snprintf(answer, sizeof(answer), "%d", (int)getpid());
	else if (is("open"))
		open_slot();
	else if (is("close"))
		say_result(close(*slot()));
	else if (is("posix"))
		lock_bytes(F_SETLK, F_SETLKW);
	else if (is("ofd"))
		lock_bytes(F_OFD_SETLK, F_OFD_SETLKW);
	else if (is("flock"))
		lock_whole();
	else if (is("ask"))
		ask(F_GETLK);
	else if (is("ask-ofd"))
		ask(F_OFD_GETLK);
	else if (is("kill"))
		say_result(kill(atoi(word[1]), SIGKILL));
	else
		say_result(0);
}

static void split(char *line)
{
	memset(word, 0, sizeof(word));
	for (int i = 0; i < N_WORDS; i++)
		word[i] = strtok(i ? NULL : line, " \n");
	if (!word[0])
		word[0] = line;
}

/* The next command, once it is there. */
static void await(const char *name, char *line, int size)
{
	FILE *f;

	while (!(f = fopen(name, "re")))
		usleep(POLL_US);
	if (!fgets(line, size, f))
		line[0] = 0;
	fclose(f);
}

static int reply(const char *name)
{
	char making[300], made[300];
	FILE *f;

	snprintf(making, sizeof(making), "%s.making", name);
	snprintf(made, sizeof(made), "%s.re", name);
	f = fopen(making, "we");
	if (!f)
		return -1;
	fprintf(f, "%s\n", answer);
	if (fclose(f) < 0)
		return -1;
	return rename(making, made);
}

int main(int argc, char **argv)
{
	char name[200], line[200];

	if (argc != 2)
		return 2;
	for (int n = 1;; n++) {
		snprintf(name, sizeof(name), "%s.%d", argv[1], n);
		await(name, line, sizeof(line));
		split(line);
		obey();
		if (reply(name) < 0) {
			perror(name);
			return 1;
		}
		if (is("exit"))
			return 0;
	}
}
