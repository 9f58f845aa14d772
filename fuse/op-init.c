/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INIT and DESTROY: what both sides can do.
 *
 * A flag is granted only when the guest offers it and the code behind it exists. The upper 32
 * flags travel in flags2, which counts only if both sides set FUSE_INIT_EXT.
 */
#include "base/log.h"
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

/*
 * With ACLs the daemon applies the umask, because a default ACL takes its place, and has to know
 * who may keep a set-group-ID bit.
 */
#define FLAGS_ACL ((uint64_t)(FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT))

static int add_feature(enum fuse_feature wanted, const char *option, uint64_t needed,
		       uint64_t offered, uint64_t *flags)
{
	if (wanted == FUSE_FEATURE_NEVER)
		return 0;
	if ((offered & needed) == needed) {
		*flags |= needed;
		return 0;
	}
	if (wanted == FUSE_FEATURE_AUTO) {
		log_debug("The guest cannot do what --%s=auto asks for", option);
		return 0;
	}
	log_peer("The guest cannot mount: it cannot do what --%s asks for; use --%s=auto", option,
		 option);
	return -EPROTO;
}

static int optional_flags(const struct fuse_session_options *options, uint64_t offered,
			  uint64_t *flags)
{
	int r;

	if (options->xattr)
		*flags |= offered & FUSE_SETXATTR_EXT;
	if (options->killpriv_v2)
		*flags |= offered & FUSE_HANDLE_KILLPRIV_V2;
	r = add_feature(options->posix_acl, "posix-acl", FLAGS_ACL, offered, flags);
	if (r < 0)
		return r;
	return add_feature(options->security_label, "security-label", FUSE_SECURITY_CTX, offered,
			   flags);
}

/*
 * A guest that does not open truncates by SETATTR, and keeps its locks to itself: nobody else is
 * there to see them.
 */
static uint64_t without_opens(const struct fs *fs, uint64_t offered, uint64_t flags)
{
	if (fs_opendirs_are_optional(fs))
		flags |= offered & FUSE_NO_OPENDIR_SUPPORT;
	if (!fs_opens_are_optional(fs) || !(offered & FUSE_NO_OPEN_SUPPORT))
		return flags;
	flags &= ~(uint64_t)(FUSE_ATOMIC_O_TRUNC | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS);
	return flags | FUSE_NO_OPEN_SUPPORT;
}

/*
 * Who truncates decides what becomes of set-id bits. A guest that leaves ids out has to say so by a
 * flag of OPEN, which is agreed on with KILLPRIV_V2, or to truncate by SETATTR.
 */
static uint64_t without_truncating_opens(uint64_t flags)
{
	if (flags & FUSE_ALLOW_IDMAP && !(flags & FUSE_HANDLE_KILLPRIV_V2))
		flags &= ~(uint64_t)FUSE_ATOMIC_O_TRUNC;
	return flags;
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

/*
 * Nobody else changes files: another size or time of change is the guest's own doing, and no reason
 * to read anew what it has written. Attributes that come with names stay right until they are used.
 */
static uint64_t alone(uint64_t offered, uint64_t flags)
{
	flags &= ~(uint64_t)(FUSE_AUTO_INVAL_DATA | FUSE_READDIRPLUS_AUTO);
	return flags | (offered & FUSE_EXPLICIT_INVAL_DATA);
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
	uint64_t flags, offered;
	int r;

	if (in->major > WIRE_MAJOR)
		return reply_other_major(req);
	if (in->major < WIRE_MAJOR || in->minor < WIRE_MINOR_LEAST)
		return -EPROTO;
	minor = MIN(in->minor, (uint32_t)WIRE_MINOR);
	offered = offered_flags(req, in);
	flags = granted_flags(&req->session->options, offered);
	if (fs_is_exclusive(req->session->fs))
		flags = alone(offered, flags);
	flags = without_opens(req->session->fs, offered, flags);
	r = optional_flags(&req->session->options, offered, &flags);
	if (r < 0)
		return r;
	flags = without_truncating_opens(flags);
	session_start(req->session, minor, flags);
	return reply_init_out(req, in, minor, flags);
}

int op_destroy(struct request *req)
{
	fuse_session_reset(req->session);
	return reply_empty(req);
}
