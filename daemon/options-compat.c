/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The -o list of the C daemon, which libvirt up to 10 uses: each word becomes a long option.
 */
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "daemon/options-internal.h"

enum compat_kind {
	COMPAT_VALUE,	    /* word=value sets `option` to value */
	COMPAT_FLAG,	    /* word alone sets `option` to `value` */
	COMPAT_CLEAR,	    /* word alone clears `field` */
	COMPAT_NOTHING,	    /* word, with a value or not, means nothing here */
	COMPAT_UNSUPPORTED, /* asks for what this daemon cannot do: `value` tells what to do */
};

struct compat_row {
	const char *word;
	enum compat_kind kind;
	const char *option;
	const char *value; /* for COMPAT_FLAG; may be NULL */
	const char *also;  /* another option for the same value, or NULL */
	size_t field;	   /* for COMPAT_CLEAR: a bool of struct options */
};

#define CLEARS(member) COMPAT_CLEAR, .field = offsetof(struct options, member)

static const struct compat_row rows[] = {
	{ "source", COMPAT_VALUE, "shared-dir" },
	{ "cache", COMPAT_VALUE, "cache" },
	{ "sandbox", COMPAT_VALUE, "sandbox" },
	{ "timeout", COMPAT_VALUE, "attr-timeout", NULL, "entry-timeout" },
	{ "log_level", COMPAT_VALUE, "log-level" },
	{ "loglevel", COMPAT_VALUE, "log-level" },
	{ "xattrmap", COMPAT_VALUE, "xattrmap" },
	{ "modcaps", COMPAT_VALUE, "modcaps" },
	{ "debug", COMPAT_FLAG, "debug" },
	{ "announce_submounts", COMPAT_FLAG, "announce-submounts" },
	{ "no_announce_submounts", COMPAT_FLAG, "no-announce-submounts" },
	{ "allow_direct_io", COMPAT_FLAG, "allow-direct-io" },
	{ "no_allow_direct_io", CLEARS(allow_direct_io) },
	{ "writeback", COMPAT_FLAG, "writeback" },
	{ "no_writeback", CLEARS(writeback) },
	{ "xattr", COMPAT_FLAG, "xattr" },
	{ "no_xattr", COMPAT_FLAG, "xattr", "off" },
	{ "posix_acl", COMPAT_FLAG, "posix-acl", "always" },
	{ "no_posix_acl", COMPAT_FLAG, "posix-acl", "never" },
	{ "security_label", COMPAT_FLAG, "security-label", "always" },
	{ "no_security_label", COMPAT_FLAG, "security-label", "never" },
	{ "killpriv_v2", COMPAT_FLAG, "killpriv-v2" },
	{ "no_killpriv_v2", COMPAT_FLAG, "no-killpriv-v2" },
	{ "readdirplus", CLEARS(no_readdirplus) },
	{ "no_readdirplus", COMPAT_FLAG, "no-readdirplus" },
	{ "posix_lock", COMPAT_FLAG, "posix-lock" },
	{ "no_posix_lock", COMPAT_FLAG, "no-posix-lock" },
	{ "flock", COMPAT_FLAG, "flock" },
	{ "no_flock", COMPAT_FLAG, "no-flock" },
	/* These had no effect on a virtio-fs daemon. */
	{ "max_idle_threads", COMPAT_NOTHING },
	{ "fsname", COMPAT_NOTHING },
	{ "subtype", COMPAT_NOTHING },
	{ "allow_root", COMPAT_UNSUPPORTED, NULL,
	  "the guest decides who may use the mount; remove it" },
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
static char *apply(struct options *options, const char *word, const char *value)
{
	const struct compat_row *row = find_word(word);
	char *why = NULL;

	if (!row)
		return g_strdup_printf("-o does not know '%s': see virtiofsd(1)", word);
	switch (row->kind) {
	case COMPAT_UNSUPPORTED:
		return g_strdup_printf("-o %s is not supported: %s", word, row->value);
	case COMPAT_NOTHING:
		return NULL;
	case COMPAT_VALUE:
		if (!value)
			return g_strdup_printf("-o %s needs a value: %s=...", word, word);
		break;
	default:
		if (value)
			return g_strdup_printf("-o %s takes no value", word);
		break;
	}
	if (row->kind == COMPAT_CLEAR)
		*(bool *)((char *)options + row->field) = false;
	else
		(void)set_options(options, row, value, &why); /* or `why` is set */
	return why;
}

static bool is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

/*
 * Takes the next item off *list: up to a single comma. The C daemon's escapes are a backslash in
 * front of any character, and three octal digits behind one; libvirt's is a doubled comma.
 */
static char *next_item(const char **list)
{
	GString *item = g_string_new(NULL);
	const char *p = *list;

	for (; *p; p++) {
		if (*p == '\\' && is_octal(p + 1)) {
			g_string_append_c(
				item, (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0')));
			p += 3;
			continue;
		}
		if ((*p == '\\' && p[1]) || (*p == ',' && p[1] == ','))
			p++;
		else if (*p == ',')
			break;
		g_string_append_c(item, *p);
	}
	*list = *p ? p + 1 : p;
	return g_string_free(item, FALSE);
}

char *option_set_compat(struct options *options, const char *list)
{
	char *why = NULL;

	while (*list && !why) {
		g_autofree char *item = next_item(&list);
		char *value = strchr(item, '=');

		if (value)
			*value++ = '\0';
		if (*item)
			why = apply(options, item, value);
		else if (value)
			why = g_strdup("-o has a value without a name in front of '='");
	}
	return why;
}
