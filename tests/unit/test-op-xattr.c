/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows how operations on extended attributes are decoded and answered: both layouts of SETXATTR,
 * values longer than the copied arguments, questions for a length, names that are none, labels of
 * new files in the messages of old and new guests, and that nothing of it exists while it is off.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "fuse-unit.h"

static struct unit unit;

static const struct fuse_session_options with_xattr = { .xattr = true };
static const struct fuse_session_options with_labels = {
	.xattr = true,
	.security_label = FUSE_FEATURE_AUTO,
};

static void start(const struct fuse_session_options *options, uint32_t minor, uint64_t flags)
{
	unit_start(&unit, options);
	g_assert_nonnull(unit_init(&unit, minor, flags));
	fake.called = NULL;
}

static int set(size_t head_bytes, const struct fuse_setxattr_in *in, const char *name,
	       const void *value, size_t n)
{
	fake.called = NULL;
	unit_begin(&unit, FUSE_SETXATTR, 7);
	unit_add(&unit, in, head_bytes);
	unit_add_string(&unit, name);
	unit_add(&unit, value, n);
	return unit_serve(&unit);
}

static void the_layout_of_setxattr_is_what_init_agreed_on(void)
{
	const struct fuse_setxattr_in in = {
		.size = 5,
		.flags = 2,
		.setxattr_flags = FUSE_SETXATTR_ACL_KILL_SGID,
	};

	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	g_assert_cmpint(set(sizeof(in), &in, "user.a", "value", 5), ==, 0);
	g_assert_cmpstr(fake.called, ==, "setxattr");
	g_assert_cmpuint(fake.nodeid, ==, 7);
	g_assert_cmpstr(fake.name, ==, "user.a");
	g_assert_cmpmem(fake.xattr_value, fake.xattr.size, "value", 5);
	g_assert_cmpuint(fake.xattr.flags, ==, 2);
	g_assert_true(fake.xattr.acl_kill_sgid);
	unit_stop(&unit);

	start(&with_xattr, 46, UNIT_ALL_FLAGS & ~(uint64_t)FUSE_SETXATTR_EXT);
	g_assert_cmpint(set(8, &in, "user.a", "value", 5), ==, 0);
	g_assert_cmpstr(fake.name, ==, "user.a");
	g_assert_cmpmem(fake.xattr_value, fake.xattr.size, "value", 5);
	g_assert_false(fake.xattr.acl_kill_sgid);
	unit_stop(&unit);
}

static void a_value_may_be_longer_than_what_is_copied(void)
{
	static const uint32_t sizes[] = { 0, 1, 16000, 16384, 40000, 65536 };
	g_autofree char *value = g_malloc(65536);

	for (size_t i = 0; i < 65536; i++)
		value[i] = (char)(i * 131 >> 3);
	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		const struct fuse_setxattr_in in = { .size = sizes[i] };

		g_assert_cmpint(set(sizeof(in), &in, "user.long", value, sizes[i]), ==, 0);
		g_assert_cmpmem(fake.xattr_value, fake.xattr.size, value, sizes[i]);
		/* One byte less than was promised. */
		if (sizes[i])
			g_assert_cmpint(set(sizeof(in), &in, "user.long", value, sizes[i] - 1), ==,
					-EINVAL);
	}
	unit_stop(&unit);
}

static void a_value_over_64_kib_is_too_big(void)
{
	static const uint32_t sizes[] = { 65537, 200000, UINT32_MAX };
	g_autofree char *value = g_malloc0(200000);

	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		const struct fuse_setxattr_in in = { .size = sizes[i] };

		g_assert_cmpint(set(sizeof(in), &in, "user.a", value, 200000), ==, -E2BIG);
		g_assert_null(fake.called);
	}
	unit_stop(&unit);
}

static int get(uint32_t opcode, uint32_t size, const char *name, size_t room)
{
	const struct fuse_getxattr_in in = { .size = size };

	fake.called = NULL;
	unit.room = 16 + room;
	return unit_call(&unit, opcode, 7, &in, sizeof(in), name);
}

static void names_that_are_none_are_refused_as_by_the_kernel(void)
{
	g_autofree char *longest = g_strnfill(255, 'n');
	g_autofree char *too_long = g_strnfill(256, 'n');
	const struct fuse_getxattr_in in = { .size = 0 };

	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	g_assert_cmpint(get(FUSE_GETXATTR, 0, longest, 8), ==, 0);
	g_assert_cmpstr(fake.name, ==, longest);
	g_assert_cmpint(get(FUSE_GETXATTR, 0, too_long, 8), ==, -ERANGE);
	g_assert_cmpint(get(FUSE_GETXATTR, 0, "", 8), ==, -ERANGE);
	g_assert_cmpint(unit_call(&unit, FUSE_REMOVEXATTR, 7, NULL, 0, too_long), ==, -ERANGE);
	g_assert_cmpint(unit_call(&unit, FUSE_REMOVEXATTR, 7, NULL, 0, ""), ==, -ERANGE);
	unit_begin(&unit, FUSE_GETXATTR, 7);
	unit_add(&unit, &in, sizeof(in));
	unit_add(&unit, "user.a", 6); /* without its end */
	g_assert_cmpint(unit_serve(&unit), ==, -EINVAL);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

static void a_size_of_0_asks_for_the_length(void)
{
	static const uint32_t opcodes[] = { FUSE_GETXATTR, FUSE_LISTXATTR };

	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	fake.value = "12345";
	fake.value_bytes = 5;
	for (size_t i = 0; i < G_N_ELEMENTS(opcodes); i++) {
		const char *name = opcodes[i] == FUSE_GETXATTR ? "user.a" : NULL;
		const struct fuse_getxattr_out *out;

		g_assert_cmpint(get(opcodes[i], 0, name, 8), ==, 0);
		out = unit_body(&unit, sizeof(*out));
		g_assert_cmpuint(out->size, ==, 5);
		g_assert_cmpint(get(opcodes[i], 100, name, 100), ==, 0);
		g_assert_cmpmem(unit_body(&unit, 5), 5, "12345", 5);
		g_assert_cmpint(get(opcodes[i], 4, name, 4), ==, -ERANGE);
		/* Less room than was asked for, down to none. */
		g_assert_cmpint(get(opcodes[i], 100, name, 4), ==, -ERANGE);
		g_assert_cmpint(get(opcodes[i], 100, name, 0), ==, -ERANGE);
		g_assert_cmpint(get(opcodes[i], 0, name, 7), ==, -EINVAL);
		g_assert_cmpint(get(opcodes[i], UINT32_MAX, name, 100000), ==, 0);
		g_assert_cmpuint(fake.size, ==, 65536);
	}
	unit_stop(&unit);
}

static void while_it_is_off_the_guest_need_not_ask_again(void)
{
	const struct fuse_setxattr_in in = { .size = 1 };

	start(&(struct fuse_session_options){ 0 }, 46, UNIT_ALL_FLAGS);
	g_assert_cmpint(set(8, &in, "user.a", "v", 1), ==, -ENOSYS);
	g_assert_cmpint(get(FUSE_GETXATTR, 0, "user.a", 8), ==, -ENOSYS);
	g_assert_cmpint(get(FUSE_LISTXATTR, 0, NULL, 8), ==, -ENOSYS);
	g_assert_cmpint(unit_call(&unit, FUSE_REMOVEXATTR, 7, NULL, 0, "user.a"), ==, -ENOSYS);
	g_assert_null(fake.called);
	unit_stop(&unit);
}

/* ---- Labels of new files ---- */

#define LABEL "system_u:object_r:etc_t:s0"

struct label_message {
	uint32_t size, n; /* of all contexts */
	struct fuse_secctx context;
	char name_and_value[80];
};

/* A context as Linux sends it; returns its length. */
static size_t fill_label(struct label_message *message)
{
	static const char text[] = "security.selinux\0" LABEL;

	memset(message, 0, sizeof(*message));
	message->context.size = sizeof(LABEL); /* the value ends with NUL */
	memcpy(message->name_and_value, text, sizeof(text));
	message->size = FUSE_REC_ALIGN((uint32_t)(16 + sizeof(text)));
	message->n = 1;
	return message->size;
}

static int make_dir(const void *extension, size_t bytes, bool announced)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	struct fuse_in_header *head = unit_begin(&unit, FUSE_MKDIR, 7);

	fake.called = NULL;
	fake.label_name[0] = '\0';
	if (announced)
		head->total_extlen = (uint16_t)(bytes / 8);
	unit_add(&unit, &in, sizeof(in));
	unit_add_string(&unit, "name");
	unit_add(&unit, extension, bytes);
	return unit_serve(&unit);
}

static void a_label_comes_with_a_creation(void)
{
	struct label_message message;
	size_t n = fill_label(&message);

	start(&with_labels, 46, UNIT_ALL_FLAGS);
	g_assert_cmpint(make_dir(&message, n, true), ==, 0);
	g_assert_cmpstr(fake.label_name, ==, "security.selinux");
	g_assert_cmpstr(fake.label_value, ==, LABEL);
	g_assert_cmpuint(fake.caller.label.size, ==, sizeof(LABEL));
	/* No security module in the guest: a head with nothing behind it. */
	message.size = 8;
	message.n = 0;
	g_assert_cmpint(make_dir(&message, 8, true), ==, 0);
	g_assert_cmpstr(fake.label_name, ==, "");
	unit_stop(&unit);
}

static void guests_before_7_38_do_not_announce_it(void)
{
	struct label_message message;
	size_t n = fill_label(&message);

	start(&with_labels, 37, UNIT_ALL_FLAGS);
	g_assert_cmpint(make_dir(&message, n, false), ==, 0);
	g_assert_cmpstr(fake.label_name, ==, "security.selinux");
	g_assert_cmpint(make_dir(NULL, 0, false), ==, 0);
	g_assert_cmpstr(fake.label_name, ==, "");
	unit_stop(&unit);
}

static void a_label_that_was_not_agreed_on_is_passed_over(void)
{
	struct label_message message;
	size_t n = fill_label(&message);

	start(&with_xattr, 46, UNIT_ALL_FLAGS);
	g_assert_cmpint(make_dir(&message, n, true), ==, 0);
	g_assert_cmpstr(fake.label_name, ==, "");
	unit_stop(&unit);
}

static void broken_labels_are_refused(void)
{
	struct label_message message;
	size_t n = fill_label(&message);

	start(&with_labels, 46, UNIT_ALL_FLAGS);
	message.n = 2;
	g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	fill_label(&message);
	message.context.size = 1000;
	g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	message.context.size = UINT32_MAX;
	g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	fill_label(&message);
	message.name_and_value[0] = '\0';
	g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	fill_label(&message);
	memset(message.name_and_value, 'x', sizeof(message.name_and_value));
	g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	for (uint32_t size = 0; size < 24; size++) {
		fill_label(&message);
		message.size = size;
		g_assert_cmpint(make_dir(&message, n, true), ==, -EINVAL);
	}
	g_assert_null(fake.called);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/op-xattr/the layout of SETXATTR is what INIT agreed on",
			the_layout_of_setxattr_is_what_init_agreed_on);
	g_test_add_func("/op-xattr/a value may be longer than what is copied",
			a_value_may_be_longer_than_what_is_copied);
	g_test_add_func("/op-xattr/a value over 64 KiB is too big", a_value_over_64_kib_is_too_big);
	g_test_add_func("/op-xattr/names that are none are refused as by the kernel",
			names_that_are_none_are_refused_as_by_the_kernel);
	g_test_add_func("/op-xattr/a size of 0 asks for the length",
			a_size_of_0_asks_for_the_length);
	g_test_add_func("/op-xattr/while it is off the guest need not ask again",
			while_it_is_off_the_guest_need_not_ask_again);
	g_test_add_func("/op-xattr/a label comes with a creation", a_label_comes_with_a_creation);
	g_test_add_func("/op-xattr/guests before 7.38 do not announce it",
			guests_before_7_38_do_not_announce_it);
	g_test_add_func("/op-xattr/a label that was not agreed on is passed over",
			a_label_that_was_not_agreed_on_is_passed_over);
	g_test_add_func("/op-xattr/broken labels are refused", broken_labels_are_refused);
	return g_test_run();
}
