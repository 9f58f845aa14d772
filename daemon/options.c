/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: from words to struct options, by the table.
 *
 * Not by a library: paths are bytes, whatever the locale, and each thing that can be wrong has one
 * sentence of ours.
 */
#include "daemon/options.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/activation.h"
#include "daemon/options-internal.h"

static const struct options defaults = {
	.fd = -1,
	.subdirectory_uid = (uid_t)-1,
	.subdirectory_gid = (gid_t)-1,
	.subdirectory_mode = 0700,
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

bool options_set(struct options *options, const char *name, const char *value, char **ret_why)
{
	const struct option_row *row = option_find(name);

	g_assert(row); /* names come from our own tables */
	*ret_why = option_set_row(options, row, value);
	return *ret_why == NULL;
}

/* ---- Words ---- */

/* What is left of the command line. */
struct words {
	char **next; /* ends with NULL */
	enum options_show shows;
};

/* `value` is what stood behind '=' or the letter, or NULL. */
static char *take_row(struct options *options, struct words *words, const struct option_row *row,
		      const char *value)
{
	if (row->shows) {
		words->shows = row->shows;
		return value ? g_strdup_printf("--%s takes no value", row->name) : NULL;
	}
	if (!row->placeholder && value)
		return g_strdup_printf("--%s takes no value", row->name);
	if (row->placeholder && !value && !row->value_optional) {
		value = *words->next;
		if (!value)
			return g_strdup_printf("--%s needs a value: --%s %s", row->name, row->name,
					       row->placeholder);
		words->next++;
	}
	return option_set_row(options, row, value);
}

static char *explain_unknown(const char *name)
{
	for (const struct option_refused *row = options_refused; row->name; row++)
		if (strcmp(row->name, name) == 0)
			return g_strdup_printf("--%s is not supported: %s", name, row->why);
	return g_strdup_printf("there is no option --%s: see --help", name);
}

static char *take_long(struct options *options, struct words *words, const char *text)
{
	const char *value = strchr(text, '=');
	g_autofree char *name = value ? g_strndup(text, (gsize)(value - text)) : g_strdup(text);
	const struct option_row *row = option_find(name);

	if (!row)
		return explain_unknown(name);
	return take_row(options, words, row, value ? value + 1 : NULL);
}

static const struct option_row *find_letter(char letter)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		if (row->letter == letter)
			return row;
	return NULL;
}

/* "-fd", "-o LIST", "-oLIST" */
static char *take_letters(struct options *options, struct words *words, const char *letters)
{
	char *why = NULL;

	while (*letters && !why) {
		const struct option_row *row = find_letter(*letters);

		if (!row)
			return g_strdup_printf("there is no option -%c: see --help", *letters);
		letters++;
		if (row->placeholder)
			return take_row(options, words, row, *letters ? letters : NULL);
		why = take_row(options, words, row, NULL);
	}
	return why;
}

static char *take_words(struct options *options, struct words *words)
{
	char *why = NULL;

	while (*words->next && !why) {
		const char *word = *words->next++;

		if (g_str_has_prefix(word, "--") && word[2])
			why = take_long(options, words, word + 2);
		else if (word[0] == '-' && word[1] && word[1] != '-')
			why = take_letters(options, words, word + 1);
		else
			why = g_strdup_printf("'%s' is not an option: see --help", word);
	}
	return why;
}

/* ---- The whole ---- */

/* The environment variable that the Rust daemon's log reads; directives for its parts are not ours. */
static void apply_environment(struct options *o)
{
	const char *level = g_getenv("RUST_LOG");
	int value;

	if (level && *level) {
		char *why = option_choose(log_level_words, "log-level", level, &value);

		if (!why)
			o->log_level = (enum log_level)value;
		g_free(why);
	}
}

static void add_implied(struct options *o)
{
	if (o->posix_acl != FUSE_FEATURE_NEVER || o->security_label != FUSE_FEATURE_NEVER ||
	    o->xattr_map)
		o->xattr = true;
	if (o->exclusive && !o->cache_given)
		o->cache = FS_CACHE_ALWAYS;
	/* Otherwise a guest asks before each chown(2) what somebody else may have made of a file. */
	if (o->exclusive && !o->killpriv_given)
		o->killpriv_v2 = true;
	if (o->fd < 0 && !o->socket_path)
		o->fd = activation_fd();
}

/* What no single value can tell. NULL if all is well. */
static const char *check_whole(const struct options *o)
{
	if (!o->shared_dir)
		return "no directory to share: add --shared-dir DIR";
	if (o->subdirectory_owner_given && !o->subdirectory)
		return "--subdirectory-owner is for a --subdirectory: add one";
	if (o->fd == ACTIVATION_TOO_MANY)
		return "the service manager passes several sockets: pass one for each daemon";
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
	if (o->inode_file_handles == HANDLES_MANDATORY && (o->caps_drop & OPTIONS_CAPS_FOR_HANDLES))
		return "--modcaps drops dac_read_search, which --inode-file-handles=mandatory "
		       "needs: drop one of them";
	return NULL;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	struct words words = { .next = argv + (argc > 0) };
	g_autofree char *why = NULL;
	const char *wrong;

	*options = defaults;
	why = take_words(options, &words);
	if (!why && words.shows) {
		options_print(words.shows);
		return OPTIONS_DONE;
	}
	if (why) {
		wrong = why;
	} else {
		apply_environment(options);
		add_implied(options);
		wrong = check_whole(options);
	}
	if (!wrong)
		return OPTIONS_RUN;
	fprintf(stderr, "virtiofsd: %s\n", wrong);
	return OPTIONS_USAGE;
}

void options_deinit(struct options *options)
{
	g_clear_pointer(&options->shared_dir, g_free);
	g_clear_pointer(&options->subdirectory, g_free);
	g_clear_pointer(&options->socket_path, g_free);
	g_clear_pointer(&options->socket_group, g_free);
	g_clear_pointer(&options->tag, g_free);
	xmap_free(options->xattr_map);
	options->xattr_map = NULL;
}
