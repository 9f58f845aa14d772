/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines to stderr or the system log: one system call per line, no heap, errno kept, safe under the seccomp filter.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_OFF,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE,
};

/* Before any thread is started. */
void log_set_level(enum log_level level);

/*
 * From now on lines go to the system log; those that it does not take at once, to stderr. Before a
 * sandbox hides /dev/log. -errno: all stay on stderr.
 */
int log_open_syslog(void);

/* Its descriptor; -1 without. */
int log_syslog_fd(void);

extern enum log_level log_level_now;

static inline bool log_enabled(enum log_level level)
{
	return level <= log_level_now;
}

/* Writes "[<utc time> <LEVEL> virtiofsd] text\n"; text is cut at about 900 bytes. Any thread. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((__format__(printf, 2, 3)));

#define log_at(level, ...)                            \
	do {                                          \
		if (log_enabled(level))               \
			log_line(level, __VA_ARGS__); \
	} while (0)

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_trace(...) log_at(LOG_LEVEL_TRACE, __VA_ARGS__)

/*
 * True for the first few calls and then rarely, so that a misbehaving peer cannot fill a disk:
 * at most 5 lines per 10 seconds and place. The state is one static word per place.
 */
struct log_ratelimit {
	uint64_t window_start_ns;
	uint32_t in_window;
};

bool log_ratelimit_ok(struct log_ratelimit *limit);

/* A line about something a peer did wrong. */
#define log_peer(...)                                                                  \
	do {                                                                           \
		static struct log_ratelimit log_peer_limit_;                           \
		if (log_enabled(LOG_LEVEL_WARN) && log_ratelimit_ok(&log_peer_limit_)) \
			log_line(LOG_LEVEL_WARN, __VA_ARGS__);                         \
	} while (0)

/* Reason text for a positive or negative errno; static storage, no syscall, any thread. */
const char *log_strerror(int err);

#endif
