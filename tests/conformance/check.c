/* SPDX-License-Identifier: Apache-2.0 */
/* Named checks: result lines in TAP, and that no sentence is there twice. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"

#define MAX_CHECKS 2000

static const char *theme = "";
static char *lines_seen[MAX_CHECKS];
static unsigned int count, failures;

void check_theme(const char *name)
{
	theme = name;
}

static bool is_new(const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(lines_seen[i], name) == 0)
			return false;
	return true;
}

__attribute__((format(printf, 3, 4))) static void result(bool good, const char *sentence,
							 const char *format, ...)
{
	char name[300], seen[300];
	va_list args;

	snprintf(name, sizeof(name), "%s: %s", theme, sentence);
	va_start(args, format);
	vsnprintf(seen, sizeof(seen), format, args);
	va_end(args);
	if (count == MAX_CHECKS || !is_new(name)) {
		printf("not ok %u - %s -> told twice\n", count + 1, name);
		failures++;
		return;
	}
	for (char *p = seen; *p; p++)
		if (*p < ' ')
			*p = '.';
	lines_seen[count++] = strdup(name);
	failures += !good;
	printf("%s %u - %s -> %s\n", good ? "ok" : "not ok", count, name, seen);
}

int check_finish(void)
{
	printf("1..%u\n", count);
	for (unsigned int i = 0; i < count; i++)
		free(lines_seen[i]);
	return failures > 0;
}

static const char *error_name(long outcome)
{
	const char *name = outcome >= 0 ? "ok" : strerrorname_np(errno);

	return name ? name : "unknown error";
}

void works(const char *sentence, long outcome)
{
	result(outcome >= 0, sentence, "%s", error_name(outcome));
}

void fails(const char *sentence, int error, long outcome)
{
	result(outcome < 0 && errno == error, sentence, "%s", error_name(outcome));
}

void equals(const char *sentence, long long want, long long got)
{
	if (want == got)
		result(true, sentence, "%lld", got);
	else
		result(false, sentence, "%lld, not %lld", got, want);
}

void modes_equal(const char *sentence, long want, long got)
{
	if (want == got)
		result(true, sentence, "%04lo", got);
	else
		result(false, sentence, "%04lo, not %04lo", got, want);
}

void holds(const char *sentence, bool truth)
{
	result(truth, sentence, "%s", truth ? "yes" : "no");
}

void reads(const char *sentence, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		result(true, sentence, "%.40s", got);
	else
		result(false, sentence, "%.40s, not %.40s", got, want);
}

void observe(const char *sentence, long outcome)
{
	result(true, sentence, "%s", error_name(outcome));
}

void observe_number(const char *sentence, long long got)
{
	result(true, sentence, "%lld", got);
}

int must_do(long outcome, const char *file, int line)
{
	if (outcome < 0) {
		printf("not ok %u - %s: set-up in line %d of %s -> %s\n", count + 1, theme, line,
		       strrchr(file, '/') ? strrchr(file, '/') + 1 : file, error_name(outcome));
		failures++;
	}
	return (int)outcome;
}
