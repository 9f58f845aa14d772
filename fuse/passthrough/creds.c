/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Borrowed identities.
 */
#include "fuse/passthrough/creds.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* What this thread is when it borrows nothing. */
struct base_creds {
	bool known;
	bool may_switch;
	uint32_t euid;
	uint32_t egid;
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

static __thread struct base_creds thread_base;

static int capability_set(const struct base_creds *base, uint64_t effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(base->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(base->inheritable >> (32 * i));
	}
	return (int)neg_errno(syscall(SYS_capset, &head, data));
}

static const struct base_creds *base_creds(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct base_creds *base = &thread_base;

	if (likely(base->known))
		return base;
	if (syscall(SYS_capget, &head, data) < 0)
		data[0].permitted = 0; /* without knowing, nothing is switched */
	base->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	base->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	base->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	base->euid = (uint32_t)geteuid();
	base->egid = (uint32_t)getegid();
	base->may_switch = base->effective & CAP_BIT(CAP_SETUID);
	base->known = true;
	return base;
}

/* An id that the user namespace does not map cannot own files here. */
static int switch_error(long r)
{
	if (r >= 0)
		return 0;
	return errno == EINVAL ? -EPERM : -errno;
}

static int set_uid(uint32_t uid)
{
	return switch_error(syscall(SYS_setresuid, -1, uid, -1));
}

static int set_gid(uint32_t gid)
{
	return switch_error(syscall(SYS_setresgid, -1, gid, -1));
}

static int set_group(uint32_t group)
{
	gid_t groups[1] = { group };

	return switch_error(syscall(SYS_setgroups, 1, groups));
}

static int keep_caps(struct creds_scope *scope, const struct base_creds *base, unsigned int keep)
{
	uint64_t caps = CAP_BIT(CAP_DAC_OVERRIDE);
	int r;

	if (keep & CREDS_KEEP_MKNOD)
		caps |= CAP_BIT(CAP_MKNOD);
	if (keep & CREDS_KEEP_FOWNER)
		caps |= CAP_BIT(CAP_FOWNER);
	caps &= base->effective;
	/* Only a switch away from user 0 has emptied the set. */
	if (!caps && !base->euid)
		return 0;
	r = capability_set(base, caps);
	scope->caps = r == 0;
	return r;
}

/*
 * The umask belongs to a thread and to those that it has started since it had one of its own. So each
 * gets its own at its first switch, when another may just have set the one they share. Without, it is
 * tried again by whoever needs a umask.
 */
static bool own_umask(void)
{
	static __thread bool own;

	if (likely(own))
		return true;
	if (unshare(CLONE_FS) < 0)
		return false;
	(void)umask(0); /* as the process has it */
	own = true;
	return true;
}

static int set_umask(struct creds_scope *scope, uint32_t mask)
{
	if (!own_umask())
		return -errno;
	(void)umask((mode_t)mask);
	scope->umask = true;
	return 0;
}

/* -1 means "leave as it is" to the kernel, so it can never be a caller. */
static bool valid_ids(const struct fs_caller *caller)
{
	return caller->uid != UINT32_MAX && caller->gid != UINT32_MAX &&
	       !(caller->has_group && caller->group == UINT32_MAX);
}

int creds_become(struct creds_scope *scope, const struct fs_caller *caller, unsigned int keep)
{
	const struct base_creds *base = base_creds();
	bool other_uid = caller->uid && caller->uid != base->euid;
	bool other_gid = caller->gid && caller->gid != base->egid;
	int r;

	*scope = (struct creds_scope){ 0 };
	if (!valid_ids(caller))
		return -EPERM;
	(void)own_umask();
	if (caller->umask) {
		r = set_umask(scope, caller->umask);
		if (r < 0)
			return r;
	}
	if (!base->may_switch)
		return 0;
	/* Last the user: with it go the rights that the other two need. */
	if (caller->has_group && other_uid) {
		r = set_group(caller->group);
		if (r < 0)
			return r;
		scope->groups = true;
	}
	if (other_gid) {
		r = set_gid(caller->gid);
		if (r < 0)
			return r;
		scope->gid = true;
	}
	if (!other_uid)
		return 0;
	r = set_uid(caller->uid);
	if (r < 0)
		return r;
	scope->uid = true;
	return keep_caps(scope, base, keep);
}

uint32_t creds_owner(const struct fs_caller *caller)
{
	const struct base_creds *base = base_creds();

	return caller->uid && base->may_switch ? caller->uid : base->euid;
}

int creds_drop_fsetid(struct creds_scope *scope, uint32_t group)
{
	const struct base_creds *base = base_creds();
	int r;

	*scope = (struct creds_scope){ 0 };
	if (!(base->effective & CAP_BIT(CAP_FSETID)))
		return 0;
	if (group != FS_NO_ID && group != base->egid)
		scope->gid = set_gid(group) == 0;
	r = capability_set(base, base->effective & ~CAP_BIT(CAP_FSETID));
	scope->caps = r == 0;
	return r;
}

void creds_restore(struct creds_scope *scope)
{
	const struct base_creds *base = &thread_base;
	bool all_permitted = scope->uid && !base->euid; /* by the kernel, on becoming user 0 */
	int saved = errno;
	int r = 0;

	if (scope->umask)
		(void)umask(0); /* always succeeds */
	/* Each step has the rights that the steps before gave back; none can be refused. */
	if (scope->uid)
		r = set_uid(base->euid);
	if (r == 0 && (all_permitted ? base->effective != base->permitted : scope->caps))
		r = capability_set(base, base->effective);
	if (r == 0 && scope->gid)
		r = set_gid(base->egid);
	if (r == 0 && scope->groups)
		r = (int)neg_errno(syscall(SYS_setgroups, 0, NULL));
	/* Going on as somebody else would be worse than not going on. */
	if (r < 0)
		abort();
	*scope = (struct creds_scope){ 0 };
	errno = saved;
}
