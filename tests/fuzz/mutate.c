/* SPDX-License-Identifier: Apache-2.0 */
/* Joins a target's own changes with libFuzzer's: one half each. */
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	return seed & 1 ? LLVMFuzzerMutate(data, size, max)
			: fuzz_mutate(data, size, max, seed >> 1);
}
