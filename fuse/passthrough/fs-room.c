/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in the tables for what is about to be made.
 *
 * A creation that found the tables full afterwards would answer that it failed and leave behind
 * what it made. So the slots and the charges for the descriptors are taken first.
 */
#include "fuse/passthrough/fs-internal.h"

int fs_room_take(struct fs *fs, bool file, struct fs_room *room)
{
	const uint32_t n_fds = file ? 2 : 1;

	*room = (struct fs_room){ .fs = fs };
	while (room->n_charged < n_fds) {
		int r = fs_charge(fs);

		if (r < 0)
			return r;
		room->n_charged++;
	}
	room->inode = itab_reserve(&fs->inodes);
	if (file)
		room->handle = htab_reserve(&fs->handles);
	return room->inode && (room->handle || !file) ? 0 : -ENFILE;
}

void fs_room_give(struct fs_room *room)
{
	if (room->inode)
		itab_unreserve(&room->fs->inodes, room->inode);
	if (room->handle)
		htab_unreserve(&room->fs->handles, room->handle);
	for (; room->n_charged; room->n_charged--)
		fd_budget_give(&room->fs->budget);
	room->inode = 0;
	room->handle = 0;
}

int fs_room_charge(struct fs *fs, struct fs_room *room)
{
	if (!room || !room->n_charged)
		return fs_charge(fs);
	room->n_charged--;
	return 0;
}
