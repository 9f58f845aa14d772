/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost-user connection whose process dies, at each system call of each kind of message and in
 * between: a successor, which shares the descriptor table and the section, answers once and has the
 * same queues, memory and features as if nobody had died; chains in flight come back once.
 */
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/session-unit.h"
#include "vhost/session-internal.h"

#define MAX_FDS	  512
#define N_OFFERED 4u
#define N_POPPED  2u
#define P_USED	  (P_REPLY_ACK | P_BACKEND | P_INBAND | VHOST_BIT(15) | VHOST_BIT(16))

/* ---- A process that can die ---- */

struct death {
	struct fixture *f;
	pid_t pid;
	int call_fd;	 /* of queue 1 */
	bool call_stays; /* no message replaces it */
	bool open_before[MAX_FDS];
};

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static struct vhost_section *section_of(const struct fixture *f)
{
	return f->section;
}

/* Queue 1 runs and has requests in flight, others still to be popped. */
static void set_up(struct death *d)
{
	struct vq_chain *chain = g_new(struct vq_chain, 1);
	struct fixture *f = d->f;

	handshake(f, P_USED);
	g_assert_true(change_region(f, VHOST_USER_ADD_MEM_REG, 0, 32));
	g_assert_true(change_region(f, VHOST_USER_ADD_MEM_REG, 32, 8));
	prepare_queue(f, 1, 0);
	g_assert_true(set_fd(f, VHOST_USER_SET_VRING_CALL, 1, d->call_fd));
	g_assert_true(set_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1));
	for (uint16_t i = 0; i < N_OFFERED; i++) {
		unit_desc(&f->ring, i, unit_gpa(16 * UNIT_PAGE), 8, 0, 0);
		unit_offer(&f->ring, i);
	}
	for (unsigned int i = 0; i < N_POPPED; i++) {
		g_assert_cmpint(vq_pop(f->device.queue[1], chain), ==, VQ_POP_CHAIN);
		f->device.held[f->device.n_held++] = chain->head;
	}
	g_free(chain);
}

static void be_the_process(struct death *d)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP))
		_exit(1);
	set_up(d);
	if (raise(SIGSTOP))
		_exit(1);
	/* The message has been sent. */
	_exit(vhost_session_handle(d->f->session) == VHOST_SESSION_GOES_ON ? 0 : 1);
}

static void wait_for_stop(pid_t pid)
{
	int status;

	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSTOPPED(status));
}

/* The child has a copy of the session and goes on with it; here it is forgotten. */
static void forget_session(struct fixture *f)
{
	f->session->fd = -1;
	vhost_session_free(f->session);
	f->session = NULL;
	section_of(f)->live = 1;
}

static void start(struct death *d)
{
	d->f = fixture_new();
	d->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (int fd = 0; fd < MAX_FDS; fd++)
		d->open_before[fd] = is_open(fd);
	d->pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	g_assert_cmpint(d->pid, >=, 0);
	if (d->pid == 0)
		be_the_process(d);
	wait_for_stop(d->pid);
	forget_session(d->f);
	g_assert_cmpint(ptrace(PTRACE_CONT, d->pid, NULL, NULL), ==, 0);
	wait_for_stop(d->pid);
}

/* Lets it live for so many beginnings and ends of system calls. False if it ended by itself. */
static bool die_after(struct death *d, unsigned int n_stops)
{
	int status = 0;

	for (unsigned int i = 0; i < n_stops; i++) {
		g_assert_cmpint(ptrace(PTRACE_SYSCALL, d->pid, NULL, NULL), ==, 0);
		g_assert_cmpint(waitpid(d->pid, &status, 0), ==, d->pid);
		if (WIFEXITED(status)) {
			g_assert_cmpint(WEXITSTATUS(status), ==, 0);
			return false;
		}
		g_assert_true(WIFSTOPPED(status));
		g_assert_cmpint(WSTOPSIG(status), ==, SIGTRAP);
	}
	kill(d->pid, SIGKILL);
	g_assert_cmpint(waitpid(d->pid, &status, 0), ==, d->pid);
	g_assert_true(WIFSIGNALED(status));
	return true;
}

static void note_needed(void *arg, int fd)
{
	bool *needed = arg;

	g_assert_cmpint(fd, <, MAX_FDS);
	g_assert_true(is_open(fd));
	needed[fd] = true;
}

/* As a successor does: what the dead process had beside. */
static void close_the_rest(const struct death *d)
{
	bool needed[MAX_FDS] = { false };

	vhost_section_each_fd(d->f->section, note_needed, needed);
	for (int fd = 0; fd < MAX_FDS; fd++)
		if (!needed[fd] && !d->open_before[fd])
			(void)close(fd);
}

static void adopt(struct death *d)
{
	struct fixture *f = d->f;
	uint64_t calls;

	g_assert_true(vhost_section_live(f->section));
	close_the_rest(d);
	g_assert_null(f->session);
	g_assert_cmpint(vhost_session_adopt(&f->device.vhost, f->section, &f->session), ==, 0);
	if (runs(f, 1) && d->call_stays)
		g_assert_cmpint(read(d->call_fd, &calls, sizeof(calls)), ==, sizeof(calls));
	f->ring.next_avail = f->ring.avail->idx;
}

static void end(struct death *d)
{
	close(d->call_fd);
	d->f->device.n_starts = d->f->device.n_stops + runs(d->f, 1);
	fixture_free(d->f);
}

/* ---- What a successor has, in words ---- */

static void describe_queue(GString *text, const struct fixture *f, unsigned int i)
{
	const struct saved_queue *q = &session_saved(section_of(f))->queues[i];

	g_string_append_printf(text,
			       "queue %u: runs %d enable %u started %d addr %d fresh %d next %u "
			       "kick %d call %d/%d err %d/%d size %u at %#lx\n",
			       i, runs(f, i), q->enable, q->started, q->has_addr, q->addr_fresh,
			       q->next_avail, q->kick_fd >= 0, q->call.kind, q->call.fd >= 0,
			       q->err.kind, q->err.fd >= 0, q->place.size,
			       (unsigned long)q->place.desc_uva);
}

static char *describe(const struct fixture *f)
{
	const struct saved_session *saved = session_saved(section_of(f));
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "features %#lx protocol %#lx status %#lx channel %d/%d\n",
			       (unsigned long)saved->features,
			       (unsigned long)saved->protocol_features,
			       (unsigned long)saved->status, saved->channel_fd >= 0, saved->inband);
	for (unsigned int i = 0; i < 3; i++)
		describe_queue(text, f, i);
	for (unsigned int i = 0; i < saved->n_regions; i++)
		g_string_append_printf(text, "region %#lx+%#lx at %#lx from %#lx\n",
				       (unsigned long)saved->regions[i].desc.gpa,
				       (unsigned long)saved->regions[i].desc.size_bytes,
				       (unsigned long)saved->regions[i].desc.uva,
				       (unsigned long)saved->regions[i].desc.mmap_offset);
	return g_string_free(text, FALSE);
}

/* Serves what is there. What was popped before came back once, and in any case. */
static void check_requests(struct fixture *f)
{
	struct vq_chain *chain = g_new(struct vq_chain, 1);
	unsigned int used[UNIT_RING_SIZE] = { 0 };

	while (runs(f, 1) && vq_pop(f->device.queue[1], chain) == VQ_POP_CHAIN) {
		g_assert_false(chain->damaged);
		vq_push(f->device.queue[1], &(struct vq_used){ .head = chain->head }, 1);
	}
	for (unsigned int i = 0; i < f->ring.used->idx; i++)
		used[f->ring.used->ring[i].id]++;
	for (unsigned int i = 0; i < N_OFFERED; i++)
		g_assert_cmpuint(used[i], ==, i < f->ring.used->idx);
	g_assert_cmpuint(f->ring.used->idx, ==, runs(f, 1) ? N_OFFERED : N_POPPED);
	g_free(chain);
}

/* ---- Death at each system call of a message ---- */

static void send_u64(struct fixture *f, uint32_t request, uint64_t value, int fd)
{
	send_message(f, request, ACKED, &value, sizeof(value), &fd, fd >= 0);
}

static void send_state(struct fixture *f, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { index, num };

	send_message(f, request, ACKED, &state, sizeof(state), NULL, 0);
}

static void send_eventfd(struct fixture *f, uint32_t request)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	send_u64(f, request, 1, fd);
	close(fd);
}

static void send_region(struct fixture *f, uint32_t request, unsigned int page)
{
	struct guest_region_desc d = unit_region(page, 8);
	struct vhost_user_mem_region region = {
		.region = { d.gpa, d.size_bytes, d.uva, d.mmap_offset },
	};

	send_message(f, request, ACKED, &region, sizeof(region), &f->ram.fd,
		     request == VHOST_USER_ADD_MEM_REG);
}

static void send_get_features(struct fixture *f)
{
	send_message(f, VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, NULL, 0, NULL, 0);
}

static void send_set_features(struct fixture *f)
{
	send_u64(f, VHOST_USER_SET_FEATURES, F_USUAL | VHOST_BIT(28), -1);
}

static void send_table(struct fixture *f)
{
	struct guest_region_desc d = unit_region(0, UNIT_RAM_SIZE / UNIT_PAGE);
	struct vhost_user_mem_table table = {
		.n_regions = 1,
		.regions = { { d.gpa, d.size_bytes, d.uva, d.mmap_offset } },
	};

	send_message(f, VHOST_USER_SET_MEM_TABLE, ACKED, &table, 8 + 32, &f->ram.fd, 1);
}

static void send_add(struct fixture *f)
{
	send_region(f, VHOST_USER_ADD_MEM_REG, 48);
}

static void send_bad_add(struct fixture *f)
{
	send_region(f, VHOST_USER_ADD_MEM_REG, 30); /* overlaps */
}

static void send_remove(struct fixture *f)
{
	send_region(f, VHOST_USER_REM_MEM_REG, 32);
}

static void send_num(struct fixture *f)
{
	send_state(f, VHOST_USER_SET_VRING_NUM, 1, UNIT_RING_SIZE);
}

static void send_addr(struct fixture *f)
{
	struct vhost_user_vring_addr addr = {
		.index = 1,
		.desc_uva = UNIT_UVA + UNIT_DESC_OFFSET,
		.avail_uva = UNIT_UVA + UNIT_AVAIL_OFFSET,
		.used_uva = UNIT_UVA + UNIT_USED_OFFSET,
	};

	send_message(f, VHOST_USER_SET_VRING_ADDR, ACKED, &addr, sizeof(addr), NULL, 0);
}

static void send_get_base(struct fixture *f)
{
	send_state(f, VHOST_USER_GET_VRING_BASE, 1, 0);
}

static void send_disable(struct fixture *f)
{
	send_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0);
}

static void send_base_of_another(struct fixture *f)
{
	send_state(f, VHOST_USER_SET_VRING_BASE, 2, 77);
}

static void send_kick(struct fixture *f)
{
	send_eventfd(f, VHOST_USER_SET_VRING_KICK);
}

static void send_call(struct fixture *f)
{
	send_eventfd(f, VHOST_USER_SET_VRING_CALL);
}

static void send_err(struct fixture *f)
{
	send_eventfd(f, VHOST_USER_SET_VRING_ERR);
}

static void send_channel(struct fixture *f)
{
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	send_message(f, VHOST_USER_SET_BACKEND_REQ_FD, ACKED, NULL, 0, &pair[0], 1);
	close(pair[0]);
	close(pair[1]);
}

static void send_status(struct fixture *f)
{
	send_u64(f, VHOST_USER_SET_STATUS, 0, -1);
}

static void send_reset(struct fixture *f)
{
	send_message(f, VHOST_USER_RESET_DEVICE, ACKED, NULL, 0, NULL, 0);
}

static void send_unknown(struct fixture *f)
{
	send_u64(f, 4711, 0, -1);
}

static unsigned int count_answers(struct fixture *f)
{
	struct vhost_user_header head;
	char payload[512];
	unsigned int n = 0;

	for (; recv(f->fd, &head, sizeof(head), MSG_DONTWAIT) == sizeof(head); n++)
		g_assert_cmpint(recv(f->fd, payload, head.size, MSG_DONTWAIT), ==, head.size);
	return n;
}

/* Whether the process ended by itself; describes what its successor has then. */
static bool die_in_message(void (*send)(struct fixture *f), unsigned int n_stops, char **ret_text)
{
	struct death d = { .call_stays = send != send_call };
	bool died, in_window;

	start(&d);
	send(d.f);
	died = die_after(&d, n_stops);
	/* Answered, and not noted yet. */
	in_window = readable(d.f->fd) && section_of(d.f)->answered != section_of(d.f)->generation;
	adopt(&d);
	while (readable(vhost_session_fd(d.f->session)))
		g_assert_cmpint(vhost_session_handle(d.f->session), ==, VHOST_SESSION_GOES_ON);
	g_assert_cmpuint(count_answers(d.f), ==, in_window ? 2 : 1);
	*ret_text = describe(d.f);
	check_requests(d.f);
	end(&d);
	return !died;
}

static void test_message(const void *data)
{
	void (*const *send)(struct fixture * f) = data;
	g_autofree char *wanted = NULL;
	unsigned int n_stops = 0;
	bool ended = false;

	g_assert_true(die_in_message(*send, UINT_MAX, &wanted));
	for (; !ended; n_stops++) {
		g_autofree char *text = NULL;

		ended = die_in_message(*send, n_stops, &text);
		g_assert_cmpstr(text, ==, wanted);
	}
	g_assert_cmpuint(n_stops, >, 10);
	g_test_message("%u deaths", n_stops);
}

static const struct {
	const char *name;
	void (*send)(struct fixture *f);
} messages[] = {
	{ "get-features", send_get_features },
	{ "set-features", send_set_features },
	{ "set-mem-table", send_table },
	{ "add-mem-reg", send_add },
	{ "a-refused-add-mem-reg", send_bad_add },
	{ "rem-mem-reg", send_remove },
	{ "set-vring-num", send_num },
	{ "set-vring-addr", send_addr },
	{ "set-vring-base", send_base_of_another },
	{ "get-vring-base", send_get_base },
	{ "set-vring-enable", send_disable },
	{ "set-vring-kick", send_kick },
	{ "set-vring-call", send_call },
	{ "set-vring-err", send_err },
	{ "set-backend-req-fd", send_channel },
	{ "set-status", send_status },
	{ "reset-device", send_reset },
	{ "an-unknown-message", send_unknown },
};

/* ---- Between messages ---- */

/* The process is dead and nothing was sent. */
static void start_dead(struct death *d)
{
	start(d);
	g_assert_true(die_after(d, 0));
}

static void test_life_goes_on(void)
{
	struct death d = { .call_stays = true };
	g_autofree char *before = NULL, *after = NULL;

	start_dead(&d);
	adopt(&d);
	before = describe(d.f);
	g_assert_cmpuint(count_answers(d.f), ==, 0);
	check_requests(d.f);
	g_assert_true(change_region(d.f, VHOST_USER_ADD_MEM_REG, 40, 4));
	g_assert_true(change_region(d.f, VHOST_USER_REM_MEM_REG, 40, 4));
	g_assert_true(runs(d.f, 1));
	after = describe(d.f);
	/* Only the position has moved on. */
	g_assert_cmpuint(strlen(after), ==, strlen(before));
	g_assert_cmpint(get_base(d.f, 1), ==, N_OFFERED);
	end(&d);
}

/* A file that was cut short, which the dead process had mapped. */
static void test_memory_is_gone(void)
{
	struct death d = { 0 };

	start_dead(&d);
	close_the_rest(&d);
	g_assert_cmpint(ftruncate(d.f->ram.fd, 33 * UNIT_PAGE), ==, 0);
	g_assert_cmpint(vhost_session_adopt(&d.f->device.vhost, d.f->section, &d.f->session), ==,
			-EINVAL);
	g_assert_null(d.f->session);
	g_assert_false(vhost_section_live(d.f->section));
	end(&d);
}

/* A device that cannot serve a queue any more, so that its requests would be lost. */
static void test_queue_is_gone(void)
{
	struct death d = { 0 };

	start_dead(&d);
	close_the_rest(&d);
	d.f->device.refuse = -ENOMEM;
	g_assert_cmpint(vhost_session_adopt(&d.f->device.vhost, d.f->section, &d.f->session), <, 0);
	end(&d);
}

static void test_hung_up(void)
{
	struct death d = { 0 };

	start_dead(&d);
	g_assert_cmpint(shutdown(d.f->fd, SHUT_WR), ==, 0);
	adopt(&d);
	g_assert_cmpint(vhost_session_handle(d.f->session), ==, VHOST_SESSION_CLOSED);
	end(&d);
}

static void test_live(void)
{
	struct fixture *f = fixture_new();
	struct vhost_section *section = f->section;

	g_assert_true(vhost_section_live(section));
	vhost_session_free(f->session);
	f->session = NULL;
	g_assert_false(vhost_section_live(section));
	fixture_free(f);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/session-adopt/a-section-is-live-while-a-session-is", test_live);
	g_test_add_func("/session-adopt/a-successor-goes-on", test_life_goes_on);
	g_test_add_func("/session-adopt/memory-that-is-gone-ends-the-connection",
			test_memory_is_gone);
	g_test_add_func("/session-adopt/a-queue-that-cannot-run-ends-the-connection",
			test_queue_is_gone);
	g_test_add_func("/session-adopt/a-hang-up-meanwhile-is-noticed", test_hung_up);
	for (unsigned int i = 0; i < G_N_ELEMENTS(messages); i++) {
		g_autofree char *name =
			g_strdup_printf("/session-adopt/a-process-may-die-at-any-system-call-of-%s",
					messages[i].name);

		g_test_add_data_func(name, &messages[i].send, test_message);
	}
	return g_test_run();
}
