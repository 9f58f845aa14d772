/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table prints: --help, completions for shells, and the capabilities for launchers.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "daemon/options-internal.h"

#define HELP_COLUMN 34 /* where explanations start */

/* Read by libvirt, Incus and others before they choose how to start the daemon. */
static const char capabilities[] =
	"{\n  \"type\": \"fs\",\n  \"features\": [\n    \"posix-acl-negotiation-mode\",\n"
	"    \"security-label-negotiation-mode\"\n  ]\n}";

static void help_row(GString *text, const struct option_row *row)
{
	gsize start;

	if (row->theme)
		g_string_append_printf(text, "\n%s:\n", row->theme);
	start = text->len;
	if (row->letter)
		g_string_append_printf(text, "  -%c, ", row->letter);
	else
		g_string_append(text, "  ");
	g_string_append_printf(text, "--%s", row->name);
	if (row->placeholder)
		g_string_append_printf(text, row->value_optional ? "[=%s]" : "=%s",
				       row->placeholder);
	g_string_append_printf(text, "%*s  %s\n", MAX(HELP_COLUMN - (int)(text->len - start), 0),
			       "", row->help);
}

static char *help(void)
{
	GString *text = g_string_new("Usage: virtiofsd --shared-dir DIR {--socket-path PATH | --fd "
				     "FDNUM} [OPTION...]\n\nShares a host directory with a virtual "
				     "machine (virtio-fs).\n");

	for (const struct option_row *row = option_rows; row->name; row++)
		help_row(text, row);
	g_string_truncate(text, text->len - 1);
	return g_string_free(text, FALSE);
}

void options_print(enum options_show what)
{
	g_autofree char *text = NULL;

	switch (what) {
	case OPTIONS_SHOW_HELP:
		text = help();
		puts(text);
		break;
	case OPTIONS_SHOW_VERSION:
		puts("virtiofsd " VIRTIOFSD_VERSION);
		break;
	case OPTIONS_SHOW_CAPABILITIES:
		puts(capabilities);
		break;
	default:
		break;
	}
}

/* ---- Completions ---- */

static void append_words(GString *text, const struct option_word *words)
{
	for (const struct option_word *w = words; w->word; w++)
		g_string_append_printf(text, "%s%s", w == words ? "" : " ", w->word);
}

/* The value of one option, as a case of the shell's. */
static void bash_row(GString *text, const struct option_row *row)
{
	if (!row->words && row->kind == OPTION_TEXT)
		return;
	g_string_append_printf(text, "\t--%s)\n\t\tmapfile -t COMPREPLY < <(compgen ", row->name);
	if (row->words) {
		g_string_append(text, "-W '");
		append_words(text, row->words);
		g_string_append_c(text, '\'');
	} else {
		g_string_append(text, row->kind == OPTION_GROUP ? "-g" : "-f");
	}
	g_string_append(text, " -- \"$word\")\n\t\treturn\n\t\t;;\n");
}

static char *bash_completion(void)
{
	GString *text = g_string_new("# shellcheck shell=bash\n"
				     "# Completes virtiofsd's options; made from its table.\n"
				     "_virtiofsd() {\n"
				     "\tlocal word=${COMP_WORDS[COMP_CWORD]}\n"
				     "\tlocal option=${COMP_WORDS[COMP_CWORD - 1]}\n\n"
				     "\tif [[ $word == = ]]; then\n"
				     "\t\tword=\n"
				     "\telif [[ $option == = ]]; then\n"
				     "\t\toption=${COMP_WORDS[COMP_CWORD - 2]}\n"
				     "\tfi\n"
				     "\tcase $option in\n");

	for (const struct option_row *row = option_rows; row->name; row++)
		bash_row(text, row);
	g_string_append(text, "\tesac\n\tmapfile -t COMPREPLY < <(compgen -W '");
	for (const struct option_row *row = option_rows; row->name; row++)
		g_string_append_printf(text, "%s--%s", row == option_rows ? "" : " ", row->name);
	g_string_append(text, "' -- \"$word\")\n}\ncomplete -F _virtiofsd virtiofsd\n");
	return g_string_free(text, FALSE);
}

/* Text between single quotes and, for zsh, brackets. */
static void append_quoted(GString *text, const char *plain)
{
	for (; *plain; plain++) {
		if (strchr("[]:\\", *plain))
			g_string_append_c(text, '\\');
		g_string_append_c(text, *plain);
	}
}

static void zsh_row(GString *text, const struct option_row *row)
{
	g_string_append_printf(text, " \\\n\t'*--%s", row->name);
	if (row->placeholder)
		g_string_append(text, row->value_optional ? "=-" : "=");
	g_string_append_c(text, '[');
	append_quoted(text, row->help);
	g_string_append_c(text, ']');
	if (row->placeholder) {
		g_string_append_printf(text, "%s%s:", row->value_optional ? "::" : ":",
				       row->placeholder);
		if (row->words) {
			g_string_append_c(text, '(');
			append_words(text, row->words);
			g_string_append_c(text, ')');
		} else if (row->kind != OPTION_TEXT) {
			g_string_append(text, row->kind == OPTION_GROUP ? "_groups" : "_files");
		}
	}
	g_string_append_c(text, '\'');
}

static char *zsh_completion(void)
{
	GString *text = g_string_new("#compdef virtiofsd\n"
				     "# Completes virtiofsd's options; made from its table.\n"
				     "_arguments");

	for (const struct option_row *row = option_rows; row->name; row++)
		zsh_row(text, row);
	g_string_append_c(text, '\n');
	return g_string_free(text, FALSE);
}

static void fish_row(GString *text, const struct option_row *row)
{
	g_string_append_printf(text, "complete -c virtiofsd -l %s", row->name);
	if (row->letter)
		g_string_append_printf(text, " -s %c", row->letter);
	if (row->placeholder && !row->value_optional)
		g_string_append(text, row->kind == OPTION_PATH ? " -r -F" : " -x");
	if (row->words) {
		g_string_append(text, " -a '");
		append_words(text, row->words);
		g_string_append_c(text, '\'');
	} else if (row->kind == OPTION_GROUP) {
		g_string_append(text, " -a '(__fish_complete_groups)'");
	}
	g_string_append_printf(text, " -d '%s'\n", row->help);
}

static char *fish_completion(void)
{
	GString *text = g_string_new("# Completes virtiofsd's options; made from its table.\n"
				     "complete -c virtiofsd -f\n");

	for (const struct option_row *row = option_rows; row->name; row++)
		fish_row(text, row);
	return g_string_free(text, FALSE);
}

char *options_completion(const char *shell)
{
	static const struct {
		const char *shell;
		char *(*make)(void);
	} makers[] = {
		{ "bash", bash_completion },
		{ "zsh", zsh_completion },
		{ "fish", fish_completion },
	};

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		if (strcmp(makers[i].shell, shell) == 0)
			return makers[i].make();
	return NULL;
}
