/* SPDX-License-Identifier: Apache-2.0 */
/* Asks callgrind for a profile and adds up the part that is meant. */
#include "tests/bench/callgrind.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/bounded.h"

/* The place in the profile that a line of costs belongs to. */
struct place {
	const struct callgrind_part *part;
	GHashTable *objects, *files, *functions; /* "(1)" -> name: only the first use has it */
	const char *object, *file, *function;
	bool in_call; /* the next line is the cost of a call, which counts with the callee */
	uint64_t sum;
};

/* The name behind "fn=(3) name" or, when it was told before, "fn=(3)". */
static const char *take_name(GHashTable *names, const char *text)
{
	const char *end = strchr(text, ')');
	g_autofree char *id = NULL;

	if (!end)
		return NULL;
	id = g_strndup(text, (size_t)(end - text));
	if (end[1] == ' ')
		g_hash_table_insert(names, g_strdup(id), g_strdup(end + 2));
	return g_hash_table_lookup(names, id);
}

static bool is_listed(const char *const *list, const char *name, bool at_end)
{
	for (; name && *list; list++)
		if (at_end ? g_str_has_suffix(name, *list) : !strcmp(name, *list))
			return true;
	return false;
}

static bool counts(const struct place *place)
{
	const struct callgrind_part *part = place->part;

	return place->object && !strcmp(place->object, part->object) &&
	       !is_listed(part->not_files, place->file, true) &&
	       !is_listed(part->not_functions, place->function, false);
}

/* A line of "key=value"; false for one of another kind. */
static bool take_key(struct place *place, const char *line)
{
	const char *value = strchr(line, '=');

	if (!value || !g_ascii_isalpha(line[0]))
		return false;
	value++;
	if (g_str_has_prefix(line, "calls="))
		place->in_call = true;
	else if (g_str_has_prefix(line, "ob="))
		place->object = take_name(place->objects, value);
	else if (g_str_has_prefix(line, "cob="))
		take_name(place->objects, value);
	else if (g_str_has_prefix(line, "fn="))
		place->function = take_name(place->functions, value);
	else if (g_str_has_prefix(line, "cfn="))
		take_name(place->functions, value);
	else if (g_str_has_prefix(line, "cfi=") || g_str_has_prefix(line, "cfl="))
		take_name(place->files, value);
	else if (g_str_has_prefix(line, "fl=") || g_str_has_prefix(line, "fi=") ||
		 g_str_has_prefix(line, "fe="))
		place->file = take_name(place->files, value);
	return true;
}

/* "+3 17": a source line, relative to the last one, and instructions. */
static void take_cost(struct place *place, const char *line)
{
	const char *cost = strchr(line, ' ');

	if (!cost || !strchr("+-*0123456789", line[0]))
		return;
	if (place->in_call)
		place->in_call = false;
	else if (counts(place))
		place->sum += g_ascii_strtoull(cost, NULL, 10);
}

static GHashTable *new_names(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static uint64_t add_up(const char *text, const struct callgrind_part *part)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	struct place place = {
		.part = part,
		.objects = new_names(),
		.files = new_names(),
		.functions = new_names(),
	};

	for (char **line = lines; *line; line++)
		if (!take_key(&place, *line))
			take_cost(&place, *line);
	g_hash_table_unref(place.objects);
	g_hash_table_unref(place.files);
	g_hash_table_unref(place.functions);
	return place.sum;
}

uint64_t callgrind_count(struct callgrind *callgrind, const struct callgrind_part *part)
{
	g_autofree char *pid = g_strdup_printf("--pid=%d", (int)callgrind->pid);
	char *argv[] = { (char[]){ "vgdb" }, pid, (char[]){ "dump" }, NULL };
	g_autofree char *path = g_strdup_printf("%s.%u", callgrind->out, ++callgrind->n_dumps);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	int status;

	if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
			  NULL, NULL, NULL, &status, &error) ||
	    !g_file_get_contents(path, &text, NULL, &error))
		test_die("ask callgrind: %s", error->message);
	(void)g_unlink(path);
	return add_up(text, part);
}
