/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles: an inode's name for ever, and the descriptors that opening them needs.
 *
 * A handle is opened on a descriptor of its mount. The one of the share's root is there from the
 * start; one of a submount is there while a cold inode in it may need it, so that the host can
 * unmount what no guest knows. Few mounts are expected: the list is short and one lock guards it.
 * It is taken where descriptors come and go, never on the hot path.
 */
#ifndef FUSE_PASSTHROUGH_FILE_HANDLE_H
#define FUSE_PASSTHROUGH_FILE_HANDLE_H

#include <pthread.h>
#include <stdint.h>

#include "fuse/passthrough/inode-key.h"

/* -EOPNOTSUPP where the file system has none. `name` is "" for what `dir_fd` refers to. */
int file_handle_of(int dir_fd, const char *name, struct inode_handle *ret_handle);

/* An O_PATH descriptor or -errno; -ESTALE when the inode is gone. */
int file_handle_open(int mount_fd, const struct inode_handle *handle);

#define MOUNT_FDS_MAX 64u

struct mount_fd {
	uint64_t mnt_id;
	uint32_t n_users; /* 0: the entry is free; stored last */
	int32_t fd;	  /* owned while in use; no O_PATH */
};

struct mount_fds {
	pthread_mutex_t lock;
	uint64_t root_mnt_id;
	int root_fd;		/* owned; -1: handles are not in use */
	struct mount_fd *entry; /* borrowed, in the arena; MOUNT_FDS_MAX */
};

/*
 * `entries` are borrowed: zero-filled, or left by a predecessor. What those had in use has no user
 * but the table itself, until mount_fds_adopted().
 */
void mount_fds_init(struct mount_fds *mounts, struct mount_fd *entries);
/* Every user has asked again with mount_fds_get(): closes what has none. */
void mount_fds_adopted(struct mount_fds *mounts);
/* Twice is safe. */
void mount_fds_deinit(struct mount_fds *mounts);

/* The descriptor of the mount for one user, until mount_fds_put(); -ENOENT when there is none. */
int mount_fds_get(struct mount_fds *mounts, uint64_t mnt_id);
void mount_fds_put(struct mount_fds *mounts, uint64_t mnt_id);

/*
 * A first user of a mount that has no descriptor: `fd`, taken also on failure, becomes it. -ENOSPC
 * when there are too many mounts.
 */
int mount_fds_add(struct mount_fds *mounts, uint64_t mnt_id, int fd);

#endif
