/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that lock requests reach the file system as they were sent, and that those which wait are
 * parked and answered exactly once: by the lock, an interruption, the end of their queue or of the
 * session, whatever comes first.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"
#include "fuse/lock-waiters.h"

static struct unit unit;

/* ---- A caller that can park ---- */

#define MAX_PARKED (LOCK_WAITERS_MAX + 10)

struct parked {
	struct fuse_parked parked;
	char out[64];
	int error; /* of the reply; 1: not answered yet */
};

static struct parked parked[MAX_PARKED];
static unsigned int n_parked;
static const void *group;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;

static void done(struct fuse_parked *fuse_parked, uint32_t written)
{
	struct parked *p = container_of(fuse_parked, struct parked, parked);
	struct fuse_out_header head;

	g_assert_cmpuint(written, ==, sizeof(head));
	memcpy(&head, p->out, sizeof(head));
	g_assert_cmpuint(head.len, ==, sizeof(head));
	pthread_mutex_lock(&lock);
	g_assert_cmpint(p->error, ==, 1);
	p->error = head.error;
	pthread_cond_broadcast(&answered);
	pthread_mutex_unlock(&lock);
}

static struct fuse_parked *park(const struct fuse_message *message)
{
	struct parked *p = &parked[n_parked++];

	g_assert_cmpuint(n_parked, <=, MAX_PARKED);
	g_assert_cmpuint(message->n_writable, ==, 1);
	p->error = 1;
	p->parked = (struct fuse_parked){
		.writable[0] = { .iov_base = p->out, .iov_len = sizeof(p->out) },
		.n_writable = 1,
		.group = group,
		.done = done,
	};
	return &p->parked;
}

static int error_of(unsigned int i)
{
	int error;

	pthread_mutex_lock(&lock);
	error = parked[i].error;
	pthread_mutex_unlock(&lock);
	return error;
}

static int wait_for_answer(unsigned int i)
{
	int error;

	pthread_mutex_lock(&lock);
	while (parked[i].error == 1)
		pthread_cond_wait(&answered, &lock);
	error = parked[i].error;
	pthread_mutex_unlock(&lock);
	return error;
}

static void set_locked(bool on)
{
	__atomic_store_n(&fake.locked, on, __ATOMIC_RELEASE);
}

/* ---- Requests ---- */

static const struct fuse_lk_in wish = {
	.fh = 5,
	.owner = 77,
	.lk.start = 10,
	.lk.end = 20,
	.lk.type = F_WRLCK,
	.lk.pid = 42,
};

static int send_lock(uint32_t opcode, const struct fuse_lk_in *in)
{
	return unit_call(&unit, opcode, 7, in, sizeof(*in), NULL);
}

/* SETLKW of a caller that can park; FUSE_PARKED or the length of the reply. */
static uint32_t send_waiting(uint64_t unique)
{
	struct iovec in, out = { .iov_base = unit.out, .iov_len = 64 };
	const struct fuse_message message = {
		.readable = &in,
		.n_readable = 1,
		.writable = &out,
		.n_writable = 1,
		.park = park,
	};
	struct fuse_in_header *head = unit_begin(&unit, FUSE_SETLKW, 7);

	head->unique = unique;
	unit_add(&unit, &wish, sizeof(wish));
	head->len = (uint32_t)unit.in_bytes;
	in = (struct iovec){ .iov_base = unit.in, .iov_len = unit.in_bytes };
	return fuse_session_serve(unit.thread, &message);
}

static void start(void)
{
	unit_start_ready(&unit);
	n_parked = 0;
	group = &unit;
	set_locked(true);
}

/* ---- Tests ---- */

static void locks_reach_the_file_system_as_they_were_sent(void)
{
	struct fuse_lk_in in = wish;

	start();
	set_locked(false);
	g_assert_cmpint(send_lock(FUSE_SETLK, &in), ==, 0);
	g_assert_cmpstr(fake.called, ==, "setlk");
	g_assert_cmpuint(fake.fh, ==, 5);
	g_assert_cmpuint(fake.lock.owner, ==, 77);
	g_assert_cmpuint(fake.lock.start, ==, 10);
	g_assert_cmpuint(fake.lock.end, ==, 20);
	g_assert_cmpuint(fake.lock.type, ==, F_WRLCK);
	g_assert_cmpuint(fake.lock.pid, ==, 42);
	in.lk_flags = FUSE_LK_FLOCK;
	in.lk.type = F_UNLCK;
	g_assert_cmpint(send_lock(FUSE_SETLKW, &in), ==, 0);
	g_assert_cmpstr(fake.called, ==, "flock");
	g_assert_cmpuint(fake.lock.type, ==, F_UNLCK);
	g_assert_cmpint(send_lock(FUSE_GETLK, &in), ==, -EINVAL);
	set_locked(true);
	g_assert_cmpint(send_lock(FUSE_SETLK, &wish), ==, -EAGAIN);
	unit_stop(&unit);
}

static void getlk_tells_what_is_in_the_way(void)
{
	const struct fuse_lk_out *out;

	start();
	fake.conflict = (struct fs_lock){ .start = 1, .end = 2, .type = F_RDLCK, .pid = 3 };
	g_assert_cmpint(send_lock(FUSE_GETLK, &wish), ==, 0);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->lk.start, ==, 1);
	g_assert_cmpuint(out->lk.end, ==, 2);
	g_assert_cmpuint(out->lk.type, ==, F_RDLCK);
	g_assert_cmpuint(out->lk.pid, ==, 3);
	unit_stop(&unit);
}

static void what_was_not_agreed_on_is_refused(void)
{
	struct fuse_session_options options = { 0 };
	struct fuse_lk_in in = wish;

	unit_start(&unit, &options);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(send_lock(FUSE_GETLK, &in), ==, -ENOSYS);
	g_assert_cmpint(send_lock(FUSE_SETLK, &in), ==, -ENOSYS);
	g_assert_cmpint(send_lock(FUSE_SETLKW, &in), ==, -ENOSYS);
	unit_stop(&unit);
	options.flock = true;
	unit_start(&unit, &options);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(send_lock(FUSE_SETLK, &in), ==, -EOPNOTSUPP);
	g_assert_cmpint(send_lock(FUSE_GETLK, &in), ==, -EOPNOTSUPP);
	in.lk_flags = FUSE_LK_FLOCK;
	g_assert_cmpint(send_lock(FUSE_SETLK, &in), ==, 0);
	unit_stop(&unit);
}

static void flush_and_release_say_who_closes(void)
{
	const struct fuse_flush_in flush = { .fh = 5, .lock_owner = 77 };
	const struct fuse_release_in release = {
		.fh = 5,
		.release_flags = FUSE_RELEASE_FLOCK_UNLOCK,
	};

	start();
	g_assert_cmpint(unit_call(&unit, FUSE_FLUSH, 7, &flush, sizeof(flush), NULL), ==, 0);
	g_assert_cmpstr(fake.called, ==, "drop_locks");
	g_assert_cmpuint(fake.lock.owner, ==, 77);
	fake.result = -EIO;
	g_assert_cmpint(unit_call(&unit, FUSE_FLUSH, 7, &flush, sizeof(flush), NULL), ==, -EIO);
	g_assert_cmpstr(fake.called, ==, "drop_locks");
	fake.result = 0;
	set_locked(false);
	fake.n_lock_calls = 0;
	g_assert_cmpint(unit_call(&unit, FUSE_RELEASE, 7, &release, sizeof(release), NULL), ==, 0);
	g_assert_cmpuint(fake.n_lock_calls, ==, 1);
	g_assert_cmpstr(fake.called, ==, "release");
	unit_stop(&unit);
}

static void a_waiting_request_is_answered_when_it_has_the_lock(void)
{
	start();
	g_assert_cmpuint(send_waiting(1), ==, FUSE_PARKED);
	g_assert_cmpint(error_of(0), ==, 1);
	set_locked(false);
	g_assert_cmpint(wait_for_answer(0), ==, 0);
	/* What need not wait is answered at once. */
	g_assert_cmpuint(send_waiting(2), ==, sizeof(struct fuse_out_header));
	g_assert_cmpuint(n_parked, ==, 1);
	unit_stop(&unit);
}

static void an_interrupted_request_is_answered_eintr(void)
{
	struct fuse_interrupt_in in = { .unique = 3 };

	start();
	for (uint64_t unique = 1; unique <= 3; unique++)
		g_assert_cmpuint(send_waiting(unique), ==, FUSE_PARKED);
	g_assert_cmpint(unit_call(&unit, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	g_assert_cmpint(wait_for_answer(2), ==, -EINTR);
	in.unique = 99;
	g_assert_cmpint(unit_call(&unit, FUSE_INTERRUPT, 0, &in, sizeof(in), NULL), ==,
			UNIT_NO_REPLY);
	g_assert_cmpint(error_of(0), ==, 1);
	fuse_session_unpark(unit.session, NULL);
	unit_stop(&unit);
}

static void a_queue_that_stops_gets_its_own_back(void)
{
	int other;

	start();
	g_assert_cmpuint(send_waiting(1), ==, FUSE_PARKED);
	group = &other;
	g_assert_cmpuint(send_waiting(2), ==, FUSE_PARKED);
	g_assert_cmpuint(send_waiting(3), ==, FUSE_PARKED);
	fuse_session_unpark(unit.session, &other);
	g_assert_cmpint(error_of(0), ==, 1);
	g_assert_cmpint(error_of(1), ==, -EAGAIN);
	g_assert_cmpint(error_of(2), ==, -EAGAIN);
	fuse_session_unpark(unit.session, &other);
	fuse_session_unpark(unit.session, &unit);
	g_assert_cmpint(error_of(0), ==, -EAGAIN);
	unit_stop(&unit);
}

static void a_new_session_leaves_nobody_waiting(void)
{
	start();
	g_assert_cmpuint(send_waiting(1), ==, FUSE_PARKED);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(error_of(0), ==, -EAGAIN);
	g_assert_cmpuint(send_waiting(2), ==, FUSE_PARKED);
	g_assert_cmpint(unit_call(&unit, FUSE_DESTROY, 0, NULL, 0, NULL), ==, 0);
	g_assert_cmpint(error_of(1), ==, -EAGAIN);
	unit_stop(&unit);
}

static void too_many_are_refused(void)
{
	start();
	/* A caller that cannot park. */
	g_assert_cmpint(send_lock(FUSE_SETLKW, &wish), ==, -ENOLCK);
	for (uint64_t i = 0; i < LOCK_WAITERS_MAX; i++)
		g_assert_cmpuint(send_waiting(i), ==, FUSE_PARKED);
	g_assert_cmpuint(send_waiting(9999), ==, sizeof(struct fuse_out_header));
	g_assert_cmpint(((struct fuse_out_header *)unit.out)->error, ==, -ENOLCK);
	set_locked(false);
	for (unsigned int i = 0; i < LOCK_WAITERS_MAX; i++)
		g_assert_cmpint(wait_for_answer(i), ==, 0);
	unit_stop(&unit);
}

/* ---- All at once ---- */

static void *unlock_and_interrupt(void *arg)
{
	for (uint64_t i = 0; i < 2000; i++) {
		lock_waiters_interrupt(unit.session->waiters, i % 7);
		lock_waiters_retry(unit.session->waiters, i % 2 ? 7 : 8);
		set_locked(i % 3);
		if (i % 50 == 0)
			fuse_session_unpark(unit.session, i % 100 ? &unit : NULL);
	}
	set_locked(false);
	return NULL;
}

static void each_is_answered_once_whatever_comes_first(void)
{
	unsigned int n_waiting = 0;
	pthread_t thread;

	start();
	g_assert_cmpint(pthread_create(&thread, NULL, unlock_and_interrupt, NULL), ==, 0);
	for (unsigned int i = 0; i < MAX_PARKED; i++)
		n_waiting += send_waiting(i % 7) == FUSE_PARKED;
	pthread_join(thread, NULL);
	g_assert_cmpuint(n_parked, ==, n_waiting);
	for (unsigned int i = 0; i < n_parked; i++)
		g_assert_cmpint(wait_for_answer(i), <=, 0);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op-lock/locks reach the file system as they were sent",
			locks_reach_the_file_system_as_they_were_sent);
	g_test_add_func("/op-lock/GETLK tells what is in the way", getlk_tells_what_is_in_the_way);
	g_test_add_func("/op-lock/what was not agreed on is refused",
			what_was_not_agreed_on_is_refused);
	g_test_add_func("/op-lock/FLUSH and RELEASE say who closes",
			flush_and_release_say_who_closes);
	g_test_add_func("/op-lock/a waiting request is answered when it has the lock",
			a_waiting_request_is_answered_when_it_has_the_lock);
	g_test_add_func("/op-lock/an interrupted request is answered EINTR",
			an_interrupted_request_is_answered_eintr);
	g_test_add_func("/op-lock/a queue that stops gets its own back",
			a_queue_that_stops_gets_its_own_back);
	g_test_add_func("/op-lock/a new session leaves nobody waiting",
			a_new_session_leaves_nobody_waiting);
	g_test_add_func("/op-lock/too many are refused", too_many_are_refused);
	g_test_add_func("/op-lock/each is answered once whatever comes first",
			each_is_answered_once_whatever_comes_first);
	return g_test_run();
}
