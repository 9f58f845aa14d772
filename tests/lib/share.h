/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scratch trees to share, with canary files beside them that nobody may touch.
 *
 * Layout: BASE/share is the shared directory, BASE/canary-* lie next to it.
 * BASE is under $TEST_SCRATCH, else the temporary folder.
 */
#ifndef TESTS_LIB_SHARE_H
#define TESTS_LIB_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct share {
	char *base; /* owned */
	char *dir;  /* owned: BASE/share */
};

void share_init(struct share *share);
/* Removes the whole tree. */
void share_deinit(struct share *share);

/* Host path of a name in the share; a rotating set of static buffers. */
const char *share_path(const struct share *share, const char *name);

/* All die on failure; modes are exact whatever the umask is. */
void share_write(const struct share *share, const char *name, const void *bytes, size_t n_bytes,
		 mode_t mode);
void share_write_text(const struct share *share, const char *name, const char *text);
/* A file of n_bytes whose byte at offset o is share_pattern(o). */
void share_write_pattern(const struct share *share, const char *name, size_t n_bytes);
void share_mkdir(const struct share *share, const char *name, mode_t mode);
void share_symlink(const struct share *share, const char *name, const char *target);
void share_mknod(const struct share *share, const char *name, mode_t mode, dev_t dev);
struct stat share_lstat(const struct share *share, const char *name);
bool share_exists(const struct share *share, const char *name);
/* The whole file, NUL behind it; caller frees with g_free(). */
char *share_read(const struct share *share, const char *name, size_t *ret_n_bytes);

static inline uint8_t share_pattern(uint64_t offset)
{
	return (uint8_t)((offset * 131) ^ (offset >> 8) ^ (offset >> 20));
}
/* Whether bytes equal the pattern from @offset on. */
bool share_pattern_matches(const void *bytes, size_t n_bytes, uint64_t offset);

/* Dies if a canary next to the share was changed, removed, or got company. */
void share_check_canaries(const struct share *share);

#endif
