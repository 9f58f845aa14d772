/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The -o list of the C daemon, which libvirt up to 10 uses: each word becomes a long option.
 */
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "daemon/options.h"

enum compat_kind {
	COMPAT_VALUE,	    /* word=value sets `option` to value */
	COMPAT_FLAG,	    /* word alone sets `option` to `value` */
	COMPAT_NOTHING,	    /* word alone asks for what is so anyway */
	COMPAT_UNSUPPORTED, /* word alone asks for what this daemon cannot do */
};

struct compat_row {
	const char *word;
	enum compat_kind kind;
	const char *option;
	const char *value; /* for COMPAT_FLAG; may be NULL */
	const char *also;  /* another option for the same value, or NULL */
};

static const struct compat_row rows[] = {
	{ "source", COMPAT_VALUE, "shared-dir", NULL },
	{ "cache", COMPAT_VALUE, "cache", NULL },
	{ "sandbox", COMPAT_VALUE, "sandbox", NULL },
	{ "timeout", COMPAT_VALUE, "attr-timeout", NULL, "entry-timeout" },
	{ "log_level", COMPAT_VALUE, "log-level", NULL },
	{ "loglevel", COMPAT_VALUE, "log-level", NULL },
	{ "debug", COMPAT_FLAG, "log-level", "debug" },
	{ "announce_submounts", COMPAT_FLAG, "announce-submounts", NULL },
	{ "no_announce_submounts", COMPAT_FLAG, "no-announce-submounts", NULL },
	{ "allow_direct_io", COMPAT_FLAG, "allow-direct-io", NULL },
	{ "writeback", COMPAT_FLAG, "writeback", NULL },
	{ "xattr", COMPAT_FLAG, "xattr", NULL },
	{ "no_xattr", COMPAT_FLAG, "xattr", "off" },
	{ "xattrmap", COMPAT_VALUE, "xattrmap", NULL },
	{ "posix_acl", COMPAT_FLAG, "posix-acl", "always" },
	{ "no_posix_acl", COMPAT_FLAG, "posix-acl", "never" },
	{ "security_label", COMPAT_FLAG, "security-label", "always" },
	{ "no_security_label", COMPAT_FLAG, "security-label", "never" },
	{ "killpriv_v2", COMPAT_FLAG, "killpriv-v2", NULL },
	{ "no_killpriv_v2", COMPAT_FLAG, "no-killpriv-v2", NULL },
	{ "no_readdirplus", COMPAT_FLAG, "no-readdirplus", NULL },
	{ "posix_lock", COMPAT_FLAG, "posix-lock", NULL },
	{ "no_posix_lock", COMPAT_FLAG, "no-posix-lock", NULL },
	{ "flock", COMPAT_FLAG, "flock", NULL },
	{ "no_flock", COMPAT_FLAG, "no-flock", NULL },
	{ "readdirplus", COMPAT_NOTHING, NULL, NULL },
	{ "no_allow_direct_io", COMPAT_NOTHING, NULL, NULL },
	{ "no_writeback", COMPAT_NOTHING, NULL, NULL },
};

/* Words of old spellings for values. */
static const char *modern_value(const char *option, const char *value)
{
	if (strcmp(option, "cache") == 0 && strcmp(value, "none") == 0)
		return "never";
	if (strcmp(option, "log-level") == 0 && strcmp(value, "err") == 0)
		return "error";
	return value;
}

static const struct compat_row *find_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].word, word) == 0)
			return &rows[i];
	return NULL;
}

static bool set_options(struct options *options, const struct compat_row *row, const char *value,
			char **ret_why)
{
	const char *modern = value ? modern_value(row->option, value) : row->value;

	return options_set(options, row->option, modern, ret_why) &&
	       (!row->also || options_set(options, row->also, modern, ret_why));
}

/* `value` is NULL when the item had no '='. */
static bool apply(struct options *options, const char *word, const char *value, char **ret_why)
{
	const struct compat_row *row = find_word(word);

	if (!row)
		*ret_why = g_strdup_printf("-o does not know '%s': see virtiofsd(1)", word);
	else if (row->kind == COMPAT_VALUE && !value)
		*ret_why = g_strdup_printf("-o %s needs a value: %s=...", word, word);
	else if (row->kind != COMPAT_VALUE && value)
		*ret_why = g_strdup_printf("-o %s takes no value", word);
	else if (row->kind == COMPAT_UNSUPPORTED)
		*ret_why = g_strdup_printf("-o %s is not supported: remove it", word);
	else if (row->kind == COMPAT_NOTHING)
		return true;
	else
		return set_options(options, row, value, ret_why);
	return false;
}

/*
 * Takes the next item off *list: up to a single comma. A backslash takes the next character as
 * it is (the C daemon's way), a doubled comma is one comma (libvirt's way).
 */
static char *next_item(const char **list)
{
	GString *item = g_string_new(NULL);
	const char *p = *list;

	for (; *p; p++) {
		if ((*p == '\\' && p[1]) || (*p == ',' && p[1] == ','))
			p++;
		else if (*p == ',')
			break;
		g_string_append_c(item, *p);
	}
	*list = *p ? p + 1 : p;
	return g_string_free(item, FALSE);
}

bool options_compat_list(struct options *options, const char *list, char **ret_why)
{
	while (*list) {
		g_autofree char *item = next_item(&list);
		char *value = strchr(item, '=');

		if (value)
			*value++ = '\0';
		if (*item && !apply(options, item, value, ret_why))
			return false;
	}
	return true;
}
