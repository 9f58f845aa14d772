/* SPDX-License-Identifier: Apache-2.0 */
/* What the themes share: users, files of a kind, and processes. */
#ifndef CONFORMANCE_WORLD_H
#define CONFORMANCE_WORLD_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "check.h"

/* Each group of checks starts as root with umask 022 in an empty directory of mode 0777. */
typedef void (*group_fn)(void);

extern const group_fn acl_groups[], copy_groups[], dir_groups[], hole_groups[], io_groups[],
	link_groups[], lock_groups[], map_groups[], name_groups[], open_groups[],
	permission_groups[], race_groups[], rename_groups[], setid_groups[], special_groups[],
	stat_groups[], time_groups[], truncate_groups[], unlinked_groups[], watch_groups[],
	xattr_groups[];

#define TEAM 2000

struct actor {
	uid_t uid;
	gid_t gid;
	gid_t group; /* supplementary; 0 is none */
};

/* Alice and Bob have nothing in common; Carol is a member of TEAM. */
extern const struct actor root, alice, bob, carol;

/* The process goes on as this user; as root it can become another one again. */
void become(const struct actor *who);

/* New, with owner, group and mode exactly as told; a file holds the 5 bytes "text\n". */
void make_file(const char *path, const struct actor *owner, mode_t mode);
void make_dir(const char *path, const struct actor *owner, mode_t mode);
void set_group(const char *path, gid_t gid, mode_t mode);

/* Writes a file whole; reads the start of one, valid until the next call. */
void put(const char *path, const char *text);
const char *get(const char *path);

/* Opens and closes: 0, or -1 with the open's errno. */
int try_open(const char *path, int flags, mode_t mode);

/* Of the file itself, not of what a symbolic link leads to; -1 when it is not there. */
long long size_of(const char *path);
long mode_of(const char *path);
long links_of(const char *path);
long uid_of(const char *path);
long gid_of(const char *path);
long long inode_of(const char *path);
bool exists(const char *path);

/* Whether the bytes are all equal to this one. */
bool all_bytes(const char *buf, size_t len, char byte);

/* Runs in a child, which exits with what it returns: that, or 1000 + the signal it died of. */
int in_child(int (*run)(const void *), const void *arg);

/* An errno as the result of a call, from what a child returned: 0 or -1. */
int as_result(int error);

#endif
