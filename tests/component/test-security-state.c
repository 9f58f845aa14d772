/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a running daemon's processes, read from /proc and compared with the table under
 * "Processes" in $SECURITY_DOC: what the document says is so, for every process there is.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define MAX_PROCESSES 8

struct state {
	const struct fixture *f;
	pid_t pid;
};

/* ---- What /proc says: words in any order, NULL where it says nothing ---- */

static char *status_of(pid_t pid, const char *field)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *start = g_strdup_printf("%s:\t", field);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		test_die("%s", path);
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++)
		if (g_str_has_prefix(*line, start))
			return g_strdup(g_strstrip(*line + strlen(start)));
	test_die("%s has no %s", path, field);
}

static char *namespaces(const struct state *s)
{
	static const char *const kinds[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	GString *words = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autofree char *path = g_strdup_printf("/proc/%d/ns/%s", (int)s->pid, kinds[i]);
		g_autofree char *ours = g_strdup_printf("/proc/self/ns/%s", kinds[i]);
		struct stat theirs, here;

		if (stat(path, &theirs) || stat(ours, &here))
			test_die("%s", path);
		if (theirs.st_ino != here.st_ino)
			g_string_append_printf(words, "%s ", kinds[i]);
	}
	return g_string_free(words, FALSE);
}

static char *root(const struct state *s)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/root", (int)s->pid);
	struct stat theirs, share, host;
	struct statfs fs;

	if (stat(path, &theirs) || stat(s->f->share.dir, &share) || stat("/", &host))
		test_die("%s", path);
	if (statfs(path, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
		return g_strdup("its descriptors");
	if (theirs.st_ino == share.st_ino && theirs.st_dev == share.st_dev)
		return g_strdup("the share");
	return g_strdup(theirs.st_ino == host.st_ino && theirs.st_dev == host.st_dev ? "the host's"
										     : "another");
}

static char *mountinfo(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/mountinfo", (int)pid);
	char *text;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		test_die("%s", path);
	return g_strchomp(text);
}

static char *mounts(const struct state *s)
{
	g_autofree char *theirs = mountinfo(s->pid);
	g_autofree char *ours = mountinfo(getpid());

	if (strcmp(theirs, ours) == 0)
		return g_strdup("the host's");
	if (!*theirs)
		return g_strdup("none");
	return g_strdup(strchr(theirs, '\n') ? "others" : "the share");
}

/* Of the one mount there is. Field 6 of mountinfo; "rw" and how access times are kept are no walls. */
static char *mount_options(const struct state *s)
{
	g_autofree char *text = mountinfo(s->pid);
	g_auto(GStrv) fields = g_strsplit(text, " ", 7);
	g_auto(GStrv) options = NULL;
	GString *words = g_string_new(NULL);

	if (!strchr(text, '\n') && g_strv_length(fields) > 5) {
		options = g_strsplit(fields[5], ",", -1);
		for (char **option = options; *option; option++)
			if (!g_str_equal(*option, "rw") && !strstr(*option, "atime"))
				g_string_append_printf(words, "%s ", *option);
	}
	return g_string_free(words, FALSE);
}

static char *names_of(guint64 set)
{
	static const char *const names[] = {
		"chown", "dac_override", "dac_read_search", "fowner",  "fsetid",
		"kill",	 "setgid",	 "setuid",	    "setpcap", "linux_immutable",
	};
	GString *words = g_string_new(NULL);

	for (unsigned int cap = 0; cap < 64; cap++) {
		if (!(set >> cap & 1))
			continue;
		if (cap < G_N_ELEMENTS(names))
			g_string_append_printf(words, "%s ", names[cap]);
		else if (cap == 27 || cap == 31)
			g_string_append(words, cap == 27 ? "mknod " : "setfcap ");
		else if (cap == 18)
			g_string_append(words, "sys_chroot ");
		else
			g_string_append_printf(words, "%u ", cap);
	}
	return g_string_free(words, FALSE);
}

static guint64 capability_set(const struct state *s, const char *field)
{
	g_autofree char *text = status_of(s->pid, field);

	return g_ascii_strtoull(text, NULL, 16);
}

static char *effective(const struct state *s)
{
	return names_of(capability_set(s, "CapEff"));
}

/* The bounding set has no others. */
static char *permitted(const struct state *s)
{
	guint64 set = capability_set(s, "CapPrm");

	g_assert_cmphex(capability_set(s, "CapBnd") & ~set, ==, 0);
	return names_of(set);
}

static char *passed_on(const struct state *s)
{
	return names_of(capability_set(s, "CapInh") | capability_set(s, "CapAmb"));
}

static char *groups(const struct state *s)
{
	return status_of(s->pid, "Groups");
}

static char *yes_if(const struct state *s, const char *field, const char *value)
{
	g_autofree char *text = status_of(s->pid, field);

	return g_strdup(g_str_equal(text, value) ? "yes" : "no");
}

static char *no_new_privs(const struct state *s)
{
	return yes_if(s, "NoNewPrivs", "1");
}

static char *filter(const struct state *s)
{
	return yes_if(s, "Seccomp", "2");
}

static char *core_files(const struct state *s)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/limits", (int)s->pid);
	g_autofree char *text = NULL;
	const char *line;
	unsigned long soft, hard;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		test_die("%s", path);
	line = strstr(text, "Max core file size");
	if (!line || sscanf(line + strlen("Max core file size"), "%lu %lu", &soft, &hard) != 2)
		return g_strdup("unlimited");
	return g_strdup_printf("%lu", MAX(soft, hard));
}

/* ---- Descriptors ---- */

static const char *kind_of(const struct state *s, const char *target, const struct stat *st)
{
	static const char *const anonymous[] = { "eventfd", "eventpoll", "signalfd",
						 "timerfd", "inotify",	 "pidfd" };
	struct stat share;

	for (size_t i = 0; i < G_N_ELEMENTS(anonymous); i++)
		if (strstr(target, "anon_inode:") && strstr(target, anonymous[i]))
			return anonymous[i];
	if (S_ISSOCK(st->st_mode))
		return "socket";
	if (S_ISFIFO(st->st_mode))
		return "pipe";
	if (strstr(target, "memfd:virtiofsd-state"))
		return "state";
	if (strstr(target, "memfd:guest-ram"))
		return "memory";
	if (S_ISDIR(st->st_mode) && g_str_has_suffix(target, "/fd"))
		return "proc";
	if (g_str_has_suffix(target, ".pid"))
		return "pidfile";
	if (stat(s->f->share.dir, &share))
		test_die("stat");
	/* Its own /proc/self/fd has no name where the mount is gone. */
	if (S_ISDIR(st->st_mode) && (st->st_ino == share.st_ino || g_str_equal(target, "/")))
		return "share";
	return target;
}

static char *descriptors(const struct state *s)
{
	g_autofree char *folder = g_strdup_printf("/proc/%d/fd", (int)s->pid);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	GString *words = g_string_new("stdio ");
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		char target[4096] = "";
		struct stat st;

		if (atoi(name) <= STDERR_FILENO)
			continue;
		if (readlink(path, target, sizeof(target) - 1) < 0 || stat(path, &st))
			continue; /* closed meanwhile */
		if (!strstr(words->str, kind_of(s, target, &st)))
			g_string_append_printf(words, "%s ", kind_of(s, target, &st));
	}
	return g_string_free(words, FALSE);
}

/* ---- The table ---- */

static const struct row {
	const char *name;
	char *(*read)(const struct state *s);
	bool at_most; /* the document names all that there may be */
} rows[] = {
	{ "namespaces of its own", namespaces },
	{ "root", root },
	{ "mounts", mounts },
	{ "mount options", mount_options },
	{ "capabilities in effect", effective },
	{ "capabilities permitted", permitted },
	{ "inheritable and ambient capabilities", passed_on },
	{ "supplementary groups", groups },
	{ "no_new_privs", no_new_privs },
	{ "system call filter", filter },
	{ "core files", core_files },
	{ "descriptors", descriptors, true },
};

static int compare_words(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *words_of(const char *text)
{
	g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
	GPtrArray *sorted = g_ptr_array_new_with_free_func(g_free);

	for (char **word = words; *word; word++)
		if (**word)
			g_ptr_array_add(sorted, g_strdup(*word));
	g_ptr_array_sort(sorted, compare_words);
	return sorted;
}

static bool is_said(const char *said, const char *is, bool at_most)
{
	g_autoptr(GPtrArray) a = words_of(said);
	g_autoptr(GPtrArray) b = words_of(is);

	for (guint i = 0; i < b->len; i++)
		if (!g_ptr_array_find_with_equal_func(a, b->pdata[i], g_str_equal, NULL))
			return false;
	return at_most || a->len == b->len;
}

/* The cells of the row of that name, the name first; dies when the document has none. */
static GStrv cells_of(const char *name)
{
	g_autofree char *start = g_strdup_printf("| %s |", name);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!getenv("SECURITY_DOC") ||
	    !g_file_get_contents(getenv("SECURITY_DOC"), &text, NULL, NULL))
		test_die("SECURITY_DOC must name docs/security.md");
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++)
		if (g_str_has_prefix(*line, start))
			return g_strsplit(*line + 2, " |", -1);
	test_die("the document has no row \"%s\"", name);
}

static void check_row(const struct fixture *f, const struct row *row, const pid_t *pids, size_t n)
{
	g_auto(GStrv) cells = cells_of(row->name);

	/* Name, one for each process, what is behind the last bar. */
	g_assert_cmpuint(g_strv_length(cells), ==, n + 2);
	for (size_t i = 0; i < n; i++) {
		const struct state state = { f, pids[i] };
		g_autofree char *is = row->read(&state);

		if (!is_said(cells[i + 1], is, row->at_most))
			test_die("%s of process %zu: \"%s\" is said, \"%s\" is so", row->name, i,
				 cells[i + 1], is);
	}
}

static void test_table(void)
{
	struct fixture *f = fixture_start(NULL);
	pid_t pids[MAX_PROCESSES];
	size_t n = daemon_pids(f->daemon, pids, MAX_PROCESSES);

	fixture_check_alive(f);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		check_row(f, &rows[i], pids, n);
	fixture_stop(f);
}

static void test_left_open(void)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY); /* not close-on-exec */
	int far = fcntl(folder, F_DUPFD, 200);
	struct fixture_config config = { .pass_fd = true };
	struct fixture *f;
	pid_t pids[MAX_PROCESSES];
	size_t n;

	g_assert_cmpint(folder, >=, 0);
	g_assert_cmpint(far, >=, 0);
	f = fixture_start(&config);
	n = daemon_pids(f->daemon, pids, MAX_PROCESSES);
	check_row(f, &rows[G_N_ELEMENTS(rows) - 1], pids, n);
	for (size_t i = 0; i < n; i++) {
		g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)pids[i], far);

		g_assert_cmpint(access(path, F_OK), !=, 0);
	}
	fixture_stop(f);
	close(folder);
	close(far);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/security-state/the running daemon is as the document says", test_table);
	g_test_add_func("/security-state/what the starter left open is closed", test_left_open);
	return g_test_run();
}
