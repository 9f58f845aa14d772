/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INIT and DESTROY: what both sides can do.
 *
 * A flag is granted only when the guest offers it and the code behind it exists. The upper 32
 * flags travel in flags2, which counts only if both sides set FUSE_INIT_EXT.
 */
#include "base/util.h"
#include "fuse/ops.h"
#include "fuse/request.h"
#include "fuse/session-internal.h"

/* Granted in every configuration. */
#define FLAGS_ALWAYS                                                               \
	((uint64_t)(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |      \
		    FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | \
		    FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_HAS_IOCTL_DIR) |         \
	 FUSE_CREATE_SUPP_GROUP | FUSE_NO_EXPORT_SUPPORT | FUSE_ALLOW_IDMAP)

#define WIRE_PAGE      4096u
#define MAX_BACKGROUND UINT16_MAX
#define CONGESTION     (MAX_BACKGROUND / 4 * 3)
#define TIME_GRAN_NS   1

static uint64_t offered_flags(struct request *req, const struct fuse_init_in *in)
{
	const uint32_t *flags2;
	uint64_t offered = in->flags;

	if (!(in->flags & FUSE_INIT_EXT))
		return offered;
	flags2 = req_take(req, sizeof(*flags2));
	if (!flags2) /* claimed but not sent: as if not claimed */
		return offered & ~(uint64_t)FUSE_INIT_EXT;
	return offered | (uint64_t)*flags2 << 32;
}

/*
 * Without caching a directory's attributes would be fetched for nothing. Guests that know
 * READDIRPLUS but not its adaptive form are not Linux: they list with it whatever the reply says,
 * and one firmware does not mount without it.
 */
static uint64_t readdirplus_flags(const struct fuse_session_options *options, uint64_t offered)
{
	if (options->cache != FS_CACHE_NEVER && !options->no_readdirplus)
		return FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;
	return offered & FUSE_READDIRPLUS_AUTO ? 0 : FUSE_DO_READDIRPLUS;
}

static bool files_are_cached(const struct fuse_session_options *options)
{
	return options->cache == FS_CACHE_AUTO || options->cache == FS_CACHE_ALWAYS;
}

static uint64_t granted_flags(const struct fuse_session_options *options, uint64_t offered)
{
	uint64_t flags = FLAGS_ALWAYS | readdirplus_flags(options, offered);

	if (options->announce_submounts)
		flags |= FUSE_SUBMOUNTS;
	if (options->posix_lock)
		flags |= FUSE_POSIX_LOCKS;
	if (options->flock)
		flags |= FUSE_FLOCK_LOCKS;
	if (options->cache == FS_CACHE_ALWAYS || options->cache == FS_CACHE_METADATA)
		flags |= FUSE_CACHE_SYMLINKS;
	/* Without cached files it would only make the guest believe its own sizes. */
	if (options->writeback && files_are_cached(options))
		flags |= FUSE_WRITEBACK_CACHE;
	if (options->allow_mmap)
		flags |= FUSE_DIRECT_IO_ALLOW_MMAP;
	return flags & offered;
}

static int reply_init_out(struct request *req, const struct fuse_init_in *in, uint32_t minor,
			  uint64_t flags)
{
	struct fuse_init_out out = {
		.major = WIRE_MAJOR,
		.minor = minor,
		.max_readahead = in->max_readahead,
		.flags = (uint32_t)flags,
		.flags2 = (uint32_t)(flags >> 32),
		.max_background = MAX_BACKGROUND,
		.congestion_threshold = CONGESTION,
		.max_write = SESSION_DATA_BYTES,
		.time_gran = TIME_GRAN_NS,
	};

	if (flags & FUSE_MAX_PAGES)
		out.max_pages = SESSION_DATA_BYTES / WIRE_PAGE;
	return reply_data(req, &out, sizeof(out));
}

/* A newer major: say ours, and the guest sends another INIT that fits. */
static int reply_other_major(struct request *req)
{
	const struct fuse_init_out out = { .major = WIRE_MAJOR, .minor = WIRE_MINOR };

	return reply_data(req, &out, sizeof(out));
}

/* Guests old enough to expect a shorter reply are refused before. */
int op_init(struct request *req)
{
	const struct fuse_init_in *in = req_take(req, offsetof(struct fuse_init_in, flags2));
	uint32_t minor;
	uint64_t flags;

	if (in->major > WIRE_MAJOR)
		return reply_other_major(req);
	if (in->major < WIRE_MAJOR || in->minor < WIRE_MINOR_LEAST)
		return -EPROTO;
	minor = MIN(in->minor, (uint32_t)WIRE_MINOR);
	flags = granted_flags(&req->session->options, offered_flags(req, in));
	session_start(req->session, minor, flags);
	return reply_init_out(req, in, minor, flags);
}

int op_destroy(struct request *req)
{
	fuse_session_reset(req->session);
	return reply_empty(req);
}
