/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who in the guest holds byte range locks.
 */
#include "fuse/passthrough/lock-table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"

/* ---- Chains; table lock held ---- */

/* By node alone, so that all owners of a file are found together. Low bits are slot numbers. */
static struct lock_owner **chain_of(struct lock_table *table, uint64_t nodeid)
{
	return &table->chain[nodeid % LTAB_N_CHAINS];
}

static struct lock_owner *find(struct lock_table *table, const struct lock_key *key)
{
	struct lock_owner *owner = *chain_of(table, key->nodeid);

	while (owner && (owner->key.nodeid != key->nodeid || owner->key.owner != key->owner))
		owner = owner->next;
	return owner;
}

/* Moves what `matches` says from the chain to the list; their references go along. */
static void unchain(struct lock_table *table, struct lock_owner **chain,
		    bool (*matches)(const struct lock_owner *owner, const void *arg),
		    const void *arg, struct lock_owner **list)
{
	while (*chain) {
		struct lock_owner *owner = *chain;

		if (!matches(owner, arg)) {
			chain = &owner->next;
			continue;
		}
		*chain = owner->next;
		owner->next = *list;
		*list = owner;
		__atomic_store_n(&table->n_owners, table->n_owners - 1, __ATOMIC_RELAXED);
	}
}

static void set_fh(struct lock_table *table, struct lock_owner *owner, uint64_t fh)
{
	owner->fh = fh;
	table->save.owner[owner->saved].fh = fh;
}

/* ---- References ---- */

struct lock_owner *ltab_get(struct lock_table *table, const struct lock_key *key, uint64_t fh)
{
	struct lock_owner *owner;
	scoped_lock(&table->lock);

	owner = find(table, key);
	if (!owner)
		return NULL;
	owner->n_refs++;
	if (fh != LTAB_SAME_FH)
		set_fh(table, owner, fh);
	return owner;
}

static void owner_free(struct lock_owner *owner)
{
	fd_close(&owner->fd);
	lock_ranges_clear(&owner->ranges);
	pthread_mutex_destroy(&owner->lock);
	free(owner);
}

void ltab_put(struct lock_table *table, struct lock_owner *owner)
{
	{
		scoped_lock(&table->lock);

		if (--owner->n_refs)
			return;
	}
	owner_free(owner);
}

static struct lock_owner *owner_new(const struct lock_key *key, int *fd)
{
	struct lock_owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->key = *key;
	owner->n_refs = 1; /* the chain's */
	owner->fd = take_fd(fd);
	pthread_mutex_init(&owner->lock, NULL);
	return owner;
}

static void chain_add(struct lock_table *table, struct lock_owner *owner)
{
	struct lock_owner **chain = chain_of(table, owner->key.nodeid);

	owner->next = *chain;
	*chain = owner;
	__atomic_store_n(&table->n_owners, table->n_owners + 1, __ATOMIC_RELAXED);
}

/* From here on a successor would find it. */
static int save_owner(struct lock_table *table, struct lock_owner *owner, uint64_t fh)
{
	const struct lock_saved_owner saved = {
		.nodeid = owner->key.nodeid,
		.owner = owner->key.owner,
		.fh = fh,
		.fd = owner->fd,
	};

	owner->saved = lock_save_add(&table->save, &saved);
	return owner->saved == SLOT_NONE ? -ENOLCK : 0;
}

static int add_locked(struct lock_table *table, const struct lock_key *key, uint64_t fh, int *fd,
		      struct lock_owner **ret_owner)
{
	struct lock_owner *owner;
	int r;

	if (table->n_owners >= table->max_owners)
		return -ENOLCK;
	owner = owner_new(key, fd);
	if (!owner)
		return -ENOMEM;
	r = save_owner(table, owner, fh);
	if (r < 0) {
		owner_free(owner);
		return r;
	}
	chain_add(table, owner);
	*ret_owner = owner;
	return 0;
}

int ltab_add(struct lock_table *table, const struct lock_key *key, uint64_t fh, int fd,
	     struct lock_owner **ret_owner)
{
	cleanup_fd int owned = fd;
	struct lock_owner *owner;
	int r = 0;
	scoped_lock(&table->lock);

	owner = find(table, key);
	if (!owner)
		r = add_locked(table, key, fh, &owned, &owner);
	if (r < 0)
		return r;
	owner->n_refs++;
	set_fh(table, owner, fh);
	*ret_owner = owner;
	return 0;
}

/* ---- Locking ---- */

struct flock ltab_flock(const struct lock_range *range)
{
	return (struct flock){
		.l_type = (short)range->type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)range->start,
		.l_len = range->end == INT64_MAX ? 0 : (off_t)(range->end - range->start + 1),
	};
}

/* Counts what is about to be locked; a host that refuses gives it back. */
static int reserve(struct lock_table *table, const struct lock_ranges *from,
		   const struct lock_ranges *to)
{
	scoped_lock(&table->lock);

	if (to->n > from->n && to->n - from->n > table->max_ranges - table->n_ranges)
		return -ENOLCK;
	table->n_ranges += to->n - from->n;
	return 0;
}

static void unreserve(struct lock_table *table, const struct lock_ranges *from,
		      const struct lock_ranges *to)
{
	scoped_lock(&table->lock);

	table->n_ranges -= to->n - from->n;
}

/* `cells` are of lock_save_reserve(), for as many. */
static void replace_ranges(struct lock_table *table, struct lock_owner *owner,
			   const struct lock_ranges *with, const struct lock_cells *cells)
{
	struct lock_cells old_cells = owner->cells;
	struct lock_ranges old = owner->ranges;

	lock_save_replace(&table->save, owner->saved, with, cells);
	owner->cells = *cells;
	{
		scoped_lock(&table->lock);

		owner->ranges = *with;
	}
	lock_save_free(&table->save, &old_cells);
	lock_ranges_clear(&old);
}

/*
 * A process that dies between the two has locked what is not saved; the guest's request is not
 * answered then, and comes again.
 */
static int lock_and_save(struct lock_table *table, struct lock_owner *owner,
			 const struct lock_range *range, const struct lock_ranges *to)
{
	struct flock flock = ltab_flock(range);
	struct lock_cells cells;
	int r = lock_save_reserve(&table->save, to->n, &cells);

	if (r < 0)
		return r;
	r = neg_errno(fcntl(owner->fd, F_OFD_SETLK, &flock));
	if (r < 0)
		lock_save_free(&table->save, &cells);
	else
		replace_ranges(table, owner, to, &cells);
	return r;
}

int ltab_set(struct lock_table *table, struct lock_owner *owner, const struct lock_range *range)
{
	struct lock_ranges to;
	int r;
	scoped_lock(&owner->lock);

	if (owner->dropped)
		return 1;
	r = lock_ranges_set(&owner->ranges, range, &to);
	if (r < 0)
		return r;
	r = reserve(table, &owner->ranges, &to);
	if (r == 0) {
		struct lock_ranges from = owner->ranges;

		r = lock_and_save(table, owner, range, &to);
		if (r < 0)
			unreserve(table, &from, &to);
	}
	if (r < 0)
		lock_ranges_clear(&to);
	return r;
}

/* ---- Dropping ---- */

/*
 * Takes the chain's reference. Unlocks at once, although the last reference would: somebody may
 * hold one, and the guest is told that the locks are gone.
 */
static bool drop(struct lock_table *table, struct lock_owner *owner)
{
	const struct lock_range all = { .end = INT64_MAX, .type = F_UNLCK };
	const struct lock_cells no_cells = { 0 };
	struct lock_ranges none = { 0 };
	struct flock flock = ltab_flock(&all);
	bool had_locks;

	{
		scoped_lock(&owner->lock);

		had_locks = owner->ranges.n;
		owner->dropped = true;
		if (had_locks) {
			(void)fcntl(owner->fd, F_OFD_SETLK, &flock); /* close(2) does the same */
			unreserve(table, &none, &owner->ranges);
			replace_ranges(table, owner, &none, &no_cells);
		}
		lock_save_remove(&table->save, owner->saved);
	}
	ltab_put(table, owner);
	return had_locks;
}

static unsigned int drop_list(struct lock_table *table, struct lock_owner *list)
{
	unsigned int n = 0;

	while (list) {
		struct lock_owner *owner = list;

		list = owner->next;
		n += drop(table, owner);
	}
	return n;
}

static unsigned int drop_matching(struct lock_table *table, uint64_t nodeid,
				  bool (*matches)(const struct lock_owner *owner, const void *arg),
				  const void *arg)
{
	struct lock_owner *list = NULL;

	{
		scoped_lock(&table->lock);

		unchain(table, chain_of(table, nodeid), matches, arg, &list);
	}
	return drop_list(table, list);
}

static bool is_key(const struct lock_owner *owner, const void *arg)
{
	const struct lock_key *key = arg;

	return owner->key.nodeid == key->nodeid && owner->key.owner == key->owner;
}

unsigned int ltab_drop_owner(struct lock_table *table, const struct lock_key *key)
{
	return drop_matching(table, key->nodeid, is_key, key);
}

/* A handle is of one node only. */
static bool uses_handle(const struct lock_owner *owner, const void *arg)
{
	return owner->fh == *(const uint64_t *)arg;
}

unsigned int ltab_drop_handle(struct lock_table *table, uint64_t nodeid, uint64_t fh)
{
	return drop_matching(table, nodeid, uses_handle, &fh);
}

static bool any(const struct lock_owner *owner, const void *arg)
{
	return true;
}

void ltab_drop_all(struct lock_table *table)
{
	struct lock_owner *list = NULL;

	{
		scoped_lock(&table->lock);

		for (unsigned int i = 0; i < LTAB_N_CHAINS; i++)
			unchain(table, &table->chain[i], any, NULL, &list);
	}
	drop_list(table, list);
}

/* ---- Asking ---- */

uint32_t ltab_pid_of(struct lock_table *table, const struct lock_key *key, uint64_t at)
{
	const struct lock_range *range = NULL;
	struct lock_owner *owner;
	scoped_lock(&table->lock);

	for (owner = *chain_of(table, key->nodeid); owner && !range; owner = owner->next)
		if (owner->key.nodeid == key->nodeid && owner->key.owner != key->owner)
			range = lock_ranges_find(&owner->ranges, at);
	return range ? range->pid : 0;
}

/* ---- Life ---- */

size_t ltab_section_bytes(uint32_t max_owners, uint32_t max_ranges)
{
	return lock_save_bytes(max_owners, max_ranges);
}

void ltab_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg)
{
	lock_save_each_fd(section, fn, arg);
}

static int adopt_owner(struct lock_table *table, uint32_t index)
{
	const struct lock_saved_owner *saved = &table->save.owner[index];
	const struct lock_key key = { saved->nodeid, saved->owner };
	struct lock_owner *owner;
	int fd = saved->fd;
	int r;

	owner = owner_new(&key, &fd);
	if (!owner)
		return -ENOMEM;
	owner->saved = index;
	owner->fh = saved->fh;
	r = lock_save_load(&table->save, index, &owner->ranges, &owner->cells);
	table->n_ranges += owner->ranges.n;
	chain_add(table, owner);
	return r;
}

int ltab_init(struct lock_table *table, void *section, uint32_t max_owners, uint32_t max_ranges)
{
	int r;

	memset(table, 0, sizeof(*table));
	pthread_mutex_init(&table->lock, NULL);
	table->max_owners = max_owners;
	table->max_ranges = max_ranges;
	r = lock_save_init(&table->save, section, max_owners, max_ranges);
	for (uint32_t i = 0; max_owners && i < lock_save_n_owners(&table->save) && r == 0; i++)
		if (table->save.owner[i].live)
			r = adopt_owner(table, i);
	return r;
}

void ltab_deinit(struct lock_table *table)
{
	ltab_drop_all(table);
	lock_save_deinit(&table->save);
	pthread_mutex_destroy(&table->lock);
}
