/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that the end of the process that serves is a pause to the guest and nothing else: whatever
 * signal ends it, nodes, open files, removed ones too, directories and locks are what they were,
 * what was asked meanwhile is answered once, and nothing piles up over many ends; that one which
 * ends too often is not replaced, and that nobody outlives the keeper.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define GUEST_RDWR  2u
#define N_ENDS	    20u
#define N_FILES	    200u
#define DIR_BYTES   4096u
#define STREAM_SIZE 64u

static const char *const plain_args[] = { "--max-restarts=1000", NULL };
static const char *const lock_args[] = { "--max-restarts=1000", "--posix-lock", "--flock", NULL };
static const char *const few_fds_args[] = { "--max-restarts=1000", "--rlimit-nofile=256",
					    "--thread-pool-size=0", NULL };
static const char *const few_ends_args[] = { "--max-restarts=2", NULL };

/* A sanitizer would make an ordinary end of what is to be the end by a signal. */
static const char *const bare_env[] = { "ASAN_OPTIONS=handle_segv=0", NULL };

static void populate(const struct share *share)
{
	share_write_text(share, "file", "content");
	share_write_text(share, "gone", "removed");
	share_mkdir(share, "dir", 0755);
	share_write_text(share, "dir/a", "a");
	share_write_text(share, "dir/b", "b");
}

static struct fixture *start(const char *const *args)
{
	const struct fixture_config config = {
		.populate = populate,
		.args = args,
		.env = bare_env,
		.kills = true,
		.vmm = { .n_request_queues = 2 },
		.client = { .depth = STREAM_SIZE, .data_bytes = 4096 },
	};

	return fixture_start(&config);
}

static uint64_t open_file(struct fixture *f, uint64_t nodeid)
{
	struct fuse_open_out out;

	g_assert_cmpint(fuse_open(&f->client, nodeid, GUEST_RDWR, &out), ==, 0);
	return out.fh;
}

static void expect_text(struct fixture *f, uint64_t nodeid, uint64_t fh, const char *text)
{
	char bytes[64] = "";

	g_assert_cmpint(fuse_read(&f->client, nodeid, fh, 0, sizeof(bytes), bytes), ==,
			(int)strlen(text));
	g_assert_cmpstr(bytes, ==, text);
}

/* Names from `*offset` on, which moves behind the first. */
static unsigned int list(struct fixture *f, uint64_t nodeid, uint64_t fh, uint64_t *offset)
{
	uint8_t entries[DIR_BYTES];
	const struct fuse_dirent *first, *entry;
	size_t at = 0;
	unsigned int n = 1;
	int bytes = fuse_readdir(&f->client, nodeid, fh, *offset, sizeof(entries), entries, false);

	g_assert_cmpint(bytes, >, 0);
	first = fuse_dirent_next(entries, (size_t)bytes, &at);
	while ((entry = fuse_dirent_next(entries, (size_t)bytes, &at)))
		n++;
	*offset = first->off;
	return n;
}

static void what_the_guest_has_is_still_there(gconstpointer arg)
{
	int signo = GPOINTER_TO_INT(arg);
	struct fixture *f = start(plain_args);
	uint64_t file = fuse_node(&f->client, "file");
	uint64_t gone = fuse_node(&f->client, "gone");
	uint64_t dir = fuse_node(&f->client, "dir");
	uint64_t file_fh = open_file(f, file), gone_fh = open_file(f, gone);
	struct fuse_open_out dir_out;
	struct fuse_attr_out attr;
	uint64_t offset = 0;
	unsigned int n;

	g_assert_cmpint(fuse_opendir(&f->client, dir, 0, &dir_out), ==, 0);
	n = list(f, dir, dir_out.fh, &offset);
	g_assert_cmpint(fuse_unlink(&f->client, FUSE_ROOT_ID, "gone"), ==, 0);
	daemon_kill_worker(f->daemon, signo);
	expect_text(f, file, file_fh, "content");
	expect_text(f, gone, gone_fh, "removed");
	g_assert_cmpuint(list(f, dir, dir_out.fh, &offset), ==, n - 1);
	g_assert_cmpuint(fuse_node(&f->client, "file"), ==, file);
	g_assert_cmpuint(fuse_node(&f->client, "dir"), ==, dir);
	g_assert_cmpint(fuse_getattr(&f->client, gone, UINT64_MAX, &attr), ==, 0);
	g_assert_cmpuint(attr.attr.nlink, ==, 0);
	g_assert_cmpint(fuse_write(&f->client, gone, gone_fh, 0, 3, "REM", 0), ==, 3);
	expect_text(f, gone, gone_fh, "REMoved");
	g_assert_cmpint(fuse_release(&f->client, gone, gone_fh), ==, 0);
	g_assert_cmpint(fuse_read(&f->client, gone, gone_fh, 0, 1, &(char){ 0 }), ==, -EBADF);
	fuse_forget(&f->client, gone, 1);
	g_assert_cmpint(fuse_getattr(&f->client, gone, UINT64_MAX, &attr), ==, -ESTALE);
	/* Another open is another handle. */
	g_assert_cmpuint(open_file(f, file), !=, gone_fh);
	fixture_stop(f);
}

static int set_lock(struct fixture *f, uint64_t nodeid, uint64_t fh, uint64_t owner, uint32_t type,
		    uint64_t start, uint64_t end)
{
	const struct fuse_lk_in in = {
		.fh = fh,
		.owner = owner,
		.lk = { .start = start, .end = end, .type = type, .pid = (uint32_t)owner },
	};

	return fuse_lock(&f->client, FUSE_SETLK, nodeid, &in, NULL);
}

static uint32_t pid_of_lock(struct fixture *f, uint64_t nodeid, uint64_t fh, uint64_t at)
{
	const struct fuse_lk_in in = {
		.fh = fh,
		.owner = 99,
		.lk = { .start = at, .end = at, .type = F_WRLCK, .pid = 99 },
	};
	struct fuse_lk_out out;

	g_assert_cmpint(fuse_lock(&f->client, FUSE_GETLK, nodeid, &in, &out), ==, 0);
	return out.lk.type == F_UNLCK ? 0 : out.lk.pid;
}

static bool host_may_lock(struct fixture *f, off_t at)
{
	int fd = open(share_path(&f->share, "file"), O_RDWR | O_CLOEXEC);
	struct flock flock = { .l_type = F_WRLCK, .l_start = at, .l_len = 1 };
	int r = fcntl(fd, F_OFD_SETLK, &flock);

	close(fd);
	return r == 0;
}

static bool host_may_flock(struct fixture *f)
{
	int fd = open(share_path(&f->share, "file"), O_RDWR | O_CLOEXEC);
	int r = flock(fd, LOCK_EX | LOCK_NB);

	close(fd);
	return r == 0;
}

static void locks_are_held_on(void)
{
	struct fixture *f = start(lock_args);
	uint64_t node = fuse_node(&f->client, "file");
	uint64_t fh = open_file(f, node);
	const struct fuse_lk_in whole = {
		.fh = fh, .owner = 1, .lk.type = F_WRLCK, .lk_flags = FUSE_LK_FLOCK
	};

	g_assert_cmpint(set_lock(f, node, fh, 1, F_WRLCK, 0, 9), ==, 0);
	g_assert_cmpint(set_lock(f, node, fh, 1, F_RDLCK, 20, 29), ==, 0);
	g_assert_cmpint(set_lock(f, node, fh, 2, F_WRLCK, 10, 14), ==, 0);
	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, node, &whole, NULL), ==, 0);
	for (int i = 0; i < 3; i++) {
		daemon_kill_worker(f->daemon, SIGKILL);
		g_assert_cmpint(set_lock(f, node, fh, 2, F_WRLCK, 9, 9), ==, -EAGAIN);
		g_assert_cmpuint(pid_of_lock(f, node, fh, 5), ==, 1);
		g_assert_cmpuint(pid_of_lock(f, node, fh, 12), ==, 2);
		g_assert_cmpuint(pid_of_lock(f, node, fh, 25), ==, 1);
		g_assert_cmpuint(pid_of_lock(f, node, fh, 15), ==, 0);
		g_assert_false(host_may_lock(f, 0));
		g_assert_false(host_may_flock(f));
	}
	g_assert_cmpint(set_lock(f, node, fh, 1, F_UNLCK, 0, 9), ==, 0);
	g_assert_true(host_may_lock(f, 0));
	g_assert_cmpint(fuse_flush_fh(&f->client, node, fh, 2), ==, 0);
	g_assert_true(host_may_lock(f, 12));
	g_assert_cmpint(fuse_release(&f->client, node, fh), ==, 0);
	g_assert_true(host_may_flock(f));
	g_assert_true(host_may_lock(f, 25));
	fixture_stop(f);
}

static void populate_many(const struct share *share)
{
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		share_write_text(share, name, name);
	}
}

static void inodes_without_a_descriptor_are_found_again(void)
{
	const struct fixture_config config = { .populate = populate_many,
					       .args = few_fds_args,
					       .kills = true };
	struct fixture *f = fixture_start(&config);
	uint64_t nodes[N_FILES];
	struct fuse_attr_out attr;

	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		nodes[i] = fuse_node(&f->client, name);
	}
	daemon_kill_worker(f->daemon, SIGKILL);
	for (unsigned int i = 0; i < N_FILES; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		g_assert_cmpint(fuse_getattr(&f->client, nodes[i], UINT64_MAX, &attr), ==, 0);
		g_assert_cmpuint(attr.attr.size, ==, strlen(name));
		g_assert_cmpuint(fuse_node(&f->client, name), ==, nodes[i]);
		fuse_forget(&f->client, nodes[i], 2);
		g_assert_cmpint(fuse_getattr(&f->client, nodes[i], UINT64_MAX, &attr), ==, -ESTALE);
	}
	fixture_stop(f);
}

static unsigned int n_threads(struct fixture *f)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task", daemon_worker_pid(f->daemon));
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	unsigned int n = 0;

	while (dir && g_dir_read_name(dir))
		n++;
	return n;
}

static void nothing_piles_up(void)
{
	struct fixture *f = start(plain_args);
	uint64_t file = fuse_node(&f->client, "file");
	uint64_t fh = open_file(f, file);
	unsigned int fds = 0, threads = 0;
	unsigned long kib = 0;

	for (unsigned int i = 0; i < N_ENDS; i++) {
		daemon_kill_worker(f->daemon, SIGKILL);
		expect_text(f, file, fh, "content");
		g_assert_cmpuint(fuse_node(&f->client, "file"), ==, file);
		/* It has all its threads and descriptors once it listens to the front-end. */
		g_assert_true(fixture_session_answers(f));
		if (i == 0) {
			fds = daemon_n_fds(f->daemon);
			threads = n_threads(f);
			kib = daemon_rss_kib(f->daemon);
		}
	}
	g_assert_cmpuint(daemon_n_fds(f->daemon), ==, fds);
	g_assert_cmpuint(n_threads(f), ==, threads);
	g_assert_cmpuint(daemon_rss_kib(f->daemon), <=, kib + kib / 4);
	fixture_stop(f);
}

static void submit_write(struct fixture *f, uint64_t nodeid, uint64_t fh, uint64_t offset)
{
	struct fuse_slot *slot = fuse_slot_get(&f->client);
	const struct fuse_write_in in = { .fh = fh, .offset = offset, .size = sizeof(offset) };

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_WRITE, nodeid);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	memcpy(slot->data, &offset, sizeof(offset));
	slot->data_out = sizeof(offset);
	slot->reply_room = sizeof(struct fuse_write_out);
	fuse_submit(slot);
}

static unsigned int reap_writes(struct fixture *f)
{
	struct fuse_slot *slots[STREAM_SIZE];
	int n = fuse_reap(&f->client, slots, STREAM_SIZE, deadline_default());

	g_assert_cmpint(n, >, 0);
	for (int i = 0; i < n; i++) {
		g_assert_null(fuse_slot_check(slots[i], sizeof(struct fuse_write_out), false));
		g_assert_cmpint(slots[i]->out->error, ==, 0);
		fuse_slot_put(slots[i]);
	}
	return (unsigned int)n;
}

/* Each number is written to its own place; the worker is ended while many of them are on the way. */
static void a_stream_of_requests_is_answered(void)
{
	const unsigned int n_rounds = 40;
	struct fixture *f = start(plain_args);
	uint64_t file = fuse_node(&f->client, "file");
	uint64_t fh = open_file(f, file);
	uint64_t next = 0;
	g_autofree char *text = NULL;
	size_t n_bytes;

	for (unsigned int round = 0; round < n_rounds; round++) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < STREAM_SIZE; i++)
			submit_write(f, file, fh, next++ * sizeof(next));
		fuse_flush(&f->client);
		if (round % 2)
			n = reap_writes(f);
		daemon_kill_worker(f->daemon, SIGKILL);
		while (n < STREAM_SIZE)
			n += reap_writes(f);
	}
	g_assert_true(g_file_get_contents(share_path(&f->share, "file"), &text, &n_bytes, NULL));
	g_assert_cmpuint(n_bytes, ==, next * sizeof(next));
	for (uint64_t i = 0; i < next; i++)
		g_assert_cmpuint(((const uint64_t *)(const void *)text)[i], ==, i * sizeof(i));
	fixture_stop(f);
}

/* The one who ends too often takes the connection with it, in order. */
static void too_many_ends_are_the_end(void)
{
	struct fixture *f = start(few_ends_args);
	struct fuse_attr_out attr;

	f->end_status = 128 + SIGSEGV;
	for (int i = 0; i < 3; i++) {
		g_assert_cmpint(fuse_getattr(&f->client, FUSE_ROOT_ID, UINT64_MAX, &attr), ==, 0);
		daemon_kill_worker(f->daemon, SIGSEGV);
	}
	daemon_wait_stderr(f->daemon, "it is not replaced any more");
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGKILL, SIGSEGV, SIGSYS, SIGABRT };

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
		g_autofree char *name =
			g_strdup_printf("/survival/what-the-guest-has-is-still-there-after-SIG%s",
					sigabbrev_np(signals[i]));

		g_test_add_data_func(name, GINT_TO_POINTER(signals[i]),
				     what_the_guest_has_is_still_there);
	}
	g_test_add_func("/survival/locks-are-held-on", locks_are_held_on);
	g_test_add_func("/survival/inodes-without-a-descriptor-are-found-again",
			inodes_without_a_descriptor_are_found_again);
	g_test_add_func("/survival/nothing-piles-up", nothing_piles_up);
	g_test_add_func("/survival/a-stream-of-requests-is-answered",
			a_stream_of_requests_is_answered);
	g_test_add_func("/survival/too-many-ends-are-the-end", too_many_ends_are_the_end);
	return g_test_run();
}
