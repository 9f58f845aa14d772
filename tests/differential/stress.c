/* SPDX-License-Identifier: Apache-2.0 */
/* Many clients changing the same names and files at once. */
#include "tests/differential/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "tests/lib/bounded.h"

#define STRESS_NODES 200
#define STRESS_BYTES 65536

struct stress {
	struct fuse_client *client;
	struct test_random random;
	struct {
		uint64_t nodeid; /* 0: free; one entry per lookup, a node may be in several */
		uint32_t mode;
	} nodes[STRESS_NODES];
	struct {
		uint64_t nodeid;
		uint64_t fh; /* open while nodeid is not 0 */
	} files[4];
	uint8_t bytes[STRESS_BYTES];
	unsigned int flags;
	unsigned long n_done;
};

const char *const stress_names[STRESS_NAMES] = { "p", "q", "r", "s", "t", "u" };

static uint64_t pick(struct stress *s, uint64_t n)
{
	return test_random_next(&s->random) % n;
}

static const char *pick_name(struct stress *s)
{
	return stress_names[pick(s, STRESS_NAMES)];
}

/* What a race may answer; EINVAL is a directory moved into itself. */
static bool expected(struct stress *s, const char *what, int64_t result)
{
	switch (result) {
	case -ENOENT:
	case -EEXIST:
	case -ENOTEMPTY:
	case -EISDIR:
	case -ENOTDIR:
	case -EINVAL:
	case -EPERM:
	case -ELOOP:
	case -ENXIO:
		return false;
	case -ESTALE:
		if (s->flags & STRESS_HOSTED)
			return false;
		break;
	case -ENFILE:
		if (s->flags & STRESS_SCARCE)
			return false;
		break;
	}
	if (result < 0)
		test_die("%s among others says %s", what, strerror((int)-result));
	s->n_done++;
	return true;
}

static void forget(struct stress *s, unsigned int i)
{
	struct fuse_forget_one one = { s->nodes[i].nodeid, 1 };

	if (one.nodeid)
		fuse_batch_forget(s->client, &one, 1);
	s->nodes[i].nodeid = 0;
}

static void keep(struct stress *s, const struct fuse_entry_out *entry)
{
	unsigned int i = (unsigned int)pick(s, STRESS_NODES);

	forget(s, i);
	s->nodes[i].nodeid = entry->nodeid;
	s->nodes[i].mode = entry->attr.mode;
}

static uint64_t any_dir(struct stress *s)
{
	unsigned int i = (unsigned int)pick(s, STRESS_NODES);

	if (s->nodes[i].nodeid && S_ISDIR(s->nodes[i].mode))
		return s->nodes[i].nodeid;
	return FUSE_ROOT_ID;
}

static uint64_t any_node(struct stress *s)
{
	unsigned int i = (unsigned int)pick(s, STRESS_NODES);

	return s->nodes[i].nodeid ? s->nodes[i].nodeid : FUSE_ROOT_ID;
}

static void close_file(struct stress *s, unsigned int i)
{
	struct fuse_forget_one one = { s->files[i].nodeid, 1 };

	if (!one.nodeid)
		return;
	expected(s, "RELEASE", fuse_release(s->client, s->files[i].nodeid, s->files[i].fh));
	fuse_batch_forget(s->client, &one, 1);
	s->files[i].nodeid = 0;
}

/* The file keeps the lookup that the reply brought. */
static void create(struct stress *s)
{
	unsigned int i = (unsigned int)pick(s, ARRAY_SIZE(s->files));
	struct fuse_entry_out entry;
	struct fuse_open_out open;

	close_file(s, i);
	if (!expected(s, "CREATE",
		      fuse_create(s->client, any_dir(s), pick_name(s), S_IFREG | 0644,
				  O_CREAT | O_RDWR, &entry, &open)))
		return;
	s->files[i].nodeid = entry.nodeid;
	s->files[i].fh = open.fh;
}

static void use_file(struct stress *s)
{
	unsigned int i = (unsigned int)pick(s, ARRAY_SIZE(s->files));
	uint64_t nodeid = s->files[i].nodeid, fh = s->files[i].fh;
	uint32_t size = (uint32_t)pick(s, STRESS_BYTES);
	struct fuse_attr_out attr;

	if (!nodeid)
		return;
	expected(s, "WRITE",
		 fuse_write(s->client, nodeid, fh, pick(s, 1 << 20), size, s->bytes, 0));
	expected(s, "READ", fuse_read(s->client, nodeid, fh, 0, STRESS_BYTES, s->bytes));
	expected(s, "GETATTR", fuse_getattr(s->client, nodeid, fh, &attr));
	/* Rarely, because it waits for a disk. */
	if (pick(s, 500) == 0)
		expected(s, "SYNCFS", fuse_syncfs(s->client, any_dir(s)));
}

static void change_names(struct stress *s)
{
	struct fuse_client *client = s->client;
	uint64_t dir = any_dir(s), other = any_dir(s);
	const char *name = pick_name(s), *new_name = pick_name(s);
	struct fuse_entry_out entry;

	switch (pick(s, 8)) {
	case 0:
		if (expected(s, "MKDIR", fuse_mkdir(client, dir, name, 0755, &entry)))
			keep(s, &entry);
		break;
	case 1:
		expected(s, "RMDIR", fuse_rmdir(client, dir, name));
		break;
	case 2:
		expected(s, "UNLINK", fuse_unlink(client, dir, name));
		break;
	case 3:
		expected(s, "RENAME", fuse_rename(client, dir, name, other, new_name));
		break;
	case 4:
		expected(s, "RENAME2",
			 fuse_rename2(client, dir, name, other, new_name, RENAME_EXCHANGE));
		break;
	case 5:
		if (expected(s, "LINK", fuse_link(client, any_node(s), dir, name, &entry)))
			keep(s, &entry);
		break;
	case 6:
		if (expected(s, "SYMLINK", fuse_symlink(client, dir, name, "p/q", &entry)))
			keep(s, &entry);
		break;
	default:
		if (expected(s, "LOOKUP", fuse_lookup(client, dir, name, &entry)) && entry.nodeid)
			keep(s, &entry);
	}
}

/* The lookups that READDIRPLUS counted are given back at once. */
static void forget_listed(struct stress *s, size_t n)
{
	const struct fuse_direntplus *plus;
	size_t offset = 0;
	uint8_t *copy = g_memdup2(s->bytes, n);

	while ((plus = fuse_direntplus_next(copy, n, &offset))) {
		struct fuse_forget_one one = { plus->entry_out.nodeid, 1 };

		if (one.nodeid)
			fuse_batch_forget(s->client, &one, 1);
	}
	g_free(copy);
}

static void list(struct stress *s)
{
	uint64_t nodeid = any_dir(s);
	struct fuse_open_out open;
	int n;

	if (!expected(s, "OPENDIR", fuse_opendir(s->client, nodeid, 0, &open)))
		return;
	n = fuse_readdir(s->client, nodeid, open.fh, 0, 4096, s->bytes, true);
	if (expected(s, "READDIRPLUS", n) && n > 0)
		forget_listed(s, (size_t)n);
	expected(s, "RELEASEDIR", fuse_releasedir(s->client, nodeid, open.fh));
}

static void change_attributes(struct stress *s)
{
	struct fuse_setattr_in in = { .valid = FATTR_UID | FATTR_MTIME, .uid = 1000, .mtime = 5 };
	struct fuse_attr_out attr;
	uint64_t nodeid = any_node(s);

	expected(s, "SETATTR", fuse_setattr(s->client, nodeid, &in, &attr));
	expected(s, "GETATTR", fuse_getattr(s->client, nodeid, UINT64_MAX, &attr));
}

struct stress *stress_new(struct fuse_client *client, uint64_t seed, unsigned int flags)
{
	struct stress *s = g_new0(struct stress, 1);

	s->client = client;
	s->random.state = seed;
	s->flags = flags;
	return s;
}

void stress_run(struct stress *s, unsigned long n_ops)
{
	for (unsigned long i = 0; i < n_ops; i++) {
		switch (pick(s, 10)) {
		case 0 ... 1:
			create(s);
			break;
		case 2 ... 3:
			use_file(s);
			break;
		case 4:
			list(s);
			break;
		case 5:
			change_attributes(s);
			break;
		default:
			change_names(s);
		}
	}
}

unsigned long stress_n_done(const struct stress *s)
{
	return s->n_done;
}

void stress_free(struct stress *s)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(s->files); i++)
		close_file(s, i);
	for (unsigned int i = 0; i < STRESS_NODES; i++)
		forget(s, i);
	g_free(s);
}
