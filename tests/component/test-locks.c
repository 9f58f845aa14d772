/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that locks of a guest are locks on the host, between queues, with host processes and with
 * other guests; that waiting for one holds up nobody, not even with a single thread per queue; and
 * that whoever waits is answered once, whatever ends the waiting: the lock, an interruption, the
 * session, the ring, or nothing any more because the front-end is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define GUEST_RDWR 2u
#define N_WAITERS  6u

static const char *const lock_args[] = { "--posix-lock", "--flock", "--thread-pool-size=0", NULL };

struct locks {
	struct fixture *f;
	struct fuse_client second; /* on a queue of its own */
	uint64_t nodeid, fh;
	int host_fd; /* this process, on the same file */
};

static void populate(const struct share *share)
{
	share_write_text(share, "file", "content");
}

static void start(struct locks *l, unsigned int ring_size, unsigned int depth)
{
	const struct fixture_config config = {
		.populate = populate,
		.args = lock_args,
		.vmm = { .n_request_queues = 2, .ring_size = ring_size },
		.client = { .depth = depth, .data_bytes = 4096 },
	};
	const struct fuse_client_config second = { .queue = 2 };
	struct fuse_open_out open_out;

	l->f = fixture_start(&config);
	fuse_client_init(&l->second, &l->f->vmm, &second);
	g_assert_cmphex(l->f->client.init_flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), ==,
			FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS);
	l->nodeid = fuse_node(&l->f->client, "file");
	g_assert_cmpint(fuse_open(&l->f->client, l->nodeid, GUEST_RDWR, &open_out), ==, 0);
	l->fh = open_out.fh;
	l->host_fd = open(share_path(&l->f->share, "file"), O_RDWR | O_CLOEXEC);
	g_assert_cmpint(l->host_fd, >=, 0);
}

/* The daemon ends with the connection, and then nothing is locked. */
static void stop(struct locks *l)
{
	struct flock flock = { .l_type = F_WRLCK };
	int fd = open(share_path(&l->f->share, "file"), O_RDWR | O_CLOEXEC);

	close(l->host_fd);
	fuse_client_deinit(&l->second);
	fixture_stop(l->f);
	g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &flock), ==, 0);
	close(fd);
}

static struct fuse_lk_in wish_of(const struct locks *l, uint64_t owner, uint32_t type)
{
	return (struct fuse_lk_in){
		.fh = l->fh,
		.owner = owner,
		.lk.end = 99,
		.lk.type = type,
		.lk.pid = (uint32_t)owner,
	};
}

static int set_lock(struct locks *l, struct fuse_client *client, uint64_t owner, uint32_t type)
{
	const struct fuse_lk_in in = wish_of(l, owner, type);

	return fuse_lock(client, FUSE_SETLK, l->nodeid, &in, NULL);
}

static int host_lock(const struct locks *l, short type)
{
	struct flock flock = { .l_type = type };

	return fcntl(l->host_fd, F_OFD_SETLK, &flock) < 0 ? -errno : 0;
}

/* Sends a SETLKW without waiting for its answer. */
static struct fuse_slot *send_waiting(struct locks *l, struct fuse_client *client,
				      const struct fuse_lk_in *in)
{
	struct fuse_slot *slot = fuse_slot_get(client);

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_SETLKW, l->nodeid);
	memcpy(slot->arg, in, sizeof(*in));
	slot->arg_len = sizeof(*in);
	fuse_submit(slot);
	fuse_flush(client);
	return slot;
}

static struct fuse_slot *wait_for(struct locks *l, uint64_t owner)
{
	const struct fuse_lk_in in = wish_of(l, owner, F_WRLCK);

	return send_waiting(l, &l->f->client, &in);
}

/* The next answer is this one. */
static int answer_of(struct fuse_client *client, struct fuse_slot *slot)
{
	struct fuse_slot *answered;
	int error;

	g_assert_cmpint(fuse_reap(client, &answered, 1, deadline_default()), ==, 1);
	g_assert_true(answered == slot);
	g_assert_null(fuse_slot_check(slot, 0, false));
	error = slot->out->error;
	fuse_slot_put(slot);
	return error;
}

/* A GETATTR on the queue of those who wait: its answer is the next one to come. */
static void check_served(struct fuse_client *client)
{
	struct fuse_slot *slot = fuse_slot_get(client), *answered;

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_GETATTR, FUSE_ROOT_ID);
	memset(slot->arg, 0, sizeof(struct fuse_getattr_in));
	slot->arg_len = sizeof(struct fuse_getattr_in);
	slot->reply_room = sizeof(struct fuse_attr_out);
	fuse_submit(slot);
	fuse_flush(client);
	g_assert_cmpint(fuse_reap(client, &answered, 1, deadline_default()), ==, 1);
	g_assert_true(answered == slot);
	g_assert_null(fuse_slot_check(slot, sizeof(struct fuse_attr_out), false));
	fuse_slot_put(slot);
}

/* ---- Seen by all ---- */

static void without_the_options_locks_are_not_offered(void)
{
	struct fixture *f = fixture_start(&(struct fixture_config){ .populate = populate });
	const struct fuse_lk_in in = { .fh = 1 };

	g_assert_cmphex(f->client.init_flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), ==, 0);
	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, FUSE_ROOT_ID, &in, NULL), ==, -ENOSYS);
	fixture_stop(f);
}

static void queues_and_host_see_each_other(void)
{
	struct fuse_lk_in ask;
	struct fuse_lk_out out;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(set_lock(&l, &l.f->client, 1, F_WRLCK), ==, 0);
	g_assert_cmpint(set_lock(&l, &l.second, 2, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(set_lock(&l, &l.second, 1, F_RDLCK), ==, 0);
	g_assert_cmpint(set_lock(&l, &l.second, 2, F_RDLCK), ==, 0);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(host_lock(&l, F_RDLCK), ==, 0);
	ask = wish_of(&l, 2, F_WRLCK);
	g_assert_cmpint(set_lock(&l, &l.second, 1, F_UNLCK), ==, 0);
	g_assert_cmpint(fuse_lock(&l.second, FUSE_GETLK, l.nodeid, &ask, &out), ==, 0);
	g_assert_cmpuint(out.lk.type, ==, F_RDLCK);
	g_assert_cmpuint(out.lk.end, ==, INT64_MAX);
	g_assert_cmpuint(out.lk.pid, ==, 0);
	g_assert_cmpint(host_lock(&l, F_UNLCK), ==, 0);
	ask.owner = 3;
	g_assert_cmpint(fuse_lock(&l.second, FUSE_GETLK, l.nodeid, &ask, &out), ==, 0);
	g_assert_cmpuint(out.lk.end, ==, 99);
	g_assert_cmpuint(out.lk.pid, ==, 2);
	stop(&l);
}

/* Two daemons on one directory, as two guests that share it. */
static void guests_see_each_other(void)
{
	struct locks l;

	start(&l, 0, 4);
	const char *const args[] = { "--posix-lock", "--shared-dir", l.f->share.dir, NULL };
	struct fixture *other = fixture_start(&(struct fixture_config){ .args = args });
	uint64_t nodeid = fuse_node(&other->client, "file");
	struct fuse_lk_in in = wish_of(&l, 1, F_WRLCK);
	struct fuse_open_out open_out;
	struct fuse_slot *waiting;

	g_assert_cmpint(fuse_open(&other->client, nodeid, GUEST_RDWR, &open_out), ==, 0);
	in.fh = open_out.fh;
	g_assert_cmpint(fuse_lock(&other->client, FUSE_SETLK, nodeid, &in, NULL), ==, 0);
	g_assert_cmpint(set_lock(&l, &l.f->client, 1, F_RDLCK), ==, -EAGAIN);
	waiting = wait_for(&l, 1);
	check_served(&l.f->client);
	/* A guest that goes lets go. */
	fixture_stop(other);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, 0);
	stop(&l);
}

/* ---- Waiting ---- */

static void who_waits_holds_up_nobody_and_gets_the_lock(void)
{
	struct fuse_slot *waiting;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	waiting = wait_for(&l, 1);
	for (unsigned int i = 0; i < 100; i++) {
		check_served(&l.f->client);
		check_served(&l.second);
	}
	g_assert_cmpint(host_lock(&l, F_UNLCK), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, 0);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, -EAGAIN);
	stop(&l);
}

static void owners_of_the_guest_get_it_one_after_the_other(void)
{
	struct fuse_slot *slot;
	struct locks l;

	start(&l, 0, N_WAITERS + 2);
	g_assert_cmpint(set_lock(&l, &l.second, 100, F_WRLCK), ==, 0);
	for (uint64_t owner = 0; owner < N_WAITERS; owner++)
		wait_for(&l, owner)->cookie = owner;
	check_served(&l.f->client);
	g_assert_cmpint(set_lock(&l, &l.second, 100, F_UNLCK), ==, 0);
	for (unsigned int i = 0; i < N_WAITERS; i++) {
		g_assert_cmpint(fuse_reap(&l.f->client, &slot, 1, deadline_default()), ==, 1);
		g_assert_null(fuse_slot_check(slot, 0, false));
		g_assert_cmpint(slot->out->error, ==, 0);
		check_served(&l.f->client);
		g_assert_cmpint(set_lock(&l, &l.second, slot->cookie, F_UNLCK), ==, 0);
		fuse_slot_put(slot);
	}
	stop(&l);
}

static void whole_files_are_waited_for_as_well(void)
{
	struct fuse_slot *waiting;
	struct fuse_lk_in in;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(flock(l.host_fd, LOCK_SH), ==, 0);
	in = wish_of(&l, 1, F_WRLCK);
	in.lk_flags = FUSE_LK_FLOCK;
	waiting = send_waiting(&l, &l.f->client, &in);
	check_served(&l.f->client);
	g_assert_cmpint(flock(l.host_fd, LOCK_UN), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, 0);
	g_assert_cmpint(flock(l.host_fd, LOCK_EX | LOCK_NB), <, 0);
	g_assert_cmpint(fuse_release(&l.second, l.nodeid, l.fh), ==, 0);
	g_assert_cmpint(flock(l.host_fd, LOCK_EX | LOCK_NB), ==, 0);
	stop(&l);
}

static void a_ring_is_never_full_of_who_waits(void)
{
	struct locks l;

	start(&l, 64, 60);
	g_assert_cmpint(set_lock(&l, &l.f->client, 100, F_WRLCK), ==, 0);
	for (unsigned int i = 0; i < 32; i++)
		wait_for(&l, i);
	check_served(&l.f->client);
	g_assert_cmpint(answer_of(&l.f->client, wait_for(&l, 32)), ==, -ENOLCK);
	/* On the same ring: what lets them go on still gets through. */
	check_served(&l.f->client);
	stop(&l);
}

/* ---- The end of waiting and of locks ---- */

static void closing_gives_up_what_the_owner_has(void)
{
	struct fuse_slot *waiting;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(set_lock(&l, &l.f->client, 1, F_RDLCK), ==, 0);
	g_assert_cmpint(set_lock(&l, &l.f->client, 2, F_RDLCK), ==, 0);
	waiting = wait_for(&l, 3);
	check_served(&l.f->client);
	/* A process that dies is flushed, its siblings with the same open file are not. */
	g_assert_cmpint(fuse_flush_fh(&l.second, l.nodeid, l.fh, 1), ==, 0);
	check_served(&l.f->client);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, -EAGAIN);
	g_assert_cmpint(fuse_flush_fh(&l.second, l.nodeid, l.fh, 2), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, 0);
	g_assert_cmpint(fuse_release(&l.second, l.nodeid, l.fh), ==, 0);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	stop(&l);
}

static void a_released_handle_ends_the_waiting_on_it(void)
{
	struct fuse_slot *waiting;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	waiting = wait_for(&l, 1);
	check_served(&l.f->client);
	g_assert_cmpint(fuse_release(&l.second, l.nodeid, l.fh), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, -EBADF);
	stop(&l);
}

static void an_interruption_ends_the_waiting(void)
{
	struct fuse_interrupt_in in = { 0 };
	struct fuse_op op = {
		.opcode = FUSE_INTERRUPT,
		.in = { { &in, sizeof(in) } },
		.no_reply = true,
	};
	struct fuse_slot *waiting, *other;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	waiting = wait_for(&l, 1);
	other = wait_for(&l, 2);
	check_served(&l.f->client);
	in.unique = waiting->in->unique;
	fuse_transact(&l.second, &op);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, -EINTR);
	g_assert_cmpint(host_lock(&l, F_UNLCK), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, other), ==, 0);
	stop(&l);
}

static void a_ring_that_stops_is_drained_of_who_waits(void)
{
	struct fuse_slot *waiting;
	struct locks l;
	uint32_t base;

	start(&l, 0, 4);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	waiting = wait_for(&l, 1);
	check_served(&l.f->client);
	fe_or_die(ring_stop(l.f->client.ring, &base), "GET_VRING_BASE");
	g_assert_cmpuint(l.f->client.ring->used->idx, ==, (uint16_t)base);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, -EAGAIN);
	fe_or_die(ring_start(l.f->client.ring, (uint16_t)base), "restart");
	/* The guest is the same: what it had locked it still has. */
	g_assert_cmpint(host_lock(&l, F_UNLCK), ==, 0);
	g_assert_cmpint(set_lock(&l, &l.f->client, 1, F_WRLCK), ==, 0);
	stop(&l);
}

static void a_new_session_ends_waiting_and_locks(void)
{
	struct fuse_slot *waiting;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(set_lock(&l, &l.f->client, 1, F_WRLCK), ==, 0);
	waiting = wait_for(&l, 2);
	check_served(&l.f->client);
	g_assert_cmpint(fuse_destroy(&l.second), ==, 0);
	g_assert_cmpint(answer_of(&l.f->client, waiting), ==, -EAGAIN);
	g_assert_cmpint(host_lock(&l, F_WRLCK), ==, 0);
	stop(&l);
}

static void a_front_end_may_leave_while_somebody_waits(void)
{
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(set_lock(&l, &l.second, 1, F_WRLCK), ==, 0);
	(void)wait_for(&l, 2);
	check_served(&l.f->client);
	stop(&l);
}

static void locks_leave_no_descriptor_behind(void)
{
	unsigned int n_fds;
	struct locks l;

	start(&l, 0, 4);
	g_assert_cmpint(set_lock(&l, &l.second, 1000, F_RDLCK), ==, 0);
	n_fds = daemon_n_fds(l.f->daemon);
	for (uint64_t owner = 0; owner < 50; owner++) {
		g_assert_cmpint(set_lock(&l, &l.f->client, owner, F_RDLCK), ==, 0);
		g_assert_cmpint(fuse_flush_fh(&l.second, l.nodeid, l.fh, owner), ==, 0);
	}
	g_assert_cmpuint(daemon_n_fds(l.f->daemon), ==, n_fds);
	stop(&l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/locks/without the options locks are not offered",
			without_the_options_locks_are_not_offered);
	g_test_add_func("/locks/queues and host see each other", queues_and_host_see_each_other);
	g_test_add_func("/locks/guests see each other", guests_see_each_other);
	g_test_add_func("/locks/who waits holds up nobody and gets the lock",
			who_waits_holds_up_nobody_and_gets_the_lock);
	g_test_add_func("/locks/owners of the guest get it one after the other",
			owners_of_the_guest_get_it_one_after_the_other);
	g_test_add_func("/locks/whole files are waited for as well",
			whole_files_are_waited_for_as_well);
	g_test_add_func("/locks/a ring is never full of who waits",
			a_ring_is_never_full_of_who_waits);
	g_test_add_func("/locks/closing gives up what the owner has",
			closing_gives_up_what_the_owner_has);
	g_test_add_func("/locks/a released handle ends the waiting on it",
			a_released_handle_ends_the_waiting_on_it);
	g_test_add_func("/locks/an interruption ends the waiting",
			an_interruption_ends_the_waiting);
	g_test_add_func("/locks/a ring that stops is drained of who waits",
			a_ring_that_stops_is_drained_of_who_waits);
	g_test_add_func("/locks/a new session ends waiting and locks",
			a_new_session_ends_waiting_and_locks);
	g_test_add_func("/locks/a front-end may leave while somebody waits",
			a_front_end_may_leave_while_somebody_waits);
	g_test_add_func("/locks/locks leave no descriptor behind",
			locks_leave_no_descriptor_behind);
	return g_test_run();
}
