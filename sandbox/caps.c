/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: the keep lists and how the rest is dropped.
 *
 * The launcher, which keeps the host's file system, leaves the work to libcap-ng. The server asks
 * the kernel by itself: libcap-ng reads /proc, and after the change of root that is a path in the
 * shared directory, where a guest could have put anything.
 */
#include "sandbox/caps.h"

#include <cap-ng.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* Acting for any user of the guest, who the guest has already checked. */
#define KEEP_READING                                                                 \
	(CAP_BIT(CAP_DAC_READ_SEARCH) | /* read and search whatever the mode says */ \
	 CAP_BIT(CAP_SETGID) |		/* check access as the guest's user */       \
	 CAP_BIT(CAP_SETUID))

#define KEEP_SERVING                                                                            \
	(KEEP_READING | CAP_BIT(CAP_CHOWN) | /* chown to any id */                              \
	 CAP_BIT(CAP_DAC_OVERRIDE) |	     /* write whatever the mode says */                 \
	 CAP_BIT(CAP_FOWNER) |		     /* chmod, utimes, O_NOATIME on files of others */  \
	 CAP_BIT(CAP_FSETID) |		     /* keep set-id bits that the guest did not drop */ \
	 CAP_BIT(CAP_MKNOD) |		     /* device nodes; they are never opened */          \
	 CAP_BIT(CAP_SETFCAP))		     /* file capabilities set inside the guest */

struct cap_sets {
	uint64_t effective;
	uint64_t permitted;
};

static int cap_sets_get(struct cap_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

/* The inheritable set becomes empty: nothing is ever executed. */
static int cap_sets_put(const struct cap_sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = (uint32_t)sets->effective, .permitted = (uint32_t)sets->permitted },
		{ .effective = (uint32_t)(sets->effective >> 32),
		  .permitted = (uint32_t)(sets->permitted >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Needs CAP_SETPCAP; without it the set stays, and no_new_privs makes it worthless. */
static int bounding_set_drop(uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (keep & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			return 0; /* EINVAL: above the last capability of this kernel */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

/* `besides` stays permitted, too, but leaves the bounding set. */
static int keep_only(uint64_t keep, uint64_t besides, bool effective)
{
	struct cap_sets have = { 0 };
	struct cap_sets sets;
	int r;

	r = cap_sets_get(&have);
	if (r < 0)
		return r;
	sets.permitted = have.permitted & (keep | besides);
	sets.effective = effective ? sets.permitted : 0;
	if (caps_have(CAP_SETPCAP)) {
		r = bounding_set_drop(keep & have.permitted);
		if (r < 0)
			return r;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	return cap_sets_put(&sets);
}

bool caps_have(unsigned int cap)
{
	struct cap_sets have = { 0 };

	return cap_sets_get(&have) == 0 && (have.effective & CAP_BIT(cap));
}

int caps_find(const char *name, uint64_t *ret_bit)
{
	int cap = capng_name_to_capability(name);

	if (cap < 0 || cap > 63)
		return -ENOENT;
	*ret_bit = CAP_BIT((unsigned int)cap);
	return 0;
}

static uint64_t wanted(bool readonly, uint64_t add, uint64_t drop)
{
	return ((readonly ? KEEP_READING : KEEP_SERVING) | add) & ~drop;
}

int caps_keep_for_serving(bool readonly, uint64_t add, uint64_t drop)
{
	return keep_only(wanted(readonly, add, drop), 0, true);
}

int caps_keep_for_workers(bool readonly, uint64_t add, uint64_t drop, uint64_t besides)
{
	return keep_only(wanted(readonly, add, drop), besides, false);
}

int caps_take_up(void)
{
	struct cap_sets have = { 0 };
	int r = cap_sets_get(&have);

	if (r < 0)
		return r;
	have.effective = have.permitted;
	return cap_sets_put(&have);
}

int caps_drop_all(void)
{
	capng_select_t sets = CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT;

	if (caps_have(CAP_SETPCAP))
		sets |= CAPNG_SELECT_BOUNDS;
	capng_clear(sets);
	return capng_apply(sets) < 0 ? -EPERM : 0;
}

int caps_drop_groups(void)
{
	if (setgroups(0, NULL) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	log_debug("Supplementary groups stay: changing them is not permitted here.");
	return 0;
}
