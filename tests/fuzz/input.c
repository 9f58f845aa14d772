/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an input, and counting descriptors. */
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
