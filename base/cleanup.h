/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-exit ownership: an fd, an allocation or a lock that belongs to a scope is released when
 * the scope ends, unless it is handed on with take_fd() or take_ptr().
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((__cleanup__(fn)))

/* Closes *fd when it is open and marks it closed; keeps errno. Calling twice is safe. */
static inline void fd_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd); /* nothing can be done about a failing close */
		errno = saved;
	}
	*fd = -1;
}

static inline void free_ptr(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

static inline void mutex_unlock_ptr(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
	*m = NULL;
}

static inline pthread_mutex_t *mutex_lock_ret(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

/* The variable owns what it names; it must be initialised (-1, NULL). */
#define cleanup_fd	    CLEANUP(fd_close)
#define cleanup_free	    CLEANUP(free_ptr)

#define CLEANUP_JOIN2(a, b) a##b
#define CLEANUP_JOIN(a, b)  CLEANUP_JOIN2(a, b)

/* Holds the mutex until the end of the enclosing scope. */
#define scoped_lock(m)                                                                  \
	pthread_mutex_t *CLEANUP_JOIN(scoped_lock_, __LINE__) CLEANUP(mutex_unlock_ptr) \
		__attribute__((__unused__)) = mutex_lock_ret(m)

/* Hands the fd to the caller; the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

#endif
