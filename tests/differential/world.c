/* SPDX-License-Identifier: Apache-2.0 */
/* The node and handle tables of a world, its random choices, and its history. */
#include "tests/differential/world.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/lib/bounded.h"

uint64_t world_random(struct world *w, uint64_t n)
{
	return test_random_next(&w->random) % n;
}

/* The world whose operation this thread runs. */
static __thread struct world *current;

/* However the test ends early, in the test library too, it tells how it got there. */
static void print_history(int signal_number)
{
	struct world *w = current;
	unsigned long first = w && w->step >= WORLD_HISTORY ? w->step - WORLD_HISTORY + 1 : 0;

	if (w)
		dprintf(STDERR_FILENO,
			"# %s, DIFFERENTIAL_SEED=%" PRIu64 ", the last operations:\n", w->title,
			w->seed);
	for (unsigned long i = first; w && i <= w->step; i++) {
		const char *line = w->history[i % WORLD_HISTORY];
		g_autofree char *safe = line ? g_strescape(line, "\"") : NULL;

		dprintf(STDERR_FILENO, "# %6lu  %s\n", i, safe ? safe : "");
	}
	raise(signal_number); /* the handler is gone by now */
}

static void print_history_at_end(void)
{
	const struct sigaction action = { .sa_handler = print_history, .sa_flags = SA_RESETHAND };

	/* glib ends a test by either. */
	if (sigaction(SIGABRT, &action, NULL) || sigaction(SIGTRAP, &action, NULL))
		test_die("sigaction: %s", strerror(errno));
}

void world_note(struct world *w, const char *format, ...)
{
	char **line = &w->history[w->step % WORLD_HISTORY];
	va_list args;

	current = w;
	w->has_begun = true;
	g_free(*line);
	va_start(args, format);
	*line = g_strdup_vprintf(format, args);
	va_end(args);
}

static void note_result(struct world *w, int64_t own, int64_t ref)
{
	char **line = &w->history[w->step % WORLD_HISTORY];
	char *with = g_strdup_printf("%s = %" PRId64 " (reference %" PRId64 ")", *line, own, ref);

	g_free(*line);
	*line = with;
}

void world_fail(struct world *w, const char *format, ...)
{
	g_autofree char *why = NULL;
	va_list args;

	va_start(args, format);
	why = g_strdup_vprintf(format, args);
	va_end(args);
	test_die("%s, DIFFERENTIAL_SEED=%" PRIu64 ", operation %lu: %s", w->title, w->seed, w->step,
		 why);
}

bool world_same(struct world *w, int64_t own, int64_t ref)
{
	note_result(w, own, ref);
	w->n_succeeded += own >= 0;
	if (own != ref)
		world_fail(w, "the daemon says %" PRId64 " (%s), the reference %" PRId64 " (%s)",
			   own, own < 0 ? strerror((int)-own) : "success", ref,
			   ref < 0 ? strerror((int)-ref) : "success");
	return own >= 0;
}

bool world_both_fail(struct world *w, int64_t own, int64_t ref)
{
	note_result(w, own, ref);
	if (own >= 0 || ref >= 0)
		world_fail(w, "one of both did what must not be done");
	return false;
}

/* ---- Choices ---- */

static struct node *choose_node(struct world *w, mode_t type)
{
	size_t at = world_random(w, WORLD_NODES);

	for (size_t i = 0; i < WORLD_NODES; i++) {
		struct node *node = &w->nodes[(at + i) % WORLD_NODES];

		if (node->nodeid && (!type || node->type == type))
			return node;
	}
	return NULL;
}

struct node *world_any(struct world *w)
{
	return choose_node(w, 0);
}

struct node *world_dir(struct world *w)
{
	return world_chance(w, 35) ? &w->nodes[0] : choose_node(w, S_IFDIR);
}

struct node *world_file(struct world *w)
{
	return choose_node(w, S_IFREG);
}

const char *world_name(struct world *w, const struct node *parent)
{
	static const char *const names[] = {
		"a",   "b",	  "c",		"d",	     "e",
		"f",   "g",	  "h",		"i",	     "j",
		"k",   ".hidden", "with space", "new\nline", "\xff\xfe not utf-8",
		"...", "-rf",
	};
	static __thread char longest[NAME_MAX + 1], too_long[NAME_MAX + 2];

	if (parent == &w->nodes[0] && world_chance(w, 5)) {
		if (world_chance(w, 70)) {
			memset(longest, 'n', NAME_MAX);
			return longest;
		}
		memset(too_long, 'x', NAME_MAX + 1);
		return too_long;
	}
	return names[world_random(w, ARRAY_SIZE(names))];
}

const char *world_old_name(struct world *w, const struct node *parent)
{
	static __thread char name[NAME_MAX + 1];
	g_autoptr(GPtrArray) names = compare_sorted_names(parent->ref_fd);

	if (!names->len)
		return world_name(w, parent);
	g_strlcpy(name, names->pdata[world_random(w, names->len)], sizeof(name));
	return name;
}

const char *world_ref_path(const struct node *node)
{
	static __thread char paths[4][32];
	static __thread unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "/proc/self/fd/%d", node->ref_fd);
	return path;
}

/* ---- Nodes ---- */

static void free_row(struct node *node)
{
	fd_close(&node->own_fd);
	fd_close(&node->ref_fd);
	node->nodeid = 0;
}

/* One message may name a node more than once. */
static void forget_in_parts(struct world *w, const struct fuse_forget_one *one)
{
	struct fuse_forget_one parts[2] = { *one, *one };

	parts[0].nlookup = world_random(w, one->nlookup + 1);
	parts[1].nlookup -= parts[0].nlookup;
	fuse_batch_forget(w->client, parts, 2);
}

void world_forget(struct world *w, struct node *node)
{
	struct fuse_forget_one one = { .nodeid = node->nodeid, .nlookup = node->n_lookup };

	if (node->n_open || node == &w->nodes[0])
		return;
	if (w->forget_on_hiprio && world_chance(w, 50))
		fuse_forget(w->client, one.nodeid, one.nlookup);
	else
		forget_in_parts(w, &one);
	free_row(node);
}

static struct node *free_node(struct world *w)
{
	for (size_t i = 1; i < WORLD_NODES; i++)
		if (!w->nodes[i].nodeid)
			return &w->nodes[i];
	for (;;) {
		struct node *node = &w->nodes[1 + world_random(w, WORLD_NODES - 1)];

		if (node->n_open)
			continue; /* there are fewer handles than nodes */
		world_forget(w, node);
		return node;
	}
}

static struct node *find_node(struct world *w, uint64_t nodeid, ino_t ref_ino)
{
	for (size_t i = 0; i < WORLD_NODES; i++) {
		struct node *node = &w->nodes[i];

		if (!node->nodeid || (node->nodeid != nodeid && node->ref_ino != ref_ino))
			continue;
		if (node->nodeid != nodeid)
			world_fail(w, "one file has the node ids %" PRIu64 " and %" PRIu64,
				   node->nodeid, nodeid);
		if (node->ref_ino != ref_ino)
			world_fail(w, "two files have the node id %" PRIu64, nodeid);
		return node;
	}
	return NULL;
}

static int open_path(struct world *w, int dir, const char *name, const char *side)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		world_fail(w, "%s is not there in %s: %s", name, side, strerror(errno));
	return fd;
}

struct node *world_enter(struct world *w, struct node *parent, const char *name,
			 const struct fuse_entry_out *entry)
{
	cleanup_fd int own_fd = open_path(w, parent->own_fd, name, "the shared tree");
	cleanup_fd int ref_fd = open_path(w, parent->ref_fd, name, "the reference");
	struct node *node;
	struct stat st;

	if (!entry->nodeid)
		world_fail(w, "a name that exists was answered as a negative entry");
	if (fstat(ref_fd, &st))
		test_die("fstat: %s", strerror(errno));
	node = find_node(w, entry->nodeid, st.st_ino);
	if (!node) {
		node = free_node(w);
		*node = (struct node){
			.nodeid = entry->nodeid,
			.own_fd = take_fd(&own_fd),
			.ref_fd = take_fd(&ref_fd),
			.type = st.st_mode & S_IFMT,
			.ref_ino = st.st_ino,
		};
	}
	node->n_lookup++;
	compare_attr(w, node, &entry->attr);
	compare_node(w, node);
	return node;
}

/* ---- Handles ---- */

void world_drop_lock(struct handle *handle, unsigned int owner)
{
	if (handle->has_lock[owner])
		fd_close(&handle->lock_fd[owner]);
	handle->has_lock[owner] = false;
}

static bool opens_dirs(const struct world *w)
{
	return !(w->client->init_flags & FUSE_NO_OPENDIR_SUPPORT);
}

int world_opendir(struct world *w, uint64_t nodeid, struct fuse_open_out *ret_open)
{
	int result = fuse_opendir(w->client, nodeid, 0, ret_open);

	if (opens_dirs(w))
		return result;
	if (result != -ENOSYS)
		world_fail(w, "OPENDIR says %d", result);
	*ret_open = (struct fuse_open_out){ 0 };
	return 0;
}

int world_releasedir(struct world *w, uint64_t nodeid, uint64_t fh)
{
	return opens_dirs(w) ? fuse_releasedir(w->client, nodeid, fh) : 0;
}

static int release_file(struct world *w, uint64_t nodeid, uint64_t fh)
{
	/* A guest that has not heard yet may release what it has created. */
	if (world_opens_files(w) || world_chance(w, 5))
		return fuse_release(w->client, nodeid, fh);
	return 0;
}

void world_close(struct world *w, struct handle *handle)
{
	struct node *node = handle->node;
	int result = handle->is_dir ? world_releasedir(w, node->nodeid, handle->fh)
				    : release_file(w, node->nodeid, handle->fh);

	if (result)
		world_fail(w, "RELEASE says %s", strerror(-result));
	for (unsigned int i = 0; i < HANDLE_OWNERS; i++)
		world_drop_lock(handle, i);
	fd_close(&handle->ref_fd);
	node->n_open--;
	handle->node = NULL;
}

struct handle *world_open_row(struct world *w)
{
	struct handle *handle;

	for (size_t i = 0; i < WORLD_HANDLES; i++)
		if (!w->handles[i].node)
			return &w->handles[i];
	handle = &w->handles[world_random(w, WORLD_HANDLES)];
	world_close(w, handle);
	return handle;
}

struct handle *world_handle(struct world *w, bool is_dir)
{
	size_t at = world_random(w, WORLD_HANDLES);

	for (size_t i = 0; i < WORLD_HANDLES; i++) {
		struct handle *handle = &w->handles[(at + i) % WORLD_HANDLES];

		if (handle->node && handle->is_dir == is_dir)
			return handle;
	}
	return NULL;
}

/* ---- Life ---- */

void world_init(struct world *w, struct fuse_client *client, const char *path, const char *own_dir,
		const char *ref_dir, uint64_t seed, const char *title)
{
	struct node *root = &w->nodes[0];
	struct stat st;

	print_history_at_end();
	*w = (struct world){
		.client = client,
		.random = { seed },
		.seed = seed,
		.title = title,
		.start = time(NULL),
		.noise = g_malloc(WORLD_NOISE_BYTES),
		.own_bytes = g_malloc(WORLD_IO_MAX),
		.ref_bytes = g_malloc(WORLD_IO_MAX),
	};
	for (size_t i = 0; i < WORLD_NOISE_BYTES; i += 8) {
		uint64_t word = test_random_next(&w->random);

		memcpy(w->noise + i, &word, sizeof(word));
	}
	root->nodeid = fuse_node(client, path);
	root->own_fd = open(own_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	root->ref_fd = open(ref_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root->own_fd < 0 || root->ref_fd < 0 || fstat(root->ref_fd, &st))
		test_die("open %s and %s: %s", own_dir, ref_dir, strerror(errno));
	root->n_lookup = root->nodeid == FUSE_ROOT_ID ? 0 : 1;
	root->type = S_IFDIR;
	root->ref_ino = st.st_ino;
}

void world_deinit(struct world *w)
{
	struct fuse_forget_one root = { w->nodes[0].nodeid, w->nodes[0].n_lookup };

	current = NULL;
	for (size_t i = 0; i < WORLD_HANDLES; i++)
		if (w->handles[i].node)
			world_close(w, &w->handles[i]);
	for (size_t i = 1; i < WORLD_NODES; i++)
		if (w->nodes[i].nodeid)
			world_forget(w, &w->nodes[i]);
	if (root.nlookup)
		fuse_batch_forget(w->client, &root, 1);
	free_row(&w->nodes[0]);
	for (size_t i = 0; i < WORLD_HISTORY; i++)
		g_free(w->history[i]);
	g_free(w->noise);
	g_free(w->own_bytes);
	g_free(w->ref_bytes);
}
