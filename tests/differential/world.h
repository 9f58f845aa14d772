/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two trees that must stay equal: one behind the daemon, one plain directory.
 *
 * A world belongs to one thread and one FUSE client. It plays the guest kernel: it keeps a table
 * of nodes it has looked up and files it has open, makes a random request of the daemon, does to
 * the reference tree what the request stands for, and compares. Each node carries a host
 * descriptor of both inodes, so that every attribute is compared three ways: the reply with the
 * daemon's inode (exactly), and that inode with the reference (as far as it is determined).
 *
 * What a guest kernel does before it sends anything is not the daemon's business and is modelled
 * here: it checks permissions itself, so everything but creation is done to the reference as root;
 * creation is done with the caller's ids, because that is what makes the owner right and what the
 * daemon does. It masks the mode unless DONT_MASK was agreed on.
 */
#ifndef TESTS_DIFFERENTIAL_WORLD_H
#define TESTS_DIFFERENTIAL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/component/fixture.h"

#define WORLD_NODES	  72
#define WORLD_HANDLES	  24
#define HANDLE_OWNERS	  2
#define WORLD_HISTORY	  48
#define WORLD_NOISE_BYTES (3u << 20)
#define WORLD_IO_MAX	  (1u << 20)

struct node {
	uint64_t nodeid; /* 0: a free row */
	uint64_t n_lookup;
	int own_fd; /* owned, O_PATH: the daemon's inode, seen from the host */
	int ref_fd; /* owned, O_PATH: the reference inode */
	mode_t type;
	ino_t ref_ino;
	unsigned int n_open;
};

struct handle {
	struct node *node; /* NULL: a free row */
	uint64_t fh;
	int ref_fd; /* owned */
	uint32_t flags;
	bool is_dir;
	/* Byte range locks: a description of the reference file for each owner that has some. */
	int lock_fd[HANDLE_OWNERS]; /* owned */
	bool has_lock[HANDLE_OWNERS];
};

struct world {
	struct fuse_client *client; /* borrowed */
	struct test_random random;
	struct node nodes[WORLD_NODES]; /* [0] is the root of this world and is never forgotten */
	struct handle handles[WORLD_HANDLES];
	uint64_t seed;
	unsigned long step;
	bool has_begun;		   /* the step found something to work on: it was noted */
	unsigned long n_succeeded; /* operations that both sides did */
	const char *title;
	char *history[WORLD_HISTORY];
	time_t start;
	uint8_t *noise;
	uint8_t *own_bytes; /* WORLD_IO_MAX each */
	uint8_t *ref_bytes;
	bool forget_on_hiprio; /* only where no other thread uses that ring */
};

/*
 * @own_dir and @ref_dir are the two host directories; the daemon knows the first as @path. Dies
 * on failure.
 */
void world_init(struct world *w, struct fuse_client *client, const char *path, const char *own_dir,
		const char *ref_dir, uint64_t seed, const char *title);
/* Closes and forgets everything, on both sides. */
void world_deinit(struct world *w);

/* 0 .. n-1 */
uint64_t world_random(struct world *w, uint64_t n);
static inline bool world_chance(struct world *w, unsigned int percent)
{
	return world_random(w, 100) < percent;
}

/* Describes the operation that begins, for the history. */
void world_note(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the seed, the last operations and the reason, and ends the test. */
_Noreturn void world_fail(struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Both results (0, a count, or -errno) must be equal; true when they are a success. */
bool world_same(struct world *w, int64_t own, int64_t ref);
/* Where the protocol only says that it must fail: true never, dies when either succeeded. */
bool world_both_fail(struct world *w, int64_t own, int64_t ref);

/* A known node of any kind, a directory, or a regular file; NULL when none is known. */
struct node *world_any(struct world *w);
struct node *world_dir(struct world *w);
struct node *world_file(struct world *w);
/* A name out of a small pool, so that names meet again; long ones only in the root. */
const char *world_name(struct world *w, const struct node *parent);
/* One that is there, if any is; valid until the next call on this thread. */
const char *world_old_name(struct world *w, const struct node *parent);

/*
 * A reply brought @entry for @name in @parent: counts the lookup, checks that nodeids and
 * reference inodes name each other, compares attributes. Returns the node.
 */
struct node *world_enter(struct world *w, struct node *parent, const char *name,
			 const struct fuse_entry_out *entry);
/* Gives all lookups of a node back and frees its row; not for open nodes or the root. */
void world_forget(struct world *w, struct node *node);

struct handle *world_open_row(struct world *w); /* closes an old one when all are taken */
struct handle *world_handle(struct world *w, bool is_dir); /* a random one, or NULL */
void world_close(struct world *w, struct handle *handle);
/* The reference's locks of one owner. */
void world_drop_lock(struct handle *handle, unsigned int owner);

/*
 * OPENDIR, and its end; OPEN is in ops-files.c. Where INIT agreed that there is no need to, the
 * handle is 0, and the first request says that it is not known.
 */
int world_opendir(struct world *w, uint64_t nodeid, struct fuse_open_out *ret_open);
int world_releasedir(struct world *w, uint64_t nodeid, uint64_t fh);

static inline bool world_opens_files(const struct world *w)
{
	return !(w->client->init_flags & FUSE_NO_OPEN_SUPPORT);
}

/* "/proc/self/fd/N" of a node's reference inode; a rotating set of buffers per thread. */
const char *world_ref_path(const struct node *node);

#endif
