/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a request that blocks stalls nobody else: while the backing file system is frozen,
 * FALLOCATEs wait in it, and the same queue goes on answering; after the thaw each of them is
 * answered once. The share is an ext4 image of the test's own, in a mount namespace of its own.
 */
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define N_BLOCKED 6u

static void run(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void run(const char *format, ...)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *command = NULL;
	g_autofree char *err = NULL;
	va_list args;
	int status;

	va_start(args, format);
	command = g_strdup_vprintf(format, args);
	va_end(args);
	if (!g_spawn_command_line_sync(command, NULL, &err, &status, &error) ||
	    !g_spawn_check_wait_status(status, NULL))
		g_error("%s: %s", command, error ? error->message : err);
}

/* Mounts a fresh ext4 over the share; the image lies beside it and goes with it. */
static void put_on_ext4(const struct share *share)
{
	run("truncate -s 64M %s.img", share->base);
	run("mkfs.ext4 -q -F %s.img", share->base);
	run("mount -o loop %s.img %s", share->base, share->dir);
	run("rm %s.img", share->base);
}

/*
 * Freezes the share; a child thaws it when the returned end of a pipe is closed, also by the death
 * of this process, since a frozen file system would outlive everybody who could thaw it.
 */
static int freeze(const struct share *share, pid_t *ret_child)
{
	int fd = open(share->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ends[2];
	char c;

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
	*ret_child = fork();
	g_assert_cmpint(*ret_child, >=, 0);
	if (*ret_child == 0) {
		close(ends[1]);
		(void)!read(ends[0], &c, 1);
		_exit(ioctl(fd, FITHAW, 0) ? 1 : 0);
	}
	g_assert_cmpint(ioctl(fd, FIFREEZE, 0), ==, 0);
	close(ends[0]);
	close(fd);
	return ends[1];
}

static void thaw(int end, pid_t child)
{
	int status;

	close(end);
	g_assert_cmpint(waitpid(child, &status, 0), ==, child);
	g_assert_cmpint(status, ==, 0);
}

static void send_fallocate(struct fuse_client *client, uint64_t nodeid, uint64_t fh)
{
	const struct fuse_fallocate_in in = { .fh = fh, .length = 4096 };
	struct fuse_slot *slot = fuse_slot_get(client);

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_FALLOCATE, nodeid);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	fuse_submit(slot);
	fuse_flush(client);
}

/* A GETATTR among the waiting requests: its answer is the next one to come. */
static void check_served(struct fuse_client *client)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_slot *slot = fuse_slot_get(client);
	struct fuse_slot *answered;

	g_assert_nonnull(slot);
	fuse_slot_prepare(slot, FUSE_GETATTR, FUSE_ROOT_ID);
	memcpy(slot->arg, &in, sizeof(in));
	slot->arg_len = sizeof(in);
	slot->reply_room = sizeof(struct fuse_attr_out);
	fuse_submit(slot);
	fuse_flush(client);
	g_assert_cmpint(fuse_reap(client, &answered, 1, deadline_default()), ==, 1);
	g_assert_true(answered == slot);
	g_assert_null(fuse_slot_check(slot, sizeof(struct fuse_attr_out), false));
	g_assert_cmpint(slot->out->error, ==, 0);
	fuse_slot_put(slot);
}

static void reap_all(struct fuse_client *client, unsigned int n)
{
	struct fuse_slot *slots[N_BLOCKED];

	while (n > 0) {
		int got = fuse_reap(client, slots, N_BLOCKED, deadline_default());

		g_assert_cmpint(got, >, 0);
		for (int i = 0; i < got; i++) {
			g_assert_null(fuse_slot_check(slots[i], 0, false));
			g_assert_cmpint(slots[i]->out->error, ==, 0);
			fuse_slot_put(slots[i]);
		}
		n -= (unsigned int)got;
	}
}

static void a_frozen_file_system_blocks_only_who_waits_for_it(void)
{
	const struct fixture_config config = {
		.client = { .depth = N_BLOCKED + 2 },
		.populate = put_on_ext4,
	};
	struct fixture *f = fixture_start(&config);
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	pid_t thawer;
	int frozen;

	g_assert_cmpint(fuse_create(&f->client, FUSE_ROOT_ID, "file", 0644, O_RDWR, &entry, &open),
			==, 0);
	frozen = freeze(&f->share, &thawer);
	for (unsigned int i = 0; i < N_BLOCKED; i++)
		send_fallocate(&f->client, entry.nodeid, open.fh);
	for (unsigned int i = 0; i < 100; i++)
		check_served(&f->client);
	g_assert_cmpuint(f->client.n_in_flight, ==, N_BLOCKED);
	thaw(frozen, thawer);
	reap_all(&f->client, N_BLOCKED);
	fixture_check_alive(f);
	g_assert_cmpint(umount2(f->share.dir, MNT_DETACH), ==, 0);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	/* What is mounted here ends with this process, however it ends. */
	g_assert_cmpint(unshare(CLONE_NEWNS), ==, 0);
	g_assert_cmpint(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
	g_test_add_func("/blocking/a frozen file system blocks only who waits for it",
			a_frozen_file_system_blocks_only_who_waits_for_it);
	return g_test_run();
}
