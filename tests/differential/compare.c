/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing attributes and whole trees.
 *
 * Times: a moment that an operation chose by the clock cannot be equal on both sides, one that
 * was set must be. So a reference time inside the run wants an own time inside the run, and any
 * other wants the same time. Sizes of directories and block counts are the file system's business.
 */
#include "tests/differential/compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/lib/bounded.h"

/* The clock of file times lags behind time(2) by up to a tick. */
#define CLOCK_SLACK_S 2
#define CHUNK_BYTES   (256u << 10)

/* ---- Attributes ---- */

static bool in_run(const struct world *w, const struct timespec *t)
{
	return t->tv_sec >= w->start - CLOCK_SLACK_S && t->tv_sec <= time(NULL) + CLOCK_SLACK_S;
}

static void compare_time(struct world *w, const char *what, const char *which,
			 const struct timespec *own, const struct timespec *ref)
{
	if (in_run(w, ref) ? in_run(w, own)
			   : own->tv_sec == ref->tv_sec && own->tv_nsec == ref->tv_nsec)
		return;
	world_fail(w, "%s: %s is %lld.%09ld, in the reference %lld.%09ld", what, which,
		   (long long)own->tv_sec, own->tv_nsec, (long long)ref->tv_sec, ref->tv_nsec);
}

static void same_number(struct world *w, const char *what, const char *which, uint64_t own,
			uint64_t ref)
{
	if (own != ref)
		world_fail(w,
			   "%s: %s is %" PRIu64 " (0%" PRIo64 "), not %" PRIu64 " (0%" PRIo64 ")",
			   what, which, own, own, ref, ref);
}

void compare_stat(struct world *w, const char *what, const struct stat *own, const struct stat *ref)
{
	same_number(w, what, "mode", own->st_mode, ref->st_mode);
	same_number(w, what, "uid", own->st_uid, ref->st_uid);
	same_number(w, what, "gid", own->st_gid, ref->st_gid);
	same_number(w, what, "nlink", own->st_nlink, ref->st_nlink);
	same_number(w, what, "rdev", own->st_rdev, ref->st_rdev);
	if (!S_ISDIR(own->st_mode))
		same_number(w, what, "size", (uint64_t)own->st_size, (uint64_t)ref->st_size);
	compare_time(w, what, "mtime", &own->st_mtim, &ref->st_mtim);
	compare_time(w, what, "ctime", &own->st_ctim, &ref->st_ctim);
	compare_time(w, what, "atime", &own->st_atim, &ref->st_atim);
}

static struct stat stat_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		test_die("fstat: %s", strerror(errno));
	return st;
}

void compare_node(struct world *w, const struct node *node)
{
	struct stat own = stat_of(node->own_fd);
	struct stat ref = stat_of(node->ref_fd);

	compare_stat(w, "a node", &own, &ref);
}

static void same_time(struct world *w, const char *which, uint64_t sec, uint32_t nsec,
		      const struct timespec *t)
{
	if (sec != (uint64_t)t->tv_sec || nsec != t->tv_nsec)
		world_fail(w, "the reply's %s is %" PRId64 ".%09u, the inode's %lld.%09ld", which,
			   (int64_t)sec, nsec, (long long)t->tv_sec, t->tv_nsec);
}

/* The kernel's own packing of a device number into 32 bits. */
static uint32_t packed_dev(dev_t dev)
{
	return (minor(dev) & 0xff) | (major(dev) << 8) | ((minor(dev) & ~0xffu) << 12);
}

void compare_attr(struct world *w, const struct node *node, const struct fuse_attr *attr)
{
	const char *what = "the reply";
	struct stat st = stat_of(node->own_fd);

	same_number(w, what, "ino", attr->ino, st.st_ino);
	same_number(w, what, "mode", attr->mode, st.st_mode);
	same_number(w, what, "uid", attr->uid, st.st_uid);
	same_number(w, what, "gid", attr->gid, st.st_gid);
	same_number(w, what, "nlink", attr->nlink, st.st_nlink);
	same_number(w, what, "size", attr->size, (uint64_t)st.st_size);
	same_number(w, what, "rdev", attr->rdev, packed_dev(st.st_rdev));
	same_number(w, what, "blksize", attr->blksize, (uint64_t)st.st_blksize);
	same_time(w, "mtime", attr->mtime, attr->mtimensec, &st.st_mtim);
	same_time(w, "ctime", attr->ctime, attr->ctimensec, &st.st_ctim);
	same_time(w, "atime", attr->atime, attr->atimensec, &st.st_atim);
}

/* ---- Trees ---- */

struct tree_walk {
	struct world *w;
	GHashTable *ref_of_own; /* inode numbers of both trees name each other */
	GHashTable *own_of_ref;
	uint8_t *bytes[2];
};

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int open_quietly(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_RDONLY | O_NOATIME | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		test_die("open %s: %s", name, strerror(errno));
	return fd;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

GPtrArray *compare_sorted_names(int dir_fd)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	DIR *dir CLEANUP(close_dir) = fdopendir(open_quietly(dir_fd, ".", O_DIRECTORY));
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			g_ptr_array_add(names, g_strdup(entry->d_name));
	g_ptr_array_sort(names, compare_names);
	return names;
}

static void same_inode(struct tree_walk *walk, const char *name, ino_t own, ino_t ref)
{
	gpointer own_key = GSIZE_TO_POINTER(own), ref_key = GSIZE_TO_POINTER(ref);
	gpointer known_ref = g_hash_table_lookup(walk->ref_of_own, own_key);
	gpointer known_own = g_hash_table_lookup(walk->own_of_ref, ref_key);

	if ((known_ref && known_ref != ref_key) || (known_own && known_own != own_key))
		world_fail(walk->w, "tree: %s is another file than its other names say", name);
	g_hash_table_insert(walk->ref_of_own, own_key, ref_key);
	g_hash_table_insert(walk->own_of_ref, ref_key, own_key);
}

static void compare_targets(struct tree_walk *walk, const char *name, int own_dir, int ref_dir)
{
	char own[PATH_MAX], ref[PATH_MAX];
	ssize_t n_own = readlinkat(own_dir, name, own, sizeof(own));
	ssize_t n_ref = readlinkat(ref_dir, name, ref, sizeof(ref));

	if (n_own != n_ref || n_own < 0 || memcmp(own, ref, (size_t)n_own) != 0)
		world_fail(walk->w, "tree: the target of %s differs", name);
}

/* From @at on: where the next data of either file begins; @size when there is none. */
static off_t next_data(int own, int ref, off_t at, off_t size)
{
	off_t a = lseek(own, at, SEEK_DATA);
	off_t b = lseek(ref, at, SEEK_DATA);

	if (a < 0)
		a = size;
	if (b < 0)
		b = size;
	return MIN(a, b);
}

static void compare_contents(struct tree_walk *walk, const char *name, int own_dir, int ref_dir,
			     off_t size)
{
	cleanup_fd int own = open_quietly(own_dir, name, 0);
	cleanup_fd int ref = open_quietly(ref_dir, name, 0);
	off_t at = next_data(own, ref, 0, size);

	while (at < size) {
		ssize_t n = pread(own, walk->bytes[0], CHUNK_BYTES, at);
		ssize_t m = pread(ref, walk->bytes[1], CHUNK_BYTES, at);

		if (n != m || n <= 0 || memcmp(walk->bytes[0], walk->bytes[1], (size_t)n) != 0)
			world_fail(walk->w, "tree: the contents of %s differ after %lld", name,
				   (long long)at);
		at = next_data(own, ref, at + n, size);
	}
}

static void compare_dirs(struct tree_walk *walk, int own_dir, int ref_dir);

static void compare_entry(struct tree_walk *walk, const char *name, int own_dir, int ref_dir)
{
	struct stat own, ref;

	if (fstatat(own_dir, name, &own, AT_SYMLINK_NOFOLLOW) ||
	    fstatat(ref_dir, name, &ref, AT_SYMLINK_NOFOLLOW))
		test_die("stat %s: %s", name, strerror(errno));
	compare_stat(walk->w, name, &own, &ref);
	same_inode(walk, name, own.st_ino, ref.st_ino);
	if (S_ISLNK(own.st_mode)) {
		compare_targets(walk, name, own_dir, ref_dir);
	} else if (S_ISREG(own.st_mode)) {
		compare_contents(walk, name, own_dir, ref_dir, own.st_size);
	} else if (S_ISDIR(own.st_mode)) {
		cleanup_fd int own_fd = open_quietly(own_dir, name, O_DIRECTORY);
		cleanup_fd int ref_fd = open_quietly(ref_dir, name, O_DIRECTORY);

		compare_dirs(walk, own_fd, ref_fd);
	}
}

static void compare_dirs(struct tree_walk *walk, int own_dir, int ref_dir)
{
	g_autoptr(GPtrArray) own = compare_sorted_names(own_dir);
	g_autoptr(GPtrArray) ref = compare_sorted_names(ref_dir);

	for (guint i = 0; i < MAX(own->len, ref->len); i++) {
		const char *name = i < own->len ? own->pdata[i] : NULL;

		if (i >= own->len || i >= ref->len || strcmp(name, ref->pdata[i]) != 0)
			world_fail(walk->w, "tree: a directory has %s where the reference has %s",
				   name ? name : "nothing",
				   i < ref->len ? (const char *)ref->pdata[i] : "nothing");
		compare_entry(walk, name, own_dir, ref_dir);
	}
}

void compare_trees(struct world *w)
{
	cleanup_fd int own = open_quietly(w->nodes[0].own_fd, ".", O_DIRECTORY);
	cleanup_fd int ref = open_quietly(w->nodes[0].ref_fd, ".", O_DIRECTORY);
	struct tree_walk walk = {
		.w = w,
		.ref_of_own = g_hash_table_new(NULL, NULL),
		.own_of_ref = g_hash_table_new(NULL, NULL),
		.bytes = { g_malloc(CHUNK_BYTES), g_malloc(CHUNK_BYTES) },
	};

	compare_node(w, &w->nodes[0]);
	compare_dirs(&walk, own, ref);
	g_hash_table_unref(walk.ref_of_own);
	g_hash_table_unref(walk.own_of_ref);
	g_free(walk.bytes[0]);
	g_free(walk.bytes[1]);
}

/* ---- What the daemon lists ---- */

struct listed_dir {
	uint64_t nodeid; /* with one lookup */
	int own_fd;	 /* owned */
};

/* Directories are left to be looked into, in @dirs. */
static void compare_listed(struct world *w, int own_dir, const struct fuse_direntplus *plus,
			   GArray *dirs)
{
	g_autofree char *name = g_strndup(plus->dirent.name, plus->dirent.namelen);
	struct node node = { .own_fd = -1 };
	struct fuse_forget_one one = { plus->entry_out.nodeid, 1 };

	node.own_fd = openat(own_dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node.own_fd < 0)
		world_fail(w, "%s is listed and does not exist", name);
	if (!one.nodeid)
		world_fail(w, "%s is listed without an entry", name);
	compare_attr(w, &node, &plus->entry_out.attr);
	if (S_ISDIR(plus->entry_out.attr.mode)) {
		const struct listed_dir dir = { one.nodeid, node.own_fd };

		g_array_append_val(dirs, dir);
		return;
	}
	fuse_batch_forget(w->client, &one, 1);
	close(node.own_fd);
}

static bool is_dot(const struct fuse_dirent *entry)
{
	return entry->name[0] == '.' &&
	       (entry->namelen == 1 || (entry->namelen == 2 && entry->name[1] == '.'));
}

/* One reply after the other; the number of names without "." and "..". */
static guint list_all(struct world *w, uint64_t nodeid, uint64_t fh, int own_dir, GArray *dirs)
{
	g_autofree uint8_t *bytes = g_malloc(65536);
	uint64_t place = 0;
	guint n_names = 0;
	int n;

	while ((n = fuse_readdir(w->client, nodeid, fh, place, 65536, bytes, true)) > 0) {
		const struct fuse_direntplus *plus;
		size_t offset = 0;

		while ((plus = fuse_direntplus_next(bytes, (size_t)n, &offset))) {
			place = plus->dirent.off;
			if (is_dot(&plus->dirent))
				continue;
			compare_listed(w, own_dir, plus, dirs);
			n_names++;
		}
	}
	if (n < 0)
		world_fail(w, "READDIRPLUS says %s", strerror(-n));
	return n_names;
}

void compare_listing(struct world *w, uint64_t nodeid, int own_fd)
{
	g_autoptr(GPtrArray) names = compare_sorted_names(own_fd);
	g_autoptr(GArray) dirs = g_array_new(FALSE, FALSE, sizeof(struct listed_dir));
	struct fuse_open_out open;
	int result = world_opendir(w, nodeid, &open);
	guint n_listed;

	if (result)
		world_fail(w, "OPENDIR says %s", strerror(-result));
	n_listed = list_all(w, nodeid, open.fh, own_fd, dirs);
	if (n_listed != names->len)
		world_fail(w, "%u names are listed, %u are there", n_listed, names->len);
	result = world_releasedir(w, nodeid, open.fh);
	if (result)
		world_fail(w, "RELEASEDIR says %s", strerror(-result));
	/* Trees may be deeper than there are handles. */
	for (guint i = 0; i < dirs->len; i++) {
		struct listed_dir *dir = &g_array_index(dirs, struct listed_dir, i);
		struct fuse_forget_one one = { dir->nodeid, 1 };

		compare_listing(w, dir->nodeid, dir->own_fd);
		fuse_batch_forget(w->client, &one, 1);
		fd_close(&dir->own_fd);
	}
}

/* ---- What the daemon finds ---- */

static void open_found(struct world *w, const char *name, uint64_t nodeid)
{
	struct fuse_open_out open_out;
	int result = fuse_open(w->client, nodeid, O_RDONLY, &open_out);

	if (result)
		world_fail(w, "OPEN of %s says %s", name, strerror(-result));
	result = fuse_release(w->client, nodeid, open_out.fh);
	if (result)
		world_fail(w, "RELEASE of %s says %s", name, strerror(-result));
}

void compare_lookups(struct world *w, uint64_t nodeid, int own_fd)
{
	g_autoptr(GPtrArray) names = compare_sorted_names(own_fd);

	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		cleanup_fd int fd = openat(own_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct node node = { .own_fd = fd };
		struct fuse_forget_one one = { .nlookup = 1 };
		struct fuse_entry_out entry;
		int result = fuse_lookup(w->client, nodeid, name, &entry);

		if (result || !entry.nodeid)
			world_fail(w, "LOOKUP of %s says %s", name, strerror(-result));
		compare_attr(w, &node, &entry.attr);
		if (S_ISREG(entry.attr.mode))
			open_found(w, name, entry.nodeid);
		if (S_ISDIR(entry.attr.mode))
			compare_lookups(w, entry.nodeid, fd);
		one.nodeid = entry.nodeid;
		fuse_batch_forget(w->client, &one, 1);
	}
}
