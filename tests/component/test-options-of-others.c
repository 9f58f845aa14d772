/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that every option of the stock daemons does what the list beside this file says, and that
 * docs/compatibility.md has a word about each: $OPTIONS_OF_OTHERS and $COMPATIBILITY name the two.
 */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/component/service.h"
#include "tests/lib/bounded.h"
#include "tests/lib/daemon-process.h"
#include "tests/lib/share.h"

#define AT_LEAST 100 /* lines: a list that cannot be read shows nothing */

struct row {
	char *daemon;
	char *outcome;
	char **args;
};

static char *read_file(const char *variable)
{
	const char *path = g_getenv(variable);
	char *text;

	if (!path || !g_file_get_contents(path, &text, NULL, NULL))
		test_die("%s must name a file", variable);
	return text;
}

/* "--cache=never" and "-o cache=none,xattr" as the page has them: "`--cache`", "`-o cache`". */
static char *name_on_page(char **args)
{
	const char *word = strcmp(args[0], "-o") == 0 ? args[1] : args[0];
	g_autofree char *name = g_strndup(word, strcspn(word, "=,"));

	return g_strdup_printf("`%s%s`", word == args[0] ? "" : "-o ", name);
}

static struct daemon_process *spawn(const struct row *row, const struct share *share,
				    struct service *service)
{
	bool pass_fd = g_str_has_prefix(row->args[0], "--fd");
	char *args[8] = { NULL };
	const char *env[] = { service->env, NULL };
	struct daemon_config config = {
		.shared_dir = share->dir,
		.pass_fd = pass_fd,
		.args = (const char *const *)args,
		.env = env,
	};
	struct daemon_process *daemon;

	for (size_t i = 0; row->args[i] && !pass_fd; i++) {
		g_autoptr(GString) word = g_string_new(row->args[i]);

		g_string_replace(word, "@SHARE", share->dir, 0);
		g_string_replace(word, "@SOCKET", service->other_socket, 0);
		args[i] = g_strdup(word->str);
	}
	daemon = daemon_spawn(&config);
	for (size_t i = 0; args[i]; i++)
		g_free(args[i]);
	return daemon;
}

static void expect_status(struct daemon_process *daemon, int expected)
{
	int status = daemon_wait(daemon);
	g_autofree char *text = daemon_stderr(daemon);

	if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != expected)
		test_die("wait status %#x, not exit %d; it said: %s", status, expected, text);
}

static void expect_sentence(struct daemon_process *daemon)
{
	g_autofree char *text = NULL;

	expect_status(daemon, 2);
	daemon_wait_stderr(daemon, "\n"); /* read by a thread */
	text = daemon_stderr(daemon);
	g_assert_true(g_str_has_prefix(text, "virtiofsd: "));
	g_assert_nonnull(strstr(text, " is not supported: "));
	g_assert_true(strchr(text, '\n') == text + strlen(text) - 1);
}

static void check_row(gconstpointer data)
{
	const struct row *row = data;
	struct service service;
	struct share share;
	struct daemon_process *daemon;

	share_init(&share);
	service_init(&service);
	daemon = spawn(row, &share, &service);
	if (strcmp(row->outcome, "refused") == 0) {
		expect_sentence(daemon);
	} else if (strcmp(row->outcome, "prints") == 0) {
		expect_status(daemon, 0);
	} else if (strcmp(row->outcome, "background") == 0) {
		service_expect_ready(&service);
		expect_status(daemon, 0);
		service_end_by_pid_file(daemon_socket_path(daemon));
	} else {
		service_expect_ready(&service);
		g_assert_true(daemon_running(daemon));
		kill(daemon_pid(daemon), SIGTERM);
		expect_status(daemon, 0);
	}
	daemon_free(daemon);
	service_deinit(&service);
	share_deinit(&share);
}

static void check_page(gconstpointer data)
{
	const struct row *row = data;
	g_autofree char *page = read_file("COMPATIBILITY");
	g_autofree char *name = name_on_page(row->args);

	if (!strstr(page, name))
		test_die("docs/compatibility.md does not tell of %s", name);
}

static unsigned int add_rows(char **lines)
{
	unsigned int n = 0;

	for (; *lines; lines++) {
		struct row *row;
		char **words = g_strsplit(*lines, " ", -1);
		g_autofree char *rest = NULL, *test = NULL, *page = NULL;

		if (!words[0] || words[0][0] == '#' || g_strv_length(words) < 3) {
			g_strfreev(words);
			continue;
		}
		row = g_new0(struct row, 1);
		*row = (struct row){ words[0], words[1], words + 2 };
		rest = g_strdelimit(g_strjoinv(" ", row->args), "/", '|');
		test = g_strdup_printf("/options-of-others/%s %u: %s is as listed", row->daemon,
				       ++n, rest);
		page = g_strdup_printf("/options-of-others/%s %u: %s is on the page", row->daemon,
				       n, rest);
		g_test_add_data_func(test, row, check_row);
		g_test_add_data_func(page, row, check_page);
	}
	return n;
}

int main(int argc, char **argv)
{
	g_autofree char *list = NULL;
	g_auto(GStrv) lines = NULL;

	g_test_init(&argc, &argv, NULL);
	list = read_file("OPTIONS_OF_OTHERS");
	lines = g_strsplit(list, "\n", -1);
	if (add_rows(lines) < AT_LEAST)
		test_die("the list is short");
	return g_test_run();
}
