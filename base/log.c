/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr or the system log.
 *
 * Not by syslog(3): when the log's server was started anew, that makes a new socket, behind a
 * sandbox that has no such path and a filter that ends the process.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"

#define RATELIMIT_WINDOW_NS 10000000000ull
#define RATELIMIT_LINES	    5

enum log_level log_level_now = LOG_LEVEL_INFO;

static const char *const level_names[] = {
	[LOG_LEVEL_OFF] = "OFF",   [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_WARN] = "WARN",
	[LOG_LEVEL_INFO] = "INFO", [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_TRACE] = "TRACE",
};

static const int syslog_levels[] = {
	[LOG_LEVEL_OFF] = LOG_ERR,   [LOG_LEVEL_ERROR] = LOG_ERR,   [LOG_LEVEL_WARN] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO, [LOG_LEVEL_DEBUG] = LOG_DEBUG, [LOG_LEVEL_TRACE] = LOG_DEBUG,
};

static int syslog_fd = -1;
static pid_t syslog_pid; /* inside the sandbox it would be 1 */

int log_open_syslog(void)
{
	const struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	syslog_fd = take_fd(&fd);
	syslog_pid = getpid();
	return 0;
}

int log_syslog_fd(void)
{
	return syslog_fd;
}

/* Whether the system log has taken it. */
__attribute__((__format__(__printf__, 2, 0))) static bool to_syslog(enum log_level level,
								    const char *fmt, va_list args)
{
	char line[1024];
	int len, n;

	if (syslog_fd < 0)
		return false;
	len = snprintf(line, 64, "<%d>virtiofsd[%d]: ", LOG_DAEMON | syslog_levels[level],
		       syslog_pid);
	n = vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, args);
	len = n < 0 ? len : MIN(len + n, (int)sizeof(line) - 1);
	return send(syslog_fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
}

void log_set_level(enum log_level level)
{
	log_level_now = level;
}

const char *log_strerror(int err)
{
	const char *text = strerrordesc_np(err < 0 ? -err : err);

	return text ? text : "unknown error";
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[1024];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t len;
	int n;

	va_start(args, fmt);
	if (to_syslog(level, fmt, args)) {
		va_end(args);
		errno = saved;
		return;
	}
	va_end(args);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(line, 64, "[%Y-%m-%dT%H:%M:%SZ ", &tm);
	n = snprintf(line + len, 64, "%s virtiofsd] ", level_names[level]);
	len += (size_t)n;
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n > 0)
		len = MIN(len + (size_t)n, sizeof(line) - 2);
	line[len++] = '\n';
	(void)!write(STDERR_FILENO, line, len); /* a lost log line must not stop the service */
	errno = saved;
}

/*
 * Races between threads may let a line more through or drop one; that is harmless, and cheaper
 * than a lock.
 */
bool log_ratelimit_ok(struct log_ratelimit *limit)
{
	struct timespec now;
	uint64_t now_ns, start;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	start = __atomic_load_n(&limit->window_start_ns, __ATOMIC_RELAXED);
	if (start == 0 || now_ns - start > RATELIMIT_WINDOW_NS) {
		__atomic_store_n(&limit->window_start_ns, now_ns, __ATOMIC_RELAXED);
		__atomic_store_n(&limit->in_window, 1, __ATOMIC_RELAXED);
		return true;
	}
	if (__atomic_fetch_add(&limit->in_window, 1, __ATOMIC_RELAXED) < RATELIMIT_LINES)
		return true;
	return false;
}
