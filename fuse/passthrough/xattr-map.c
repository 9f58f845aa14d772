/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for names of extended attributes: parsing and matching.
 */
#include "fuse/passthrough/xattr-map.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum rule_type {
	RULE_PREFIX,
	RULE_OK,
	RULE_BAD,
	RULE_UNSUPPORTED,
	RULE_MAP, /* while parsing only */
};

enum rule_scope {
	SCOPE_CLIENT = 1,
	SCOPE_SERVER = 2,
	SCOPE_ALL = SCOPE_CLIENT | SCOPE_SERVER,
};

struct rule {
	enum rule_type type;
	enum rule_scope scope;
	const char *key;     /* borrowed from the map's text */
	const char *prepend; /* the same */
};

struct xattr_map {
	char *text; /* owned; fields end with NUL instead of their separator */
	struct rule *rules;
	size_t n_rules;
};

struct word {
	const char *text;
	int value;
};

static const struct word types[] = {
	{ "prefix", RULE_PREFIX },	     { "ok", RULE_OK },	  { "bad", RULE_BAD },
	{ "unsupported", RULE_UNSUPPORTED }, { "map", RULE_MAP }, { NULL, 0 },
};

static const struct word scopes[] = {
	{ "client", SCOPE_CLIENT },
	{ "server", SCOPE_SERVER },
	{ "all", SCOPE_ALL },
	{ NULL, 0 },
};

/* ---- Parsing ---- */

struct parser {
	struct xattr_map *map;
	char *at;	 /* what is not read yet */
	char separator;	 /* of the rule that is being read */
	unsigned int nr; /* of that rule, counted from 1 */
	char **ret_why;
};

static int refuse(const struct parser *p, const char *what, const char *which, const char *remedy)
{
	if (asprintf(p->ret_why, "rule %u %s%s%s%s; %s", p->nr, what, which ? " '" : "",
		     which ? which : "", which ? "'" : "", remedy) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n\v\f");
}

/* Up to the next separator; NULL when there is none. */
static const char *next_field(struct parser *p)
{
	char *field = p->at;
	char *end = strchr(field, p->separator);

	if (!end)
		return NULL;
	*end = '\0';
	p->at = end + 1;
	return field;
}

static bool find_word(const struct word *words, const char *text, int *ret)
{
	for (; words->text; words++) {
		if (strcmp(words->text, text) == 0) {
			*ret = words->value;
			return true;
		}
	}
	return false;
}

static int add_rule(struct xattr_map *map, enum rule_type type, enum rule_scope scope,
		    const char *key, const char *prepend)
{
	struct rule *rules = reallocarray(map->rules, map->n_rules + 1, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	map->rules = rules;
	map->rules[map->n_rules++] = (struct rule){ type, scope, key, prepend };
	return 0;
}

/*
 * Everything below one prefix: what else is on the host is hidden. With a key: the guest reaches
 * neither the key's own names on the host nor, under their host names, those that are moved.
 */
static int add_map(struct xattr_map *map, const char *key, const char *prepend)
{
	int r = add_rule(map, RULE_PREFIX, SCOPE_ALL, key, prepend);

	if (!*key)
		return r < 0 ? r : add_rule(map, RULE_BAD, SCOPE_ALL, "", "");
	if (r == 0)
		r = add_rule(map, RULE_BAD, SCOPE_SERVER, "", key);
	if (r == 0)
		r = add_rule(map, RULE_BAD, SCOPE_CLIENT, prepend, "");
	return r < 0 ? r : add_rule(map, RULE_OK, SCOPE_ALL, "", "");
}

#define FORM_RULE "write :type:scope:key:prepend:"
#define FORM_MAP  "write :map:key:prepend:"

static int parse_map(struct parser *p)
{
	const char *key = next_field(p);
	const char *prepend = key ? next_field(p) : NULL;

	if (!prepend)
		return refuse(p, "is cut short", NULL, FORM_MAP);
	if (!*prepend)
		return refuse(p, "maps to nothing", NULL, "give the prefix that names get");
	skip_blanks(p);
	if (*p->at)
		return refuse(p, "is of type 'map' and not the last", NULL, "drop what follows it");
	return add_map(p->map, key, prepend);
}

static int parse_rule(struct parser *p)
{
	const char *type, *scope, *key, *prepend;
	int type_value, scope_value;

	p->separator = *p->at++;
	type = next_field(p);
	if (!type)
		return refuse(p, "is cut short", NULL, FORM_RULE);
	if (!find_word(types, type, &type_value))
		return refuse(p, "has the unknown type", type,
			      "use prefix, ok, bad, unsupported or map");
	if (type_value == RULE_MAP)
		return parse_map(p);
	scope = next_field(p);
	if (!scope)
		return refuse(p, "is cut short", NULL, FORM_RULE);
	if (!find_word(scopes, scope, &scope_value))
		return refuse(p, "has the unknown scope", scope, "use client, server or all");
	key = next_field(p);
	prepend = key ? next_field(p) : NULL;
	if (!prepend)
		return refuse(p, "is cut short", NULL, FORM_RULE);
	return add_rule(p->map, (enum rule_type)type_value, (enum rule_scope)scope_value, key,
			prepend);
}

static int parse_rules(struct parser *p, const char *text)
{
	int r = 0;

	p->map->text = strdup(text);
	if (!p->map->text)
		return -ENOMEM;
	p->at = p->map->text;
	skip_blanks(p);
	if (!*p->at)
		return refuse(p, "is missing", NULL, FORM_RULE);
	for (; *p->at && r == 0; p->nr++) {
		r = parse_rule(p);
		skip_blanks(p);
	}
	return r;
}

int xmap_parse(const char *text, struct xattr_map **ret_map, char **ret_why)
{
	struct xattr_map *map = calloc(1, sizeof(*map));
	struct parser p = { .map = map, .nr = 1, .ret_why = ret_why };
	int r;

	if (!map)
		return -ENOMEM;
	r = parse_rules(&p, text);
	if (r < 0)
		xmap_free(map);
	else
		*ret_map = map;
	return r;
}

void xmap_free(struct xattr_map *map)
{
	if (!map)
		return;
	free(map->rules);
	free(map->text);
	free(map);
}

/* ---- Matching ---- */

static bool starts_with(const char *name, const char *start)
{
	return strncmp(name, start, strlen(start)) == 0;
}

static int prefixed(const char *prefix, const char *name, struct xmap_name *room)
{
	int n = snprintf(room->text, sizeof(room->text), "%s%s", prefix, name);

	return n < 0 || (size_t)n >= sizeof(room->text) ? -ERANGE : 0;
}

int xmap_to_host(const struct xattr_map *map, const char *name, struct xmap_name *room,
		 const char **ret_name)
{
	for (size_t i = 0; i < map->n_rules; i++) {
		const struct rule *rule = &map->rules[i];
		int r;

		if (!(rule->scope & SCOPE_CLIENT) || !starts_with(name, rule->key))
			continue;
		switch (rule->type) {
		case RULE_PREFIX:
			r = prefixed(rule->prepend, name, room);
			if (r == 0)
				*ret_name = room->text;
			return r;
		case RULE_OK:
			*ret_name = name;
			return 0;
		case RULE_UNSUPPORTED:
			return -EOPNOTSUPP;
		default:
			return -EPERM;
		}
	}
	return -EPERM;
}

const char *xmap_to_guest(const struct xattr_map *map, const char *name)
{
	for (size_t i = 0; i < map->n_rules; i++) {
		const struct rule *rule = &map->rules[i];
		const char *rest;

		if (!(rule->scope & SCOPE_SERVER) || !starts_with(name, rule->prepend))
			continue;
		rest = name + strlen(rule->prepend);
		if (rule->type == RULE_OK)
			return name;
		return rule->type == RULE_PREFIX && *rest ? rest : NULL;
	}
	return NULL;
}
