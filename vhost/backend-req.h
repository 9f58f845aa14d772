/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our requests to the front-end, over the channel of SET_BACKEND_REQ_FD.
 */
#ifndef VHOST_BACKEND_REQ_H
#define VHOST_BACKEND_REQ_H

#include "vhost/protocol.h"

/*
 * Prepares a descriptor for vhost_backend_send(): a socket, or the writing end of a pipe (User-Mode
 * Linux). Makes it non-blocking. -EINVAL for anything else.
 */
int vhost_backend_check_channel(int fd);

/*
 * Tells the front-end about queue `index` and waits for nothing. Any thread. What a full or broken
 * channel refuses is lost, as an eventfd that nobody reads any more.
 */
void vhost_backend_send(int fd, enum vhost_user_backend_request request, unsigned int index);

#endif
