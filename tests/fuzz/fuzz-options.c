/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: command lines into options_parse(), one argument a line.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/bounded.h"

/* What the options print goes nowhere. */
static void silence(int *ret_out, int *ret_err)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fflush(stdout);
	*ret_out = dup(STDOUT_FILENO);
	*ret_err = dup(STDERR_FILENO);
	if (null < 0 || *ret_out < 0 || *ret_err < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		test_die("/dev/null: %s", strerror(errno));
	close(null);
}

static void speak_again(int out, int err)
{
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(out);
	close(err);
}

static void check(const struct options *o)
{
	if (o->thread_pool_size > OPTIONS_THREAD_POOL_MAX)
		test_die("a thread pool of %u", o->thread_pool_size);
	if (o->tag && (!*o->tag || strlen(o->tag) > OPTIONS_TAG_MAX))
		test_die("a tag of %zu bytes", strlen(o->tag));
	if (!o->shared_dir || !*o->shared_dir)
		test_die("nothing is shared");
	if ((o->fd >= 0) == (o->socket_path != NULL))
		test_die("no socket, or two");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 64);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	struct options options;
	enum options_result result;
	int out, err;

	g_ptr_array_add(argv, (gpointer)(uintptr_t) "virtiofsd");
	for (char **line = lines; *line; line++)
		g_ptr_array_add(argv, *line);
	g_ptr_array_add(argv, NULL);
	silence(&out, &err);
	result = options_parse(&options, (int)argv->len - 1, (char **)argv->pdata);
	speak_again(out, err);
	if (result == OPTIONS_RUN)
		check(&options);
	options_deinit(&options);
	return 0;
}
