/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table that parses, explains and sets struct options.
 */
#include "daemon/options.h"

#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/util.h"

/* A setter returns NULL, or an allocated sentence that says what is wrong with the value. */
typedef char *(*option_setter)(struct options *options, const char *value);

struct option_row {
	const char *name;	 /* long, without dashes */
	char letter;		 /* or 0 */
	const char *placeholder; /* NULL: a flag without value */
	const char *help;
	option_setter set;
	bool value_optional; /* the setter gets NULL where there is none */
	/* Without a setter: which bool of struct options becomes what. */
	size_t field;
	bool becomes;
};

#define SETS(member)   .field = offsetof(struct options, member), .becomes = true
#define CLEARS(member) .field = offsetof(struct options, member), .becomes = false

/* ---- Values ---- */

struct choice {
	const char *word;
	int value;
};

static char *choose(const struct choice *choices, const char *option, const char *word, int *ret)
{
	g_autoptr(GString) known = g_string_new(NULL);

	for (const struct choice *c = choices; c->word; c++) {
		if (g_ascii_strcasecmp(c->word, word) == 0) {
			*ret = c->value;
			return NULL;
		}
		g_string_append_printf(known, "%s%s", known->len ? ", " : "", c->word);
	}
	return g_strdup_printf("--%s does not know '%s'; use one of: %s", option, word, known->str);
}

static char *number(const char *option, const char *text, uint64_t max, uint64_t *ret)
{
	if (parse_u64(text, max, ret) == 0)
		return NULL;
	return g_strdup_printf("--%s takes a whole number from 0 to %" PRIu64 ", not '%s'", option,
			       max, text);
}

static void set_string(char **field, const char *value)
{
	g_free(*field);
	*field = g_strdup(value);
}

/* ---- Setters ---- */

static char *set_shared_dir(struct options *o, const char *value)
{
	if (!*value)
		return g_strdup("--shared-dir is empty; name the directory to share");
	set_string(&o->shared_dir, value);
	return NULL;
}

static char *set_socket_path(struct options *o, const char *value)
{
	if (!*value)
		return g_strdup("--socket-path is empty; name the socket to create");
	set_string(&o->socket_path, value);
	return NULL;
}

static char *set_socket_group(struct options *o, const char *value)
{
	set_string(&o->socket_group, value);
	return NULL;
}

static char *set_fd(struct options *o, const char *value)
{
	uint64_t fd;
	char *why = number("fd", value, INT_MAX, &fd);

	if (!why)
		o->fd = (int)fd;
	return why;
}

static char *set_tag(struct options *o, const char *value)
{
	if (!*value || strlen(value) > OPTIONS_TAG_MAX || !g_utf8_validate(value, -1, NULL))
		return g_strdup_printf("--tag takes 1 to %u bytes of UTF-8 text", OPTIONS_TAG_MAX);
	set_string(&o->tag, value);
	return NULL;
}

static char *set_cache(struct options *o, const char *value)
{
	static const struct choice choices[] = {
		{ "auto", FS_CACHE_AUTO },
		{ "always", FS_CACHE_ALWAYS },
		{ "never", FS_CACHE_NEVER },
		{ "metadata", FS_CACHE_METADATA },
		{ NULL, 0 },
	};
	int mode;
	char *why = choose(choices, "cache", value, &mode);

	if (!why) {
		o->cache = (enum fs_cache)mode;
		o->cache_given = true;
	}
	return why;
}

static char *set_sandbox(struct options *o, const char *value)
{
	static const struct choice choices[] = {
		{ "namespace", SANDBOX_NAMESPACE },
		{ "chroot", SANDBOX_CHROOT },
		{ "none", SANDBOX_NONE },
		{ NULL, 0 },
	};
	int mode;
	char *why = choose(choices, "sandbox", value, &mode);

	if (!why)
		o->sandbox = (enum sandbox_mode)mode;
	return why;
}

static char *set_seccomp(struct options *o, const char *value)
{
	static const struct choice choices[] = {
		{ "kill", SANDBOX_SECCOMP_KILL },
		{ "trap", SANDBOX_SECCOMP_TRAP },
		{ "log", SANDBOX_SECCOMP_LOG },
		{ "none", SANDBOX_SECCOMP_NONE },
		{ NULL, 0 },
	};
	int mode;
	char *why = choose(choices, "seccomp", value, &mode);

	if (!why)
		o->seccomp = (enum sandbox_seccomp)mode;
	return why;
}

static char *set_log_level(struct options *o, const char *value)
{
	static const struct choice choices[] = {
		{ "error", LOG_LEVEL_ERROR },
		{ "warn", LOG_LEVEL_WARN },
		{ "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },
		{ "trace", LOG_LEVEL_TRACE },
		{ "off", LOG_LEVEL_OFF },
		{ NULL, 0 },
	};
	int level;
	char *why = choose(choices, "log-level", value, &level);

	if (!why)
		o->log_level = (enum log_level)level;
	return why;
}

static char *set_thread_pool_size(struct options *o, const char *value)
{
	uint64_t n;
	char *why = number("thread-pool-size", value, OPTIONS_THREAD_POOL_MAX, &n);

	if (!why)
		o->thread_pool_size = (uint32_t)n;
	return why;
}

static char *set_poll(struct options *o, const char *value)
{
	uint64_t us;
	char *why = number("poll", value, OPTIONS_POLL_MAX_US, &us);

	if (!why)
		o->poll_us = (uint32_t)us;
	return why;
}

static char *set_inode_file_handles(struct options *o, const char *value)
{
	static const struct choice choices[] = {
		{ "never", HANDLES_NEVER },
		{ "prefer", HANDLES_PREFER },
		{ "mandatory", HANDLES_MANDATORY },
		{ "fallback", HANDLES_PREFER }, /* its name in older daemons */
		{ NULL, 0 },
	};
	int wish;
	char *why = choose(choices, "inode-file-handles", value, &wish);

	if (!why)
		o->inode_file_handles = (enum options_handles)wish;
	return why;
}

static char *set_max_restarts(struct options *o, const char *value)
{
	uint64_t n;
	char *why = number("max-restarts", value, OPTIONS_RESTARTS_MAX, &n);

	if (!why)
		o->max_restarts = (uint32_t)n;
	return why;
}

static char *set_rlimit_nofile(struct options *o, const char *value)
{
	return number("rlimit-nofile", value, INT_MAX, &o->rlimit_nofile);
}

static char *timeout(const char *option, const char *text, struct fuse_timeout *ret)
{
	uint64_t ns;

	if (parse_seconds(text, OPTIONS_TIMEOUT_MAX_S, &ns) < 0)
		return g_strdup_printf("--%s takes seconds from 0 to %u, such as 0.5, not '%s'",
				       option, OPTIONS_TIMEOUT_MAX_S, text);
	*ret = (struct fuse_timeout){ .set = true, .ns = ns };
	return NULL;
}

static char *set_attr_timeout(struct options *o, const char *value)
{
	return timeout("attr-timeout", value, &o->attr_timeout);
}

static char *set_entry_timeout(struct options *o, const char *value)
{
	return timeout("entry-timeout", value, &o->entry_timeout);
}

static char *set_negative_timeout(struct options *o, const char *value)
{
	return timeout("negative-timeout", value, &o->negative_timeout);
}

/* `value` "off" is for the compat list; on the command line there is none. */
static char *set_xattr(struct options *o, const char *value)
{
	o->xattr = !value || strcmp(value, "off") != 0;
	return NULL;
}

static char *set_xattrmap(struct options *o, const char *value)
{
	struct xattr_map *map = NULL;
	char *why = NULL, *sentence;

	if (xmap_parse(value, &map, &why) < 0) {
		sentence = g_strdup_printf("--xattrmap: %s", why ? why : "out of memory");
		free(why);
		return sentence;
	}
	xmap_free(o->xattr_map);
	o->xattr_map = map;
	return NULL;
}

static char *set_feature(const char *option, const char *value, enum fuse_feature *field)
{
	static const struct choice choices[] = {
		{ "never", FUSE_FEATURE_NEVER },
		{ "auto", FUSE_FEATURE_AUTO },
		{ "always", FUSE_FEATURE_ALWAYS },
		{ NULL, 0 },
	};
	int feature = FUSE_FEATURE_NEVER;
	char *why = choose(choices, option, value ? value : "always", &feature);

	if (!why)
		*field = (enum fuse_feature)feature;
	return why;
}

static char *set_posix_acl(struct options *o, const char *value)
{
	return set_feature("posix-acl", value, &o->posix_acl);
}

static char *set_security_label(struct options *o, const char *value)
{
	return set_feature("security-label", value, &o->security_label);
}

static char *set_debug(struct options *o, const char *value)
{
	o->log_level = LOG_LEVEL_DEBUG;
	return NULL;
}

/* For what is so anyway. */
static char *set_nothing(struct options *o, const char *value)
{
	return NULL;
}

static char *set_compat(struct options *o, const char *value)
{
	char *why = NULL;

	return options_compat_list(o, value, &why) ? NULL : why;
}

/* ---- The table ---- */

static const struct option_row rows[] = {
	{ "shared-dir", 0, "DIR", "directory to share with the guest", set_shared_dir },
	{ "socket-path", 0, "PATH", "vhost-user socket to create and listen on", set_socket_path },
	{ "fd", 0, "FDNUM", "inherited listening vhost-user socket", set_fd },
	{ "socket-group", 0, "GROUP", "group that may connect to the socket", set_socket_group },
	{ "tag", 0, "TAG", "mount tag, for front-ends that ask the daemon for it", set_tag },
	{ "cache", 0, "MODE", "what the guest may cache: auto, always, never, metadata (auto)",
	  set_cache },
	{ "exclusive", 0, NULL,
	  "nobody but this guest changes the directory: files need not be opened",
	  SETS(exclusive) },
	{ "readonly", 0, NULL, "refuse everything that would change the shared directory",
	  SETS(readonly) },
	{ "sandbox", 0, "MODE", "isolation: namespace, chroot, none (namespace)", set_sandbox },
	{ "seccomp", 0, "ACTION", "on a forbidden system call: kill, trap, log, none (kill)",
	  set_seccomp },
	{ "thread-pool-size", 0, "N", "threads for requests that block, beyond one per queue (16)",
	  set_thread_pool_size },
	{ "poll", 0, "MICROSECONDS",
	  "look for the next request at most so long before sleeping (100)", set_poll },
	{ "rlimit-nofile", 0, "N", "limit of open files; 0 = as high as permitted (0)",
	  set_rlimit_nofile },
	{ "max-restarts", 0, "N",
	  "replace a worker that dies so often within a minute; 0 = never (5)", set_max_restarts },
	{ "inode-file-handles", 0, "WHEN",
	  "open files not used for long by handle: never, prefer, mandatory (prefer)",
	  set_inode_file_handles },
	{ "no-readdirplus", 0, NULL, "do not send attributes along with directory entries",
	  SETS(no_readdirplus) },
	{ "announce-submounts", 0, NULL, "show host mount points as such in the guest (default)",
	  SETS(announce_submounts) },
	{ "no-announce-submounts", 0, NULL, "hide host mount points from the guest",
	  CLEARS(announce_submounts) },
	{ "allow-direct-io", 0, NULL, "pass O_DIRECT of the guest on to the host",
	  SETS(allow_direct_io) },
	{ "posix-lock", 0, NULL, "fcntl locks of the guest are locks on the host",
	  SETS(posix_lock) },
	{ "no-posix-lock", 0, NULL, "fcntl locks stay inside the guest (default)",
	  CLEARS(posix_lock) },
	{ "flock", 0, NULL, "flock locks of the guest are locks on the host", SETS(flock) },
	{ "no-flock", 0, NULL, "flock locks stay inside the guest (default)", CLEARS(flock) },
	{ "preserve-noatime", 0, NULL,
	  "no effect: O_NOATIME of the guest always reaches the host, where permitted",
	  set_nothing },
	{ "allow-mmap", 0, NULL, "allow shared mappings with --cache=never and metadata (default)",
	  SETS(allow_mmap) },
	{ "no-allow-mmap", 0, NULL, "refuse them: what is mapped is cached", CLEARS(allow_mmap) },
	{ "writeback", 0, NULL, "let the guest hold back what it writes to cached files",
	  SETS(writeback) },
	{ "attr-timeout", 0, "SECONDS", "how long attributes hold in the guest (by --cache)",
	  set_attr_timeout },
	{ "entry-timeout", 0, "SECONDS", "how long names hold in the guest (by --cache)",
	  set_entry_timeout },
	{ "negative-timeout", 0, "SECONDS", "how long it holds that a name is absent (by --cache)",
	  set_negative_timeout },
	{ "xattr", 0, NULL, "serve extended attributes", set_xattr },
	{ "xattrmap", 0, "RULES", "names of extended attributes on the host; implies --xattr",
	  set_xattrmap },
	{ "posix-acl", 0, "WHEN", "serve POSIX ACLs: never, auto, always (never); implies --xattr",
	  set_posix_acl, true },
	{ "security-label", 0, "WHEN",
	  "label new files as the guest says: never, auto, always (never); implies --xattr",
	  set_security_label, true },
	{ "killpriv-v2", 0, NULL, "let the daemon alone drop set-id bits of files that change",
	  SETS(killpriv_v2) },
	{ "no-killpriv-v2", 0, NULL, "let the guest drop them as well (default)",
	  CLEARS(killpriv_v2) },
	{ "log-level", 0, "LEVEL", "error, warn, info, debug, trace, off (info)", set_log_level },
	{ "compat", 'o', "LIST",
	  "comma list in the syntax of the C daemon (source=DIR,cache=MODE,...)", set_compat },
	{ "debug", 'd', NULL, "same as --log-level=debug", set_debug },
	{ "foreground", 'f', NULL, "no effect: the daemon always stays in the foreground",
	  set_nothing },
};

static const struct option_row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

bool options_set(struct options *options, const char *name, const char *value, char **ret_why)
{
	const struct option_row *row = find_row(name);

	g_assert(row); /* names come from our own tables */
	*ret_why = NULL;
	if (row->set)
		*ret_why = row->set(options, value);
	else
		*(bool *)((char *)options + row->field) = row->becomes;
	return *ret_why == NULL;
}

/* ---- Parsing: the table becomes GOption entries ---- */

/* glib hands back the name as it was given: "--cache", "-o". */
static const struct option_row *row_as_given(const char *given)
{
	if (g_str_has_prefix(given, "--"))
		return find_row(given + 2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].letter && rows[i].letter == given[1])
			return &rows[i];
	return NULL;
}

static gboolean on_option(const char *given, const char *value, gpointer data, GError **error)
{
	const struct option_row *row = row_as_given(given);
	char *why;

	if (options_set(data, row->name, value, &why))
		return TRUE;
	g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, why);
	g_free(why);
	return FALSE;
}

static void add_table(GOptionGroup *group)
{
	GOptionEntry entries[ARRAY_SIZE(rows) + 1] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		entries[i].long_name = rows[i].name;
		entries[i].short_name = rows[i].letter;
		entries[i].flags = rows[i].placeholder ? 0 : G_OPTION_FLAG_NO_ARG;
		if (rows[i].value_optional)
			entries[i].flags = G_OPTION_FLAG_OPTIONAL_ARG;
		entries[i].arg = G_OPTION_ARG_CALLBACK;
		entries[i].arg_data = (gpointer)on_option;
		entries[i].description = rows[i].help;
		entries[i].arg_description = rows[i].placeholder;
	}
	g_option_group_add_entries(group, entries);
}

static enum options_result usage_error(const char *why)
{
	fprintf(stderr, "virtiofsd: %s\n", why);
	return OPTIONS_USAGE;
}

static void add_implied(struct options *o)
{
	if (o->posix_acl != FUSE_FEATURE_NEVER || o->security_label != FUSE_FEATURE_NEVER ||
	    o->xattr_map)
		o->xattr = true;
	if (o->exclusive && !o->cache_given)
		o->cache = FS_CACHE_ALWAYS;
}

/* What no single value can tell. NULL if all is well. */
static const char *check_whole(const struct options *o)
{
	if (!o->shared_dir)
		return "no directory to share: add --shared-dir DIR";
	if (o->fd < 0 && !o->socket_path)
		return "no socket: add --socket-path PATH (or --fd FDNUM for an inherited one)";
	if (o->fd >= 0 && o->socket_path)
		return "--fd and --socket-path exclude each other: drop one of them";
	if (o->fd >= 0 && o->socket_group)
		return "--socket-group has no effect on an inherited --fd: drop one of them";
	/* That a file is not to be cached, a guest hears when it opens the file. */
	if (o->exclusive && (o->cache == FS_CACHE_NEVER || o->cache == FS_CACHE_METADATA))
		return "--exclusive lets the guest cache files without asking, which --cache=never "
		       "and metadata forbid: drop one of them";
	if (o->exclusive && o->allow_direct_io)
		return "--allow-direct-io is about files that the guest opens, which it does not "
		       "with --exclusive: drop one of them";
	return NULL;
}

/* Read by libvirt and others before they choose how to start the daemon. */
#define CAPABILITIES                                                                       \
	"{\n  \"type\": \"fs\",\n  \"features\": [\n    \"posix-acl-negotiation-mode\",\n" \
	"    \"security-label-negotiation-mode\"\n  ]\n}"

static const struct options defaults = {
	.fd = -1,
	.cache = FS_CACHE_AUTO,
	.sandbox = SANDBOX_NAMESPACE,
	.seccomp = SANDBOX_SECCOMP_KILL,
	.log_level = LOG_LEVEL_INFO,
	.announce_submounts = true,
	.allow_mmap = true,
	.inode_file_handles = HANDLES_PREFER,
	.thread_pool_size = OPTIONS_THREAD_POOL_DEFAULT,
	.poll_us = OPTIONS_POLL_DEFAULT_US,
	.max_restarts = OPTIONS_RESTARTS_DEFAULT,
};

/* What the user only wants to see. */
struct shows {
	gboolean help;
	gboolean version;
	gboolean capabilities;
};

static GOptionContext *new_context(struct options *options, struct shows *shows)
{
	const GOptionEntry entries[] = {
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &shows->help, "print the options", NULL },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &shows->version, "print the version",
		  NULL },
		{ "print-capabilities", 0, 0, G_OPTION_ARG_NONE, &shows->capabilities,
		  "print what launchers want to know, as JSON", NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *context = g_option_context_new(NULL);
	GOptionGroup *group = g_option_group_new("main", NULL, NULL, options, NULL);

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_set_summary(context,
				     "Shares a host directory with a virtual machine (virtio-fs).");
	add_table(group);
	g_option_group_add_entries(group, entries);
	g_option_context_set_main_group(context, group);
	return context;
}

/*
 * "-oLIST" as "-o" "LIST", which getopt users are used to and glib does not know. Returns a new
 * vector; the strings are borrowed from argv.
 */
static char **split_attached(int *argc, char **argv)
{
	char **split = g_new0(char *, 2 * (gsize)*argc + 1);
	int n = 0;

	for (int i = 0; i < *argc; i++) {
		bool attached = g_str_has_prefix(argv[i], "-o") && argv[i][2];

		if (attached)
			split[n++] = (char *)(uintptr_t) "-o";
		split[n++] = attached ? argv[i] + 2 : argv[i];
	}
	*argc = n;
	return split;
}

static enum options_result show(const char *text)
{
	puts(text);
	return OPTIONS_DONE;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	struct shows shows = { 0 };
	g_autoptr(GOptionContext) context = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *help = NULL;
	g_autofree char **words = split_attached(&argc, argv);
	char **rest = words; /* glib moves what it does not know to the front */
	const char *why;

	*options = defaults;
	context = new_context(options, &shows);
	if (!g_option_context_parse(context, &argc, &rest, &error))
		return usage_error(error->message);
	if (shows.help) {
		help = g_option_context_get_help(context, TRUE, NULL);
		return show(g_strchomp(help));
	}
	if (shows.version)
		return show("virtiofsd " VIRTIOFSD_VERSION);
	if (shows.capabilities)
		return show(CAPABILITIES);
	if (argc > 1) {
		fprintf(stderr, "virtiofsd: '%s' is not an option: see --help\n", rest[1]);
		return OPTIONS_USAGE;
	}
	add_implied(options);
	why = check_whole(options);
	return why ? usage_error(why) : OPTIONS_RUN;
}

void options_deinit(struct options *options)
{
	g_clear_pointer(&options->shared_dir, g_free);
	g_clear_pointer(&options->socket_path, g_free);
	g_clear_pointer(&options->socket_group, g_free);
	g_clear_pointer(&options->tag, g_free);
	xmap_free(options->xattr_map);
	options->xattr_map = NULL;
}
