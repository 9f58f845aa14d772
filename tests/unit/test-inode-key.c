/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that keys of any size come back as they were put, that a full store says so and loses
 * nothing, that a successor keeps what is referred to, and that the most common keys are small.
 */
#include <glib.h>
#include <string.h>

#include "fuse/passthrough/inode-key.h"

#define N_CELLS 16u

struct unit {
	void *section;
	struct key_store store;
};

static void start(struct unit *unit)
{
	unit->section = g_malloc0(key_store_section_bytes(N_CELLS));
	g_assert_cmpint(key_store_init(&unit->store, unit->section, N_CELLS), ==, 0);
}

static void stop(struct unit *unit)
{
	key_store_deinit(&unit->store);
	g_free(unit->section);
}

static struct inode_key make_key(unsigned int handle_bytes, unsigned int name_bytes)
{
	char text[INODE_NAME_MAX + 1] = { 0 };
	struct inode_key key = { .handle = { .type = -5, .n_bytes = (uint8_t)handle_bytes } };

	for (unsigned int i = 0; i < handle_bytes; i++)
		key.handle.bytes[i] = (unsigned char)(i * 7 + 1);
	memset(text, 'n', name_bytes);
	if (name_bytes)
		g_assert_true(inode_name_set(&key.name, UINT64_C(0x123456789abcdef), text));
	return key;
}

static void check_key(const struct unit *unit, uint32_t number, const struct inode_key *want)
{
	struct inode_key key;

	key_store_get(&unit->store, number, &key);
	g_assert_cmpuint(key.name.parent, ==, want->name.parent);
	if (key.name.parent)
		g_assert_cmpstr(key.name.text, ==, want->name.text);
	g_assert_cmpuint(key.handle.n_bytes, ==, want->handle.n_bytes);
	if (key.handle.n_bytes)
		g_assert_true(inode_handle_equal(&key.handle, &want->handle));
	g_assert_cmpint(key_store_has_handle(&unit->store, number), ==, want->handle.n_bytes > 0);
}

static void keys_come_back_as_they_were_put(void)
{
	static const unsigned int sizes[][2] = {
		{ 8, 0 },  { 20, 0 }, { 21, 0 },  { 128, 0 },	{ 0, 1 },
		{ 0, 12 }, { 0, 13 }, { 0, 255 }, { 128, 255 }, { 12, 40 },
	};
	struct unit unit;

	start(&unit);
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		struct inode_key key = make_key(sizes[i][0], sizes[i][1]);
		uint32_t number = key_store_put(&unit.store, &key);

		g_assert_cmpuint(number, !=, KEY_NONE);
		check_key(&unit, number, &key);
		key_store_drop(&unit.store, number);
	}
	stop(&unit);
}

static void no_key_is_empty(void)
{
	struct inode_key key = make_key(8, 8);
	struct unit unit;

	start(&unit);
	key_store_get(&unit.store, KEY_NONE, &key);
	g_assert_cmpuint(key.handle.n_bytes, ==, 0);
	g_assert_cmpuint(key.name.parent, ==, 0);
	key_store_drop(&unit.store, KEY_NONE);
	stop(&unit);
}

static void names_too_long_or_empty_are_refused(void)
{
	struct inode_name name;
	char text[INODE_NAME_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	g_assert_false(inode_name_set(&name, 1, text));
	g_assert_cmpuint(name.parent, ==, 0);
	g_assert_false(inode_name_set(&name, 1, ""));
	g_assert_true(inode_name_set(&name, 1, text + 1));
}

static void a_full_store_refuses_and_loses_nothing(void)
{
	struct inode_key small = make_key(8, 0);
	struct inode_key large = make_key(128, 255);
	uint32_t number[N_CELLS];
	struct unit unit;

	start(&unit);
	for (unsigned int i = 0; i < N_CELLS - 1; i++)
		number[i] = key_store_put(&unit.store, &small);
	g_assert_cmpuint(key_store_put(&unit.store, &large), ==, KEY_NONE);
	/* The cell it had taken by then is free again. */
	number[N_CELLS - 1] = key_store_put(&unit.store, &small);
	g_assert_cmpuint(key_store_put(&unit.store, &small), ==, KEY_NONE);
	for (unsigned int i = 0; i < N_CELLS; i++) {
		check_key(&unit, number[i], &small);
		key_store_drop(&unit.store, number[i]);
	}
	g_assert_cmpuint(key_store_put(&unit.store, &large), !=, KEY_NONE);
	stop(&unit);
}

static void a_successor_keeps_what_is_claimed(void)
{
	struct inode_key key = make_key(128, 0);
	uint8_t claims[N_CELLS] = { 0 };
	struct unit unit;
	uint32_t kept;
	uint32_t lost;

	start(&unit);
	kept = key_store_put(&unit.store, &key);
	lost = key_store_put(&unit.store, &key);
	g_assert_cmpuint(lost, !=, KEY_NONE);
	key_store_deinit(&unit.store);
	g_assert_cmpint(key_store_init(&unit.store, unit.section, N_CELLS), ==, 0);
	g_assert_cmpuint(key_store_n_used(&unit.store), <=, N_CELLS);
	g_assert_true(key_store_claim(&unit.store, kept, claims));
	/* Two slots cannot have the same key, and there is none beyond the end. */
	g_assert_false(key_store_claim(&unit.store, kept, claims));
	g_assert_false(key_store_claim(&unit.store, KEY_NONE, claims));
	g_assert_false(key_store_claim(&unit.store, N_CELLS + 1, claims));
	key_store_free_unclaimed(&unit.store, claims);
	check_key(&unit, kept, &key);
	g_assert_cmpuint(key_store_put(&unit.store, &key), !=, KEY_NONE);
	stop(&unit);
}

static void usual_keys_take_one_cell(void)
{
	struct inode_key handle = make_key(20, 0);
	struct inode_key name = make_key(0, 12);
	struct unit unit;

	start(&unit);
	for (unsigned int i = 0; i < N_CELLS; i++)
		g_assert_cmpuint(key_store_put(&unit.store, i % 2 ? &handle : &name), !=, KEY_NONE);
	stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inode-key/keys come back as they were put",
			keys_come_back_as_they_were_put);
	g_test_add_func("/inode-key/no key is empty", no_key_is_empty);
	g_test_add_func("/inode-key/names too long or empty are refused",
			names_too_long_or_empty_are_refused);
	g_test_add_func("/inode-key/a full store refuses and loses nothing",
			a_full_store_refuses_and_loses_nothing);
	g_test_add_func("/inode-key/a successor keeps what is claimed",
			a_successor_keeps_what_is_claimed);
	g_test_add_func("/inode-key/usual keys take one cell", usual_keys_take_one_cell);
	return g_test_run();
}
