/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open directories: both forms of listing, in replies of any size, and going on
 * from any entry.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"

#define LISTING_BYTES (300u << 10)

struct listed {
	char name[NAME_MAX + 1];
	unsigned char type;
	ino_t ino;
	uint64_t next;
};

static void op_opendir(struct world *w)
{
	struct handle *handle = world_open_row(w);
	struct node *node = world_dir(w);
	struct fuse_open_out open_out;
	int own, ref;

	world_note(w, "opendir %" PRIu64, node->nodeid);
	own = world_opendir(w, node->nodeid, &open_out);
	ref = neg_errno(open(world_ref_path(node), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!world_same(w, own, MIN(ref, 0)))
		return;
	*handle = (struct handle){ .node = node, .fh = open_out.fh, .ref_fd = ref, .is_dir = true };
	node->n_open++;
}

static void op_releasedir(struct world *w)
{
	struct handle *handle = world_handle(w, true);

	if (!handle)
		return;
	world_note(w, "releasedir %" PRIu64, handle->fh);
	world_close(w, handle);
}

static void add_listed(GArray *list, const struct fuse_dirent *entry)
{
	struct listed one = { .type = (unsigned char)entry->type,
			      .ino = entry->ino,
			      .next = entry->off };

	memcpy(one.name, entry->name, MIN(entry->namelen, (uint32_t)NAME_MAX));
	g_array_append_val(list, one);
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void enter_listed(struct world *w, struct handle *handle, const struct fuse_direntplus *plus)
{
	g_autofree char *name = g_strndup(plus->dirent.name, plus->dirent.namelen);

	if (is_dot(name)) {
		if (plus->entry_out.nodeid)
			world_fail(w, "\"%s\" is listed with a node id", name);
		return;
	}
	if (plus->dirent.type != (plus->entry_out.attr.mode & S_IFMT) >> 12)
		world_fail(w, "the type of %s is not that of its mode", name);
	world_enter(w, handle->node, name, &plus->entry_out);
}

/* The entries of one reply go to @list; the number of them, or -errno. */
static int read_some(struct world *w, struct handle *handle, uint64_t place, uint32_t size,
		     bool plus, GArray *list)
{
	int n = fuse_readdir(w->client, handle->node->nodeid, handle->fh, place, size, w->own_bytes,
			     plus);
	const struct fuse_direntplus *full;
	const struct fuse_dirent *entry;
	guint before = list->len;
	size_t offset = 0;

	if (n < 0)
		return n;
	while (plus && (full = fuse_direntplus_next(w->own_bytes, (size_t)n, &offset))) {
		add_listed(list, &full->dirent);
		enter_listed(w, handle, full);
	}
	while (!plus && (entry = fuse_dirent_next(w->own_bytes, (size_t)n, &offset)))
		add_listed(list, entry);
	return (int)(list->len - before);
}

static int read_all(struct world *w, struct handle *handle, bool plus, GArray *list)
{
	static const uint32_t sizes[] = { 512, 1000, 4096, 65536, LISTING_BYTES };
	uint64_t place = 0;
	int n;

	do {
		uint32_t size = sizes[world_random(w, ARRAY_SIZE(sizes))];

		n = read_some(w, handle, place, size, plus, list);
		if (n > 0)
			place = g_array_index(list, struct listed, list->len - 1).next;
		if (list->len > 10000)
			world_fail(w, "the listing does not end");
	} while (n > 0);
	return n;
}

static int reference_read_all(struct handle *handle, GArray *list)
{
	static __thread uint8_t bytes[32768] __attribute__((__aligned__(8)));
	ssize_t n;

	if (lseek(handle->ref_fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = getdents64(handle->ref_fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(bytes + at);

			struct listed one = { .type = entry->d_type };

			g_strlcpy(one.name, entry->d_name, sizeof(one.name));
			g_array_append_val(list, one);
			at += entry->d_reclen;
		}
	return n < 0 ? -errno : 0;
}

static int compare_listed(gconstpointer a, gconstpointer b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static void same_listing(struct world *w, const struct handle *handle, GArray *own, GArray *ref)
{
	g_array_sort(own, compare_listed);
	g_array_sort(ref, compare_listed);
	if (own->len != ref->len)
		world_fail(w, "%u entries are listed, %u in the reference", own->len, ref->len);
	for (guint i = 0; i < own->len; i++) {
		const struct listed *a = &g_array_index(own, struct listed, i);
		const struct listed *b = &g_array_index(ref, struct listed, i);
		struct stat st;

		if (strcmp(a->name, b->name) != 0)
			world_fail(w, "%s is listed where the reference has %s", a->name, b->name);
		if (a->type != b->type)
			world_fail(w, "%s is listed as type %u, not %u", a->name, a->type, b->type);
		if (is_dot(a->name))
			continue;
		if (fstatat(handle->node->own_fd, a->name, &st, AT_SYMLINK_NOFOLLOW) ||
		    st.st_ino != a->ino)
			world_fail(w, "%s is listed with another inode's number", a->name);
	}
}

/* From any entry's offset the rest follows as before. */
static void resume_somewhere(struct world *w, struct handle *handle, GArray *list)
{
	g_autoptr(GArray) rest = g_array_new(FALSE, TRUE, sizeof(struct listed));
	guint at = (guint)world_random(w, list->len);
	uint64_t place = g_array_index(list, struct listed, at).next;
	int n = read_some(w, handle, place, 4096, false, rest);

	if (n < 0)
		world_fail(w, "going on behind entry %u says %s", at, strerror(-n));
	if ((at + 1 == list->len) != (n == 0))
		world_fail(w, "behind entry %u of %u come %d more", at, list->len, n);
	for (guint i = 0; i < rest->len; i++)
		if (at + 1 + i >= list->len ||
		    strcmp(g_array_index(rest, struct listed, i).name,
			   g_array_index(list, struct listed, at + 1 + i).name) != 0)
			world_fail(w, "going on behind entry %u brings another entry", at);
}

static void op_list(struct world *w)
{
	g_autoptr(GArray) own_list = g_array_new(FALSE, TRUE, sizeof(struct listed));
	g_autoptr(GArray) ref_list = g_array_new(FALSE, TRUE, sizeof(struct listed));
	struct handle *handle = world_handle(w, true);
	bool plus = world_chance(w, 50);
	int own, ref;

	if (!handle)
		return;
	world_note(w, "readdir%s %" PRIu64, plus ? "plus" : "", handle->fh);
	own = read_all(w, handle, plus, own_list);
	ref = reference_read_all(handle, ref_list);
	if (!world_same(w, own, ref))
		return;
	if (own_list->len && world_chance(w, 50))
		resume_somewhere(w, handle, own_list);
	same_listing(w, handle, own_list, ref_list);
	compare_node(w, handle->node);
}

static void op_fsyncdir(struct world *w)
{
	struct handle *handle = world_handle(w, true);

	if (!handle || !world_chance(w, 10))
		return;
	world_note(w, "fsyncdir %" PRIu64, handle->fh);
	world_same(w, fuse_fsyncdir(w->client, handle->node->nodeid, handle->fh, true), 0);
}

const struct world_op world_ops_dirs[] = {
	{ op_opendir, 4 }, { op_releasedir, 2 }, { op_list, 6 }, { op_fsyncdir, 1 }, { NULL, 0 },
};
