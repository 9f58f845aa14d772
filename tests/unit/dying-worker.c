/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that die, and what is left of them.
 */
#include "dying-worker.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* Not in all headers. */
#define GET_SYSCALL_INFO   0x420e
#define SYSCALL_INFO_ENTRY 1

struct call_info {
	uint8_t op;
	uint8_t pad[3];
	uint32_t arch;
	uint64_t instruction, stack;
	uint64_t nr;
	uint64_t args[6];
};

/* ---- Life ---- */

void dying_start_with(struct dying *d, const struct fs_options *options)
{
	d->options = *options;
	fs_unit_start_with(&d->unit, d->base, &d->options);
	d->record = mmap(NULL, sizeof(*d->record), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g_assert_true(d->record != MAP_FAILED);
	d->record->order = 1;
	d->thread = fs_unit_thread(&d->unit);
	d->thread->inflight = d->record;
}

void dying_start(struct dying *d)
{
	struct fs_options options = fs_unit_options();

	dying_start_with(d, &options);
}

void dying_stop(struct dying *d)
{
	munmap(d->record, sizeof(*d->record));
	g_free(d->thread);
	fs_unit_stop(&d->unit);
}

/* ---- Death ---- */

/* The end of the request, for the tracer. */
static void tell_end(void)
{
	(void)syscall(SYS_getppid);
}

static pid_t start_worker(struct dying *d, dying_serve serve, const void *arg)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	int status;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		/* Not raise(3), which knows the thread it was cloned from. */
		syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
		serve(d, arg);
		tell_end();
		_exit(0);
	}
	g_assert_cmpint(pid, >, 0);
	g_assert_cmpint(waitpid(pid, &status, __WALL), ==, pid);
	g_assert_true(WIFSTOPPED(status));
	g_assert_cmpint(
		ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), ==,
		0);
	return pid;
}

/* To its next stop; whether that is the end of the request. */
static bool step(pid_t pid)
{
	struct call_info info = { 0 };
	int status;

	g_assert_cmpint(ptrace(PTRACE_SYSCALL, pid, 0, 0), ==, 0);
	g_assert_cmpint(waitpid(pid, &status, __WALL), ==, pid);
	g_assert_true(WIFSTOPPED(status));
	g_assert_cmpint(WSTOPSIG(status), ==, SIGTRAP | 0x80);
	g_assert_cmpint(ptrace(GET_SYSCALL_INFO, pid, sizeof(info), &info), >, 0);
	return info.op == SYSCALL_INFO_ENTRY && info.nr == SYS_getppid;
}

/* False when it has come to its own end. */
static bool step_instruction(pid_t pid)
{
	int status;

	g_assert_cmpint(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), ==, 0);
	g_assert_cmpint(waitpid(pid, &status, __WALL), ==, pid);
	return WIFSTOPPED(status);
}

static void end_worker(pid_t pid)
{
	int status;

	g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
	g_assert_cmpint(waitpid(pid, &status, __WALL), ==, pid);
	g_assert_true(WIFSIGNALED(status));
}

bool dying_run(struct dying *d, dying_serve serve, const void *arg, unsigned int stop,
	       unsigned int n_instructions)
{
	pid_t pid = start_worker(d, serve, arg);
	bool complete = false;

	for (unsigned int at = 0; at <= stop && !complete; at++)
		complete = step(pid);
	for (unsigned int i = 0; i < n_instructions; i++)
		if (!step_instruction(pid))
			return false;
	end_worker(pid);
	return !complete;
}

/* ---- Succession ---- */

/* What only the dead worker had: its memory. */
static void drop_memory(struct fs *fs)
{
	fd_close(&fs->proc_self_fd);
	ltab_deinit(&fs->locks);
	fs_implicit_deinit(fs);
	htab_deinit(&fs->handles);
	itab_deinit(&fs->inodes);
	free(fs);
}

static bool in_arena(struct fs *fs, int fd)
{
	for (uint32_t i = 0; i < slot_pool_used(&fs->inodes.pool); i++)
		if (fs->inodes.slots[i].word & SLOT_LIVE && fs->inodes.slots[i].fd == fd)
			return true;
	for (uint32_t i = 0; i < slot_pool_used(&fs->handles.pool); i++)
		if (fs->handles.slots[i].word & SLOT_LIVE && fs->handles.slots[i].fd == fd)
			return true;
	return false;
}

/* Of what the worker opened, only what the arena names stays open. */
static void close_strays(struct dying *d)
{
	for (int fd = 3; fd < 256; fd++) {
		g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
		g_autofree char *path = g_file_read_link(link, NULL);

		if (path && g_str_has_prefix(path, d->unit.path) && fd != d->unit.dir_fd &&
		    !in_arena(d->unit.fs, fd))
			close(fd);
	}
}

void dying_succeed(struct dying *d)
{
	struct fs_options options = d->options;

	drop_memory(d->unit.fs);
	options.root_fd = open(d->unit.path, O_PATH | O_CLOEXEC);
	options.proc_self_fd = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	g_assert_cmpint(fs_new(&options, &d->unit.arena, &d->unit.fs), ==, 0);
	close_strays(d);
	g_free(d->thread);
	d->thread = fs_unit_thread(&d->unit);
	d->unit.thread->fs = d->unit.fs;
	d->thread->inflight = d->record;
	d->record->attempts++;
}

/* ---- Pictures ---- */

static GPtrArray *lines;
static size_t prefix;

static void add_attributes(GString *line, const char *path)
{
	char names[256], value[64];
	ssize_t n = llistxattr(path, names, sizeof(names));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t len = lgetxattr(path, names + at, value, sizeof(value));

		g_string_append_printf(line, " %s=%.*s", names + at, (int)MAX(len, 0), value);
	}
}

static int add_name(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	GString *line = g_string_new(path + prefix);

	g_string_append_printf(line, " %o %u:%u links %u size %u", st->st_mode, st->st_uid,
			       st->st_gid, (unsigned int)st->st_nlink,
			       S_ISDIR(st->st_mode) ? 0 : (unsigned int)st->st_size);
	if (S_ISCHR(st->st_mode))
		g_string_append_printf(line, " device %u", (unsigned int)st->st_rdev);
	if (S_ISREG(st->st_mode) && st->st_size < 4096) {
		g_autofree char *text = NULL;

		if (g_file_get_contents(path, &text, NULL, NULL))
			g_string_append_printf(line, " \"%s\"", text);
	}
	if (S_ISLNK(st->st_mode)) {
		g_autofree char *target = g_file_read_link(path, NULL);

		g_string_append_printf(line, " -> %s", target);
	}
	add_attributes(line, path);
	g_ptr_array_add(lines, g_string_free(line, FALSE));
	return 0;
}

/* The first name of what is open; the kernel's idea of it depends on how it came to be open. */
static char *path_of(const struct dying *d, int fd)
{
	g_autoptr(GDir) dir = g_dir_open(d->unit.path, 0, NULL);
	struct stat open_st, st;
	const char *first = NULL;
	const char *name;

	g_assert_cmpint(fstat(fd, &open_st), ==, 0);
	while ((name = g_dir_read_name(dir))) {
		g_assert_cmpint(fstatat(d->unit.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), ==, 0);
		if (st.st_ino == open_st.st_ino && (!first || strcmp(name, first) < 0))
			first = name;
	}
	if (first)
		return g_strdup(first);
	return g_strdup_printf("(%o, %u links)", open_st.st_mode, (unsigned int)open_st.st_nlink);
}

static void add_tables(struct dying *d, bool with_lookups)
{
	struct fs *fs = d->unit.fs;

	for (uint32_t i = 0; i < slot_pool_used(&fs->inodes.pool); i++) {
		const struct inode_slot *slot = &fs->inodes.slots[i];
		g_autofree char *path = slot->word & SLOT_LIVE ? path_of(d, slot->fd) : NULL;

		if (!path)
			continue;
		g_ptr_array_add(lines,
				g_strdup_printf("node %s: %u lookups, %u pins", path,
						with_lookups ? (unsigned int)slot->n_lookup : 0,
						(unsigned int)(slot->word & SLOT_PINS)));
	}
	for (uint32_t i = 0; i < slot_pool_used(&fs->handles.pool); i++) {
		const struct handle_slot *slot = &fs->handles.slots[i];
		g_autofree char *path = slot->word & SLOT_LIVE ? path_of(d, slot->fd) : NULL;

		if (path)
			g_ptr_array_add(lines, g_strdup_printf("handle %s: kind %u, flags %u", path,
							       slot->kind, slot->flags));
	}
	g_ptr_array_add(lines,
			g_strdup_printf("%u descriptors, %u charged",
					fs_unit_count_fds() - d->unit.n_fds,
					__atomic_load_n(&fs->budget.n_used, __ATOMIC_RELAXED)));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *dying_picture(struct dying *d, bool with_lookups)
{
	char *text;

	lines = g_ptr_array_new_with_free_func(g_free);
	prefix = strlen(d->unit.path);
	g_assert_cmpint(nftw(d->unit.path, add_name, 16, FTW_PHYS), ==, 0);
	add_tables(d, with_lookups);
	qsort(lines->pdata, lines->len, sizeof(lines->pdata[0]), by_text);
	g_ptr_array_add(lines, NULL);
	text = g_strjoinv("\n", (char **)lines->pdata);
	g_ptr_array_free(lines, TRUE);
	return text;
}

void dying_tell_entry(struct dying *d, GString *answer, const struct fs_entry *entry)
{
	const struct statx *stx = &entry->attr.stx;
	struct inode_slot *slot = itab_get(&d->unit.fs->inodes, entry->nodeid);
	g_autofree char *path = NULL;

	g_assert_nonnull(slot);
	path = path_of(d, slot->fd);
	g_assert_cmpuint(slot->id.ino, ==, stx->stx_ino);
	g_assert_cmpuint(entry->generation, ==, entry->nodeid >> 32);
	itab_put(&d->unit.fs->inodes, slot);
	g_string_append_printf(answer, " entry %s %o %u:%u links %u size %u", path, stx->stx_mode,
			       stx->stx_uid, stx->stx_gid, stx->stx_nlink,
			       S_ISDIR(stx->stx_mode) ? 0 : (unsigned int)stx->stx_size);
}

void dying_tell_opened(struct dying *d, GString *answer, const struct fs_opened *opened,
		       enum handle_kind kind)
{
	const int shown = O_ACCMODE | O_APPEND | O_DIRECT | O_SYNC | O_NOATIME | O_PATH;
	struct handle_slot *slot = htab_get(&d->unit.fs->handles, opened->fh, kind);
	g_autofree char *path = NULL;

	g_assert_nonnull(slot);
	path = path_of(d, slot->fd);
	g_string_append_printf(answer, " opened %s %o keep %d direct %d noflush %d", path,
			       (unsigned int)(fcntl(slot->fd, F_GETFL) & shown), opened->keep_cache,
			       opened->direct_io, opened->no_flush);
	htab_put(&d->unit.fs->handles, slot);
}
