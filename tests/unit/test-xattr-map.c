/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what each rule of --xattrmap does to names in both directions, by tables, that the short
 * form means what it says, and that wrong rules are told by their number.
 */
#include "fuse/passthrough/xattr-map.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

static struct xattr_map *parse(const char *text)
{
	struct xattr_map *map = NULL;
	char *why = NULL;
	int r = xmap_parse(text, &map, &why);

	if (r < 0)
		g_test_message("%s: %s", text, why);
	g_assert_cmpint(r, ==, 0);
	return map;
}

struct to_host {
	const char *name;
	const char *host; /* NULL: refused */
	int error;
};

struct to_guest {
	const char *name;
	const char *guest; /* NULL: hidden */
};

static void check(const char *rules, const struct to_host *hosts, const struct to_guest *guests)
{
	struct xattr_map *map = parse(rules);

	for (; hosts->name; hosts++) {
		struct xmap_name room;
		const char *name = NULL;

		g_test_message("%s: guest %s", rules, hosts->name);
		g_assert_cmpint(xmap_to_host(map, hosts->name, &room, &name), ==, hosts->error);
		g_assert_cmpstr(name, ==, hosts->host);
	}
	for (; guests->name; guests++) {
		g_test_message("%s: host %s", rules, guests->name);
		g_assert_cmpstr(xmap_to_guest(map, guests->name), ==, guests->guest);
	}
	xmap_free(map);
}

static const struct to_host all_under_prefix[] = {
	{ "user.a", "user.virtiofs.user.a", 0 },
	{ "trusted.overlay.opaque", "user.virtiofs.trusted.overlay.opaque", 0 },
	{ "user.virtiofs.user.a", "user.virtiofs.user.virtiofs.user.a", 0 },
	{ 0 },
};
static const struct to_guest only_prefixed[] = {
	{ "user.virtiofs.user.a", "user.a" },
	{ "user.a", NULL },
	{ "security.selinux", NULL },
	{ "user.virtiofs.", NULL }, /* a name must remain */
	{ 0 },
};

static void a_prefix_for_all_separates_guest_and_host(void)
{
	check(":prefix:all::user.virtiofs.::bad:all:::", all_under_prefix, only_prefixed);
	check(":map::user.virtiofs.:", all_under_prefix, only_prefixed);
}

static const struct to_host trusted_moved[] = {
	{ "trusted.a", "user.virtiofs.trusted.a", 0 },
	{ "trusted.", "user.virtiofs.trusted.", 0 },
	{ "trusted", "trusted", 0 },
	{ "user.a", "user.a", 0 },
	{ "user.virtiofs.trusted.a", NULL, -EPERM },
	{ 0 },
};
static const struct to_guest trusted_back[] = {
	{ "user.virtiofs.trusted.a", "trusted.a" },
	{ "trusted.a", NULL },
	{ "user.a", "user.a" },
	{ 0 },
};

static void one_class_can_be_moved_and_the_rest_let_through(void)
{
	check("/prefix/all/trusted./user.virtiofs./\n"
	      "\t/bad/server//trusted./\n"
	      " /bad/client/user.virtiofs.//\n"
	      "/ok/all///",
	      trusted_moved, trusted_back);
	check(" /map/trusted./user.virtiofs./ ", trusted_moved, trusted_back);
}

static void names_can_be_hidden(void)
{
	static const struct to_host hosts[] = {
		{ "security.selinux", NULL, -EPERM },
		{ "user.a", "user.a", 0 },
		{ 0 },
	};
	static const struct to_guest guests[] = {
		{ "security.selinux", NULL },
		{ "user.a", "user.a" },
		{ 0 },
	};

	check("/bad/all/security./security.//ok/all///", hosts, guests);
}

static void unsupported_names_are_refused_as_such(void)
{
	static const struct to_host hosts[] = {
		{ "security.selinux", NULL, -EOPNOTSUPP },
		{ "security.capability", "security.capability", 0 },
		{ 0 },
	};
	static const struct to_guest guests[] = {
		{ "security.selinux", NULL },
		{ "security.capability", "security.capability" },
		{ 0 },
	};

	check("/unsupported/all/security.selinux/security.selinux//ok/all///", hosts, guests);
}

static void each_direction_has_rules_of_its_own(void)
{
	static const struct to_host hosts[] = {
		{ "user.a", "user.a", 0 },
		{ "trusted.a", "x.trusted.a", 0 },
		{ "security.a", NULL, -EPERM }, /* no rule left */
		{ 0 },
	};
	static const struct to_guest guests[] = {
		{ "x.trusted.a", "trusted.a" },
		{ "x.foo", "foo" },
		{ "security.a", "security.a" },
		{ "user.a", NULL },
		{ 0 },
	};

	check(":ok:client:user.:: :prefix:client:trusted.:x.: :prefix:server::x.:"
	      " :ok:server::security.:",
	      hosts, guests);
}

static void the_first_rule_that_matches_decides(void)
{
	static const struct to_host hosts[] = {
		{ "user.a", "user.a", 0 },
		{ "user.b", NULL, -EPERM },
		{ 0 },
	};
	static const struct to_guest none[] = { { 0 } };

	check("!ok!all!user.a!user.a!,bad,all,,,!ok!all!user.b!!", hosts, none);
}

static void a_name_that_grows_too_long_is_refused(void)
{
	struct xattr_map *map = parse(":map::user.virtiofs.:");
	g_autofree char *fits = g_strnfill(255 - 14, 'n');
	g_autofree char *too_long = g_strnfill(255 - 13, 'n');
	struct xmap_name room;
	const char *name;

	g_assert_cmpint(xmap_to_host(map, fits, &room, &name), ==, 0);
	g_assert_cmpuint(strlen(name), ==, 255);
	g_assert_cmpint(xmap_to_host(map, too_long, &room, &name), ==, -ERANGE);
	xmap_free(map);
}

static void wrong_rules_are_told_by_their_number(void)
{
	static const struct {
		const char *text, *why;
	} wrong[] = {
		{ "", "rule 1 is missing" },
		{ " \n", "rule 1 is missing" },
		{ ":", "rule 1 is cut short" },
		{ ":ok", "rule 1 is cut short" },
		{ ":ok:all:", "rule 1 is cut short" },
		{ ":ok:all::", "rule 1 is cut short" },
		{ ":ok:all:user.:x", "rule 1 is cut short" },
		{ ":ok:all::: :bad:all", "rule 2 is cut short" },
		{ ":OK:all:::", "rule 1 has the unknown type 'OK'" },
		{ "::all:::", "rule 1 has the unknown type ''" },
		{ ":ok:all::: /bad/none///", "rule 2 has the unknown scope 'none'" },
		{ ":map:trusted.", "rule 1 is cut short" },
		{ ":map:trusted.::", "rule 1 maps to nothing" },
		{ ":map::x.: :ok:all:::", "rule 1 is of type 'map' and not the last" },
		{ ":ok:all::: :map::x.: :map::y.:", "rule 2 is of type 'map' and not the last" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct xattr_map *map = NULL;
		char *why = NULL;

		g_test_message("%s", wrong[i].text);
		g_assert_cmpint(xmap_parse(wrong[i].text, &map, &why), ==, -EINVAL);
		g_assert_null(map);
		g_assert_true(g_str_has_prefix(why, wrong[i].why));
		free(why);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/xattr-map/a prefix for all separates guest and host",
			a_prefix_for_all_separates_guest_and_host);
	g_test_add_func("/xattr-map/one class can be moved and the rest let through",
			one_class_can_be_moved_and_the_rest_let_through);
	g_test_add_func("/xattr-map/names can be hidden", names_can_be_hidden);
	g_test_add_func("/xattr-map/unsupported names are refused as such",
			unsupported_names_are_refused_as_such);
	g_test_add_func("/xattr-map/each direction has rules of its own",
			each_direction_has_rules_of_its_own);
	g_test_add_func("/xattr-map/the first rule that matches decides",
			the_first_rule_that_matches_decides);
	g_test_add_func("/xattr-map/a name that grows too long is refused",
			a_name_that_grows_too_long_is_refused);
	g_test_add_func("/xattr-map/wrong rules are told by their number",
			wrong_rules_are_told_by_their_number);
	return g_test_run();
}
