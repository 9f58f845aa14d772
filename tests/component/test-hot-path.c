/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one request may cost: at most one system call on files for a LOOKUP of a
 * known node, a GETATTR, a READ or a GETXATTR, and no allocation.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"
#include "tests/lib/syscall-count.h"

#define N_REQUESTS   10000
#define DEPTH	     16
/* Thread starts, timers and the like around the measured requests. */
#define SLACK_CALLS  100
#define SLACK_ALLOCS 100

static const char *const bare_args[] = { "--sandbox=none", "--seccomp=none", "--xattr", NULL };

static const char *const exclusive_args[] = {
	"--sandbox=none", "--seccomp=none", "--xattr", "--exclusive", NULL,
};

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", 1 << 20);
}

struct load {
	struct fixture *f;
	uint64_t node;
	uint64_t fh;
	bool exclusive; /* set before load_start(): the file is not opened */
};

static void fill_lookup(const struct load *load, struct fuse_slot *slot)
{
	fuse_slot_prepare(slot, FUSE_LOOKUP, FUSE_ROOT_ID);
	memcpy(slot->arg, "file", 5);
	slot->arg_len = 5;
	slot->reply_room = sizeof(struct fuse_entry_out);
}

static void fill_getattr(const struct load *load, struct fuse_slot *slot)
{
	fuse_slot_prepare(slot, FUSE_GETATTR, load->node);
	memset(slot->arg, 0, sizeof(struct fuse_getattr_in));
	slot->arg_len = sizeof(struct fuse_getattr_in);
	slot->reply_room = sizeof(struct fuse_attr_out);
}

static void fill_read(const struct load *load, struct fuse_slot *slot)
{
	struct fuse_read_in in = { .fh = load->fh, .size = 4096 };

	fuse_slot_prepare(slot, FUSE_READ, load->node);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	slot->data_in = 4096;
}

/* For its length: all replies of a load have the same one. */
static void fill_getxattr(const struct load *load, struct fuse_slot *slot)
{
	fuse_slot_prepare(slot, FUSE_GETXATTR, load->node);
	memset(slot->arg, 0, sizeof(struct fuse_getxattr_in));
	memcpy(slot->arg + sizeof(struct fuse_getxattr_in), "user.a", 7);
	slot->arg_len = sizeof(struct fuse_getxattr_in) + 7;
	slot->reply_room = sizeof(struct fuse_getxattr_out);
}

typedef void (*fill_fn)(const struct load *load, struct fuse_slot *slot);

/* N_REQUESTS with DEPTH in flight; every reply is checked. */
static void run_load(struct load *load, fill_fn fill)
{
	struct fuse_client *client = &load->f->client;
	struct fuse_slot *slots[DEPTH];
	unsigned int submitted = 0, done = 0;

	while (done < N_REQUESTS) {
		struct fuse_slot *slot;
		int n;

		while (submitted < N_REQUESTS && (slot = fuse_slot_get(client))) {
			fill(load, slot);
			fuse_submit(slot);
			submitted++;
		}
		fuse_flush(client);
		n = fuse_reap(client, slots, DEPTH, deadline_default());
		if (n < 0)
			test_die("reap: %s", strerror(-n));
		for (int i = 0; i < n; i++) {
			const char *wrong = fuse_slot_check(
				slots[i], slots[i]->reply_room + slots[i]->data_in, false);

			g_assert_cmpstr(wrong, ==, NULL);
			g_assert_cmpint(slots[i]->out->error, ==, 0);
			fuse_slot_put(slots[i]);
		}
		done += (unsigned int)n;
	}
}

static void load_start(struct load *load, const char *const *env)
{
	struct fixture_config config = {
		.populate = populate,
		.args = load->exclusive ? exclusive_args : bare_args,
		.env = env,
		.client = { .depth = DEPTH, .data_bytes = 4096 },
	};
	struct fuse_open_out open;

	load->f = fixture_start(&config);
	load->node = fuse_node(&load->f->client, "file");
	g_assert_cmpint(fuse_open(&load->f->client, load->node, O_RDONLY, &open), ==,
			load->exclusive ? -ENOSYS : 0);
	load->fh = load->exclusive ? 0 : open.fh;
	g_assert_cmpint(fuse_setxattr(&load->f->client, load->node, "user.a", "1", 1, 0), ==, 0);
	/* Threads start and caches fill before anything is counted. */
	run_load(load, fill_lookup);
	run_load(load, fill_getattr);
	run_load(load, fill_read);
	run_load(load, fill_getxattr);
}

static void check_syscalls(fill_fn fill, bool exclusive)
{
	struct load load = { .exclusive = exclusive };
	struct syscall_count *count;
	g_autofree char *text = NULL;

	load_start(&load, NULL);
	count = syscall_count_start(daemon_worker_pid(load.f->daemon));
	run_load(&load, fill);
	syscall_count_stop(count);
	text = syscall_count_text(count);
	g_test_message("%s", text);
	if (syscall_count_work(count) > N_REQUESTS + SLACK_CALLS)
		test_die("too many system calls for %d requests: %s", N_REQUESTS, text);
	/* The counter saw the daemon at all. */
	g_assert_cmpuint(syscall_count_work(count), >, N_REQUESTS / 2);
	syscall_count_free(count);
	fixture_stop(load.f);
}

static void test_lookup_syscalls(void)
{
	check_syscalls(fill_lookup, false);
}

static void test_getattr_syscalls(void)
{
	check_syscalls(fill_getattr, false);
}

static void test_read_syscalls(void)
{
	check_syscalls(fill_read, false);
}

static void test_unopened_read_syscalls(void)
{
	check_syscalls(fill_read, true);
}

static void test_getxattr_syscalls(void)
{
	check_syscalls(fill_getxattr, false);
}

static void check_allocations(struct load *load, const uint64_t *counter, fill_fn fill)
{
	uint64_t before = __atomic_load_n(counter, __ATOMIC_RELAXED);

	run_load(load, fill);
	g_assert_cmpuint(__atomic_load_n(counter, __ATOMIC_RELAXED) - before, <=, SLACK_ALLOCS);
}

static void test_allocations(void)
{
	g_autofree char *path = NULL;
	g_autofree char *file_env = NULL;
	g_autofree char *preload_env = NULL;
	const char *library = g_getenv("COUNT_ALLOC");
	int fd = g_file_open_tmp("allocs-XXXXXX", &path, NULL);
	struct load load = { .exclusive = false };
	uint64_t *counter;

	if (!library)
		test_die("COUNT_ALLOC must name the counting library");
	g_assert_cmpint(ftruncate(fd, sizeof(*counter)), ==, 0);
	counter = mmap(NULL, sizeof(*counter), PROT_READ, MAP_SHARED, fd, 0);
	g_assert_true(counter != MAP_FAILED);
	close(fd);
	file_env = g_strconcat("COUNT_ALLOC_FILE=", path, NULL);
	preload_env = g_strconcat("LD_PRELOAD=", library, NULL);
	load_start(&load, (const char *const[]){ file_env, preload_env, NULL });
	g_assert_cmpuint(*counter, >, 0);
	check_allocations(&load, counter, fill_lookup);
	check_allocations(&load, counter, fill_getattr);
	check_allocations(&load, counter, fill_read);
	check_allocations(&load, counter, fill_getxattr);
	fixture_stop(load.f);
	munmap(counter, sizeof(*counter));
	g_assert_cmpint(g_unlink(path), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hot-path/lookup-of-a-known-node-is-one-system-call",
			test_lookup_syscalls);
	g_test_add_func("/hot-path/getattr-is-one-system-call", test_getattr_syscalls);
	g_test_add_func("/hot-path/read-is-one-system-call", test_read_syscalls);
	g_test_add_func("/hot-path/so-is-one-of-a-file-that-was-not-opened",
			test_unopened_read_syscalls);
	g_test_add_func("/hot-path/getxattr-is-one-system-call", test_getxattr_syscalls);
	g_test_add_func("/hot-path/requests-allocate-nothing", test_allocations);
	return g_test_run();
}
