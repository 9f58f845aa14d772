/* SPDX-License-Identifier: Apache-2.0 */
/* Record locks of fcntl(2), those of open file descriptions, and flock(2). */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "world.h"

/* A second process, which locks "file" when told to and answers with the errno. */
struct order {
	char what; /* 'p' POSIX, 'o' OFD, 'f' flock; 'w', 'W', 'F' wait; 'c' closes */
	short type;
	off_t start, len;
};

static int other = -1;
static pid_t other_pid;

static int posix_lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};

	return fcntl(fd, cmd, &lock);
}

/* Waits for a lock; who may not wait frees all that it has. */
static int wait_or_yield(int fd, const struct order *order)
{
	int ret = posix_lock(fd, F_SETLKW, order->type, order->start, order->len);
	int error = errno;

	if (ret < 0)
		posix_lock(fd, F_SETLK, F_UNLCK, 0, 0);
	errno = error;
	return ret;
}

static int obey(int fd, const struct order *order)
{
	int ret = 0;

	if (order->what == 'p')
		ret = posix_lock(fd, F_SETLK, order->type, order->start, order->len);
	else if (order->what == 'o')
		ret = posix_lock(fd, F_OFD_SETLK, order->type, order->start, order->len);
	else if (order->what == 'w')
		ret = posix_lock(fd, F_SETLKW, order->type, order->start, order->len);
	else if (order->what == 'W')
		ret = wait_or_yield(fd, order);
	else if (order->what == 'f')
		ret = flock(fd, order->type | LOCK_NB);
	else if (order->what == 'F')
		ret = flock(fd, order->type);
	return ret < 0 ? errno : 0;
}

static void serve_orders(int socket)
{
	int fd = open("file", O_RDWR | O_CLOEXEC);
	struct order order;

	while (read(socket, &order, sizeof(order)) == sizeof(order)) {
		int answer;

		if (order.what == 'c') {
			close(fd);
			fd = open("file", O_RDWR | O_CLOEXEC);
		}
		answer = obey(fd, &order);
		if (write(socket, &answer, sizeof(answer)) < 0)
			break;
	}
	_exit(0);
}

static void start_other(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	fflush(NULL);
	other_pid = must(fork());
	if (other_pid == 0) {
		close(pair[0]);
		serve_orders(pair[1]);
	}
	close(pair[1]);
	other = pair[0];
}

static void stop_other(void)
{
	close(other);
	must(waitpid(other_pid, NULL, 0));
}

static void tell(char what, short type, off_t start, off_t len)
{
	const struct order order = { what, type, start, len };

	must(write(other, &order, sizeof(order)));
}

/* The answer as the result of a call. */
static int hear(void)
{
	int answer = EIO;

	must(read(other, &answer, sizeof(answer)));
	return as_result(answer);
}

static int ask(char what, short type, off_t start, off_t len)
{
	tell(what, type, start, len);
	return hear();
}

static int new_file(void)
{
	make_file("file", &root, 0666);
	start_other();
	return must(open("file", O_RDWR | O_CLOEXEC));
}

static void check_exclusion(void)
{
	int fd = new_file();

	works("a range is locked", posix_lock(fd, F_SETLK, F_WRLCK, 10, 10));
	fails("another process does not lock it", EAGAIN, ask('p', F_WRLCK, 10, 10));
	fails("nor a byte of it for reading", EAGAIN, ask('p', F_RDLCK, 19, 1));
	fails("nor a range that overlaps", EAGAIN, ask('p', F_WRLCK, 0, 11));
	works("the byte before is free", ask('p', F_WRLCK, 9, 1));
	works("the byte behind is free", ask('p', F_WRLCK, 20, 1));
	fails("what the other process locked is taken", EAGAIN,
	      posix_lock(fd, F_SETLK, F_RDLCK, 20, 1));
	works("one's own range is locked again", posix_lock(fd, F_SETLK, F_RDLCK, 10, 10));
	works("a range for reading is shared", ask('p', F_RDLCK, 10, 10));
	fails("a shared range does not become exclusive", EAGAIN,
	      posix_lock(fd, F_SETLK, F_WRLCK, 10, 10));
	works("the other process unlocks", ask('p', F_UNLCK, 10, 10));
	works("a range becomes exclusive", posix_lock(fd, F_SETLK, F_WRLCK, 10, 10));
	works("what was never locked is unlocked", posix_lock(fd, F_SETLK, F_UNLCK, 500, 10));
	works("a lock to the end of time", posix_lock(fd, F_SETLK, F_WRLCK, 1000, 0));
	fails("it reaches far", EAGAIN, ask('p', F_RDLCK, 1LL << 50, 1));
	close(fd);
	stop_other();
}

static void check_pieces(void)
{
	int fd = new_file();

	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 100));
	must(posix_lock(fd, F_SETLK, F_UNLCK, 40, 20));
	works("the middle of a lock is freed", ask('p', F_WRLCK, 40, 20));
	fails("its start stays", EAGAIN, ask('p', F_RDLCK, 39, 1));
	fails("its end stays", EAGAIN, ask('p', F_RDLCK, 60, 1));
	must(ask('p', F_UNLCK, 0, 0));
	must(posix_lock(fd, F_SETLK, F_WRLCK, 40, 20));
	must(posix_lock(fd, F_SETLK, F_RDLCK, 20, 60));
	works("the middle becomes shared", ask('p', F_RDLCK, 20, 60));
	fails("what is left of it stays exclusive at the start", EAGAIN, ask('p', F_RDLCK, 19, 1));
	fails("what is left of it stays exclusive at the end", EAGAIN, ask('p', F_RDLCK, 80, 1));
	must(ask('p', F_UNLCK, 0, 0));
	must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 0));
	works("all is unlocked at once", ask('p', F_WRLCK, 0, 0));
	must(ask('p', F_UNLCK, 0, 0));
	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	must(posix_lock(fd, F_SETLK, F_WRLCK, 10, 10));
	must(posix_lock(fd, F_SETLK, F_UNLCK, 5, 10));
	works("two locks next to each other are as one", ask('p', F_WRLCK, 5, 10));
	fails("both ends are left", EAGAIN, ask('p', F_WRLCK, 15, 1));
	close(fd);
	stop_other();
}

static void check_questions(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 100 };
	int fd = new_file();

	works("a free range is asked for", fcntl(fd, F_GETLK, &lock));
	equals("it is free", F_UNLCK, lock.l_type);
	must(ask('p', F_RDLCK, 30, 10));
	lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 100 };
	works("a taken range is asked for", fcntl(fd, F_GETLK, &lock));
	equals("who has it has a lock for reading", F_RDLCK, lock.l_type);
	equals("its start is told", 30, lock.l_start);
	equals("its length is told", 10, lock.l_len);
	holds("its owner is told", lock.l_pid == other_pid);
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 100 };
	must(fcntl(fd, F_GETLK, &lock));
	equals("a lock for reading would be shared", F_UNLCK, lock.l_type);
	must(posix_lock(fd, F_SETLK, F_WRLCK, 200, 10));
	lock = (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 200, .l_len = 1
	};
	must(fcntl(fd, F_GETLK, &lock));
	equals("one's own lock is in nobody's way", F_UNLCK, lock.l_type);
	lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -1, .l_len = 1 };
	works("a range is counted from the end", fcntl(fd, F_SETLK, &lock));
	fails("it is where the end was", EAGAIN, ask('p', F_WRLCK, 4, 1));
	lock = (struct flock){
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 310, .l_len = -10
	};
	works("a range is counted backwards", fcntl(fd, F_SETLK, &lock));
	fails("it lies before its start", EAGAIN, ask('p', F_WRLCK, 300, 1));
	works("its start is free", ask('p', F_WRLCK, 310, 1));
	fails("a range before the file is refused", EINVAL,
	      posix_lock(fd, F_SETLK, F_WRLCK, -1, 5));
	fails("a type of no meaning is refused", EINVAL, posix_lock(fd, F_SETLK, 77, 0, 1));
	close(fd);
	stop_other();
}

static void check_lifetime(void)
{
	int fd = new_file(), second;

	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	second = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("a lock holds", EAGAIN, ask('p', F_WRLCK, 0, 10));
	close(second);
	works("closing any descriptor of the file frees it", ask('p', F_WRLCK, 0, 10));
	must(ask('c', 0, 0, 0));
	works("the other process's close frees it", posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	second = must(dup(fd));
	close(second);
	works("closing a duplicate frees it too", ask('p', F_WRLCK, 0, 10));
	stop_other();
	works("the end of a process frees its locks", posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	must(unlink("file"));
	works("a file without a name is locked", posix_lock(fd, F_SETLK, F_WRLCK, 50, 10));
	close(fd);
	second = must(open("other", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
	fails("an exclusive lock needs write", EBADF, posix_lock(second, F_SETLK, F_WRLCK, 0, 1));
	works("a shared lock needs read", posix_lock(second, F_SETLK, F_RDLCK, 0, 1));
	close(second);
	second = must(open("other", O_WRONLY | O_CLOEXEC));
	fails("a shared lock needs read indeed", EBADF, posix_lock(second, F_SETLK, F_RDLCK, 0, 1));
	close(second);
}

static int lock_inherited(const void *arg)
{
	return posix_lock(*(const int *)arg, F_SETLK, F_WRLCK, 0, 10) < 0 ? errno : 0;
}

static int lock_ofd_inherited(const void *arg)
{
	return posix_lock(*(const int *)arg, F_OFD_SETLK, F_WRLCK, 0, 10) < 0 ? errno : 0;
}

static int unlock_flock_inherited(const void *arg)
{
	return flock(*(const int *)arg, LOCK_UN) < 0 ? errno : 0;
}

static void check_inheritance(void)
{
	int fd = new_file();

	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	fails("a child does not inherit a lock", EAGAIN, as_result(in_child(lock_inherited, &fd)));
	fails("a child's end does not free it", EAGAIN, ask('p', F_WRLCK, 0, 10));
	must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 10));
	must(posix_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	works("a child shares a lock of the open file",
	      as_result(in_child(lock_ofd_inherited, &fd)));
	fails("a child's end does not free that", EAGAIN, ask('o', F_WRLCK, 0, 10));
	must(posix_lock(fd, F_OFD_SETLK, F_UNLCK, 0, 10));
	must(flock(fd, LOCK_EX));
	works("a child unlocks what it inherited",
	      as_result(in_child(unlock_flock_inherited, &fd)));
	works("it is free then", ask('f', LOCK_EX, 0, 0));
	close(fd);
	stop_other();
}

static void check_open_file_locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };
	int fd = new_file(), second;

	second = must(open("file", O_RDWR | O_CLOEXEC));
	works("an open file locks", posix_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	fails("another open file of the same process does not", EAGAIN,
	      posix_lock(second, F_OFD_SETLK, F_WRLCK, 0, 10));
	fails("nor does the process with a lock of the other kind", EAGAIN,
	      posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	fails("nor does another process", EAGAIN, ask('o', F_RDLCK, 5, 1));
	works("the same open file does", posix_lock(fd, F_OFD_SETLK, F_RDLCK, 0, 10));
	works("a lock for reading is shared", posix_lock(second, F_OFD_SETLK, F_RDLCK, 0, 10));
	must(posix_lock(second, F_OFD_SETLK, F_UNLCK, 0, 10));
	must(posix_lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(must(dup(fd)));
	fails("closing a duplicate does not free it", EAGAIN,
	      posix_lock(second, F_OFD_SETLK, F_WRLCK, 0, 10));
	works("it is asked for", fcntl(second, F_OFD_GETLK, &lock));
	equals("an open file's lock has no process", -1, lock.l_pid);
	lock = (struct flock){ .l_type = F_WRLCK, .l_pid = 5, .l_len = 1 };
	fails("a process is not named for it", EINVAL, fcntl(fd, F_OFD_SETLK, &lock));
	close(fd);
	works("closing the open file frees it", posix_lock(second, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(second);
	stop_other();
}

static void check_flock(void)
{
	int fd = new_file(), second;

	works("a file is locked whole", flock(fd, LOCK_EX | LOCK_NB));
	fails("another process does not lock it whole", EAGAIN, ask('f', LOCK_SH, 0, 0));
	observe("a range of it is locked by another process", ask('p', F_WRLCK, 0, 10));
	must(ask('p', F_UNLCK, 0, 10));
	second = must(open("file", O_RDONLY | O_CLOEXEC));
	fails("nor does another open file of the process", EAGAIN,
	      flock(second, LOCK_EX | LOCK_NB));
	works("it becomes shared", flock(fd, LOCK_SH | LOCK_NB));
	works("another shares it", flock(second, LOCK_SH | LOCK_NB));
	fails("a shared one does not become exclusive", EAGAIN, flock(fd, LOCK_EX | LOCK_NB));
	works("the other one unlocks", flock(second, LOCK_UN));
	observe("it becomes exclusive", flock(fd, LOCK_EX | LOCK_NB));
	close(must(dup(fd)));
	fails("a duplicate's close frees nothing", EAGAIN, ask('f', LOCK_EX, 0, 0));
	close(fd);
	works("the last close frees it", ask('f', LOCK_EX, 0, 0));
	stop_other();
	works("the end of the process frees it", flock(second, LOCK_EX | LOCK_NB));
	fails("a type of no meaning is not flock's", EINVAL, flock(second, 77));
	works("reading is enough to lock whole", flock(second, LOCK_EX));
	close(second);
	second = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	works("a directory is locked whole", flock(second, LOCK_EX));
	close(second);
}

static void check_waiting(void)
{
	int fd = new_file();

	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	tell('w', F_WRLCK, 0, 10);
	must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 10));
	works("a process that waits gets the lock", hear());
	fails("it has the lock", EAGAIN, posix_lock(fd, F_SETLK, F_WRLCK, 0, 10));
	tell('p', F_UNLCK, 0, 10);
	works("one waits for the other process", posix_lock(fd, F_SETLKW, F_WRLCK, 0, 10));
	works("the other process unlocked", hear());
	must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 10));
	must(flock(fd, LOCK_EX));
	tell('F', LOCK_EX, 0, 0);
	must(flock(fd, LOCK_UN));
	works("a process that waits gets the whole file", hear());
	tell('f', LOCK_UN, 0, 0);
	works("one waits for the other's whole file", flock(fd, LOCK_EX));
	works("the other process gave it back", hear());
	close(fd);
	stop_other();
}

/* Waits for a lock; the errno. */
static void *wait_for_lock(void *arg)
{
	int *fd = arg;

	*fd = posix_lock(*fd, F_SETLKW, F_WRLCK, 10, 1) < 0 ? errno : 0;
	return NULL;
}

/* Of a process and the other one, which wait for each other, one has to give in. */
static void check_deadlock(void)
{
	struct timespec end;
	int fd = new_file(), error = fd, told;
	pthread_t waiter;

	must(posix_lock(fd, F_SETLK, F_WRLCK, 0, 1));
	must(ask('p', F_WRLCK, 10, 1));
	tell('W', F_WRLCK, 0, 1);
	must(pthread_create(&waiter, NULL, wait_for_lock, &error) ? -1 : 0);
	must(clock_gettime(CLOCK_REALTIME, &end));
	end.tv_sec += 4;
	if (pthread_timedjoin_np(waiter, NULL, &end) == 0) {
		must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 1));
		told = hear() < 0 ? errno : error;
	} else {
		/* Neither was told: giving in helps both. */
		must(posix_lock(fd, F_SETLK, F_UNLCK, 0, 1));
		told = hear() < 0 ? errno : 0;
		must(ask('p', F_UNLCK, 0, 0));
		must(pthread_join(waiter, NULL) ? -1 : 0);
	}
	fails("two that would wait for each other are told", EDEADLK, as_result(told));
	close(fd);
	stop_other();
}

const group_fn lock_groups[] = {
	check_exclusion,       check_pieces, check_questions, check_lifetime, check_inheritance,
	check_open_file_locks, check_flock,  check_waiting,   check_deadlock, NULL,
};
