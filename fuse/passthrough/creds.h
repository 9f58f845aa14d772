/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed identities: one thread acts as the guest's caller, or without CAP_FSETID, until the end
 * of a scope.
 *
 * System calls are made directly, because the C library's wrappers change all threads of the
 * process. What a thread is outside of any scope is read once, at its first switch. When the
 * process has no CAP_SETUID it never switches: everything is done as itself, as far as it may.
 *
 * After the switch from user 0 the kernel has emptied the effective set. CAP_DAC_OVERRIDE is put back,
 * because the guest has checked permissions, with groups, ACLs and capabilities that are not known
 * here; `keep` adds to that. Switching back to user 0 makes all permitted ones effective again.
 */
#ifndef FUSE_PASSTHROUGH_CREDS_H
#define FUSE_PASSTHROUGH_CREDS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "fuse/passthrough/fs.h"

enum creds_keep {
	CREDS_KEEP_MKNOD = 1,
	CREDS_KEEP_FOWNER = 2, /* for what only owners may do */
};

/* What creds_restore() has to undo. `gid` after creds_drop_fsetid() too. */
struct creds_scope {
	bool uid, gid, groups, caps, umask;
};

/* Restores at scope exit, on every way out. */
#define cleanup_creds CLEANUP(creds_restore)

/*
 * This thread becomes `caller` (user 0 and group 0 are left as they are) and takes its umask, which
 * the file system combines with a default ACL if there is one; before and after it has none.
 * `scope` is written in every case and must be restored. -EPERM for ids that do not exist here.
 */
int creds_become(struct creds_scope *scope, const struct fs_caller *caller, unsigned int keep);

/* Who owns what is made while this thread is `caller`. */
uint32_t creds_owner(const struct fs_caller *caller);

/*
 * This thread loses CAP_FSETID, so that the kernel drops set-id bits as for any other user; a member
 * of `group`, where that is possible, unless it is FS_NO_ID.
 */
int creds_drop_fsetid(struct creds_scope *scope, uint32_t group);

/* Twice is safe. Keeps errno. */
void creds_restore(struct creds_scope *scope);

#endif
