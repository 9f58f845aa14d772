/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles and the descriptors of their mounts.
 */
#include "fuse/passthrough/file-handle.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"

/* The kernel's struct ends in a flexible array. */
union kernel_handle {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + INODE_HANDLE_MAX];
};

int file_handle_of(int dir_fd, const char *name, struct inode_handle *ret_handle)
{
	union kernel_handle kernel = { .handle.handle_bytes = INODE_HANDLE_MAX };
	int mount_id;

	if (name_to_handle_at(dir_fd, name, &kernel.handle, &mount_id,
			      name[0] ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	if (!kernel.handle.handle_bytes || kernel.handle.handle_bytes > INODE_HANDLE_MAX)
		return -EOPNOTSUPP;
	ret_handle->type = kernel.handle.handle_type;
	ret_handle->n_bytes = (uint8_t)kernel.handle.handle_bytes;
	memcpy(ret_handle->bytes, kernel.handle.f_handle, kernel.handle.handle_bytes);
	return 0;
}

int file_handle_open(int mount_fd, const struct inode_handle *handle)
{
	union kernel_handle kernel = {
		.handle.handle_bytes = handle->n_bytes,
		.handle.handle_type = handle->type,
	};

	memcpy(kernel.handle.f_handle, handle->bytes, handle->n_bytes);
	return neg_errno(
		open_by_handle_at(mount_fd, &kernel.handle, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

/* ---- Mounts ---- */

void mount_fds_init(struct mount_fds *mounts, struct mount_fd *entries)
{
	*mounts = (struct mount_fds){ .root_fd = -1, .entry = entries };
	pthread_mutex_init(&mounts->lock, NULL);
	for (unsigned int i = 0; i < MOUNT_FDS_MAX; i++)
		entries[i].n_users = entries[i].n_users ? 1 : 0;
}

/* With the lock held. */
static void put_entry(struct mount_fd *mount)
{
	int fd = mount->fd;

	/* In this order: a successor closes what no entry has. */
	if (--mount->n_users == 0)
		fd_close(&fd);
}

void mount_fds_adopted(struct mount_fds *mounts)
{
	for (unsigned int i = 0; i < MOUNT_FDS_MAX; i++)
		if (mounts->entry[i].n_users)
			put_entry(&mounts->entry[i]);
}

void mount_fds_deinit(struct mount_fds *mounts)
{
	fd_close(&mounts->root_fd);
	for (unsigned int i = 0; mounts->entry && i < MOUNT_FDS_MAX; i++) {
		if (!mounts->entry[i].n_users)
			continue;
		mounts->entry[i].n_users = 1;
		put_entry(&mounts->entry[i]);
	}
	mounts->entry = NULL;
}

/* With the lock held. */
static struct mount_fd *find(struct mount_fds *mounts, uint64_t mnt_id)
{
	for (unsigned int i = 0; i < MOUNT_FDS_MAX; i++)
		if (mounts->entry[i].n_users && mounts->entry[i].mnt_id == mnt_id)
			return &mounts->entry[i];
	return NULL;
}

static struct mount_fd *find_free(struct mount_fds *mounts)
{
	for (unsigned int i = 0; i < MOUNT_FDS_MAX; i++)
		if (!mounts->entry[i].n_users)
			return &mounts->entry[i];
	return NULL;
}

static bool is_root(const struct mount_fds *mounts, uint64_t mnt_id)
{
	return mounts->root_fd >= 0 && mounts->root_mnt_id == mnt_id;
}

int mount_fds_get(struct mount_fds *mounts, uint64_t mnt_id)
{
	struct mount_fd *mount;

	if (is_root(mounts, mnt_id))
		return mounts->root_fd;
	scoped_lock(&mounts->lock);
	mount = find(mounts, mnt_id);
	if (!mount)
		return -ENOENT;
	mount->n_users++;
	return mount->fd;
}

void mount_fds_put(struct mount_fds *mounts, uint64_t mnt_id)
{
	struct mount_fd *mount;

	if (is_root(mounts, mnt_id))
		return;
	scoped_lock(&mounts->lock);
	mount = find(mounts, mnt_id);
	if (mount)
		put_entry(mount);
}

int mount_fds_add(struct mount_fds *mounts, uint64_t mnt_id, int fd)
{
	cleanup_fd int owned = fd;
	struct mount_fd *mount;

	scoped_lock(&mounts->lock);
	mount = find(mounts, mnt_id);
	if (mount) {
		mount->n_users++; /* somebody else was faster */
		return 0;
	}
	mount = find_free(mounts);
	if (!mount)
		return -ENOSPC;
	mount->mnt_id = mnt_id;
	mount->fd = take_fd(&owned);
	__atomic_store_n(&mount->n_users, 1, __ATOMIC_RELEASE);
	return 0;
}
