/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows how command lines become options: long forms, the -o list with its escapes, later options
 * winning, and that a wrong line is a usage error and never half-applied silence.
 */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"

/* Splits at blanks and parses; stderr and stdout stay visible in the test log. */
static enum options_result parse(struct options *o, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", -1);
	g_autofree char **argv = g_new0(char *, g_strv_length(words) + 2);

	argv[0] = (char *)(uintptr_t) "virtiofsd";
	for (guint i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	return options_parse(o, (int)g_strv_length(words) + 1, argv);
}

#define USUAL "--shared-dir /srv --socket-path /run/s"

static void the_usual_line_has_the_documented_defaults(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL), ==, OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/srv");
	g_assert_cmpstr(o.socket_path, ==, "/run/s");
	g_assert_cmpint(o.fd, ==, -1);
	g_assert_null(o.tag);
	g_assert_cmpint(o.cache, ==, FS_CACHE_AUTO);
	g_assert_cmpint(o.sandbox, ==, SANDBOX_NAMESPACE);
	g_assert_cmpint(o.seccomp, ==, SANDBOX_SECCOMP_KILL);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_INFO);
	g_assert_cmpuint(o.thread_pool_size, ==, 16);
	g_assert_cmpuint(o.poll_us, ==, 250);
	g_assert_false(o.readonly);
	g_assert_true(o.announce_submounts);
	g_assert_cmpint(o.inode_file_handles, ==, HANDLES_PREFER);
	g_assert_cmpuint(o.max_restarts, ==, OPTIONS_RESTARTS_DEFAULT);
	options_deinit(&o);
}

static void equal_signs_and_blanks_both_separate_values(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--shared-dir=/a=b --fd=7 --cache=Never --readonly --tag=home "
				  "--log-level debug --thread-pool-size 0 --poll 0 "
				  "--max-restarts 0"),
			==, OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/a=b");
	g_assert_cmpint(o.fd, ==, 7);
	g_assert_cmpint(o.cache, ==, FS_CACHE_NEVER);
	g_assert_true(o.readonly);
	g_assert_cmpstr(o.tag, ==, "home");
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_DEBUG);
	g_assert_cmpuint(o.thread_pool_size, ==, 0);
	g_assert_cmpuint(o.poll_us, ==, 0);
	g_assert_cmpuint(o.max_restarts, ==, 0);
	options_deinit(&o);
}

static void a_later_option_wins(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " --cache=always --cache=metadata -o source=/other"), ==,
			OPTIONS_RUN);
	g_assert_cmpint(o.cache, ==, FS_CACHE_METADATA);
	g_assert_cmpstr(o.shared_dir, ==, "/other");
	options_deinit(&o);
}

static void an_exclusive_share_is_cached(void)
{
	static const char *const wrong[] = {
		"--cache=never",
		"--cache=metadata",
		"--allow-direct-io",
	};
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " --exclusive"), ==, OPTIONS_RUN);
	g_assert_true(o.exclusive);
	g_assert_cmpint(o.cache, ==, FS_CACHE_ALWAYS);
	g_assert_true(o.killpriv_v2);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --exclusive --cache=auto --no-killpriv-v2"), ==,
			OPTIONS_RUN);
	g_assert_cmpint(o.cache, ==, FS_CACHE_AUTO);
	g_assert_false(o.killpriv_v2);
	options_deinit(&o);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *line = g_strdup_printf(USUAL " --exclusive %s", wrong[i]);

		g_assert_cmpint(parse(&o, line), ==, OPTIONS_USAGE);
		options_deinit(&o);
	}
}

static void file_handles_have_three_words_and_an_old_one(void)
{
	static const struct {
		const char *word;
		enum options_handles value;
	} words[] = {
		{ "never", HANDLES_NEVER },
		{ "prefer", HANDLES_PREFER },
		{ "mandatory", HANDLES_MANDATORY },
		{ "fallback", HANDLES_PREFER },
	};
	struct options o;

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		g_autofree char *line = g_strdup_printf(USUAL " --inode-file-handles=%s",
							words[i].word);

		g_assert_cmpint(parse(&o, line), ==, OPTIONS_RUN);
		g_assert_cmpint(o.inode_file_handles, ==, words[i].value);
		options_deinit(&o);
	}
}

static void the_line_of_libvirt_nine_is_understood(void)
{
	struct options o;

	g_assert_cmpint(parse(&o,
			      "--fd=31 -o source=/srv,cache=none,sandbox=chroot,no_xattr,no_flock,"
			      "no_posix_lock --thread-pool-size=4 -d"),
			==, OPTIONS_RUN);
	g_assert_cmpint(o.fd, ==, 31);
	g_assert_cmpstr(o.shared_dir, ==, "/srv");
	g_assert_cmpint(o.cache, ==, FS_CACHE_NEVER);
	g_assert_cmpint(o.sandbox, ==, SANDBOX_CHROOT);
	g_assert_cmpuint(o.thread_pool_size, ==, 4);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_DEBUG);
	options_deinit(&o);
}

static void locks_are_asked_for_in_both_syntaxes(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL), ==, OPTIONS_RUN);
	g_assert_false(o.posix_lock || o.flock);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --posix-lock --flock --no-flock"), ==, OPTIONS_RUN);
	g_assert_true(o.posix_lock && !o.flock);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " -o posix_lock,flock,no_posix_lock"), ==, OPTIONS_RUN);
	g_assert_true(!o.posix_lock && o.flock);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --flock -o no_flock --posix-lock --no-posix-lock"), ==,
			OPTIONS_RUN);
	g_assert_false(o.posix_lock || o.flock);
	options_deinit(&o);
}

static void commas_and_equal_signs_fit_into_a_source(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--fd=3 -o source=/a,,b=c\\,d,cache=auto"), ==, OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/a,b=c,d");
	options_deinit(&o);
}

static void escapes_of_both_daemons_are_understood(void)
{
	static const struct {
		const char *list;
		const char *source;
	} lists[] = {
		{ "source=/a,,b", "/a,b" },	     { "source=/a\\,b", "/a,b" },
		{ "source=/a\\054b", "/a,b" },	     { "source=/a\\\\b", "/a\\b" },
		{ "source=/a\\=b=c", "/a=b=c" },     { "source=/a\\", "/a\\" },
		{ "source=/a,,,cache=auto", "/a," }, { ",source=/a,", "/a" },
	};
	struct options o;

	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autofree char *line = g_strdup_printf("--fd=3 -o %s", lists[i].list);

		g_assert_cmpint(parse(&o, line), ==, OPTIONS_RUN);
		g_assert_cmpstr(o.shared_dir, ==, lists[i].source);
		options_deinit(&o);
	}
}

static void negative_words_of_a_list_take_back(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " --writeback -o allow_direct_io,no_readdirplus,"
					"no_writeback,no_allow_direct_io,readdirplus"),
			==, OPTIONS_RUN);
	g_assert_false(o.writeback || o.allow_direct_io || o.no_readdirplus);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --daemonize -o debug,fsname=x,subtype=y,"
					"max_idle_threads=3"),
			==, OPTIONS_RUN);
	g_assert_false(o.daemonize);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_DEBUG);
	options_deinit(&o);
}

/* Whatever the locale, which here is "C". */
static void paths_are_bytes(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--shared-dir=/f\303\266r\377 --socket-path /\304\200"), ==,
			OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/f\303\266r\377");
	g_assert_cmpstr(o.socket_path, ==, "/\304\200");
	options_deinit(&o);
}

static void capabilities_are_kept_and_dropped_by_name(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " --modcaps=-chown --modcaps=+sys_admin:-MKNOD"), ==,
			OPTIONS_RUN);
	g_assert_cmphex(o.caps_add, ==, UINT64_C(1) << 21);
	g_assert_cmphex(o.caps_drop, ==, UINT64_C(1) << 27);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " -o modcaps=-dac_read_search"), ==, OPTIONS_RUN);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --modcaps=-dac_read_search "
					"--inode-file-handles=mandatory"),
			==, OPTIONS_USAGE);
	options_deinit(&o);
}

static void letters_may_stand_together(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--socket=/run/s --daemonize -fdosource=/srv"), ==, OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/srv");
	g_assert_cmpstr(o.socket_path, ==, "/run/s");
	g_assert_false(o.daemonize);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_DEBUG);
	options_deinit(&o);
}

static void the_limit_of_files_can_stay(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " --rlimit-nofile=0"), ==, OPTIONS_RUN);
	g_assert_true(o.rlimit_nofile_as_is);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --rlimit-nofile=0 --rlimit-nofile 4096"), ==,
			OPTIONS_RUN);
	g_assert_false(o.rlimit_nofile_as_is);
	g_assert_cmpuint(o.rlimit_nofile, ==, 4096);
	options_deinit(&o);
}

static void the_environment_of_launchers_counts(void)
{
	g_autofree char *pid = g_strdup_printf("%d", getpid());
	struct options o;

	g_setenv("RUST_LOG", "ERROR", TRUE);
	g_assert_cmpint(parse(&o, USUAL " --log-level=debug"), ==, OPTIONS_RUN);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_ERROR);
	options_deinit(&o);
	g_setenv("RUST_LOG", "virtiofsd=trace", TRUE);
	g_assert_cmpint(parse(&o, USUAL), ==, OPTIONS_RUN);
	g_assert_cmpint(o.log_level, ==, LOG_LEVEL_INFO);
	options_deinit(&o);
	g_unsetenv("RUST_LOG");

	g_setenv("LISTEN_FDS", "1", TRUE);
	g_setenv("LISTEN_PID", "1", TRUE);
	g_assert_cmpint(parse(&o, "--shared-dir=/srv"), ==, OPTIONS_USAGE);
	options_deinit(&o);
	g_setenv("LISTEN_PID", pid, TRUE);
	g_assert_cmpint(parse(&o, "--shared-dir=/srv"), ==, OPTIONS_RUN);
	g_assert_cmpint(o.fd, ==, 3);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL), ==, OPTIONS_RUN);
	g_assert_cmpint(o.fd, ==, -1);
	options_deinit(&o);
	g_setenv("LISTEN_FDS", "2", TRUE);
	g_assert_cmpint(parse(&o, "--shared-dir=/srv"), ==, OPTIONS_USAGE);
	options_deinit(&o);
	g_unsetenv("LISTEN_FDS");
	g_unsetenv("LISTEN_PID");
}

static void a_list_may_be_attached_to_its_letter(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--fd=3 -osource=/a -ocache=none"), ==, OPTIONS_RUN);
	g_assert_cmpstr(o.shared_dir, ==, "/a");
	g_assert_cmpint(o.cache, ==, FS_CACHE_NEVER);
	options_deinit(&o);
}

static void timeouts_are_seconds_with_fractions(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, USUAL), ==, OPTIONS_RUN);
	g_assert_false(o.attr_timeout.set || o.entry_timeout.set || o.negative_timeout.set);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --attr-timeout=0.5 --entry-timeout 0 "
					"--negative-timeout=3"),
			==, OPTIONS_RUN);
	g_assert_true(o.attr_timeout.set && o.entry_timeout.set && o.negative_timeout.set);
	g_assert_cmpuint(o.attr_timeout.ns, ==, 500000000);
	g_assert_cmpuint(o.entry_timeout.ns, ==, 0);
	g_assert_cmpuint(o.negative_timeout.ns, ==, UINT64_C(3000000000));
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " -o timeout=2.5,writeback --preserve-noatime"), ==,
			OPTIONS_RUN);
	g_assert_cmpuint(o.attr_timeout.ns, ==, UINT64_C(2500000000));
	g_assert_cmpuint(o.entry_timeout.ns, ==, UINT64_C(2500000000));
	g_assert_false(o.negative_timeout.set);
	g_assert_true(o.writeback && o.allow_mmap);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --no-allow-mmap"), ==, OPTIONS_RUN);
	g_assert_false(o.allow_mmap);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --no-allow-mmap --allow-mmap"), ==, OPTIONS_RUN);
	g_assert_true(o.allow_mmap);
	options_deinit(&o);
}

static void attributes_are_off_until_something_needs_them(void)
{
	static const char *const lines[] = {
		"--xattr",
		"--posix-acl",
		"--posix-acl=auto",
		"--security-label=Always",
		"--xattrmap=:ok:all:::",
		"-o xattr",
		"-o posix_acl",
		"-o security_label",
		"-o xattrmap=:prefix:all::user.virtiofs.::bad:all:::",
	};
	struct options o;

	g_assert_cmpint(parse(&o, USUAL " -o xattr,no_xattr,posix_acl,no_posix_acl"), ==,
			OPTIONS_RUN);
	g_assert_false(o.xattr);
	g_assert_null(o.xattr_map);
	options_deinit(&o);
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *line = g_strconcat(USUAL " ", lines[i], NULL);

		g_test_message("%s", line);
		g_assert_cmpint(parse(&o, line), ==, OPTIONS_RUN);
		g_assert_true(o.xattr);
		g_assert_true(!o.xattr_map == !strstr(line, "xattrmap"));
		options_deinit(&o);
	}
}

static void a_feature_is_always_wanted_when_its_value_is_left_out(void)
{
	struct options o;

	g_assert_cmpint(parse(&o, "--posix-acl --security-label=auto " USUAL), ==, OPTIONS_RUN);
	g_assert_cmpint(o.posix_acl, ==, FUSE_FEATURE_ALWAYS);
	g_assert_cmpint(o.security_label, ==, FUSE_FEATURE_AUTO);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --posix-acl --posix-acl=never --security-label "
					"--killpriv-v2"),
			==, OPTIONS_RUN);
	g_assert_cmpint(o.posix_acl, ==, FUSE_FEATURE_NEVER);
	g_assert_cmpint(o.security_label, ==, FUSE_FEATURE_ALWAYS);
	g_assert_true(o.killpriv_v2);
	options_deinit(&o);
	g_assert_cmpint(parse(&o, USUAL " --killpriv-v2 -o no_killpriv_v2"), ==, OPTIONS_RUN);
	g_assert_false(o.killpriv_v2);
	options_deinit(&o);
}

static void wrong_lines_are_usage_errors(void)
{
	static const char *const lines[] = {
		"--shared-dir /srv",
		"--socket-path /run/s",
		USUAL " --fd 3",
		"--shared-dir /srv --fd 3 --socket-group kvm",
		USUAL " --no-such-option",
		USUAL " surplus",
		USUAL " --cache=sometimes",
		USUAL " --inode-file-handles=always",
		USUAL " --inode-file-handles",
		USUAL " --thread-pool-size=-1",
		USUAL " --thread-pool-size=1x",
		USUAL " --max-restarts=often",
		USUAL " --max-restarts=1001",
		USUAL " --poll=auto",
		USUAL " --poll=1000001",
		USUAL " --thread-pool-size=99999999999999999999",
		USUAL " --tag=",
		USUAL " --tag=1234567890123456789012345678901234567",
		USUAL " --fd=x",
		USUAL " --log-level=loud",
		USUAL " --posix-acl=sometimes",
		USUAL " --security-label=",
		USUAL " --xattrmap=:nonsense:all:::",
		USUAL " --xattrmap",
		USUAL " -o posix_acl=always",
		USUAL " -o nonsense",
		USUAL " -o cache",
		USUAL " -o no_xattr=1",
		USUAL " --shared-dir=",
		USUAL " --attr-timeout=-1",
		USUAL " --entry-timeout=1s",
		USUAL " --negative-timeout=",
		USUAL " -o timeout=soon",
		USUAL " --attr-timeout=1000000001",
		USUAL " --readonly=yes",
		USUAL " --version=1",
		USUAL " --shared",
		USUAL " -x",
		USUAL " -fx",
		USUAL " -",
		USUAL " --",
		USUAL " -o",
		USUAL " --fd",
		USUAL " --posix-acl never",
		USUAL " --socket-group=",
		USUAL " --modcaps=",
		USUAL " --modcaps=sys_admin",
		USUAL " --modcaps=+sys_admin:",
		USUAL " --modcaps=+no_such",
		USUAL " --translate-uid=map:0:1000:1",
		USUAL " --gid-map :0:0:1:",
		USUAL " --migration-confirm-paths",
		USUAL " -o allow_root",
		USUAL " -o =value",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct options o;

		g_test_message("%s", lines[i]);
		g_assert_cmpint(parse(&o, lines[i]), ==, OPTIONS_USAGE);
		options_deinit(&o);
	}
}

/* What is printed must not be taken for lines of the test protocol: in a subprocess. */
static void asking_for_the_version_needs_nothing_else(void)
{
	static const char *const lines[] = { "--version", "--print-capabilities", "--help" };
	struct options o;

	if (g_test_subprocess()) {
		for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
			g_assert_cmpint(parse(&o, lines[i]), ==, OPTIONS_DONE);
			options_deinit(&o);
		}
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout(
		"*virtiofsd 0.*\"type\": \"fs\"*\"posix-acl-negotiation-mode\"*--shared-dir=DIR*");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/options/the usual line has the documented defaults",
			the_usual_line_has_the_documented_defaults);
	g_test_add_func("/options/equal signs and blanks both separate values",
			equal_signs_and_blanks_both_separate_values);
	g_test_add_func("/options/a later option wins", a_later_option_wins);
	g_test_add_func("/options/an exclusive share is cached", an_exclusive_share_is_cached);
	g_test_add_func("/options/file handles have three words and an old one",
			file_handles_have_three_words_and_an_old_one);
	g_test_add_func("/options/the line of libvirt nine is understood",
			the_line_of_libvirt_nine_is_understood);
	g_test_add_func("/options/locks are asked for in both syntaxes",
			locks_are_asked_for_in_both_syntaxes);
	g_test_add_func("/options/commas and equal signs fit into a source",
			commas_and_equal_signs_fit_into_a_source);
	g_test_add_func("/options/escapes of both daemons are understood",
			escapes_of_both_daemons_are_understood);
	g_test_add_func("/options/negative words of a list take back",
			negative_words_of_a_list_take_back);
	g_test_add_func("/options/paths are bytes", paths_are_bytes);
	g_test_add_func("/options/capabilities are kept and dropped by name",
			capabilities_are_kept_and_dropped_by_name);
	g_test_add_func("/options/letters may stand together", letters_may_stand_together);
	g_test_add_func("/options/the limit of files can stay", the_limit_of_files_can_stay);
	g_test_add_func("/options/the environment of launchers counts",
			the_environment_of_launchers_counts);
	g_test_add_func("/options/a list may be attached to its letter",
			a_list_may_be_attached_to_its_letter);
	g_test_add_func("/options/timeouts are seconds with fractions",
			timeouts_are_seconds_with_fractions);
	g_test_add_func("/options/attributes are off until something needs them",
			attributes_are_off_until_something_needs_them);
	g_test_add_func("/options/a feature is always wanted when its value is left out",
			a_feature_is_always_wanted_when_its_value_is_left_out);
	g_test_add_func("/options/wrong lines are usage errors", wrong_lines_are_usage_errors);
	g_test_add_func("/options/asking for the version needs nothing else",
			asking_for_the_version_needs_nothing_else);
	return g_test_run();
}
