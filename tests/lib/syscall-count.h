/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the system calls of a running daemon between two moments, with strace
 * attached to all its threads.
 */
#ifndef TESTS_LIB_SYSCALL_COUNT_H
#define TESTS_LIB_SYSCALL_COUNT_H

#include <stdint.h>
#include <sys/types.h>

struct syscall_count;

/* Returns once every thread of @pid is traced; dies when strace cannot. */
struct syscall_count *syscall_count_start(pid_t pid);
/* Detaches and reads the summary. */
void syscall_count_stop(struct syscall_count *count);
/* Calls of one system call, 0 when there were none. After stop. */
uint64_t syscall_count_of(const struct syscall_count *count, const char *name);
/* All calls but waiting and notifying: poll, epoll, futex, read, write and the like. */
uint64_t syscall_count_work(const struct syscall_count *count);
/* "name=calls ..." for messages; caller frees with g_free(). */
char *syscall_count_text(const struct syscall_count *count);
void syscall_count_free(struct syscall_count *count);

#endif
