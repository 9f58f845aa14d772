/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: rules of --xattrmap, and names through them in both directions.
 *
 * Input: the rules, a NUL, then names, each with a NUL behind it.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "fuse/passthrough/xattr-map.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/bounded.h"

/* The next text of the input, a copy; empty when there are none left. */
static char *take_text(struct fuzz_input *in)
{
	size_t n = strnlen((const char *)in->data, in->left), taken;
	char *text = g_strndup((const char *)in->data, n);

	fuzz_take(in, n + 1, &taken);
	return text;
}

static void check_to_host(const struct xattr_map *map, const char *name)
{
	struct xmap_name room;
	const char *host = NULL;
	int r;

	memset(&room, 0x55, sizeof(room));
	r = xmap_to_host(map, name, &room, &host);
	if (r != 0 && r != -EPERM && r != -EOPNOTSUPP && r != -ERANGE)
		test_die("a name is answered %d", r);
	if (r == 0 && (host == room.text ? !memchr(host, 0, sizeof(room)) : host != name))
		test_die("a name without an end");
}

static void check_to_guest(const struct xattr_map *map, const char *name)
{
	const char *guest = xmap_to_guest(map, name);

	if (guest && (guest < name || guest > name + strlen(name)))
		test_die("a name that is no part of the host's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	g_autofree char *rules = take_text(&in);
	struct xattr_map *map = NULL;
	char *why = NULL;
	int r = xmap_parse(rules, &map, &why);

	if (r != 0 && (r != -EINVAL || !why || map))
		test_die("rules are answered %d", r);
	while (r == 0 && in.left) {
		g_autofree char *name = take_text(&in);

		check_to_host(map, name);
		check_to_guest(map, name);
	}
	g_free(why);
	xmap_free(map);
	return 0;
}
