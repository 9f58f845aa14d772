/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small arithmetic and error helpers that every folder needs.
 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element count; refuses pointers at compile time. */
#define ARRAY_SIZE(a)                 \
	(sizeof(a) / sizeof((a)[0]) + \
	 0 * sizeof(char[1 -          \
			 2 * __builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

/* glib has its own MIN and MAX, which evaluate twice. */
#undef MIN
#undef MAX
#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)

/* A function that typical work does not get to: kept out of its callers. */
#define rarely				__attribute__((__cold__, __noinline__))

/*
 * Of a large variable that is filled before it is read: spares it the zeroes that hardening fills
 * every variable with.
 */
#if __has_attribute(__uninitialized__)
#define filled_later __attribute__((__uninitialized__))
#else
#define filled_later
#endif

/* A libc result (-1 and errno) as result or -errno. */
#define neg_errno(expr)                                                     \
	({                                                                  \
		__typeof__(expr) neg_errno_r_ = (expr);                     \
		neg_errno_r_ < 0 ? (__typeof__(expr))-errno : neg_errno_r_; \
	})

/* True when the sum or product does not fit; *ret is written in any case. */
#define add_overflows(a, b, ret) __builtin_add_overflow((a), (b), (ret))
#define mul_overflows(a, b, ret) __builtin_mul_overflow((a), (b), (ret))

/* True when [start, start+len) lies inside [0, limit); no intermediate overflow. */
static inline bool range_fits(uint64_t start, uint64_t len, uint64_t limit)
{
	return start <= limit && len <= limit - start;
}

static inline bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* `align` is a power of two and value + align does not overflow. */
static inline uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* What a spinning thread executes between two looks at memory. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

#endif
