/* SPDX-License-Identifier: Apache-2.0 */
/* Identities for the reference tree, per thread. */
#include "tests/differential/reference.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/lib/bounded.h"
#include "tests/lib/fuse-extra.h"

/* Below index 32 all, so the first word of each set is enough. */
#define CAP_BIT(cap) (1u << (cap))

static void change_effective(uint32_t add, uint32_t drop)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data))
		test_die("capget: %s", strerror(errno));
	data[0].effective = (data[0].effective | add) & ~drop;
	if (syscall(SYS_capset, &head, data))
		test_die("capset: %s", strerror(errno));
}

/* The C library would change all threads. */
static void set_groups(const gid_t *groups, size_t n)
{
	if (syscall(SYS_setgroups, n, groups))
		test_die("setgroups: %s", strerror(errno));
}

void reference_become(const struct caller *caller)
{
	gid_t group = (gid_t)caller->group;

	set_groups(&group, caller->group >= 0 ? 1 : 0);
	setfsgid(caller->gid);
	setfsuid(caller->uid);
	/* The guest has checked where its caller may create. */
	if (caller->uid)
		change_effective(CAP_BIT(CAP_DAC_OVERRIDE), 0);
}

void reference_drop_fsetid(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		test_die("stat %s: %s", path, strerror(errno));
	setfsgid(st.st_gid);
	change_effective(0, CAP_BIT(CAP_FSETID));
}

void reference_restore(void)
{
	/* Becoming fsuid 0 makes the file capabilities effective again, if it was another. */
	setfsuid(0);
	setfsgid(0);
	change_effective(CAP_BIT(CAP_FSETID), 0);
	set_groups(NULL, 0);
}
