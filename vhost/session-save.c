/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process of a vhost-user connection: writing it down.
 */
#include "vhost/session-save.h"

#include "base/util.h"
#include "vhost/session-internal.h"

size_t vhost_session_section_bytes(void)
{
	return sizeof(struct vhost_section);
}

bool vhost_section_live(const void *section)
{
	return __atomic_load_n(&((const struct vhost_section *)section)->live, __ATOMIC_ACQUIRE);
}

void vhost_section_each_fd(const void *section, void (*fn)(void *arg, int fd), void *arg)
{
}

int vhost_session_adopt(const struct vhost_device *device, void *section,
			struct vhost_session **ret_session)
{
	return -EOPNOTSUPP;
}
