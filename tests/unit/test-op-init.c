/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what INIT agrees on with guests of all ages: versions, flags in both words, sizes, the
 * rules of each cache mode, and that INIT and DESTROY start from nothing.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"

static struct unit unit;
static const struct fuse_session_options defaults = { .announce_submounts = true };

#define GRANTED_LOW                                                                       \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | \
	 FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | \
	 FUSE_SUBMOUNTS | FUSE_INIT_EXT | FUSE_HAS_IOCTL_DIR)

static uint64_t flags_of(const struct fuse_init_out *out)
{
	return out->flags | (uint64_t)out->flags2 << 32;
}

static void a_guest_of_today_gets_all_that_is_built(void)
{
	const struct fuse_init_out *out;

	unit_start(&unit, &defaults);
	out = unit_init(&unit, 46, UNIT_ALL_FLAGS);
	g_assert_cmpuint(out->major, ==, 7);
	g_assert_cmpuint(out->minor, ==, 46);
	g_assert_cmpuint(out->max_readahead, ==, 131072);
	g_assert_cmpuint(out->max_write, ==, 1 << 20);
	g_assert_cmpuint(out->max_pages, ==, 256);
	g_assert_cmpuint(out->time_gran, ==, 1);
	g_assert_cmpuint(out->congestion_threshold, <, out->max_background);
	g_assert_cmphex(out->flags, ==, GRANTED_LOW);
	/* Groups of creations, no export support, id-mapped mounts. */
	g_assert_cmphex(out->flags2, ==, 1 << 2 | 1 << 6 | 1 << 8);
	g_assert_true(fake.negotiated.submounts);
	unit_stop(&unit);
}

static void nothing_is_granted_that_was_not_offered(void)
{
	unit_start(&unit, &defaults);
	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t offered = 1ull << bit | FUSE_INIT_EXT;

		g_assert_cmphex(flags_of(unit_init(&unit, 46, offered)) & ~offered, ==, 0);
	}
	g_assert_cmphex(flags_of(unit_init(&unit, 46, 0)), ==, 0);
	g_assert_false(fake.negotiated.submounts);
	unit_stop(&unit);
}

#define ACL_FLAGS (FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT)

static void what_options_ask_for_is_granted_to_guests_that_can(void)
{
	const struct fuse_session_options all = {
		.xattr = true,
		.killpriv_v2 = true,
		.posix_acl = FUSE_FEATURE_ALWAYS,
		.security_label = FUSE_FEATURE_AUTO,
	};
	const uint64_t wanted = ACL_FLAGS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SECURITY_CTX;

	unit_start(&unit, &all);
	g_assert_cmphex(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) & wanted, ==, wanted);
	g_assert_true(fake.negotiated.posix_acl);
	unit_stop(&unit);
	unit_start(&unit, &(struct fuse_session_options){ .xattr = true });
	g_assert_cmphex(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) & wanted, ==,
			FUSE_SETXATTR_EXT);
	g_assert_false(fake.negotiated.posix_acl);
	unit_stop(&unit);
}

static void opens_truncate_where_the_guest_says_who_asks(void)
{
	const uint64_t no_idmap = UNIT_ALL_FLAGS & ~FUSE_ALLOW_IDMAP;

	unit_start(&unit, &defaults);
	g_assert_false(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) & FUSE_ATOMIC_O_TRUNC);
	g_assert_true(flags_of(unit_init(&unit, 46, no_idmap)) & FUSE_ATOMIC_O_TRUNC);
	unit_stop(&unit);
	unit_start(&unit, &(struct fuse_session_options){ .killpriv_v2 = true });
	g_assert_true(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) & FUSE_ATOMIC_O_TRUNC);
	unit_stop(&unit);
}

static void acls_need_all_three_flags_of_the_guest(void)
{
	static const uint64_t each[] = { FUSE_POSIX_ACL, FUSE_DONT_MASK, FUSE_SETXATTR_EXT };
	struct fuse_session_options options = { .xattr = true };

	for (size_t i = 0; i < G_N_ELEMENTS(each); i++) {
		const struct fuse_init_out *out;

		options.posix_acl = FUSE_FEATURE_ALWAYS;
		unit_start(&unit, &options);
		g_assert_null(unit_init(&unit, 46, UNIT_ALL_FLAGS & ~each[i]));
		g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EIO);
		g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
		unit_stop(&unit);
		options.posix_acl = FUSE_FEATURE_AUTO;
		unit_start(&unit, &options);
		out = unit_init(&unit, 46, UNIT_ALL_FLAGS & ~each[i]);
		g_assert_cmphex(out->flags & (FUSE_POSIX_ACL | FUSE_DONT_MASK), ==, 0);
		g_assert_false(fake.negotiated.posix_acl);
		unit_stop(&unit);
	}
}

static void a_guest_without_labels_is_refused_only_where_they_must_be(void)
{
	const uint64_t offered = UNIT_ALL_FLAGS & ~FUSE_SECURITY_CTX;
	struct fuse_session_options options = { .xattr = true };

	options.security_label = FUSE_FEATURE_ALWAYS;
	unit_start(&unit, &options);
	g_assert_null(unit_init(&unit, 46, offered));
	unit_stop(&unit);
	options.security_label = FUSE_FEATURE_AUTO;
	unit_start(&unit, &options);
	g_assert_nonnull(unit_init(&unit, 46, offered));
	unit_stop(&unit);
}

static void max_pages_is_told_only_to_guests_that_know_it(void)
{
	unit_start(&unit, &defaults);
	g_assert_cmpuint(unit_init(&unit, 46, FUSE_BIG_WRITES)->max_pages, ==, 0);
	unit_stop(&unit);
}

static void without_init_ext_the_second_word_does_not_count(void)
{
	const struct fuse_init_out *out;

	unit_start(&unit, &defaults);
	out = unit_init(&unit, 46, UNIT_ALL_FLAGS & ~(uint64_t)FUSE_INIT_EXT);
	g_assert_cmphex(out->flags2, ==, 0);
	g_assert_cmphex(out->flags, ==, (GRANTED_LOW | FUSE_ATOMIC_O_TRUNC) & ~FUSE_INIT_EXT);
	unit_stop(&unit);
}

/* INIT of the length older guests send: 16 bytes. */
static const struct fuse_init_out *init_short(uint32_t minor, uint32_t flags)
{
	const struct fuse_init_in in = { .major = 7, .minor = minor, .flags = flags };

	if (unit_call(&unit, FUSE_INIT, 0, &in, 16, NULL) != 0)
		return NULL;
	return unit_body(&unit, sizeof(struct fuse_init_out));
}

static void guests_with_the_short_form_are_served(void)
{
	const struct fuse_init_out *out;

	unit_start(&unit, &defaults);
	out = init_short(31, FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES);
	g_assert_nonnull(out);
	g_assert_cmpuint(out->minor, ==, 31);
	g_assert_cmphex(out->flags, ==, FUSE_DO_READDIRPLUS | FUSE_MAX_PAGES);
	/* Claiming the long form without sending it is as good as not claiming it. */
	out = init_short(46, UINT32_MAX);
	g_assert_cmphex(out->flags, ==, (GRANTED_LOW | FUSE_ATOMIC_O_TRUNC) & ~FUSE_INIT_EXT);
	g_assert_cmphex(out->flags2, ==, 0);
	unit_stop(&unit);
}

static void an_init_that_is_too_short_is_refused(void)
{
	const struct fuse_init_in in = { .major = 7, .minor = 38 };

	unit_start(&unit, &defaults);
	for (size_t n = 0; n < 16; n++)
		g_assert_cmpint(unit_call(&unit, FUSE_INIT, 0, &in, n, NULL), ==, -EINVAL);
	unit_stop(&unit);
}

static void the_smaller_minor_counts(void)
{
	unit_start(&unit, &defaults);
	g_assert_cmpuint(unit_init(&unit, 27, 0)->minor, ==, 27);
	g_assert_cmpuint(unit_init(&unit, 38, 0)->minor, ==, 38);
	g_assert_cmpuint(unit_init(&unit, 1000, 0)->minor, ==, WIRE_MINOR);
	unit_stop(&unit);
}

static void protocols_that_are_too_old_are_refused(void)
{
	const struct fuse_init_in old = { .major = 6, .minor = 99 };

	unit_start(&unit, &defaults);
	g_assert_null(unit_init(&unit, 26, UNIT_ALL_FLAGS));
	g_assert_cmpint(unit_call(&unit, FUSE_INIT, 0, &old, sizeof(old), NULL), ==, -EPROTO);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EIO);
	unit_stop(&unit);
}

static void a_newer_major_is_told_ours_and_may_try_again(void)
{
	const struct fuse_init_in newer = { .major = 8, .minor = 3, .flags = UINT32_MAX };
	const struct fuse_init_out *out;

	unit_start(&unit, &defaults);
	g_assert_cmpint(unit_call(&unit, FUSE_INIT, 0, &newer, sizeof(newer), NULL), ==, 0);
	out = unit_body(&unit, sizeof(*out));
	g_assert_cmpuint(out->major, ==, 7);
	g_assert_cmphex(flags_of(out), ==, 0);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EIO);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	unit_stop(&unit);
}

static uint64_t flags_with(enum fs_cache cache, bool no_readdirplus, uint64_t offered)
{
	const struct fuse_session_options options = {
		.cache = cache,
		.no_readdirplus = no_readdirplus,
	};
	uint64_t flags;

	unit_start(&unit, &options);
	flags = flags_of(unit_init(&unit, 46, offered));
	unit_stop(&unit);
	return flags;
}

static void readdirplus_follows_cache_mode_and_option(void)
{
	const uint64_t both = FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO;

	g_assert_cmphex(flags_with(FS_CACHE_AUTO, false, UNIT_ALL_FLAGS) & both, ==, both);
	g_assert_cmphex(flags_with(FS_CACHE_ALWAYS, false, UNIT_ALL_FLAGS) & both, ==, both);
	g_assert_cmphex(flags_with(FS_CACHE_NEVER, false, UNIT_ALL_FLAGS) & both, ==, 0);
	g_assert_cmphex(flags_with(FS_CACHE_AUTO, true, UNIT_ALL_FLAGS) & both, ==, 0);
}

/* Firmware that boots from a share wants it in the reply. */
static void a_guest_without_the_adaptive_form_always_gets_readdirplus(void)
{
	const uint64_t plus = FUSE_DO_READDIRPLUS;

	g_assert_cmphex(flags_with(FS_CACHE_NEVER, false, plus), ==, plus);
	g_assert_cmphex(flags_with(FS_CACHE_AUTO, true, plus), ==, plus);
}

static void link_targets_are_cached_where_metadata_is(void)
{
	const uint64_t flag = FUSE_CACHE_SYMLINKS;

	g_assert_cmphex(flags_with(FS_CACHE_AUTO, false, UNIT_ALL_FLAGS) & flag, ==, 0);
	g_assert_cmphex(flags_with(FS_CACHE_NEVER, false, UNIT_ALL_FLAGS) & flag, ==, 0);
	g_assert_cmphex(flags_with(FS_CACHE_ALWAYS, false, UNIT_ALL_FLAGS) & flag, ==, flag);
	g_assert_cmphex(flags_with(FS_CACHE_METADATA, false, UNIT_ALL_FLAGS) & flag, ==, flag);
}

static uint64_t flags_asked_for(enum fs_cache cache)
{
	const struct fuse_session_options options = {
		.cache = cache,
		.writeback = true,
		.allow_mmap = true,
	};
	uint64_t flags;

	unit_start(&unit, &options);
	flags = flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(fake.negotiated.writeback, ==, !!(flags & FUSE_WRITEBACK_CACHE));
	unit_stop(&unit);
	return flags;
}

static void write_back_needs_cached_files_and_the_option(void)
{
	const uint64_t flag = FUSE_WRITEBACK_CACHE;

	g_assert_cmphex(flags_asked_for(FS_CACHE_AUTO) & flag, ==, flag);
	g_assert_cmphex(flags_asked_for(FS_CACHE_ALWAYS) & flag, ==, flag);
	g_assert_cmphex(flags_asked_for(FS_CACHE_NEVER) & flag, ==, 0);
	g_assert_cmphex(flags_asked_for(FS_CACHE_METADATA) & flag, ==, 0);
	g_assert_cmphex(flags_with(FS_CACHE_ALWAYS, false, UNIT_ALL_FLAGS) & flag, ==, 0);
}

static void mappings_of_direct_files_need_the_option(void)
{
	const uint64_t flag = FUSE_DIRECT_IO_ALLOW_MMAP;

	g_assert_cmphex(flags_asked_for(FS_CACHE_NEVER) & flag, ==, flag);
	g_assert_cmphex(flags_with(FS_CACHE_NEVER, false, UNIT_ALL_FLAGS) & flag, ==, 0);
}

static void submounts_are_offered_only_when_announced(void)
{
	g_assert_cmphex(flags_with(FS_CACHE_AUTO, false, UNIT_ALL_FLAGS) & FUSE_SUBMOUNTS, ==, 0);
}

static void locks_are_granted_each_for_itself(void)
{
	struct fuse_session_options options = { .posix_lock = true };

	unit_start(&unit, &options);
	g_assert_cmphex(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) &
				(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS),
			==, FUSE_POSIX_LOCKS);
	unit_stop(&unit);
	options = (struct fuse_session_options){ .flock = true };
	unit_start(&unit, &options);
	g_assert_cmphex(flags_of(unit_init(&unit, 46, UNIT_ALL_FLAGS)) &
				(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS),
			==, FUSE_FLOCK_LOCKS);
	unit_stop(&unit);
}

static void a_second_init_starts_from_nothing(void)
{
	unsigned int before;

	unit_start_ready(&unit);
	before = fake.n_resets;
	g_assert_nonnull(unit_init(&unit, 31, 0));
	g_assert_cmpuint(fake.n_resets, ==, before + 1);
	unit_stop(&unit);
}

static void destroy_is_answered_and_ends_the_session(void)
{
	unsigned int before;

	unit_start_ready(&unit);
	before = fake.n_resets;
	g_assert_cmpint(unit_call(&unit, FUSE_DESTROY, 0, NULL, 0, NULL), ==, 0);
	g_assert_cmpuint(unit_body_bytes(&unit), ==, 0);
	g_assert_cmpuint(fake.n_resets, ==, before + 1);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EIO);
	unit_stop(&unit);
}

static void a_device_reset_ends_the_session(void)
{
	unit_start_ready(&unit);
	fuse_session_reset(unit.session);
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, -EIO);
	g_assert_nonnull(unit_init(&unit, 46, UNIT_ALL_FLAGS));
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	unit_stop(&unit);
}

static void a_successor_goes_on_with_what_was_negotiated(void)
{
	unit_start_ready(&unit);
	fuse_thread_free(unit.thread);
	fuse_session_free(unit.session);
	g_assert_cmpint(fuse_session_new(&defaults, &unit.fs, &unit.arena, &unit.session), ==, 0);
	g_assert_cmpint(fuse_thread_new(unit.session, NULL, NULL, &unit.thread), ==, 0);
	fake.entry.attr.submount = true;
	g_assert_cmpint(unit_call(&unit, FUSE_LOOKUP, 1, NULL, 0, "name"), ==, 0);
	g_assert_cmpuint(((const struct fuse_entry_out *)unit_body(&unit, 128))->attr.flags, ==,
			 FUSE_ATTR_SUBMOUNT);
	unit_stop(&unit);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/init/a guest of today gets all that is built",
			a_guest_of_today_gets_all_that_is_built);
	g_test_add_func("/init/nothing is granted that was not offered",
			nothing_is_granted_that_was_not_offered);
	g_test_add_func("/init/max_pages is told only to guests that know it",
			max_pages_is_told_only_to_guests_that_know_it);
	g_test_add_func("/init/without INIT_EXT the second word does not count",
			without_init_ext_the_second_word_does_not_count);
	g_test_add_func("/init/guests with the short form are served",
			guests_with_the_short_form_are_served);
	g_test_add_func("/init/an INIT that is too short is refused",
			an_init_that_is_too_short_is_refused);
	g_test_add_func("/init/the smaller minor counts", the_smaller_minor_counts);
	g_test_add_func("/init/protocols that are too old are refused",
			protocols_that_are_too_old_are_refused);
	g_test_add_func("/init/a newer major is told ours and may try again",
			a_newer_major_is_told_ours_and_may_try_again);
	g_test_add_func("/init/readdirplus follows cache mode and option",
			readdirplus_follows_cache_mode_and_option);
	g_test_add_func("/init/a guest without the adaptive form always gets readdirplus",
			a_guest_without_the_adaptive_form_always_gets_readdirplus);
	g_test_add_func("/init/link targets are cached where metadata is",
			link_targets_are_cached_where_metadata_is);
	g_test_add_func("/init/write-back needs cached files and the option",
			write_back_needs_cached_files_and_the_option);
	g_test_add_func("/init/mappings of direct files need the option",
			mappings_of_direct_files_need_the_option);
	g_test_add_func("/init/submounts are offered only when announced",
			submounts_are_offered_only_when_announced);
	g_test_add_func("/init/locks are granted each for itself",
			locks_are_granted_each_for_itself);
	g_test_add_func("/init/a second INIT starts from nothing",
			a_second_init_starts_from_nothing);
	g_test_add_func("/init/DESTROY is answered and ends the session",
			destroy_is_answered_and_ends_the_session);
	g_test_add_func("/init/a device reset ends the session", a_device_reset_ends_the_session);
	g_test_add_func("/init/a successor goes on with what was negotiated",
			a_successor_goes_on_with_what_was_negotiated);
	g_test_add_func("/init/what options ask for is granted to guests that can",
			what_options_ask_for_is_granted_to_guests_that_can);
	g_test_add_func("/init/opens truncate where the guest says who asks",
			opens_truncate_where_the_guest_says_who_asks);
	g_test_add_func("/init/ACLs need all three flags of the guest",
			acls_need_all_three_flags_of_the_guest);
	g_test_add_func("/init/a guest without labels is refused only where they must be",
			a_guest_without_labels_is_refused_only_where_they_must_be);
	return g_test_run();
}
