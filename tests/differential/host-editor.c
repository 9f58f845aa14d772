/* SPDX-License-Identifier: Apache-2.0 */
/* A process of the host that changes the shared tree by itself. */
#include "tests/differential/host-editor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/component/fixture.h"
#include "tests/differential/stress.h"
#include "tests/lib/bounded.h"

struct editor_shared {
	uint32_t stop;
	uint64_t n_edits;
};

struct edit {
	struct test_random random;
	char path[64], other[64];
};

static uint64_t pick(struct edit *e, uint64_t n)
{
	return test_random_next(&e->random) % n;
}

/* Up to three names deep; most such paths do not exist, and those edits fail. */
static void pick_path(struct edit *e, char *path, size_t size)
{
	static const uint64_t depths[] = { 1, 1, 1, 2, 2, 3 };
	uint64_t depth = depths[pick(e, ARRAY_SIZE(depths))];
	size_t n = 0;

	for (uint64_t i = 0; i < depth; i++)
		n += (size_t)snprintf(path + n, size - n, "%s%s", i ? "/" : "",
				      stress_names[pick(e, STRESS_NAMES)]);
}

static bool write_file(struct edit *e, const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644);
	bool done;

	if (fd < 0)
		return false;
	done = pwrite(fd, "edited", 6, (off_t)pick(e, 100000)) == 6;
	close(fd);
	return done;
}

/* As editors save: a new file takes the place of the old one. */
static bool replace(struct edit *e)
{
	static const char temporary[] = "saved-by-the-host";

	if (!write_file(e, temporary, O_TRUNC))
		return false;
	if (!rename(temporary, e->path))
		return true;
	unlink(temporary);
	return false;
}

static bool edit_once(struct edit *e)
{
	pick_path(e, e->path, sizeof(e->path));
	pick_path(e, e->other, sizeof(e->other));
	switch (pick(e, 12)) {
	case 0 ... 1:
		return !rename(e->path, e->other);
	case 2:
		return !renameat2(AT_FDCWD, e->path, AT_FDCWD, e->other, RENAME_EXCHANGE);
	case 3 ... 4:
		return replace(e);
	case 5:
		return !unlink(e->path);
	case 6:
		return !rmdir(e->path);
	case 7 ... 8:
		return !mkdir(e->path, 0755);
	case 9:
		return !fchmodat(AT_FDCWD, e->path, (mode_t)pick(e, 07777), 0);
	case 10:
		return !truncate(e->path, (off_t)pick(e, 100000));
	default:
		return !symlink("p/q", e->path);
	}
}

static void run(const char *dir, uint64_t seed, struct editor_shared *shared)
{
	struct edit e = { .random = { seed } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(dir))
		_exit(1);
	umask(0);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE)) {
		if (edit_once(&e))
			shared->n_edits++;
		sched_yield();
	}
	_exit(0);
}

void host_editor_start(struct host_editor *editor, const char *dir, uint64_t seed)
{
	editor->shared = mmap(NULL, sizeof(*editor->shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (editor->shared == MAP_FAILED)
		test_die("mmap: %s", strerror(errno));
	editor->pid = fork();
	if (editor->pid < 0)
		test_die("fork: %s", strerror(errno));
	if (!editor->pid)
		run(dir, seed, editor->shared);
}

uint64_t host_editor_stop(struct host_editor *editor)
{
	uint64_t n_edits;
	int status;

	__atomic_store_n(&editor->shared->stop, 1, __ATOMIC_RELEASE);
	if (waitpid(editor->pid, &status, 0) != editor->pid || status)
		test_die("the host's editor ended with status 0x%x", (unsigned int)status);
	n_edits = editor->shared->n_edits;
	munmap(editor->shared, sizeof(*editor->shared));
	return n_edits;
}
