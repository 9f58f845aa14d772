/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits: open files, core files, file size.
 */
#include "sandbox/limits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"

#define NOFILE_DEFAULT_MAX  1000000u

/* A guest that makes us open all we may must leave the host this many files of fs.file-max. */
#define NOFILE_HOST_RESERVE 16384u

static uint64_t read_sysctl(const char *path, uint64_t fallback)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	uint64_t value;
	ssize_t n;

	if (fd < 0)
		return fallback;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return fallback;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, UINT64_MAX, &value) < 0 ? fallback : value;
}

static uint64_t wanted_nofile(uint64_t asked)
{
	uint64_t nr_open = read_sysctl("/proc/sys/fs/nr_open", 1048576);
	uint64_t file_max = read_sysctl("/proc/sys/fs/file-max", UINT64_MAX);
	uint64_t most = MIN((uint64_t)NOFILE_DEFAULT_MAX, nr_open);

	if (asked)
		return MIN(asked, nr_open);
	if (file_max > 2 * NOFILE_HOST_RESERVE)
		most = MIN(most, file_max - NOFILE_HOST_RESERVE);
	return most;
}

static int set_nofile(uint64_t asked)
{
	uint64_t wanted = wanted_nofile(asked);
	struct rlimit limit = { .rlim_cur = wanted, .rlim_max = wanted };
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return -errno;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		if (errno != EPERM)
			return -errno;
		/* Without CAP_SYS_RESOURCE the hard limit is the end. */
		limit = (struct rlimit){ .rlim_cur = now.rlim_max, .rlim_max = now.rlim_max };
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return -errno;
	}
	if (asked && limit.rlim_cur != asked)
		log_warn("The limit of open files is %" PRIu64 ", not %" PRIu64 " as asked: raise "
			 "the hard limit of the service, or fs.nr_open, before the start.",
			 (uint64_t)limit.rlim_cur, asked);
	else
		log_debug("Limit of open files: %" PRIu64, (uint64_t)limit.rlim_cur);
	return 0;
}

int limits_apply(uint64_t nofile)
{
	const struct rlimit no_core = { 0, 0 };
	int r;

	/*
	 * A core file would hold what guests read and write. And a guest that writes behind a
	 * file-size limit of the service shall get EFBIG; SIGXFSZ would end the process.
	 */
	if (setrlimit(RLIMIT_CORE, &no_core) < 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		r = -errno;
	else
		r = set_nofile(nofile);
	if (r < 0)
		log_error("Cannot set the limit of open files: %s; try a lower value with "
			  "--rlimit-nofile.",
			  log_strerror(r));
	return r;
}
