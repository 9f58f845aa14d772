/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl on open files and directories: flags in both forms, what may not be changed, and what is
 * not passed on at all.
 */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/ops.h"

/* Those flags that every file system with flags has; the others are the file system's own. */
#define COMMON_FLAGS  (FS_NODUMP_FL | FS_NOATIME_FL)
#define COMMON_XFLAGS (FS_XFLAG_NODUMP | FS_XFLAG_NOATIME)

static int call(struct world *w, const struct handle *handle, uint32_t command, const void *in,
		size_t in_size, void *out, size_t out_size)
{
	int32_t result;

	return fuse_ioctl(w->client, handle->node->nodeid, handle->fh, command, in,
			  (uint32_t)in_size, out, (uint32_t)out_size, handle->is_dir, &result);
}

static void op_flags(struct world *w)
{
	struct handle *handle = world_handle(w, world_chance(w, 30));
	uint32_t own_flags[2] = { 0 }, ref_flags[2] = { 0 };
	int own, ref;

	if (!handle)
		return;
	world_note(w, "flags %" PRIu64, handle->fh);
	own = call(w, handle, FS_IOC_GETFLAGS, NULL, 0, own_flags, 4);
	ref = neg_errno(ioctl(handle->ref_fd, FS_IOC_GETFLAGS, ref_flags));
	if (!world_same(w, own, ref))
		return;
	if ((own_flags[0] ^ ref_flags[0]) & COMMON_FLAGS)
		world_fail(w, "flags are 0x%x, not 0x%x", own_flags[0], ref_flags[0]);
	own_flags[0] ^= FS_NODUMP_FL;
	ref_flags[0] ^= FS_NODUMP_FL;
	own = call(w, handle, FS_IOC_SETFLAGS, own_flags, 4, own_flags, 0);
	ref = neg_errno(ioctl(handle->ref_fd, FS_IOC_SETFLAGS, ref_flags));
	world_same(w, own, ref);
	compare_node(w, handle->node);
}

static void op_xflags(struct world *w)
{
	struct handle *handle = world_handle(w, world_chance(w, 30));
	struct fsxattr own_attr = { 0 }, ref_attr = { 0 };
	bool project = world_chance(w, 20);
	int own, ref;

	if (!handle)
		return;
	world_note(w, "xflags %" PRIu64 "%s", handle->fh, project ? " project" : "");
	own = call(w, handle, FS_IOC_FSGETXATTR, NULL, 0, &own_attr, sizeof(own_attr));
	ref = neg_errno(ioctl(handle->ref_fd, FS_IOC_FSGETXATTR, &ref_attr));
	if (!world_same(w, own, ref))
		return;
	if ((own_attr.fsx_xflags ^ ref_attr.fsx_xflags) & COMMON_XFLAGS ||
	    own_attr.fsx_projid != ref_attr.fsx_projid)
		world_fail(w, "flags are 0x%x, not 0x%x", own_attr.fsx_xflags, ref_attr.fsx_xflags);
	if (project) {
		own_attr.fsx_projid++;
		own = call(w, handle, FS_IOC_FSSETXATTR, &own_attr, sizeof(own_attr), NULL, 0);
		world_same(w, own, -EINVAL); /* not the guest's to change */
		return;
	}
	own_attr.fsx_xflags ^= FS_XFLAG_NODUMP;
	ref_attr.fsx_xflags ^= FS_XFLAG_NODUMP;
	own = call(w, handle, FS_IOC_FSSETXATTR, &own_attr, sizeof(own_attr), NULL, 0);
	ref = neg_errno(ioctl(handle->ref_fd, FS_IOC_FSSETXATTR, &ref_attr));
	world_same(w, own, ref);
	compare_node(w, handle->node);
}

static void op_foreign(struct world *w)
{
	static const uint32_t commands[] = { FIBMAP,  FIGETBSZ,		 FS_IOC_FIEMAP,
					     FICLONE, FS_IOC_GETVERSION, 0x5401,
					     0,	      UINT32_MAX };
	struct handle *handle = world_handle(w, world_chance(w, 30));
	uint32_t command = commands[world_random(w, ARRAY_SIZE(commands))];
	uint8_t bytes[64] = { 0 };

	if (!handle)
		return;
	world_note(w, "ioctl %" PRIu64 " 0x%x", handle->fh, command);
	world_same(w, call(w, handle, command, bytes, sizeof(bytes), bytes, sizeof(bytes)),
		   -ENOTTY);
	compare_node(w, handle->node);
}

const struct world_op world_ops_ioctl[] = {
	{ op_flags, 2 },
	{ op_xflags, 2 },
	{ op_foreign, 1 },
	{ NULL, 0 },
};
