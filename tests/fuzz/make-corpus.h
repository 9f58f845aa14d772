/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of make-corpus share: putting an input together, and writing it. */
#ifndef TESTS_FUZZ_MAKE_CORPUS_H
#define TESTS_FUZZ_MAKE_CORPUS_H

#include <glib.h>
#include <stdint.h>

/* Writes an input of that name for that target, and frees it. */
void corpus_save(const char *target, const char *name, GByteArray *bytes);
void corpus_add(GByteArray *to, const void *bytes, size_t n);
void corpus_add_u8(GByteArray *to, uint8_t value);
void corpus_add_u16(GByteArray *to, uint16_t value);

/* Those of fuzz-message and fuzz-chain. */
void corpus_save_vhost(void);

#endif
