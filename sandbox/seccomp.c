/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters: what serving needs, in groups, each with its reason.
 *
 * Names the architecture does not have are skipped by libseccomp, so that one list serves all.
 * Calls that are harmless only with certain arguments have rules of their own. What is not listed
 * ends the process (or what --seccomp says): above all running programs, making memory executable,
 * sockets, mounts, ioctl but for a few, ptrace, keys, and new processes.
 */
#include "sandbox/seccomp.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/util.h"

/* The same number on every architecture; too new for the library's table. */
#define NR_FCHMODAT2 452

/* Threads come, wait for each other, and go. */
static const int thread_calls[] = {
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getcpu),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(membarrier),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sched_yield),
};

/* The allocator, thread stacks, guest memory; mmap and mprotect have rules below. */
static const int memory_calls[] = {
	SCMP_SYS(brk),	  SCMP_SYS(madvise), SCMP_SYS(mremap),
	SCMP_SYS(munmap), SCMP_SYS(sysinfo), /* qsort(3) asks for the size of memory */
};

/* Handlers for guest memory that goes away, signals read from a descriptor, abort(3). */
static const int signal_calls[] = {
	SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),	   SCMP_SYS(sigaltstack),  SCMP_SYS(signalfd4),
};

/* The event loop: kicks and calls are eventfds or pipes. */
static const int event_calls[] = {
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(timerfd_settime),
};

/* Log lines and time limits; mostly answered without entering the kernel. */
static const int time_calls[] = {
	SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep),	 SCMP_SYS(time),
};

/* Talking on sockets that exist; none is made, bound or connected. */
static const int socket_calls[] = {
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg),	 SCMP_SYS(shutdown),
};

/* Descriptors of any kind. fcntl copies them, asks for their flags, and locks bytes of files. */
static const int descriptor_calls[] = {
	SCMP_SYS(close),   SCMP_SYS(dup),   SCMP_SYS(dup3),  SCMP_SYS(fcntl),
	SCMP_SYS(fcntl64), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(_llseek),
	SCMP_SYS(read),	   SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
};

/* Contents of files, and flock for the guest's locks of whole files. */
static const int file_calls[] = {
	SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64),	      SCMP_SYS(fallocate),
	SCMP_SYS(fdatasync),	   SCMP_SYS(flock),	      SCMP_SYS(fsync),
	SCMP_SYS(ftruncate),	   SCMP_SYS(pread64),	      SCMP_SYS(preadv),
	SCMP_SYS(preadv2),	   SCMP_SYS(pwrite64),	      SCMP_SYS(pwritev),
	SCMP_SYS(pwritev2),	   SCMP_SYS(sync_file_range), SCMP_SYS(syncfs),
};

/*
 * Names and attributes, relative to a directory descriptor. unlink(2) removes our own socket at the
 * end, where no launcher does.
 */
static const int name_calls[] = {
	SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(fchdir),	 SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),   SCMP_SYS(fchown),	    SCMP_SYS(fchownat),	 SCMP_SYS(fstatfs),
	SCMP_SYS(getdents64), SCMP_SYS(linkat),	    SCMP_SYS(mkdirat),	 SCMP_SYS(mknodat),
	SCMP_SYS(newfstatat), SCMP_SYS(readlinkat), SCMP_SYS(renameat),	 SCMP_SYS(renameat2),
	SCMP_SYS(statfs),     SCMP_SYS(statx),	    SCMP_SYS(symlinkat), SCMP_SYS(umask),
	SCMP_SYS(uname),      SCMP_SYS(unlink),	    SCMP_SYS(unlinkat),	 SCMP_SYS(utimensat),
};

/* Extended attributes, by path below /proc/self/fd; the last drops a renamed file capability. */
static const int xattr_calls[] = {
	SCMP_SYS(getxattr), SCMP_SYS(listxattr),    SCMP_SYS(removexattr),
	SCMP_SYS(setxattr), SCMP_SYS(fremovexattr),
};

/*
 * Inodes whose descriptor was closed. A handle reaches every file of a file system, inside of the
 * shared directory or not, so this is for those only who asked for it; the handles that are opened
 * are ones the kernel gave for files in the share.
 */
static const int handle_calls[] = { SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at) };

/* Which files of an overlay are the same inode; see fuse/passthrough/inode-alias.h. */
static const int alias_calls[] = {
	SCMP_SYS(inotify_add_watch),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_rm_watch),
};

/* Acting for a user of the guest, per thread. */
static const int identity_calls[] = {
	SCMP_SYS(capget),    SCMP_SYS(capset),	  SCMP_SYS(getegid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid),    SCMP_SYS(getgroups), SCMP_SYS(getuid),  SCMP_SYS(setgroups),
	SCMP_SYS(setresgid), SCMP_SYS(setresuid),
};

/* Random numbers: the allocator and hash seeds. */
static const int random_calls[] = { SCMP_SYS(getrandom) };

struct call_group {
	const int *calls;
	unsigned int n_calls;
};

#define GROUP(array)                                           \
	{                                                      \
		.calls = (array), .n_calls = ARRAY_SIZE(array) \
	}

static const struct call_group server_groups[] = {
	GROUP(thread_calls), GROUP(memory_calls),   GROUP(signal_calls),     GROUP(event_calls),
	GROUP(time_calls),   GROUP(socket_calls),   GROUP(descriptor_calls), GROUP(file_calls),
	GROUP(name_calls),   GROUP(identity_calls), GROUP(random_calls),     GROUP(xattr_calls),
	GROUP(alias_calls),
};

/*
 * The keeper makes workers and waits for them; a worker opens its own descriptors' folder, closes
 * what its predecessor left, asks which kernel this is, and seals itself. What only some arguments of are harmless has been
 * left to the worker's own filter, which is asked as well.
 */
static const int keeper_calls[] = {
	SCMP_SYS(chroot), SCMP_SYS(close_range),     SCMP_SYS(getppid), SCMP_SYS(kill),
	SCMP_SYS(openat), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(seccomp), SCMP_SYS(tgkill),
	SCMP_SYS(wait4),  SCMP_SYS(waitid),
};

/* Waiting, logging, and removing the files that the server could not reach; exit frees the rest. */
static const int launcher_calls[] = {
	SCMP_SYS(brk),		SCMP_SYS(clock_gettime),
	SCMP_SYS(close),	SCMP_SYS(exit_group),
	SCMP_SYS(fstat),	SCMP_SYS(futex),
	SCMP_SYS(getpid),	SCMP_SYS(gettid),
	SCMP_SYS(madvise),	SCMP_SYS(munmap),
	SCMP_SYS(newfstatat),	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(unlink),	SCMP_SYS(unlinkat),
	SCMP_SYS(wait4),	SCMP_SYS(waitid),
	SCMP_SYS(write),
};

static const struct call_group keeper_groups[] = { GROUP(keeper_calls) };
static const struct call_group handle_groups[] = { GROUP(handle_calls) };
static const struct call_group launcher_groups[] = { GROUP(launcher_calls) };

/* A call that is answered or allowed only with one kind of argument. */
struct call_rule {
	int call;
	uint32_t action;
	struct scmp_arg_cmp arg;
};

#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

#if defined(__s390__) || defined(__s390x__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* The arguments of a comparison are data; the macro's own cast of unsigned constants is not. */
#define ARG_IS(n, value) SCMP_CMP64(n, SCMP_CMP_EQ, (scmp_datum_t)(value))
#define ARG_MASKED(n, mask, value) \
	SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))

static const struct call_rule memory_rules[] = {
	/* Memory that can be written or comes from a peer is never run. */
	{ SCMP_SYS(mmap), SCMP_ACT_ALLOW, ARG_MASKED(2, PROT_EXEC, 0) },
	{ SCMP_SYS(mmap2), SCMP_ACT_ALLOW, ARG_MASKED(2, PROT_EXEC, 0) },
	{ SCMP_SYS(mprotect), SCMP_ACT_ALLOW, ARG_MASKED(2, PROT_EXEC, 0) },
};

/* The kernel looks at 32 bits of the command, and some C libraries extend its sign. */
#define IOCTL(command)                                                                          \
	{                                                                                       \
		SCMP_SYS(ioctl), SCMP_ACT_ALLOW, ARG_MASKED(1, UINT32_MAX, (uint32_t)(command)) \
	}

/* Flags of files and fs-verity; no device is ever open. */
static const struct call_rule ioctl_rules[] = {
	IOCTL(FS_IOC_GETFLAGS),	  IOCTL(FS_IOC_SETFLAGS),      IOCTL(FS_IOC_FSGETXATTR),
	IOCTL(FS_IOC_FSSETXATTR), IOCTL(FS_IOC_ENABLE_VERITY), IOCTL(FS_IOC_MEASURE_VERITY),
};

/* Bit 31 of a descriptor is set for AT_FDCWD, however libc extends it. */
#define AT_DESCRIPTOR ARG_MASKED(0, 0x80000000u, 0)
#define AT_CWD	      ARG_MASKED(0, 0x80000000u, 0x80000000u)

static const struct call_rule server_rules[] = {
	/*
	 * The server opens relative to descriptors only. libc opens paths of its own, such as
	 * /sys/devices/system/cpu/online when the allocator counts processors: inside the sandbox
	 * that is a path in the share, where a guest may have put a FIFO to wait in.
	 */
	{ SCMP_SYS(openat), SCMP_ACT_ALLOW, AT_DESCRIPTOR },
	{ SCMP_SYS(openat), SCMP_ACT_ERRNO(ENOENT), AT_CWD },
};

static const struct call_rule common_rules[] = {
	/* Threads, not processes. The flags of clone3 are out of a filter's sight: libc falls back. */
	{ SCMP_SYS(clone), SCMP_ACT_ALLOW,
	  ARG_MASKED(CLONE_FLAGS_ARG, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD) },
	{ SCMP_SYS(clone3), SCMP_ACT_ERRNO(ENOSYS) },
	/* An O_PATH descriptor of what another refers to; no mount is copied. */
	{ SCMP_SYS(open_tree), SCMP_ACT_ALLOW, ARG_IS(2, AT_EMPTY_PATH | O_CLOEXEC) },
	/* A working directory per thread. */
	{ SCMP_SYS(unshare), SCMP_ACT_ALLOW, ARG_IS(0, CLONE_FS) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_SET_NAME) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_GET_NAME) },
	/* Asking for a limit, not setting it. */
	{ SCMP_SYS(prlimit64), SCMP_ACT_ALLOW, ARG_IS(2, 0) },
	/* Without an address: on connected sockets. */
	{ SCMP_SYS(sendto), SCMP_ACT_ALLOW, ARG_IS(4, 0) },
	/* Looking at a message that stays in the socket until it has been handled. */
	{ SCMP_SYS(setsockopt), SCMP_ACT_ALLOW, ARG_IS(2, SO_PEEK_OFF) },
	{ SCMP_SYS(setsockopt), SCMP_ACT_ALLOW, ARG_IS(2, SO_OOBINLINE) },
	{ SCMP_SYS(setsockopt), SCMP_ACT_ALLOW, ARG_IS(2, SO_RCVTIMEO) },
	/* libc tries it and knows another way. */
	{ NR_FCHMODAT2, SCMP_ACT_ERRNO(ENOSYS) },
};

/* A line for the system log, on the socket that is connected to it. */
static const struct call_rule launcher_rules[] = {
	{ SCMP_SYS(sendto), SCMP_ACT_ALLOW, ARG_IS(4, 0) },
};

/* The worker has its keeper's descriptors and nothing else of it; see daemon/keeper.c. */
#define WORKER_CLONE_FLAGS (CLONE_FILES | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

static const struct call_rule keeper_rules[] = {
	{ SCMP_SYS(clone), SCMP_ACT_ALLOW,
	  ARG_MASKED(CLONE_FLAGS_ARG, ~(uint64_t)WORKER_CLONE_FLAGS, 0) },
	/* A copy of one folder of proc; mounting it, or anything, is not in the list. */
	{ SCMP_SYS(open_tree), SCMP_ACT_ALLOW, ARG_IS(2, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_SET_PDEATHSIG) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_GET_TID_ADDRESS) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_SET_NO_NEW_PRIVS) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_SET_DUMPABLE) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_CAPBSET_READ) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_CAP_AMBIENT) },
	{ SCMP_SYS(prctl), SCMP_ACT_ALLOW, ARG_IS(0, PR_SET_SECCOMP) },
};

static void release_filter(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int add_groups(scmp_filter_ctx filter, const struct call_group *groups, unsigned int n)
{
	int r = 0;

	for (unsigned int g = 0; g < n; g++) {
		for (unsigned int i = 0; i < groups[g].n_calls && r == 0; i++)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, groups[g].calls[i], 0);
	}
	return r;
}

static int add_rules(scmp_filter_ctx filter, const struct call_rule *rules, unsigned int n)
{
	int r = 0;

	for (unsigned int i = 0; i < n && r == 0; i++) {
		unsigned int n_args = rules[i].arg.op ? 1 : 0;

		r = seccomp_rule_add_array(filter, rules[i].action, rules[i].call, n_args,
					   n_args ? &rules[i].arg : NULL);
	}
	return r;
}

/* Signals only to one process: itself for abort(3), the server for the launcher. */
static int add_signal_rule(scmp_filter_ctx filter, int call, pid_t target)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, ARG_IS(0, target));
}

/* All threads at once, other architectures' calls never, searched as a tree. */
static int load(scmp_filter_ctx filter)
{
	const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} attrs[] = {
		{ SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
		{ SCMP_FLTATR_CTL_TSYNC, 1 },
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 },
		{ SCMP_FLTATR_API_SYSRAWRC, 1 },
	};
	int r = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(attrs) && r == 0; i++)
		r = seccomp_attr_set(filter, attrs[i].attr, attrs[i].value);
	return r < 0 ? r : seccomp_load(filter);
}

static uint32_t default_action(enum sandbox_seccomp mode)
{
	switch (mode) {
	case SANDBOX_SECCOMP_TRAP:
		return SCMP_ACT_TRAP;
	case SANDBOX_SECCOMP_LOG:
		return SCMP_ACT_LOG;
	default:
		return SCMP_ACT_KILL_PROCESS;
	}
}

static int install(enum sandbox_seccomp mode, int (*add)(scmp_filter_ctx filter), bool file_handles)
{
	CLEANUP(release_filter) scmp_filter_ctx filter = NULL;
	int r = -ENOMEM;

	if (mode == SANDBOX_SECCOMP_NONE)
		return 0;
	filter = seccomp_init(default_action(mode));
	if (filter)
		r = add_groups(filter, server_groups, ARRAY_SIZE(server_groups));
	if (r == 0 && file_handles)
		r = add_groups(filter, handle_groups, ARRAY_SIZE(handle_groups));
	if (r == 0)
		r = add_rules(filter, memory_rules, ARRAY_SIZE(memory_rules));
	if (r == 0)
		r = add_rules(filter, common_rules, ARRAY_SIZE(common_rules));
	if (r == 0)
		r = add_rules(filter, ioctl_rules, ARRAY_SIZE(ioctl_rules));
	if (r == 0)
		r = add(filter);
	if (r == 0)
		r = load(filter);
	if (r < 0)
		log_error("Cannot install the system call filter: %s; on a kernel without seccomp "
			  "filters use --seccomp=none.",
			  log_strerror(r));
	return r;
}

static int add_for_server(scmp_filter_ctx filter)
{
	int r = add_rules(filter, server_rules, ARRAY_SIZE(server_rules));

	return r < 0 ? r : add_signal_rule(filter, SCMP_SYS(tgkill), getpid());
}

static int add_for_keeper(scmp_filter_ctx filter)
{
	int r = add_groups(filter, keeper_groups, ARRAY_SIZE(keeper_groups));

	return r < 0 ? r : add_rules(filter, keeper_rules, ARRAY_SIZE(keeper_rules));
}

int seccomp_install_server(enum sandbox_seccomp mode, bool file_handles)
{
	return install(mode, add_for_server, file_handles);
}

int seccomp_install_keeper(enum sandbox_seccomp mode, bool file_handles)
{
	return install(mode, add_for_keeper, file_handles);
}

int seccomp_install_launcher(pid_t child)
{
	CLEANUP(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = -ENOMEM;

	if (filter)
		r = add_groups(filter, launcher_groups, ARRAY_SIZE(launcher_groups));
	if (r == 0)
		r = add_rules(filter, memory_rules, ARRAY_SIZE(memory_rules));
	if (r == 0)
		r = add_rules(filter, launcher_rules, ARRAY_SIZE(launcher_rules));
	if (r == 0)
		r = add_signal_rule(filter, SCMP_SYS(kill), child);
	if (r == 0)
		r = load(filter);
	return r;
}
