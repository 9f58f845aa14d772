/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: each file of a corpus as it is, then changed at random a
 * number of times ($FUZZ_ROUNDS, with $FUZZ_SEED).
 *
 * Arguments are files, or directories of files. Whatever ends the program leaves the input at
 * fault in $FUZZ_CRASH_DIR, or else in the temporary folder, and tells its path.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/bounded.h"

#define INPUT_MAX      16384
#define HANG_SECONDS   60
#define DEFAULT_ROUNDS 200

struct corpus_file {
	char *path;
	uint8_t *bytes;
	size_t n_bytes;
};

static uint8_t input[INPUT_MAX]; /* the one that runs */
static size_t input_bytes;
static char crash_path[4096];

/* ---- When it ends badly ---- */

static void save_input(void)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, input, input_bytes);

	dprintf(STDERR_FILENO, n < 0 ? "# the input cannot be saved to %s\n" : "# the input: %s\n",
		crash_path);
	if (fd >= 0)
		close(fd);
}

static void save_and_die(int signal_number)
{
	save_input();
	raise(signal_number); /* the handler is gone by now */
}

/* Sanitizers end the program in their own way; there without them. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void save_input_at_end(const char *program)
{
	static const int signals[] = { SIGABRT, SIGTRAP, SIGALRM, SIGSEGV, SIGBUS };
	const struct sigaction action = { .sa_handler = save_and_die, .sa_flags = SA_RESETHAND };
	const char *folder = getenv("FUZZ_CRASH_DIR");
	g_autofree char *name = g_path_get_basename(program);

	snprintf(crash_path, sizeof(crash_path), "%s/crash-%s-%d",
		 folder ? folder : g_get_tmp_dir(), name, (int)getpid());
	if (__sanitizer_set_death_callback) {
		__sanitizer_set_death_callback(save_input);
		return;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
		sigaction(signals[i], &action, NULL);
}

/* ---- The corpus ---- */

static void add_file(GArray *corpus, const char *path)
{
	struct corpus_file file = { .path = g_strdup(path) };
	char *bytes;

	if (!g_file_get_contents(path, &bytes, &file.n_bytes, NULL))
		test_die("%s cannot be read", path);
	file.bytes = (uint8_t *)bytes;
	g_array_append_val(corpus, file);
}

static int compare_files(gconstpointer a, gconstpointer b)
{
	return strcmp(((const struct corpus_file *)a)->path, ((const struct corpus_file *)b)->path);
}

static void add_argument(GArray *corpus, const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	if (!dir) {
		add_file(corpus, path);
		return;
	}
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *inside = g_build_filename(path, name, NULL);

		add_file(corpus, inside);
	}
}

/* ---- Random changes ---- */

static void overwrite(GRand *rand, guint at, guint width)
{
	static const guint64 values[] = {
		0,
		1,
		2,
		7,
		8,
		15,
		16,
		17,
		39,
		40,
		127,
		128,
		255,
		256,
		4095,
		4096,
		65535,
		65536,
		INT32_MAX,
		UINT32_MAX,
		INT64_MAX,
		(guint64)INT64_MAX + 1,
		UINT64_MAX - 1,
		UINT64_MAX,
	};
	guint64 value = values[g_rand_int_range(rand, 0, G_N_ELEMENTS(values))];

	for (guint i = 0; i < width && at + i < input_bytes; i++)
		input[at + i] = (uint8_t)(value >> (8 * i));
}

static void remove_bytes(guint at, guint n)
{
	n = MIN(n, (guint)input_bytes - at);
	memmove(input + at, input + at + n, input_bytes - at - n);
	input_bytes -= n;
}

static void insert_bytes(guint at, const uint8_t *bytes, guint n)
{
	n = MIN(n, (guint)(INPUT_MAX - input_bytes));
	memmove(input + at + n, input + at, input_bytes - at);
	memmove(input + at, bytes, n);
	input_bytes += n;
}

/* Not every target has one. */
__attribute__((weak)) size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed);

static void change_once(GRand *rand, GArray *corpus)
{
	const struct corpus_file *other = &g_array_index(
		corpus, struct corpus_file, (guint)g_rand_int_range(rand, 0, (gint)corpus->len));
	guint at = input_bytes ? (guint)g_rand_int_range(rand, 0, (gint)input_bytes) : 0;
	guint from, n;

	if (!input_bytes) {
		insert_bytes(0, other->bytes, (guint)other->n_bytes);
		return;
	}
	if (fuzz_mutate && g_rand_boolean(rand)) {
		input_bytes = fuzz_mutate(input, input_bytes, INPUT_MAX, g_rand_int(rand));
		return;
	}
	switch (g_rand_int_range(rand, 0, 8)) {
	case 0:
		input[at] ^= (uint8_t)(1u << g_rand_int_range(rand, 0, 8));
		break;
	case 1:
		input[at] = (uint8_t)g_rand_int(rand);
		break;
	case 2 ... 4:
		overwrite(rand, at, 1u << g_rand_int_range(rand, 0, 4));
		break;
	case 5:
		remove_bytes(at, (guint)g_rand_int_range(rand, 1, 65));
		break;
	case 6:
		input_bytes = at;
		break;
	default:
		from = other->n_bytes ? (guint)g_rand_int_range(rand, 0, (gint)other->n_bytes) : 0;
		n = (guint)g_rand_int_range(rand, 1, 513);
		insert_bytes(at, other->bytes + from, MIN((guint)other->n_bytes - from, n));
	}
}

/* ---- Running ---- */

/* From a copy of its exact size on the heap, so that a read behind it is seen. */
static void run_input(void)
{
	uint8_t *copy = g_malloc(MAX(input_bytes, 1u));

	memcpy(copy, input, input_bytes);
	alarm(HANG_SECONDS);
	LLVMFuzzerTestOneInput(copy, input_bytes);
	alarm(0);
	g_free(copy);
}

static void load(const struct corpus_file *file)
{
	input_bytes = MIN(file->n_bytes, (size_t)INPUT_MAX);
	memcpy(input, file->bytes, input_bytes);
}

static unsigned long run_all(GArray *corpus, unsigned long rounds, guint32 seed)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	unsigned long n = 0;

	for (guint i = 0; i < corpus->len; i++) {
		const struct corpus_file *file = &g_array_index(corpus, struct corpus_file, i);

		load(file);
		run_input();
		for (unsigned long round = 0; round < rounds; round++, n++) {
			load(file);
			for (gint left = g_rand_int_range(rand, 1, 6); left > 0; left--)
				change_once(rand, corpus);
			run_input();
		}
		n++;
	}
	return n;
}

static unsigned long number_from_env(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
	g_autoptr(GArray) corpus = g_array_new(FALSE, FALSE, sizeof(struct corpus_file));
	unsigned long n;

	for (int i = 1; i < argc; i++)
		add_argument(corpus, argv[i]);
	if (!corpus->len)
		test_die("no corpus: name files or directories of files");
	g_array_sort(corpus, compare_files);
	save_input_at_end(argv[0]);
	n = run_all(corpus, number_from_env("FUZZ_ROUNDS", DEFAULT_ROUNDS),
		    (guint32)number_from_env("FUZZ_SEED", 1));
	printf("%u files, %lu inputs\n", corpus->len, n);
	for (guint i = 0; i < corpus->len; i++) {
		g_free(g_array_index(corpus, struct corpus_file, i).path);
		g_free(g_array_index(corpus, struct corpus_file, i).bytes);
	}
	return 0;
}
