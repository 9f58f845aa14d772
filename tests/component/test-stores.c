/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that a guest gets the same answers whatever file system is below the share, and which of
 * them give more than others: file handles, files without a name, birth times, reports at close.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/component/stores.h"
#include "tests/lib/bounded.h"
#include "tests/lib/syscall-count.h"

#define N_NAMES 1500u
#define N_READS 200u

static struct fixture *start(const struct store *store, const char *const *args)
{
	const struct fixture_config config = {
		.populate = store->make,
		.args = args,
		.client = { .reply_bytes = 16384, .data_bytes = 1 << 16 },
	};

	return fixture_start(&config);
}

static void stop(struct fixture *f)
{
	struct share share = { .base = g_strdup(f->share.base), .dir = g_strdup(f->share.dir) };

	vmm_stop(&f->vmm);
	f->has_vmm = false;
	g_assert_cmpint(daemon_wait(f->daemon), ==, 0);
	store_unmount(&share);
	fixture_stop(f);
	g_free(share.base);
	g_free(share.dir);
}

static struct fuse_attr attr_of(struct fixture *f, uint64_t node)
{
	struct fuse_attr_out attr;

	g_assert_cmpint(fuse_getattr(&f->client, node, UINT64_MAX, &attr), ==, 0);
	return attr.attr;
}

static void check_read(struct fixture *f, uint64_t node, uint64_t fh, const char *want)
{
	char text[100] = { 0 };

	g_assert_cmpint(fuse_read(&f->client, node, fh, 0, sizeof(text) - 1, text), ==,
			(int)strlen(want));
	g_assert_cmpstr(text, ==, want);
}

static void check_content(struct fixture *f, uint64_t node, const char *want)
{
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, node, O_RDONLY, &open), ==, 0);
	check_read(f, node, open.fh, want);
	g_assert_cmpint(fuse_release(&f->client, node, open.fh), ==, 0);
}

/* ---- What every store that can be written does ---- */

static uint64_t create(struct fixture *f, const char *name, const char *text, uint64_t *ret_fh)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, name, S_IFREG | 0644, O_RDWR, &entry, &open),
			==, 0);
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, (uint32_t)strlen(text), text, 0),
			==, (int)strlen(text));
	if (ret_fh)
		*ret_fh = open.fh;
	else
		g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
	return entry.nodeid;
}

static void names_lead_to_their_files(gconstpointer data)
{
	struct fixture *f = start(data, NULL);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	uint64_t fh, node = create(f, "first", "content", &fh);

	g_assert_cmpint(fuse_rename(c, FUSE_ROOT_ID, "first", FUSE_ROOT_ID, "second"), ==, 0);
	g_assert_cmpuint(fuse_node(c, "second"), ==, node);
	g_assert_cmpint(fuse_link(c, node, FUSE_ROOT_ID, "third", &entry), ==, 0);
	g_assert_cmpuint(entry.nodeid, ==, node);
	g_assert_cmpuint(fuse_node(c, "third"), ==, node);
	g_assert_cmpuint(attr_of(f, node).nlink, ==, 2);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "second"), ==, 0);
	g_assert_cmpuint(fuse_node(c, "third"), ==, node);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "third"), ==, 0);
	g_assert_cmpuint(attr_of(f, node).nlink, ==, 0);
	g_assert_cmpint(fuse_write(c, node, fh, 7, 4, "more", 0), ==, 4);
	check_read(f, node, fh, "contentmore");
	/* A FUSE server knows the file by its name: without one it cannot be opened again. */
	if (!((const struct store *)data)->has_flush)
		check_content(f, node, "contentmore");
	g_assert_cmpint(fuse_release(c, node, fh), ==, 0);
	stop(f);
}

static bool lists(struct fixture *f, uint64_t fh, const char *name)
{
	static char entries[16384];
	const struct fuse_dirent *dirent;
	size_t at = 0;
	int n = fuse_readdir(&f->client, FUSE_ROOT_ID, fh, 0, sizeof(entries), entries, false);

	g_assert_cmpint(n, >, 0);
	while ((dirent = fuse_dirent_next(entries, (size_t)n, &at)))
		if (dirent->namelen == strlen(name) && !memcmp(dirent->name, name, dirent->namelen))
			return true;
	return false;
}

/* btrfs settles at the open, or when it is moved, where a directory ends. */
static void a_listing_has_what_was_made_after_the_open(gconstpointer data)
{
	struct fixture *f = start(data, NULL);
	struct fuse_open_out dir;

	g_assert_cmpint(fuse_opendir(&f->client, FUSE_ROOT_ID, O_RDONLY, &dir), ==, 0);
	create(f, "made-1", "", NULL);
	g_assert_true(lists(f, dir.fh, "made-1"));
	create(f, "made-2", "", NULL);
	g_assert_true(lists(f, dir.fh, "made-2"));
	g_assert_cmpint(fuse_releasedir(&f->client, FUSE_ROOT_ID, dir.fh), ==, 0);
	stop(f);
}

static void check_lock(struct fixture *f, uint64_t node, uint64_t fh)
{
	struct fuse_lk_in lock = {
		.fh = fh,
		.owner = 1,
		.lk = { .start = 0, .end = 99, .type = F_WRLCK, .pid = 10 },
	};
	struct fuse_lk_out found;

	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, node, &lock, NULL), ==, 0);
	lock.owner = 2;
	g_assert_cmpint(fuse_lock(&f->client, FUSE_SETLK, node, &lock, NULL), ==, -EAGAIN);
	g_assert_cmpint(fuse_lock(&f->client, FUSE_GETLK, node, &lock, &found), ==, 0);
	g_assert_cmpuint(found.lk.type, ==, F_WRLCK);
	g_assert_cmpuint(found.lk.pid, ==, 10);
}

static void check_tmpfile(struct fixture *f, const struct store *store)
{
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	int r = fuse_tmpfile(c, FUSE_ROOT_ID, S_IFREG | 0600, O_RDWR, &entry, &open);

	g_assert_cmpint(r, ==, store->has_tmpfile ? 0 : -EOPNOTSUPP);
	if (r < 0)
		return;
	g_assert_cmpint(fuse_write(c, entry.nodeid, open.fh, 0, 5, "hello", 0), ==, 5);
	g_assert_cmpint(fuse_link(c, entry.nodeid, FUSE_ROOT_ID, "named", &entry), ==, 0);
	g_assert_cmpuint(fuse_node(c, "named"), ==, entry.nodeid);
	g_assert_cmpint(fuse_release(c, entry.nodeid, open.fh), ==, 0);
}

static void files_have_what_the_store_gives(gconstpointer data)
{
	static const char *const args[] = { "--xattr", "--posix-acl=auto", "--posix-lock", NULL };
	const struct store *store = data;
	struct fixture *f = start(store, args);
	struct fuse_client *c = &f->client;
	struct test_fuse_statx_out stx;
	uint64_t fh, fh_copy;
	uint64_t node = create(f, "file", "0123456789", &fh);
	uint64_t copy = create(f, "copy", "", &fh_copy);
	const struct fuse_copy_file_range_in range = {
		.fh_in = fh,
		.nodeid_out = copy,
		.fh_out = fh_copy,
		.len = 10,
	};
	char value[8];

	g_assert_cmpint(fuse_copy_file_range(c, &range, node), ==, 10);
	check_content(f, copy, "0123456789");
	g_assert_cmpint(fuse_fallocate(c, node, fh, 0, 65536, 0), ==,
			store->has_extents ? 0 : -EOPNOTSUPP);
	g_assert_cmpuint(attr_of(f, node).size, ==, store->has_extents ? 65536 : 10);
	g_assert_cmpint(fuse_setxattr(c, node, "user.a", "value", 5, 0), ==,
			store->has_xattrs ? 0 : -EOPNOTSUPP);
	if (store->has_xattrs)
		g_assert_cmpint(fuse_getxattr(c, node, "user.a", value, sizeof(value)), ==, 5);
	g_assert_cmpint(fuse_statx(c, node, UINT64_MAX, STATX_BTIME, &stx), ==, 0);
	g_assert_cmpint(!!(stx.stat.mask & STATX_BTIME), ==, store->has_birth);
	check_lock(f, node, fh);
	check_tmpfile(f, store);
	g_assert_cmpint(fuse_fsync(c, node, fh, false), ==, 0);
	g_assert_cmpint(fuse_syncfs(c, FUSE_ROOT_ID), ==, 0);
	g_assert_cmpint(fuse_release(c, node, fh), ==, 0);
	g_assert_cmpint(fuse_release(c, copy, fh_copy), ==, 0);
	stop(f);
}

/* ---- Many files, few descriptors ---- */

static uint64_t many[N_NAMES];

static void make_names(struct fixture *f)
{
	for (unsigned int i = 0; i < N_NAMES; i++) {
		g_autofree char *dir = g_strdup_printf("d%u", i / 100);
		g_autofree char *path = g_strdup_printf("d%u/f%u", i / 100, i);

		if (i % 100 == 0)
			share_mkdir(&f->share, dir, 0755);
		share_write_text(&f->share, path, path);
	}
}

static unsigned int list(struct fixture *f, uint64_t dir)
{
	struct fuse_client *c = &f->client;
	struct fuse_open_out open;
	uint8_t bytes[8192];
	unsigned int n_names = 0;
	uint64_t offset = 0;
	int n;

	g_assert_cmpint(fuse_opendir(c, dir, 0, &open), ==, 0);
	while ((n = fuse_readdir(c, dir, open.fh, offset, sizeof(bytes), bytes, true)) > 0) {
		const struct fuse_direntplus *entry;
		size_t at = 0;
		unsigned int i;

		while ((entry = fuse_direntplus_next(bytes, (size_t)n, &at))) {
			offset = entry->dirent.off;
			if (sscanf(entry->dirent.name, "f%u", &i) != 1)
				continue;
			g_assert_cmpuint(i, <, N_NAMES);
			g_assert_cmpuint(entry->entry_out.attr.flags & FUSE_ATTR_SUBMOUNT, ==, 0);
			many[i] = entry->entry_out.nodeid;
			n_names++;
		}
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpint(fuse_releasedir(c, dir, open.fh), ==, 0);
	return n_names;
}

static void files_without_descriptors_are_found_again(gconstpointer data)
{
	static const char *const args[] = { "--rlimit-nofile=512", NULL };
	struct fixture *f = start(data, args);
	unsigned int n_names = 0;

	make_names(f);
	for (unsigned int d = 0; d < N_NAMES / 100; d++) {
		g_autofree char *dir = g_strdup_printf("d%u", d);

		n_names += list(f, fuse_node(&f->client, dir));
	}
	g_assert_cmpuint(n_names, ==, N_NAMES);
	for (unsigned int i = 0; i < N_NAMES; i++) {
		g_autofree char *path = g_strdup_printf("d%u/f%u", i / 100, i);

		check_content(f, many[i], path);
	}
	g_assert_cmpuint(daemon_n_fds(f->daemon), <, 512);
	stop(f);
}

/* ---- Handles, reports at close, reads that wait ---- */

static void mandatory_handles_work_or_are_refused(gconstpointer data)
{
	static const char *const args[] = { "--inode-file-handles=mandatory", NULL };
	const struct store *store = data;
	struct daemon_config config = { .args = args };
	struct daemon_process *daemon;
	struct share share;
	int status;

	share_init(&share);
	store->make(&share);
	config.shared_dir = share.dir;
	daemon = daemon_spawn(&config);
	if (store->has_handles) {
		daemon_wait_stderr(daemon, "Waiting for vhost-user socket connection");
	} else {
		status = daemon_wait(daemon);
		g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	}
	daemon_free(daemon);
	store_unmount(&share);
	share_deinit(&share);
}

static void closes_are_asked_for_only_where_they_report(gconstpointer data)
{
	const struct store *store = data;
	struct fixture *f = start(store, NULL);
	struct fuse_client *c = &f->client;
	struct fuse_open_out open;
	uint64_t node = store->readonly ? fuse_node(c, "low") : create(f, "file", "1", NULL);

	g_assert_cmpint(fuse_open(c, node, O_RDONLY, &open), ==, 0);
	g_assert_cmpint(!(open.open_flags & FOPEN_NOFLUSH), ==, store->has_flush);
	g_assert_cmpint(fuse_flush_fh(c, node, open.fh, 1), ==, 0);
	g_assert_cmpint(fuse_release(c, node, open.fh), ==, 0);
	stop(f);
}

/* Whether without waiting is possible is found out once, not with each file that is opened. */
static void a_read_is_one_system_call(gconstpointer data)
{
	static const char *const args[] = { "--sandbox=none", "--seccomp=none", NULL };
	const struct store *store = data;
	struct fixture *f = start(store, args);
	struct syscall_count *count;
	uint64_t node;

	if (!store->readonly)
		(void)create(f, "low", "lower", NULL);
	node = fuse_node(&f->client, "low");
	check_content(f, node, "lower");
	count = syscall_count_start(daemon_worker_pid(f->daemon));
	for (unsigned int i = 0; i < N_READS; i++)
		check_content(f, node, "lower");
	syscall_count_stop(count);
	/* The second one sees the end of the file. */
	g_assert_cmpuint(syscall_count_of(count, "preadv2"), <=, 2 * N_READS + 10);
	g_assert_cmpuint(syscall_count_of(count, "preadv2"), >=, 2 * N_READS);
	syscall_count_free(count);
	stop(f);
}

/* ---- Stores that cannot be written ---- */

static void nothing_can_be_changed(gconstpointer data)
{
	struct fixture *f = start(data, NULL);
	struct fuse_client *c = &f->client;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t node = fuse_node(c, "low");
	char target[16];

	check_content(f, node, "lower");
	check_content(f, fuse_node(c, "dir/sub/deep"), "deep");
	g_assert_cmpint(fuse_readlink(c, fuse_node(c, "link"), target, sizeof(target)), ==, 3);
	g_assert_cmpint(fuse_open(c, node, O_RDWR, &open), ==, -EROFS);
	g_assert_cmpint(fuse_create(c, FUSE_ROOT_ID, "new", 0644, O_RDWR, &entry, &open), ==,
			-EROFS);
	g_assert_cmpint(fuse_unlink(c, FUSE_ROOT_ID, "low"), ==, -EROFS);
	g_assert_cmpint(fuse_tmpfile(c, FUSE_ROOT_ID, S_IFREG | 0600, O_RDWR, &entry, &open), ==,
			-EROFS);
	stop(f);
}

struct kind {
	const char *sentence;
	void (*run)(gconstpointer store);
	enum { ALL, WRITABLE, READONLY, WAITING } which;
};

static const struct kind kinds[] = {
	{ "names-lead-to-their-files", names_lead_to_their_files, WRITABLE },
	{ "a-listing-has-what-was-made-after-the-open", a_listing_has_what_was_made_after_the_open,
	  WRITABLE },
	{ "files-have-what-the-store-gives", files_have_what_the_store_gives, WRITABLE },
	{ "files-without-descriptors-are-found-again", files_without_descriptors_are_found_again,
	  WRITABLE },
	{ "nothing-can-be-changed", nothing_can_be_changed, READONLY },
	{ "mandatory-handles-work-or-are-refused", mandatory_handles_work_or_are_refused, ALL },
	{ "closes-are-asked-for-only-where-they-report",
	  closes_are_asked_for_only_where_they_report, ALL },
	{ "a-read-is-one-system-call", a_read_is_one_system_call, WAITING },
};

static bool applies(const struct kind *kind, const struct store *store)
{
	switch (kind->which) {
	case WRITABLE:
		return !store->readonly;
	case READONLY:
		return store->readonly;
	case WAITING:
		return store->reads_wait;
	default:
		return true;
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stores_init();
	for (const struct store *store = stores; store->name; store++) {
		for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
			g_autofree char *path = g_strdup_printf("/stores/%s/%s", store->name,
								kinds[i].sentence);

			if (applies(&kinds[i], store))
				g_test_add_data_func(path, store, kinds[i].run);
		}
	}
	return g_test_run();
}
