/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table that parses, explains and sets struct options.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "fuse/passthrough/fs.h"
#include "fuse/passthrough/xattr-map.h"
#include "fuse/session.h"
#include "sandbox/sandbox.h"

#define OPTIONS_TAG_MAX		    36u /* virtio 1.2, 5.11.4 */
#define OPTIONS_THREAD_POOL_DEFAULT 16u
#define OPTIONS_THREAD_POOL_MAX	    1024u
#define OPTIONS_POLL_DEFAULT_US	    250u /* a guest's own work between two requests, and its wake-up */
#define OPTIONS_POLL_MAX_US	    1000000u
#define OPTIONS_RESTARTS_DEFAULT    5u
#define OPTIONS_RESTARTS_MAX	    1000u
#define OPTIONS_TIMEOUT_MAX_S	    1000000000u

/* CAP_DAC_READ_SEARCH as a bit of a capability set. */
#define OPTIONS_CAPS_FOR_HANDLES    (UINT64_C(1) << 2)

enum options_handles {
	HANDLES_NEVER,
	HANDLES_PREFER,
	HANDLES_MANDATORY,
};

/* Constant after options_parse(). Strings are owned by this structure. */
struct options {
	char *shared_dir;
	char *subdirectory;	/* NULL: the shared directory itself */
	uid_t subdirectory_uid; /* of one that is made; -1: the daemon's */
	gid_t subdirectory_gid;
	mode_t subdirectory_mode;
	bool subdirectory_owner_given;
	char *socket_path;
	char *socket_group;
	char *tag; /* NULL: the front-end keeps the configuration space */
	int fd;	   /* inherited listening socket, negative if none */
	enum fs_cache cache;
	bool cache_given;
	bool exclusive; /* nobody but the guest changes the share */
	enum sandbox_mode sandbox;
	enum sandbox_seccomp seccomp;
	enum log_level log_level;
	bool readonly;
	bool no_readdirplus;
	bool announce_submounts;
	bool allow_direct_io;
	bool posix_lock;
	bool flock;
	bool allow_mmap;
	bool writeback;
	struct fuse_timeout attr_timeout;
	struct fuse_timeout entry_timeout;
	struct fuse_timeout negative_timeout;
	bool killpriv_v2;
	bool killpriv_given;
	bool xattr; /* also set when one of the next three asks for attributes */
	enum fuse_feature posix_acl;
	enum fuse_feature security_label;
	struct xattr_map *xattr_map; /* owned, or NULL */
	enum options_handles inode_file_handles;
	uint32_t poll_us;
	bool inband_notifications;
	uint32_t thread_pool_size;
	uint64_t rlimit_nofile; /* 0: as high as permitted, or as it is */
	bool rlimit_nofile_as_is;
	uint32_t max_restarts; /* of a worker that dies; 0: it has no keeper */
	uint64_t caps_add;     /* beside what serving needs, as bits */
	uint64_t caps_drop;
	bool syslog;
	bool daemonize;
};

/* What the user only wants to see. */
enum options_show {
	OPTIONS_SHOW_NOTHING,
	OPTIONS_SHOW_HELP,
	OPTIONS_SHOW_VERSION,
	OPTIONS_SHOW_CAPABILITIES,
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* --help, --version, --print-capabilities: printed, exit 0 */
	OPTIONS_USAGE, /* one sentence on stderr has said what is wrong: exit 2 */
};

/*
 * `argv` ends with NULL. A later option overrides an earlier one. `options` is to be given to options_deinit().
 */
enum options_result options_parse(struct options *options, int argc, char **argv);
void options_deinit(struct options *options);

/* ---- For options-compat.c ---- */

/* Sets the option of that long name as if it had been given. False: *ret_why is allocated. */
bool options_set(struct options *options, const char *name, const char *value, char **ret_why);

#endif
