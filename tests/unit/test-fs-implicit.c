/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that files and directories can be used without opening them: through one descriptor each,
 * that does what is asked of it, is closed when it is wanted elsewhere, and outlives names and
 * modes; and that nothing else can be reached that way.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs-unit.h"

#define MAX_FDS 48u
#define N_PRESS 200u

static const struct fs_caller self;
static const struct fs_negotiated no_opens = { .no_open = true, .no_opendir = true };

static void start_as(struct fs_unit *unit, const struct fs_negotiated *negotiated)
{
	struct fs_options options = fs_unit_options();

	options.exclusive = true;
	options.max_fds = MAX_FDS;
	options.max_handles = MAX_FDS / 4 * 3;
	fs_unit_start_with(unit, NULL, &options);
	fs_reset(unit->fs, negotiated);
}

static void start(struct fs_unit *unit)
{
	start_as(unit, &no_opens);
}

static ssize_t read_node(struct fs_unit *unit, uint64_t nodeid, char *buf, size_t size)
{
	struct iovec iov = { buf, size - 1 };
	ssize_t n = fs_read(unit->thread, fs_fh_of_node(nodeid), 0, &iov, 1);

	buf[MAX(n, 0)] = '\0';
	return n;
}

static void must_read(struct fs_unit *unit, uint64_t nodeid, const char *text)
{
	char buf[200];

	g_assert_cmpint(read_node(unit, nodeid, buf, sizeof(buf)), ==, (ssize_t)strlen(text));
	g_assert_cmpstr(buf, ==, text);
}

static ssize_t write_node(struct fs_unit *unit, uint64_t nodeid, bool append, const char *text)
{
	const struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct fs_write write = { .fh = fs_fh_of_node(nodeid), .append = append };
	struct fs_attr attr;

	/* Alone, the guest knows where the file ends. */
	if (append) {
		g_assert_cmpint(fs_getattr(unit->thread, nodeid, FS_NO_FH, &attr), ==, 0);
		write.offset = attr.stx.stx_size;
	}
	return fs_write(unit->thread, &write, &iov, 1);
}

static uint64_t create(struct fs_unit *unit, const char *name, uint32_t mode, uint32_t flags)
{
	struct fs_opened opened = { .fh = 77 };
	struct fs_entry entry;

	g_assert_cmpint(fs_create(unit->thread, &self, FS_ROOT_ID, name, mode, flags, false, &entry,
				  &opened),
			==, 0);
	g_assert_cmpuint(opened.fh, ==, 0);
	return entry.nodeid;
}

/* Uses so many other files that every descriptor not in use is taken away. */
static void press(struct fs_unit *unit)
{
	for (unsigned int i = 0; i < N_PRESS; i++) {
		g_autofree char *name = g_strdup_printf("press%u", i);
		uint64_t nodeid;

		if (faccessat(unit->dir_fd, name, F_OK, 0) < 0)
			fs_unit_write(unit, name, name);
		nodeid = fs_unit_lookup(unit, name);
		must_read(unit, nodeid, name);
		g_assert_cmpuint(unit->fs->budget.n_used, <=, MAX_FDS);
	}
}

static bool has_handle(struct fs_unit *unit, uint64_t nodeid)
{
	struct handle_slot *slot = fs_implicit_find(unit->fs, nodeid);

	if (slot)
		htab_put(&unit->fs->handles, slot);
	return slot;
}

static void files_are_read_and_written_without_opening(void)
{
	struct fs_unit unit;
	uint64_t nodeid;

	start(&unit);
	fs_unit_write(&unit, "file", "hello");
	nodeid = fs_unit_lookup(&unit, "file");
	must_read(&unit, nodeid, "hello");
	g_assert_cmpint(write_node(&unit, nodeid, false, "J"), ==, 1);
	g_assert_cmpint(write_node(&unit, nodeid, true, " and more"), ==, 9);
	must_read(&unit, nodeid, "Jello and more");
	g_assert_cmpint(fs_fsync(unit.thread, fs_fh_of_node(nodeid), false), ==, 0);
	g_assert_cmpint(fs_lseek(unit.thread, fs_fh_of_node(nodeid), 2, SEEK_DATA), ==, 2);
	g_assert_cmpint(fs_fallocate(unit.thread, &(struct fs_range){ .fh = fs_fh_of_node(nodeid),
								      .length = 100 }),
			==, 0);
	/* One descriptor: writing took the place of reading. */
	g_assert_cmpuint(unit.fs->handles.n_implicit, ==, 1);
	fs_unit_stop(&unit);
}

static void what_was_not_agreed_on_is_no_file(void)
{
	const struct fs_negotiated handles = { 0 };
	struct fs_unit unit;
	struct fs_attr attr;
	char buf[10];
	uint64_t nodeid;

	start_as(&unit, &handles);
	fs_unit_write(&unit, "file", "hello");
	nodeid = fs_unit_lookup(&unit, "file");
	g_assert_cmpint(read_node(&unit, nodeid, buf, sizeof(buf)), ==, -EBADF);
	g_assert_cmpint(write_node(&unit, nodeid, false, "x"), ==, -EBADF);
	g_assert_cmpint(fs_getattr(unit.thread, nodeid, fs_fh_of_node(nodeid), &attr), ==, -EBADF);
	g_assert_cmpint(fs_release(unit.thread, fs_fh_of_node(nodeid)), ==, -EBADF);
	fs_unit_stop(&unit);
}

static void only_files_and_directories_are_opened(void)
{
	struct fs_unit unit;
	char buf[10];

	start(&unit);
	g_assert_cmpint(mkfifoat(unit.dir_fd, "fifo", 0644), ==, 0);
	g_assert_cmpint(symlinkat("fifo", unit.dir_fd, "link"), ==, 0);
	g_assert_cmpint(read_node(&unit, fs_unit_lookup(&unit, "fifo"), buf, sizeof(buf)), ==,
			-EBADF);
	g_assert_cmpint(write_node(&unit, fs_unit_lookup(&unit, "fifo"), false, "x"), ==, -EBADF);
	g_assert_cmpint(read_node(&unit, fs_unit_lookup(&unit, "link"), buf, sizeof(buf)), ==,
			-EBADF);
	g_assert_cmpint(read_node(&unit, FS_ROOT_ID, buf, sizeof(buf)), ==, -EISDIR);
	g_assert_cmpint(
		fs_fsyncdir(unit.thread, fs_fh_of_node(fs_unit_lookup(&unit, "fifo")), false), ==,
		-EBADF);
	g_assert_cmpint(read_node(&unit, 12345, buf, sizeof(buf)), ==, -ESTALE);
	g_assert_cmpint(read_node(&unit, 0, buf, sizeof(buf)), ==, -ESTALE);
	fs_unit_stop(&unit);
}

static void a_forgotten_node_has_no_descriptor(void)
{
	struct fs_unit unit;
	unsigned int n_fds;
	uint64_t nodeid;

	start(&unit);
	fs_unit_write(&unit, "file", "hello");
	n_fds = fs_unit_count_fds();
	nodeid = fs_unit_lookup(&unit, "file");
	must_read(&unit, nodeid, "hello");
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds + 2);
	fs_forget(unit.fs, nodeid, 1);
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds);
	/* The next one of that slot is another. */
	fs_unit_write(&unit, "other", "another");
	must_read(&unit, fs_unit_lookup(&unit, "other"), "another");
	fs_reset(unit.fs, &no_opens);
	g_assert_cmpuint(fs_unit_count_fds(), ==, n_fds);
	fs_unit_stop(&unit);
}

static void what_is_not_used_for_long_is_closed(void)
{
	struct fs_unit unit;
	uint64_t nodeid;

	start(&unit);
	fs_unit_write(&unit, "file", "hello");
	nodeid = fs_unit_lookup(&unit, "file");
	must_read(&unit, nodeid, "hello");
	g_assert_cmpint(write_node(&unit, nodeid, false, "J"), ==, 1);
	for (int i = 0; i < 10 && has_handle(&unit, nodeid); i++) {
		press(&unit);
		/* has_handle() is a use, so look after two rounds without one. */
		press(&unit);
	}
	g_assert_false(has_handle(&unit, nodeid));
	must_read(&unit, nodeid, "Jello");
	g_assert_cmpint(write_node(&unit, nodeid, true, "!"), ==, 1);
	must_read(&unit, nodeid, "Jello!");
	fs_unit_stop(&unit);
}

/* What the guest has open cannot be known, so all removed files stay until they are forgotten. */
static void a_removed_file_stays_until_it_is_forgotten(gconstpointer handles)
{
	struct fs_unit unit;
	uint64_t removed, replaced;

	start(&unit);
	if (handles)
		g_assert_cmpint(fs_use_handles(unit.fs), ==, 0);
	fs_unit_write(&unit, "removed", "one");
	fs_unit_write(&unit, "replaced", "two");
	fs_unit_write(&unit, "new", "three");
	removed = fs_unit_lookup(&unit, "removed");
	replaced = fs_unit_lookup(&unit, "replaced");
	press(&unit);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "removed"), ==, 0);
	g_assert_cmpint(fs_rename(unit.thread, &self, FS_ROOT_ID, "new", FS_ROOT_ID, "replaced", 0),
			==, 0);
	for (int i = 0; i < 3; i++) {
		press(&unit);
		must_read(&unit, removed, "one");
		must_read(&unit, replaced, "two");
	}
	press(&unit);
	g_assert_cmpint(write_node(&unit, removed, true, " more"), ==, 5);
	press(&unit);
	must_read(&unit, removed, "one more");
	fs_unit_stop(&unit);
}

static bool is_cold(struct fs_unit *unit, uint64_t nodeid)
{
	cleanup_node struct node_ref node = node_pin(unit->fs, nodeid);

	return inode_is_cold(node.slot);
}

static void what_cannot_be_kept_is_not_removed(void)
{
	uint64_t removed[MAX_FDS];
	unsigned int n = 0;
	struct fs_unit unit;
	struct fs_entry entry;
	uint64_t nodeid;

	start(&unit);
	fs_unit_write(&unit, "file", "hello");
	fs_unit_write(&unit, "other", "other");
	nodeid = fs_unit_lookup(&unit, "file");
	for (int i = 0; i < 20 && !is_cold(&unit, nodeid); i++)
		press(&unit);
	g_assert_true(is_cold(&unit, nodeid));
	/* Files that were removed and not forgotten give way to nobody. */
	for (;; n++) {
		fs_unit_write(&unit, "passing", "");
		if (fs_lookup(unit.thread, FS_ROOT_ID, "passing", &entry) < 0)
			break;
		g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "passing"), ==, 0);
		removed[n] = entry.nodeid;
	}
	g_assert_true(is_cold(&unit, nodeid));
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "file"), ==, -ENFILE);
	g_assert_cmpint(fs_rename(unit.thread, &self, FS_ROOT_ID, "other", FS_ROOT_ID, "file", 0),
			==, -ENFILE);
	while (n)
		fs_forget(unit.fs, removed[--n], 1);
	g_assert_cmpint(fs_unlink(unit.thread, FS_ROOT_ID, "file"), ==, 0);
	must_read(&unit, nodeid, "hello");
	fs_unit_stop(&unit);
}

static void a_created_file_is_written_whatever_its_mode(void)
{
	struct fs_unit unit;
	struct stat st;
	uint64_t nodeid;

	start(&unit);
	/* As git does: for writing only, with a mode for reading only. */
	nodeid = create(&unit, "object", 0444, 1);
	g_assert_cmpint(write_node(&unit, nodeid, false, "blob"), ==, 4);
	must_read(&unit, nodeid, "blob");
	press(&unit);
	g_assert_cmpint(write_node(&unit, nodeid, true, "!"), ==, 1);
	must_read(&unit, nodeid, "blob!");
	g_assert_cmpint(fstatat(unit.dir_fd, "object", &st, 0), ==, 0);
	g_assert_cmpint(st.st_mode, ==, S_IFREG | 0444);
	/* What was there already is truncated, if that is asked. */
	fs_unit_write(&unit, "there", "old text");
	nodeid = create(&unit, "there", 0644, 01001);
	must_read(&unit, nodeid, "");
	fs_unit_stop(&unit);
}

/* A daemon without privileges, as a thread: the mode of its own file is against it. */
static gpointer write_unwritable(gpointer arg)
{
	const struct fs_caller user = { .uid = 12345, .gid = 0 };
	struct fs_unit *unit = arg;
	struct fs_opened opened;
	struct fs_entry entry;

	g_assert_cmpint(syscall(SYS_setresuid, 12345, 12345, 12345), ==, 0);
	g_assert_cmpint(fs_create(unit->thread, &user, FS_ROOT_ID, "object", 0444, 1, false, &entry,
				  &opened),
			==, 0);
	press(unit);
	press(unit);
	g_assert_cmpint(write_node(unit, entry.nodeid, false, "blob"), ==, 4);
	must_read(unit, entry.nodeid, "blob");
	/* Once it is gone, so is the right to write. */
	fs_implicit_drop(unit->fs, entry.nodeid);
	must_read(unit, entry.nodeid, "blob");
	g_assert_cmpint(write_node(unit, entry.nodeid, false, "x"), ==, -EACCES);
	must_read(unit, entry.nodeid, "blob");
	return NULL;
}

static void what_would_not_open_again_is_closed_last(void)
{
	struct fs_unit unit;

	start(&unit);
	g_assert_cmpint(fchown(unit.dir_fd, 12345, 12345), ==, 0);
	press(&unit);
	g_thread_join(g_thread_new("user", write_unwritable, &unit));
	fs_unit_stop(&unit);
}

/* ---- Directories ---- */

struct reader {
	struct fs_dir_sink sink;
	uint64_t offset;
	unsigned int n_names;
	unsigned int room;
};

static bool has_room(struct fs_dir_sink *sink, uint32_t name_len)
{
	return container_of(sink, struct reader, sink)->room > 0;
}

static void count_name(struct fs_dir_sink *sink, const struct fs_dirent *dirent,
		       const struct fs_entry *entry)
{
	struct reader *reader = container_of(sink, struct reader, sink);

	reader->room--;
	reader->n_names++;
	reader->offset = dirent->next_offset;
}

/* A few names on; false at the end. */
static bool read_on(struct fs_unit *unit, struct reader *reader, unsigned int n)
{
	unsigned int before = reader->n_names;

	reader->sink.room = has_room;
	reader->sink.add = count_name;
	reader->room = n;
	g_assert_cmpint(fs_readdir(unit->thread, FS_ROOT_ID, fs_fh_of_node(FS_ROOT_ID),
				   reader->offset, 4096, &reader->sink),
			==, 0);
	return reader->n_names > before;
}

static void two_read_a_directory_through_one_descriptor(void)
{
	struct reader a = { .n_names = 0 }, b = { .n_names = 0 };
	bool more_a = true, more_b = true;
	unsigned int round = 0;
	struct fs_unit unit;

	start(&unit);
	press(&unit);
	while (more_a || more_b) {
		more_a = more_a && read_on(&unit, &a, 7);
		more_b = more_b && read_on(&unit, &b, 3);
		/* In between it may be closed. */
		if (++round % 5 == 0)
			fs_implicit_drop(unit.fs, FS_ROOT_ID);
		g_assert_cmpuint(unit.fs->handles.n_implicit, <=, MAX_FDS / 2);
	}
	g_assert_cmpuint(a.n_names, ==, N_PRESS + 2);
	g_assert_cmpuint(b.n_names, ==, N_PRESS + 2);
	fs_unit_stop(&unit);
}

static void positions_that_would_not_last_keep_their_descriptor(void)
{
	struct reader reader = { .n_names = 0 };
	struct handle_slot *slot;
	struct fs_unit unit;

	start(&unit);
	press(&unit);
	/* As if this were on a file system that nothing is known of. */
	unit.fs->inodes.slots[0].flags &= (uint8_t)~INODE_DIRS_LAST;
	g_assert_false(fs_opendirs_are_optional(unit.fs));
	g_assert_true(fs_opens_are_optional(unit.fs));
	g_assert_true(read_on(&unit, &reader, 7));
	slot = fs_implicit_find(unit.fs, FS_ROOT_ID);
	htab_put(&unit.fs->handles, slot);
	for (int i = 0; i < 3; i++)
		press(&unit);
	g_assert_true(fs_implicit_find(unit.fs, FS_ROOT_ID) == slot);
	htab_put(&unit.fs->handles, slot);
	fs_unit_stop(&unit);
}

/* ---- Races ---- */

#define N_ROUNDS 3000u

struct race {
	struct fs_unit unit;
	uint64_t nodeid; /* atomic; guessed by the other thread */
	bool stop;	 /* atomic */
};

static gpointer read_what_goes(gpointer arg)
{
	struct race *race = arg;
	g_autofree struct fs_thread *thread = fs_unit_thread(&race->unit);
	char buf[10];

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		uint64_t nodeid = __atomic_load_n(&race->nodeid, __ATOMIC_RELAXED);
		struct iovec iov = { buf, sizeof(buf) };
		ssize_t n = fs_read(thread, fs_fh_of_node(nodeid), 0, &iov, 1);

		if (n >= 0)
			g_assert_cmpmem(buf, (size_t)n, "hello", 5);
		else
			g_assert_cmpint(n, ==, -ESTALE);
	}
	return NULL;
}

static void forgetting_races_with_reading(void)
{
	struct race race = { .stop = false };
	GThread *thread;

	start(&race.unit);
	fs_unit_write(&race.unit, "file", "hello");
	thread = g_thread_new("reader", read_what_goes, &race);
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		uint64_t nodeid = fs_unit_lookup(&race.unit, "file");

		__atomic_store_n(&race.nodeid, nodeid, __ATOMIC_RELAXED);
		must_read(&race.unit, nodeid, "hello");
		fs_forget(race.unit.fs, nodeid, 1);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	g_thread_join(thread);
	g_assert_cmpuint(race.unit.fs->handles.n_implicit, ==, 0);
	fs_unit_stop(&race.unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fs-implicit/files are read and written without opening",
			files_are_read_and_written_without_opening);
	g_test_add_func("/fs-implicit/what was not agreed on is no file",
			what_was_not_agreed_on_is_no_file);
	g_test_add_func("/fs-implicit/only files and directories are opened",
			only_files_and_directories_are_opened);
	g_test_add_func("/fs-implicit/a forgotten node has no descriptor",
			a_forgotten_node_has_no_descriptor);
	g_test_add_func("/fs-implicit/what is not used for long is closed",
			what_is_not_used_for_long_is_closed);
	g_test_add_data_func("/fs-implicit/a removed file stays until it is forgotten", NULL,
			     a_removed_file_stays_until_it_is_forgotten);
	g_test_add_data_func("/fs-implicit/by handle too", GINT_TO_POINTER(1),
			     a_removed_file_stays_until_it_is_forgotten);
	g_test_add_func("/fs-implicit/what cannot be kept is not removed",
			what_cannot_be_kept_is_not_removed);
	g_test_add_func("/fs-implicit/a created file is written whatever its mode",
			a_created_file_is_written_whatever_its_mode);
	g_test_add_func("/fs-implicit/what would not open again is closed last",
			what_would_not_open_again_is_closed_last);
	g_test_add_func("/fs-implicit/two read a directory through one descriptor",
			two_read_a_directory_through_one_descriptor);
	g_test_add_func("/fs-implicit/positions that would not last keep their descriptor",
			positions_that_would_not_last_keep_their_descriptor);
	g_test_add_func("/fs-implicit/forgetting races with reading",
			forgetting_races_with_reading);
	return g_test_run();
}
