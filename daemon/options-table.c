/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all options: names, values, help, and what they set.
 */
#include <string.h>

#include "daemon/options-internal.h"

#define SETS(member)	.field = offsetof(struct options, member), .becomes = true
#define CLEARS(member)	.field = offsetof(struct options, member), .becomes = false
#define CHOOSES(member) .field = offsetof(struct options, member)

const struct option_word cache_words[] = {
	{ "auto", FS_CACHE_AUTO },
	{ "always", FS_CACHE_ALWAYS },
	{ "never", FS_CACHE_NEVER },
	{ "metadata", FS_CACHE_METADATA },
	{ NULL, 0 },
};

const struct option_word sandbox_words[] = {
	{ "namespace", SANDBOX_NAMESPACE },
	{ "chroot", SANDBOX_CHROOT },
	{ "none", SANDBOX_NONE },
	{ NULL, 0 },
};

const struct option_word seccomp_words[] = {
	{ "kill", SANDBOX_SECCOMP_KILL },
	{ "trap", SANDBOX_SECCOMP_TRAP },
	{ "log", SANDBOX_SECCOMP_LOG },
	{ "none", SANDBOX_SECCOMP_NONE },
	{ NULL, 0 },
};

const struct option_word log_level_words[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ "trace", LOG_LEVEL_TRACE },
	{ "off", LOG_LEVEL_OFF },
	{ NULL, 0 },
};

const struct option_word handle_words[] = {
	{ "never", HANDLES_NEVER },
	{ "prefer", HANDLES_PREFER },
	{ "mandatory", HANDLES_MANDATORY },
	{ "fallback", HANDLES_PREFER }, /* its name in older daemons */
	{ NULL, 0 },
};

const struct option_word feature_words[] = {
	{ "never", FUSE_FEATURE_NEVER },
	{ "auto", FUSE_FEATURE_AUTO },
	{ "always", FUSE_FEATURE_ALWAYS },
	{ NULL, 0 },
};

const struct option_row option_rows[] = {
	{ "shared-dir", 0, "DIR", "directory to share with the guest", option_set_shared_dir,
	  .kind = OPTION_PATH, .theme = "Share and socket" },
	{ "subdirectory", 0, "NAME", "serve this directory in it only, and make it if missing",
	  option_set_subdirectory },
	{ "subdirectory-owner", 0, "UID:GID[:MODE]", "of one that is made (the daemon's, 0700)",
	  option_set_subdirectory_owner },
	{ "socket-path", 0, "PATH", "vhost-user socket to create and listen on",
	  option_set_socket_path, .kind = OPTION_PATH },
	{ "socket", 0, "PATH", "old name of --socket-path", option_set_socket_path,
	  .kind = OPTION_PATH },
	{ "fd", 0, "FDNUM", "inherited listening vhost-user socket", option_set_fd },
	{ "socket-group", 0, "GROUP", "group that may connect to the socket",
	  option_set_socket_group, .kind = OPTION_GROUP },
	{ "tag", 0, "TAG", "mount tag, for front-ends that ask the daemon for it", option_set_tag },
	{ "readonly", 0, NULL, "refuse everything that would change the shared directory",
	  SETS(readonly) },
	{ "announce-submounts", 0, NULL, "show host mount points as such in the guest (default)",
	  SETS(announce_submounts) },
	{ "no-announce-submounts", 0, NULL, "hide host mount points from the guest",
	  CLEARS(announce_submounts) },

	{ "cache", 0, "MODE", "what the guest may cache: auto, always, never, metadata (auto)",
	  option_set_cache, .words = cache_words, .theme = "What the guest may keep" },
	{ "exclusive", 0, NULL,
	  "nobody but this guest changes the directory: files need not be opened",
	  SETS(exclusive) },
	{ "writeback", 0, NULL, "let the guest hold back what it writes to cached files",
	  SETS(writeback) },
	{ "attr-timeout", 0, "SECONDS", "how long attributes hold in the guest (by --cache)",
	  option_set_attr_timeout },
	{ "entry-timeout", 0, "SECONDS", "how long names hold in the guest (by --cache)",
	  option_set_entry_timeout },
	{ "negative-timeout", 0, "SECONDS", "how long it holds that a name is absent (by --cache)",
	  option_set_negative_timeout },
	{ "no-readdirplus", 0, NULL, "do not send attributes along with directory entries",
	  SETS(no_readdirplus) },
	{ "allow-mmap", 0, NULL, "allow shared mappings with --cache=never and metadata (default)",
	  SETS(allow_mmap) },
	{ "no-allow-mmap", 0, NULL, "refuse them: what is mapped is cached", CLEARS(allow_mmap) },
	{ "allow-direct-io", 0, NULL, "pass O_DIRECT of the guest on to the host",
	  SETS(allow_direct_io) },

	{ "xattr", 0, NULL, "serve extended attributes", option_set_xattr,
	  .theme = "Attributes and locks" },
	{ "xattrmap", 0, "RULES", "names of extended attributes on the host; implies --xattr",
	  option_set_xattrmap },
	{ "posix-acl", 0, "WHEN", "serve POSIX ACLs: never, auto, always (never); implies --xattr",
	  option_set_posix_acl, true, .words = feature_words },
	{ "security-label", 0, "WHEN",
	  "label new files as the guest says: never, auto, always (never); implies --xattr",
	  option_set_security_label, true, .words = feature_words },
	{ "killpriv-v2", 0, NULL, "let the daemon alone drop set-id bits of files that change",
	  option_set_killpriv },
	{ "no-killpriv-v2", 0, NULL,
	  "let the guest drop them as well (default but with --exclusive)",
	  option_set_no_killpriv },
	{ "preserve-noatime", 0, NULL,
	  "no effect: O_NOATIME of the guest always reaches the host, where permitted",
	  option_set_nothing },
	{ "posix-lock", 0, NULL, "fcntl locks of the guest are locks on the host",
	  SETS(posix_lock) },
	{ "no-posix-lock", 0, NULL, "fcntl locks stay inside the guest (default)",
	  CLEARS(posix_lock) },
	{ "flock", 0, NULL, "flock locks of the guest are locks on the host", SETS(flock) },
	{ "no-flock", 0, NULL, "flock locks stay inside the guest (default)", CLEARS(flock) },

	{ "sandbox", 0, "MODE", "isolation: namespace, chroot, none (namespace)", NULL,
	  .words = sandbox_words, CHOOSES(sandbox), .theme = "Isolation and limits" },
	{ "seccomp", 0, "ACTION", "on a forbidden system call: kill, trap, log, none (kill)", NULL,
	  .words = seccomp_words, CHOOSES(seccomp) },
	{ "modcaps", 0, "LIST", "capabilities to keep or drop besides: +sys_admin:-mknod",
	  option_set_modcaps },
	{ "max-restarts", 0, "N",
	  "replace a worker that dies so often within a minute; 0 = never (5)",
	  option_set_max_restarts },
	{ "inode-file-handles", 0, "WHEN",
	  "open files not used for long by handle: never, prefer, mandatory (prefer)", NULL,
	  .words = handle_words, CHOOSES(inode_file_handles) },
	{ "rlimit-nofile", 0, "N", "limit of open files (as high as permitted); 0 = as it is",
	  option_set_rlimit_nofile },
	{ "thread-pool-size", 0, "N", "threads for requests that block, beyond one per queue (16)",
	  option_set_thread_pool_size },
	{ "inband-notifications", 0, NULL,
	  "offer kicks and calls as messages, for time travel of User-Mode Linux",
	  SETS(inband_notifications) },
	{ "poll", 0, "MICROSECONDS",
	  "look for the next request at most so long before sleeping (250)", option_set_poll },

	{ "log-level", 0, "LEVEL", "error, warn, info, debug, trace, off (info)", NULL,
	  .words = log_level_words, CHOOSES(log_level), .theme = "Running" },
	{ "syslog", 0, NULL, "log to the system log instead of standard error", SETS(syslog) },
	{ "daemonize", 0, NULL, "go to the background when ready", SETS(daemonize) },
	{ "foreground", 'f', NULL, "stay in the foreground (default)", CLEARS(daemonize) },
	{ "debug", 'd', NULL, "same as --log-level=debug, in the foreground", option_set_debug },
	{ "compat", 'o', "LIST",
	  "comma list in the syntax of the C daemon (source=DIR,cache=MODE,...)",
	  option_set_compat },
	{ "help", 'h', NULL, "print the options", .shows = OPTIONS_SHOW_HELP },
	{ "version", 'V', NULL, "print the version", .shows = OPTIONS_SHOW_VERSION },
	{ "print-capabilities", 0, NULL, "print what launchers want to know, as JSON",
	  .shows = OPTIONS_SHOW_CAPABILITIES },
	{ NULL },
};

#define NO_IDS \
	"ids are not translated by this daemon; mount the directory id-mapped (mount -o X-mount.idmap)"
#define NO_MIGRATION "this daemon does not migrate; leave the option out"

const struct option_refused options_refused[] = {
	{ "uid-map", true, NO_IDS },
	{ "gid-map", true, NO_IDS },
	{ "translate-uid", true, NO_IDS },
	{ "translate-gid", true, NO_IDS },
	{ "migration-mode", true, NO_MIGRATION },
	{ "migration-on-error", true, NO_MIGRATION },
	{ "migration-verify-handles", false, NO_MIGRATION },
	{ "migration-confirm-paths", false, NO_MIGRATION },
	{ NULL, false, NULL },
};

const struct option_row *option_find(const char *name)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}
