/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The setters of the table: what a value must look like, and what it sets.
 */
#include <glib.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/options-internal.h"
#include "sandbox/caps.h"

char *option_choose(const struct option_word *words, const char *option, const char *word,
		    int *field)
{
	g_autoptr(GString) known = g_string_new(NULL);

	for (const struct option_word *w = words; w->word; w++) {
		if (g_ascii_strcasecmp(w->word, word) == 0) {
			*field = w->value;
			return NULL;
		}
		g_string_append_printf(known, "%s%s", known->len ? ", " : "", w->word);
	}
	return g_strdup_printf("--%s does not know '%s'; use one of: %s", option, word, known->str);
}

char *option_set_row(struct options *options, const struct option_row *row, const char *value)
{
	char *field = (char *)options + row->field;
	int choice;
	char *why;

	if (row->set)
		return row->set(options, value);
	if (!row->words) {
		*(bool *)field = row->becomes;
		return NULL;
	}
	why = option_choose(row->words, row->name, value, &choice);
	if (!why)
		memcpy(field, &choice, sizeof(choice)); /* enumerations have the size of int */
	return why;
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

char *option_set_shared_dir(struct options *o, const char *value)
{
	if (!*value)
		return g_strdup("--shared-dir is empty; name the directory to share");
	set_string(&o->shared_dir, value);
	return NULL;
}

char *option_set_subdirectory(struct options *o, const char *value)
{
	if (!*value || strchr(value, '/') || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		return g_strdup("--subdirectory takes one name, without '/' and not '.' or '..'");
	set_string(&o->subdirectory, value);
	return NULL;
}

/* "0750"; set-id bits and the sticky bit are the guest's to set. */
static bool parse_mode(const char *text, mode_t *ret)
{
	mode_t mode = 0;

	if (!*text || strlen(text) > 4)
		return false;
	for (; *text >= '0' && *text <= '7'; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	*ret = mode;
	return !*text && mode <= 0777;
}

char *option_set_subdirectory_owner(struct options *o, const char *value)
{
	g_auto(GStrv) words = g_strsplit(value, ":", -1);
	guint n = g_strv_length(words);
	mode_t mode = 0700;
	uint64_t uid, gid;

	/* The largest number means "none" to the kernel. */
	if (n < 2 || n > 3 || parse_u64(words[0], UINT32_MAX - 1, &uid) < 0 ||
	    parse_u64(words[1], UINT32_MAX - 1, &gid) < 0 ||
	    (n == 3 && !parse_mode(words[2], &mode)))
		return g_strdup_printf("--subdirectory-owner takes UID:GID or UID:GID:MODE, such "
				       "as 1000:1000:0755, not '%s'",
				       value);
	o->subdirectory_uid = (uid_t)uid;
	o->subdirectory_gid = (gid_t)gid;
	o->subdirectory_mode = mode;
	o->subdirectory_owner_given = true;
	return NULL;
}

char *option_set_socket_path(struct options *o, const char *value)
{
	if (!*value)
		return g_strdup("--socket-path is empty; name the socket to create");
	set_string(&o->socket_path, value);
	return NULL;
}

char *option_set_socket_group(struct options *o, const char *value)
{
	if (!*value)
		return g_strdup("--socket-group is empty; name the group that may connect");
	set_string(&o->socket_group, value);
	return NULL;
}

char *option_set_fd(struct options *o, const char *value)
{
	uint64_t fd;
	char *why = number("fd", value, INT_MAX, &fd);

	if (!why)
		o->fd = (int)fd;
	return why;
}

char *option_set_tag(struct options *o, const char *value)
{
	if (!*value || strlen(value) > OPTIONS_TAG_MAX || !g_utf8_validate(value, -1, NULL))
		return g_strdup_printf("--tag takes 1 to %u bytes of UTF-8 text", OPTIONS_TAG_MAX);
	set_string(&o->tag, value);
	return NULL;
}

char *option_set_cache(struct options *o, const char *value)
{
	int mode;
	char *why = option_choose(cache_words, "cache", value, &mode);

	if (!why) {
		o->cache = (enum fs_cache)mode;
		o->cache_given = true;
	}
	return why;
}

char *option_set_thread_pool_size(struct options *o, const char *value)
{
	uint64_t n;
	char *why = number("thread-pool-size", value, OPTIONS_THREAD_POOL_MAX, &n);

	if (!why)
		o->thread_pool_size = (uint32_t)n;
	return why;
}

char *option_set_poll(struct options *o, const char *value)
{
	uint64_t us;
	char *why = number("poll", value, OPTIONS_POLL_MAX_US, &us);

	if (!why)
		o->poll_us = (uint32_t)us;
	return why;
}

char *option_set_max_restarts(struct options *o, const char *value)
{
	uint64_t n;
	char *why = number("max-restarts", value, OPTIONS_RESTARTS_MAX, &n);

	if (!why)
		o->max_restarts = (uint32_t)n;
	return why;
}

char *option_set_rlimit_nofile(struct options *o, const char *value)
{
	char *why = number("rlimit-nofile", value, INT_MAX, &o->rlimit_nofile);

	if (!why)
		o->rlimit_nofile_as_is = o->rlimit_nofile == 0;
	return why;
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

char *option_set_attr_timeout(struct options *o, const char *value)
{
	return timeout("attr-timeout", value, &o->attr_timeout);
}

char *option_set_entry_timeout(struct options *o, const char *value)
{
	return timeout("entry-timeout", value, &o->entry_timeout);
}

char *option_set_negative_timeout(struct options *o, const char *value)
{
	return timeout("negative-timeout", value, &o->negative_timeout);
}

/* `value` "off" is for the compat list; on the command line there is none. */
char *option_set_xattr(struct options *o, const char *value)
{
	o->xattr = !value || strcmp(value, "off") != 0;
	return NULL;
}

char *option_set_xattrmap(struct options *o, const char *value)
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
	int feature = FUSE_FEATURE_NEVER;
	char *why = option_choose(feature_words, option, value ? value : "always", &feature);

	if (!why)
		*field = (enum fuse_feature)feature;
	return why;
}

char *option_set_posix_acl(struct options *o, const char *value)
{
	return set_feature("posix-acl", value, &o->posix_acl);
}

char *option_set_security_label(struct options *o, const char *value)
{
	return set_feature("security-label", value, &o->security_label);
}

/* "+a:-b": names without "cap_", in any case of letters. A later list replaces an earlier one. */
char *option_set_modcaps(struct options *o, const char *value)
{
	uint64_t add = 0, drop = 0;
	g_auto(GStrv) words = g_strsplit(value, ":", -1);

	if (!*value)
		return g_strdup("--modcaps is empty; write for example +sys_admin:-mknod");
	for (char **word = words; *word; word++) {
		uint64_t *set = **word == '+' ? &add : &drop;
		uint64_t bit = 0;

		if (**word != '+' && **word != '-')
			return g_strdup_printf("--modcaps: '%s' has no + or - in front", *word);
		if (caps_find(*word + 1, &bit) < 0)
			return g_strdup_printf("--modcaps: there is no capability '%s'", *word + 1);
		*set |= bit;
	}
	o->caps_add = add;
	o->caps_drop = drop;
	return NULL;
}

char *option_set_debug(struct options *o, const char *value)
{
	o->log_level = LOG_LEVEL_DEBUG;
	o->daemonize = false;
	return NULL;
}

char *option_set_killpriv(struct options *o, const char *value)
{
	o->killpriv_v2 = o->killpriv_given = true;
	return NULL;
}

char *option_set_no_killpriv(struct options *o, const char *value)
{
	o->killpriv_v2 = false;
	o->killpriv_given = true;
	return NULL;
}

/* For what is so anyway. */
char *option_set_nothing(struct options *o, const char *value)
{
	return NULL;
}
