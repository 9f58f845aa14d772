/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities and supplementary groups of the calling thread: what it has, and giving it up.
 *
 * The system calls are used directly. A capability library would look into /proc/PID/status,
 * and behind the sandbox that is a path in the shared directory, which a guest can write.
 */
#ifndef SANDBOX_CAPS_H
#define SANDBOX_CAPS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether `cap` (CAP_* of linux/capability.h) is effective now. */
bool caps_have(unsigned int cap);

/* The capability of that name, without "CAP_" and in any case of letters, as a bit. 0 or -ENOENT. */
int caps_find(const char *name, uint64_t *ret_bit);

/*
 * Reduces all five sets to what serving needs (`readonly`: to what reading needs), with `add` and
 * without `drop`, and the process has; what it lacks stays lacking without an error. 0 or -errno.
 */
int caps_keep_for_serving(bool readonly, uint64_t add, uint64_t drop);

/*
 * For a keeper of workers, which will serve: the same may be taken up by its children, and
 * those of `besides`, as bits, but none of it is in effect. 0 or -errno.
 */
int caps_keep_for_workers(bool readonly, uint64_t add, uint64_t drop, uint64_t besides);

/* Everything that is permitted takes effect. 0 or -errno. */
int caps_take_up(void);

/* Empties all sets. 0 or -errno. */
int caps_drop_all(void);

/*
 * Root's supplementary groups would count for every guest. Nothing happens when the process may
 * not change them: an ordinary user's groups are the user's own. 0 or -errno.
 */
int caps_drop_groups(void);

#endif
