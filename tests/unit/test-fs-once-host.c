/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a successor takes for its predecessor's work only what is: what others on the host do
 * to the same names and files around a death is neither claimed nor undone.
 *
 * Each test kills the worker just before or just after the call that has the effect, lets others
 * act, and serves the request again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#include "once-cases.h"

static const struct fs_caller user = { .uid = ONCE_UID, .gid = ONCE_GID };
static const struct fs_caller root;

/* Dies before or after the last system call of the request that has an effect. */
enum moment {
	BEFORE,
	AFTER,
};

static const struct once_case *find_case(const char *name)
{
	const struct once_case *const all[] = { once_names, once_files };

	for (unsigned int i = 0; i < G_N_ELEMENTS(all); i++)
		for (const struct once_case *one = all[i]; one->name; one++)
			if (!strcmp(one->name, name))
				return one;
	g_error("no case %s", name);
}

static void serve_case(struct dying *d, const void *arg)
{
	const struct once_case *one = arg;
	g_autoptr(GString) answer = g_string_new(NULL);

	(void)one->serve(d, answer);
}

/* The first stop at which what was to happen has happened, or the last at which it has not. */
static void die_of(struct dying *d, const char *name, enum moment moment,
		   bool (*happened)(struct dying *d))
{
	const struct once_case *one = find_case(name);

	for (unsigned int stop = 0;; stop++) {
		*d = (struct dying){ 0 };
		dying_start(d);
		if (one->prepare)
			one->prepare(d);
		g_assert_true(dying_run(d, serve_case, one, stop, 0));
		if (happened(d)) {
			dying_succeed(d);
			if (moment == AFTER)
				return;
			dying_stop(d);
			/* Before its call is the stop before this one. */
			*d = (struct dying){ 0 };
			dying_start(d);
			if (one->prepare)
				one->prepare(d);
			g_assert_true(dying_run(d, serve_case, one, stop - 1, 0));
			g_assert_false(happened(d));
			return;
		}
		dying_succeed(d);
		dying_stop(d);
	}
}

static int64_t serve_again(struct dying *d, const char *name)
{
	g_autoptr(GString) answer = g_string_new(NULL);

	return find_case(name)->serve(d, answer);
}

static bool has(struct dying *d, const char *name)
{
	return faccessat(d->unit.dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool has_a(struct dying *d)
{
	return has(d, "a");
}

static bool has_no_a(struct dying *d)
{
	return !has(d, "a");
}

static bool has_new(struct dying *d)
{
	return has(d, "new");
}

static void make_dir(struct dying *d, uid_t owner)
{
	g_assert_cmpint(mkdirat(d->unit.dir_fd, "a", 0755), ==, 0);
	g_assert_cmpint(fchownat(d->unit.dir_fd, "a", owner, ONCE_GID, 0), ==, 0);
}

/* ---- What is made ---- */

static void what_another_user_made_meanwhile_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "mkdir", BEFORE, has_a);
	make_dir(&d, 77);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "mkdir"), ==, -EEXIST);
	dying_stop(&d);
}

static void what_was_made_after_the_successor_started_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "mkdir", BEFORE, has_a);
	dying_succeed(&d);
	/* Files may carry the time of the last tick: of the one that has passed by now. */
	d.unit.fs->started_ns -= 100000000;
	make_dir(&d, ONCE_UID);
	g_assert_cmpint(serve_again(&d, "mkdir"), ==, -EEXIST);
	dying_stop(&d);
}

static void what_is_of_another_kind_or_more_open_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "create-exclusive", BEFORE, has_a);
	make_dir(&d, ONCE_UID);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "create-exclusive"), ==, -EEXIST);
	dying_stop(&d);

	die_of(&d, "create-exclusive", BEFORE, has_a);
	fs_unit_write(&d.unit, "a", "");
	g_assert_cmpint(fchmodat(d.unit.dir_fd, "a", 0644, 0), ==, 0);
	g_assert_cmpint(fchownat(d.unit.dir_fd, "a", ONCE_UID, ONCE_GID, 0), ==, 0);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "create-exclusive"), ==, -EEXIST);
	dying_stop(&d);
}

static void a_file_with_content_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "create-exclusive", BEFORE, has_a);
	fs_unit_write(&d.unit, "a", "another's");
	g_assert_cmpint(fchmodat(d.unit.dir_fd, "a", 0600, 0), ==, 0);
	g_assert_cmpint(fchownat(d.unit.dir_fd, "a", ONCE_UID, ONCE_GID, 0), ==, 0);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "create-exclusive"), ==, -EEXIST);
	dying_stop(&d);
}

static void a_link_elsewhere_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "symlink", BEFORE, has_a);
	g_assert_cmpint(symlinkat("elsewhere", d.unit.dir_fd, "a"), ==, 0);
	g_assert_cmpint(fchownat(d.unit.dir_fd, "a", ONCE_UID, ONCE_GID, AT_SYMLINK_NOFOLLOW), ==,
			0);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "symlink"), ==, -EEXIST);
	dying_stop(&d);
}

/* ---- What goes ---- */

static void a_new_file_under_a_name_that_was_removed_stays(void)
{
	g_autofree char *text = NULL;
	struct dying d;

	die_of(&d, "unlink", AFTER, has_no_a);
	fs_unit_write(&d.unit, "a", "another's");
	g_assert_cmpint(serve_again(&d, "unlink"), ==, 0);
	text = fs_unit_read(&d.unit, "a");
	g_assert_cmpstr(text, ==, "another's");
	dying_stop(&d);
}

static void a_new_file_under_a_name_that_was_moved_stays(void)
{
	g_autofree char *text = NULL;
	g_autofree char *moved = NULL;
	struct dying d;

	die_of(&d, "rename", AFTER, has_new);
	fs_unit_write(&d.unit, "a", "another's");
	g_assert_cmpint(serve_again(&d, "rename"), ==, 0);
	text = fs_unit_read(&d.unit, "a");
	moved = fs_unit_read(&d.unit, "new");
	g_assert_cmpstr(text, ==, "another's");
	g_assert_cmpstr(moved, ==, "old");
	dying_stop(&d);
}

/* ---- What is appended ---- */

#define OURS "first, second"

static bool has_grown(struct dying *d)
{
	struct stat st;

	g_assert_cmpint(fstatat(d->unit.dir_fd, "a", &st, 0), ==, 0);
	return st.st_size > 100;
}

static void append(struct dying *d, const char *text)
{
	int fd = openat(d->unit.dir_fd, "a", O_WRONLY | O_APPEND | O_CLOEXEC);

	g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
	close(fd);
}

static void assert_appended(struct dying *d, const char *expected)
{
	g_autofree char *text = fs_unit_read(&d->unit, "a");

	g_assert_cmpstr(text + 100, ==, expected);
}

static void what_others_append_behind_or_before_ours_changes_nothing(void)
{
	struct dying d;

	die_of(&d, "append", AFTER, has_grown);
	append(&d, "theirs");
	g_assert_cmpint(serve_again(&d, "append"), ==, 13);
	assert_appended(&d, OURS "theirs");
	dying_stop(&d);

	die_of(&d, "append", BEFORE, has_grown);
	append(&d, "theirs" OURS);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "append"), ==, 13);
	assert_appended(&d, "theirs" OURS);
	dying_stop(&d);
}

static void what_only_others_have_appended_is_not_ours(void)
{
	struct dying d;

	die_of(&d, "append", BEFORE, has_grown);
	append(&d, "theirs, and long enough");
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "append"), ==, 13);
	assert_appended(&d, "theirs, and long enough" OURS);
	dying_stop(&d);
}

/* As a signal leaves it in the middle of a large write. */
static void the_rest_of_an_append_that_was_cut_short_follows(void)
{
	struct dying d;

	die_of(&d, "append", BEFORE, has_grown);
	append(&d, "first, se");
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "append"), ==, 13);
	assert_appended(&d, OURS);
	dying_stop(&d);
}

/* ---- Attributes ---- */

static char *attribute_path(struct dying *d)
{
	return g_build_filename(d->unit.path, "a", NULL);
}

static bool has_attribute(struct dying *d)
{
	g_autofree char *path = attribute_path(d);

	return getxattr(path, "trusted.x", NULL, 0) >= 0;
}

static void an_attribute_with_another_value_is_not_ours(void)
{
	g_autofree char *path = NULL;
	char value[8] = "";
	struct dying d;

	die_of(&d, "setxattr-create", BEFORE, has_attribute);
	path = attribute_path(&d);
	g_assert_cmpint(setxattr(path, "trusted.x", "theirs", 6, 0), ==, 0);
	dying_succeed(&d);
	g_assert_cmpint(serve_again(&d, "setxattr-create"), ==, -EEXIST);
	g_assert_cmpint(getxattr(path, "trusted.x", value, sizeof(value)), ==, 6);
	g_assert_cmpstr(value, ==, "theirs");
	dying_stop(&d);
}

/* ---- Requests that never began ---- */

static void a_request_that_had_not_begun_is_served_as_new(void)
{
	struct fs_entry entry;
	struct dying d = { 0 };

	dying_start(&d);
	d.record->attempts = 1;
	g_assert_cmpint(fs_mkdir(d.thread, &user, FS_ROOT_ID, "a", 0755, &entry), ==, 0);
	d.record->step = INFLIGHT_NEW; /* as it is handed out for the next */
	g_assert_cmpint(fs_mkdir(d.thread, &user, FS_ROOT_ID, "a", 0755, &entry), ==, -EEXIST);
	d.record->step = INFLIGHT_NEW;
	g_assert_cmpint(fs_rmdir(d.thread, FS_ROOT_ID, "a"), ==, 0);
	d.record->step = INFLIGHT_NEW;
	g_assert_cmpint(fs_rmdir(d.thread, FS_ROOT_ID, "a"), ==, -ENOENT);
	dying_stop(&d);
}

/* ---- Without the right to open everything ---- */

static void create_at_each_stop(void)
{
	for (unsigned int stop = 0, done = 0; !done; stop++) {
		struct dying d = { 0 };
		struct stat st;

		dying_start(&d);
		done = !dying_run(&d, serve_case, find_case("create-without-permissions"), stop, 0);
		dying_succeed(&d);
		g_assert_cmpint(serve_again(&d, "create-without-permissions"), ==, 0);
		g_assert_cmpint(fstatat(d.unit.dir_fd, "a", &st, 0), ==, 0);
		g_assert_cmpuint(st.st_mode, ==, S_IFREG);
		dying_stop(&d);
	}
}

static void as_nobody(void)
{
	g_assert_cmpint(setresgid(65534, 65534, 65534), ==, 0);
	g_assert_cmpint(setresuid(65534, 65534, 65534), ==, 0);
	g_assert_cmpint(prctl(PR_SET_DUMPABLE, 1), ==, 0);
	create_at_each_stop();
}

static void a_file_that_may_not_be_opened_again_is_made_again(void)
{
	if (g_test_subprocess()) {
		as_nobody();
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	g_test_trap_assert_passed();
}

/* ---- At the limits ---- */

static void what_took_the_last_room_is_found_again(void)
{
	static const char *const cases[] = { "mkdir", "create", "tmpfile", "symlink" };

	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++)
		for (unsigned int stop = 0, done = 0; !done; stop++) {
			struct fs_options options = fs_unit_options();
			struct dying d = { 0 };

			options.max_inodes = 2;
			options.max_handles = 1;
			dying_start_with(&d, &options);
			done = !dying_run(&d, serve_case, find_case(cases[i]), stop, 0);
			dying_succeed(&d);
			g_assert_cmpint(serve_again(&d, cases[i]), ==, 0);
			dying_stop(&d);
		}
}

/* ---- Without opens ---- */

static void dont_open(struct fs *fs)
{
	const struct fs_negotiated negotiated = { .no_open = true, .no_opendir = true };

	fs_reset(fs, &negotiated);
}

/* The guest has no handle of the file: it is used by its node. */
static void write_by_node(struct dying *d, uint64_t nodeid)
{
	char text[] = "text";
	const struct iovec iov = { text, 4 };
	const struct fs_write write = { .fh = fs_fh_of_node(nodeid) };

	g_assert_cmpint(fs_write(d->thread, &write, &iov, 1), ==, 4);
}

static void create_file(struct dying *d, const void *arg)
{
	struct fs_opened opened;
	struct fs_entry entry;

	(void)fs_create(d->thread, &root, FS_ROOT_ID, "a", 0, O_RDWR | O_CREAT, false, &entry,
			&opened);
}

static void a_guest_that_opens_nothing_can_write_to_what_it_made(void)
{
	struct fs_options options = fs_unit_options();

	options.exclusive = true;
	for (unsigned int stop = 0, done = 0; !done; stop++) {
		struct fs_opened opened;
		struct fs_entry entry;
		struct dying d = { 0 };

		dying_start_with(&d, &options);
		dont_open(d.unit.fs);
		done = !dying_run(&d, create_file, NULL, stop, 0);
		dying_succeed(&d);
		d.unit.fs->implicit.files = true;
		g_assert_cmpint(fs_create(d.thread, &root, FS_ROOT_ID, "a", 0, O_RDWR | O_CREAT,
					  false, &entry, &opened),
				==, 0);
		g_assert_cmpuint(opened.fh, ==, 0);
		d.thread->inflight = NULL;
		write_by_node(&d, entry.nodeid);
		fs_forget(d.unit.fs, entry.nodeid, 1);
		g_assert_null(itab_get(&d.unit.fs->inodes, entry.nodeid));
		dying_stop(&d);
	}
}

#define ADD(path, function) g_test_add_func("/fs-once-host/" path, function)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("what-another-user-made-meanwhile-is-not-ours",
	    what_another_user_made_meanwhile_is_not_ours);
	ADD("what-was-made-after-the-successor-started-is-not-ours",
	    what_was_made_after_the_successor_started_is_not_ours);
	ADD("what-is-of-another-kind-or-more-open-is-not-ours",
	    what_is_of_another_kind_or_more_open_is_not_ours);
	ADD("a-file-with-content-is-not-ours", a_file_with_content_is_not_ours);
	ADD("a-link-elsewhere-is-not-ours", a_link_elsewhere_is_not_ours);
	ADD("a-new-file-under-a-name-that-was-removed-stays",
	    a_new_file_under_a_name_that_was_removed_stays);
	ADD("a-new-file-under-a-name-that-was-moved-stays",
	    a_new_file_under_a_name_that_was_moved_stays);
	ADD("what-others-append-behind-or-before-ours-changes-nothing",
	    what_others_append_behind_or_before_ours_changes_nothing);
	ADD("what-only-others-have-appended-is-not-ours",
	    what_only_others_have_appended_is_not_ours);
	ADD("the-rest-of-an-append-that-was-cut-short-follows",
	    the_rest_of_an_append_that_was_cut_short_follows);
	ADD("an-attribute-with-another-value-is-not-ours",
	    an_attribute_with_another_value_is_not_ours);
	ADD("a-request-that-had-not-begun-is-served-as-new",
	    a_request_that_had_not_begun_is_served_as_new);
	ADD("a-file-that-may-not-be-opened-again-is-made-again",
	    a_file_that_may_not_be_opened_again_is_made_again);
	ADD("what-took-the-last-room-is-found-again", what_took_the_last_room_is_found_again);
	ADD("a-guest-that-opens-nothing-can-write-to-what-it-made",
	    a_guest_that_opens_nothing_can_write_to_what_it_made);
	return g_test_run();
}
