/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a session and of its threads, and the way of one message through them.
 */
#include "fuse/session.h"

#include "base/cleanup.h"
#include "base/util.h"
#include "fuse/lock-waiters.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

#define VALID_AUTO_NS WIRE_NSEC_PER_SEC
#define VALID_LONG_NS (86400 * WIRE_NSEC_PER_SEC)

static uint64_t valid_ns(enum fs_cache cache)
{
	switch (cache) {
	case FS_CACHE_NEVER:
		return 0;
	case FS_CACHE_ALWAYS:
	case FS_CACHE_METADATA:
		return VALID_LONG_NS;
	case FS_CACHE_AUTO:
		break;
	}
	return VALID_AUTO_NS;
}

/*
 * That a name does not exist is remembered only where nobody but the guest is said to make names:
 * elsewhere a guest that waits for a file of the host would look in vain for the while.
 */
static void set_timeouts(struct fuse_session *session, const struct fuse_session_options *options)
{
	bool names_stay = options->cache == FS_CACHE_ALWAYS || options->cache == FS_CACHE_METADATA;
	uint64_t by_mode = valid_ns(options->cache);

	session->attr_ns = options->attr.set ? options->attr.ns : by_mode;
	session->entry_ns = options->entry.set ? options->entry.ns : by_mode;
	session->negative_ns = names_stay ? session->entry_ns : 0;
	if (options->negative.set)
		session->negative_ns = options->negative.ns;
}

size_t fuse_session_section_bytes(void)
{
	return sizeof(struct session_state);
}

static struct fs_negotiated negotiated_by(uint64_t flags)
{
	return (struct fs_negotiated){
		.submounts = flags & FUSE_SUBMOUNTS,
		.writeback = flags & FUSE_WRITEBACK_CACHE,
		.posix_acl = flags & FUSE_POSIX_ACL,
		.no_open = flags & FUSE_NO_OPEN_SUPPORT,
		.no_opendir = flags & FUSE_NO_OPENDIR_SUPPORT,
	};
}

/* A predecessor that died in the middle of INIT has left nothing that was agreed on. */
static void resume(struct fuse_session *session)
{
	const struct fs_negotiated negotiated = negotiated_by(session->state->flags);

	if (session_initialised(session))
		fs_resume(session->fs, &negotiated);
}

/*
 * The state is taken as it is found: zero in a new arena, or what a predecessor negotiated and the
 * guest still relies on.
 */
int fuse_session_new(const struct fuse_session_options *options, struct fs *fs, struct arena *arena,
		     struct fuse_session **ret_session)
{
	cleanup_free struct fuse_session *session = NULL;
	int r;

	if (arena->size[ARENA_SESSION] < fuse_session_section_bytes())
		return -EINVAL;
	session = calloc(1, sizeof(*session));
	if (!session)
		return -ENOMEM;
	session->options = *options;
	session->fs = fs;
	session->state = arena_section(arena, ARENA_SESSION);
	set_timeouts(session, options);
	r = lock_waiters_new(fs, &session->waiters);
	if (r < 0)
		return r;
	pthread_mutex_init(&session->lock, NULL);
	resume(session);
	*ret_session = take_ptr(session);
	return 0;
}

void fuse_session_free(struct fuse_session *session)
{
	if (!session)
		return;
	lock_waiters_free(session->waiters);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

/* With the lock held: nobody gets past the INIT check until the state is complete again. */
static void enter_state(struct fuse_session *session, uint32_t minor, uint64_t flags)
{
	const struct fs_negotiated negotiated = negotiated_by(flags);
	struct session_state *state = session->state;

	__atomic_store_n(&state->initialised, 0, __ATOMIC_RELEASE);
	lock_waiters_give_up(session->waiters, NULL);
	fs_reset(session->fs, &negotiated);
	__atomic_store_n(&state->minor, minor, __ATOMIC_RELAXED);
	__atomic_store_n(&state->flags, flags, __ATOMIC_RELAXED);
}

void session_start(struct fuse_session *session, uint32_t minor, uint64_t flags)
{
	scoped_lock(&session->lock);

	enter_state(session, minor, flags);
	__atomic_store_n(&session->state->initialised, 1, __ATOMIC_RELEASE);
}

void fuse_session_reset(struct fuse_session *session)
{
	scoped_lock(&session->lock);

	enter_state(session, 0, 0);
}

static void forward_about_to_block(struct fs_thread *fs)
{
	struct fuse_thread *thread = container_of(fs, struct fuse_thread, fs);

	thread->about_to_block(thread->about_to_block_arg);
}

int fuse_thread_new(struct fuse_session *session, void (*about_to_block)(void *arg), void *arg,
		    struct fuse_thread **ret_thread)
{
	cleanup_free struct fuse_thread *thread = NULL;
	int r;

	thread = calloc(1, sizeof(*thread));
	if (!thread)
		return -ENOMEM;
	r = fs_thread_init(&thread->fs, session->fs);
	if (r < 0)
		return r;
	thread->session = session;
	thread->about_to_block = about_to_block;
	thread->about_to_block_arg = arg;
	if (about_to_block)
		thread->fs.about_to_block = forward_about_to_block;
	*ret_thread = take_ptr(thread);
	return 0;
}

void fuse_thread_free(struct fuse_thread *thread)
{
	free(thread);
}

uint32_t fuse_session_serve(struct fuse_thread *thread, const struct fuse_message *message)
{
	filled_later struct request req;

	if (req_init(&req, thread, message) == REQ_UNANSWERABLE)
		return 0;
	thread->fs.inflight = message->inflight;
	return ops_dispatch(&req);
}

void fuse_session_unpark(struct fuse_session *session, const void *group)
{
	lock_waiters_give_up(session->waiters, group);
}
