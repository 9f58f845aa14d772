/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an input, changing it, and counting descriptors. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/bounded.h"

const uint8_t *fuzz_take(struct fuzz_input *in, size_t n, size_t *ret_n)
{
	const uint8_t *bytes = in->data;

	n = MIN(n, in->left);
	in->data += n;
	in->left -= n;
	*ret_n = n;
	return bytes;
}

uint8_t fuzz_take_u8(struct fuzz_input *in)
{
	size_t n;
	const uint8_t *byte = fuzz_take(in, 1, &n);

	return n ? *byte : 0;
}

uint16_t fuzz_take_u16(struct fuzz_input *in)
{
	uint16_t low = fuzz_take_u8(in);

	return (uint16_t)(low | fuzz_take_u8(in) << 8);
}

uint32_t fuzz_random(uint64_t *state, uint32_t n)
{
	/* splitmix64 */
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ? (uint32_t)((z ^ (z >> 31)) % n) : 0;
}

size_t fuzz_open_gap(uint8_t *data, size_t size, size_t max, size_t at, size_t n)
{
	if (at > size || n > max - size)
		return 0;
	memmove(data + at + n, data + at, size - at);
	return size + n;
}

size_t fuzz_close_gap(uint8_t *data, size_t size, size_t at, size_t n)
{
	n = MIN(n, size - at);
	memmove(data + at, data + at + n, size - at - n);
	return size - n;
}

unsigned int fuzz_n_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (!dir)
		test_die("/proc/self/fd: %s", strerror(errno));
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
