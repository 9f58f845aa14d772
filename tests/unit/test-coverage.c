/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows that docs/protocol-coverage.md says of every operation and of every INIT flag what the
 * program answers, and names tests that exist.
 *
 * $SOURCE_ROOT is the folder with docs/ and tests/.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "fuse-unit.h"
#include "fuse/ops.h"

/* Above the last of protocol 7.46, so that what the table knows beyond shows. */
#define N_OPCODES 64u
#define N_FLAGS	  44u

/* Those that have no row in the table of operations. */
static const struct {
	uint32_t opcode;
	const char *name;
} refused[] = {
	{ FUSE_BMAP, "BMAP" },
	{ FUSE_POLL, "POLL" },
	{ FUSE_NOTIFY_REPLY, "NOTIFY_REPLY" },
	{ FUSE_SETUPMAPPING, "SETUPMAPPING" },
	{ FUSE_REMOVEMAPPING, "REMOVEMAPPING" },
};

#define FLAG(name)                 \
	{                          \
		FUSE_##name, #name \
	}

static const struct {
	uint64_t flag;
	const char *name;
} flags[] = {
	FLAG(ASYNC_READ),
	FLAG(POSIX_LOCKS),
	FLAG(FILE_OPS),
	FLAG(ATOMIC_O_TRUNC),
	FLAG(EXPORT_SUPPORT),
	FLAG(BIG_WRITES),
	FLAG(DONT_MASK),
	FLAG(SPLICE_WRITE),
	FLAG(SPLICE_MOVE),
	FLAG(SPLICE_READ),
	FLAG(FLOCK_LOCKS),
	FLAG(HAS_IOCTL_DIR),
	FLAG(AUTO_INVAL_DATA),
	FLAG(DO_READDIRPLUS),
	FLAG(READDIRPLUS_AUTO),
	FLAG(ASYNC_DIO),
	FLAG(WRITEBACK_CACHE),
	FLAG(NO_OPEN_SUPPORT),
	FLAG(PARALLEL_DIROPS),
	FLAG(HANDLE_KILLPRIV),
	FLAG(POSIX_ACL),
	FLAG(ABORT_ERROR),
	FLAG(MAX_PAGES),
	FLAG(CACHE_SYMLINKS),
	FLAG(NO_OPENDIR_SUPPORT),
	FLAG(EXPLICIT_INVAL_DATA),
	FLAG(MAP_ALIGNMENT),
	FLAG(SUBMOUNTS),
	FLAG(HANDLE_KILLPRIV_V2),
	FLAG(SETXATTR_EXT),
	FLAG(INIT_EXT),
	{ 1ULL << 31, "INIT_RESERVED" },
	FLAG(SECURITY_CTX),
	FLAG(HAS_INODE_DAX),
	FLAG(CREATE_SUPP_GROUP),
	FLAG(HAS_EXPIRE_ONLY),
	FLAG(DIRECT_IO_ALLOW_MMAP),
	FLAG(PASSTHROUGH),
	FLAG(NO_EXPORT_SUPPORT),
	FLAG(HAS_RESEND),
	FLAG(ALLOW_IDMAP),
	FLAG(OVER_IO_URING),
	FLAG(REQUEST_TIMEOUT),
	{ 1ULL << 43, "IO_URING_BUFPOOL" },
};

_Static_assert(ARRAY_SIZE(flags) == N_FLAGS, "one name for each bit");

static char *document;
static GHashTable *tests; /* all texts in quotes that could be the name of one */

/* ---- The document ---- */

static void offend(GPtrArray *offences, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void offend(GPtrArray *offences, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_ptr_array_add(offences, g_strdup_vprintf(format, args));
	va_end(args);
}

/* The cells of the one row below @heading that begins with @number; NULL when there is none. */
static char **find_row(const char *text, const char *heading, uint32_t number, GPtrArray *offences)
{
	const char *section = strstr(text, heading);
	g_autofree char *start = g_strdup_printf("\n| %u |", number);
	const char *row = section ? strstr(section, start) : NULL;
	const char *end = section ? strstr(section + 1, "\n## ") : NULL;
	g_autofree char *line = NULL;
	char **cells;

	if (!row || (end && row > end))
		return NULL;
	if (strstr(row + 1, start) && (!end || strstr(row + 1, start) < end))
		offend(offences, "%s: number %u twice", heading, number);
	row += 2;
	line = g_strndup(row, strcspn(row, "\n"));
	cells = g_strsplit(line, "|", -1);
	for (char **cell = cells; *cell; cell++)
		g_strstrip(*cell);
	return cells;
}

/* A name in quotes in a test, or a guest test's path. */
static bool test_exists(const char *name)
{
	g_autofree char *path = g_build_filename(g_getenv("SOURCE_ROOT"), name, NULL);

	if (name[0] != '/')
		return g_file_test(path, G_FILE_TEST_IS_REGULAR);
	return g_hash_table_contains(tests, name);
}

static void check_tests(const char *what, const char *cell, GPtrArray *offences)
{
	g_auto(GStrv) parts = g_strsplit(cell, "`", -1);
	unsigned int n = 0;

	/* Every other part stands between the marks. */
	for (char **part = parts; *part && part[1]; part += 2, n++)
		if (!test_exists(part[1]))
			offend(offences, "%s: there is no test %s", what, part[1]);
	if (!n)
		offend(offences, "%s: no test", what);
}

/* ---- Operations ---- */

static const char *operation_answer(const struct op *op)
{
	if (!op)
		return "ENOSYS";
	if (op->flags & OP_LOCKS)
		return "with locks";
	if (op->flags & OP_XATTR)
		return "with xattr";
	if (op->flags & OP_NOT_WRITEBACK)
		return "without writeback";
	return op->flags & OP_NO_REPLY ? "silent" : "implemented";
}

static const char *operation_name(uint32_t opcode)
{
	const struct op *op = ops_find(opcode);

	if (op)
		return op->name;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].opcode == opcode)
			return refused[i].name;
	return NULL;
}

static void check_operation(const char *text, uint32_t opcode, GPtrArray *offences)
{
	const struct op *op = ops_find(opcode);
	const char *name = operation_name(opcode);
	g_auto(GStrv) cells = find_row(text, "\n## Operations", opcode, offences);
	const char *readonly = op && op->flags & OP_MODIFIES ? "EROFS" : "";

	if (!name && cells)
		offend(offences, "operation %u is unknown", opcode);
	if (name && (!cells || g_strv_length(cells) < 6))
		offend(offences, "%s (%u) is missing", name, opcode);
	if (!name || !cells || g_strv_length(cells) < 6)
		return;
	if (strcmp(cells[1], name) != 0)
		offend(offences, "operation %u is %s, not %s", opcode, name, cells[1]);
	if (strcmp(cells[2], operation_answer(op)) != 0)
		offend(offences, "%s: the answer is %s, not %s", name, operation_answer(op),
		       cells[2]);
	if (strcmp(cells[3], readonly) != 0)
		offend(offences, "%s: a read-only share says \"%s\"", name, readonly);
	if (!op && !cells[5][0])
		offend(offences, "%s is refused without a reason", name);
	check_tests(name, cells[4], offences);
}

/* ---- Flags ---- */

static uint64_t granted(const struct fuse_session_options *options, bool exclusive)
{
	struct unit unit;
	const struct fuse_init_out *out;
	uint64_t result;

	unit_start(&unit, options);
	fake.exclusive = fake.opens_optional = fake.opendirs_optional = exclusive;
	out = unit_init(&unit, WIRE_MINOR, UNIT_ALL_FLAGS);
	g_assert_nonnull(out);
	result = out->flags | (uint64_t)out->flags2 << 32;
	unit_stop(&unit);
	return result;
}

struct grants {
	uint64_t by_default;
	uint64_t everywhere;
	uint64_t somewhere;
};

static void add_grant(struct grants *grants, const struct fuse_session_options *options,
		      bool exclusive)
{
	uint64_t now = granted(options, exclusive);

	grants->everywhere &= now;
	grants->somewhere |= now;
}

/* Every option by itself, in every cache mode. */
static const struct grants *all_grants(void)
{
	static const struct fuse_session_options each[] = {
		{ 0 },
		{ .no_readdirplus = true },
		{ .readonly = true },
		{ .announce_submounts = true },
		{ .posix_lock = true },
		{ .flock = true },
		{ .writeback = true },
		{ .allow_mmap = true },
		{ .xattr = true },
		{ .killpriv_v2 = true },
		{ .xattr = true, .posix_acl = FUSE_FEATURE_ALWAYS },
		{ .xattr = true, .security_label = FUSE_FEATURE_ALWAYS },
	};
	static const enum fs_cache modes[] = { FS_CACHE_AUTO, FS_CACHE_ALWAYS, FS_CACHE_NEVER,
					       FS_CACHE_METADATA };
	static struct grants grants;

	if (grants.somewhere)
		return &grants;
	grants.everywhere = UINT64_MAX;
	grants.by_default = granted(
		&(struct fuse_session_options){ .announce_submounts = true, .allow_mmap = true },
		false);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(modes); k++) {
			struct fuse_session_options options = each[i];

			options.cache = modes[k];
			add_grant(&grants, &options, false);
		}
	}
	add_grant(&grants, &each[0], true);
	return &grants;
}

static const char *flag_answer(uint64_t flag)
{
	const struct grants *grants = all_grants();

	if (grants->everywhere & flag)
		return "always";
	if (grants->by_default & flag)
		return "default";
	return grants->somewhere & flag ? "option" : "never";
}

static void check_flag(const char *text, uint32_t bit, GPtrArray *offences)
{
	const char *name = flags[bit].name;
	const char *answer = flag_answer(1ULL << bit);
	g_auto(GStrv) cells = find_row(text, "\n## INIT flags", bit, offences);

	g_assert_cmphex(flags[bit].flag, ==, 1ULL << bit);
	if (!cells || g_strv_length(cells) < 5) {
		offend(offences, "flag %s (%u) is missing", name, bit);
		return;
	}
	if (strcmp(cells[1], name) != 0)
		offend(offences, "flag %u is %s, not %s", bit, name, cells[1]);
	if (strcmp(cells[2], answer) != 0)
		offend(offences, "%s: the answer is %s, not %s", name, answer, cells[2]);
	if (strcmp(answer, "never") == 0 && !cells[4][0])
		offend(offences, "%s is refused without a reason", name);
	check_tests(name, cells[3], offences);
}

/* ---- Both ---- */

static GPtrArray *offences_of(const char *text)
{
	GPtrArray *offences = g_ptr_array_new_with_free_func(g_free);

	for (uint32_t opcode = 0; opcode < N_OPCODES; opcode++)
		check_operation(text, opcode, offences);
	for (uint32_t bit = 0; bit < N_FLAGS; bit++)
		check_flag(text, bit, offences);
	if (all_grants()->somewhere >> N_FLAGS)
		offend(offences, "a flag beyond the last is granted");
	return offences;
}

static void the_document_says_what_the_program_answers(void)
{
	g_autoptr(GPtrArray) offences = offences_of(document);

	for (guint i = 0; i < offences->len; i++)
		g_test_message("%s", (const char *)offences->pdata[i]);
	g_assert_cmpuint(offences->len, ==, 0);
}

static const char *const words[] = { "implemented", "ENOSYS",	  "silent",
				     "with locks",  "with xattr", "without writeback",
				     "always",	    "default",	  "option",
				     "never" };

/* The row at @row with one cell replaced; NULL when it has no such cell. */
static char *with_cell(const char *row, unsigned int n_cell, const char *text)
{
	const char *from = row, *to;

	for (unsigned int i = 0; i < n_cell; i++)
		from = strchr(from, '|') + 1;
	to = strchr(from, '|');
	return g_strdup_printf("%.*s %s %s", (int)(from - document), document, text, to);
}

static void expect_offence(char *text, const char *row)
{
	g_autoptr(GPtrArray) offences = offences_of(text);

	if (!offences->len)
		g_error("nothing is found wrong with a change of: %.40s", row);
	g_free(text);
}

static const char *next_row(const char *from)
{
	const char *row = from;

	do {
		row = strstr(row, "\n| ");
		row = row ? row + 1 : NULL;
	} while (row && !g_ascii_isdigit(row[2]));
	return row;
}

static void every_wrong_row_is_found(void)
{
	unsigned int n = 0;

	for (const char *row = next_row(document); row; row = next_row(row), n++) {
		const char *end = strchr(row, '\n');
		bool is_flag = row > strstr(document, "\n## INIT flags");
		char *without = g_strdup_printf("%.*s%s", (int)(row - document), document, end + 1);

		expect_offence(without, row);
		for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
			g_autofree char *now = g_strdup_printf("| %s |", words[i]);

			if (!g_strstr_len(row, end - row, now))
				expect_offence(with_cell(row, 3, words[i]), row);
		}
		expect_offence(with_cell(row, 2, "OTHER"), row);
		expect_offence(with_cell(row, is_flag ? 4 : 5, "`/no/such test`"), row);
		expect_offence(with_cell(row, is_flag ? 4 : 5, ""), row);
		if (!is_flag)
			expect_offence(
				with_cell(row, 4,
					  strstr(row, "| EROFS |") && strstr(row, "| EROFS |") < end
						  ? ""
						  : "EROFS"),
				row);
	}
	g_assert_cmpuint(n, >, 80);
}

/* ---- Sources ---- */

static void add_names(const char *text)
{
	const char *from = text;

	while ((from = strstr(from, "\"/"))) {
		size_t len = strcspn(++from, "\"\n");

		if (from[len] == '"')
			g_hash_table_add(tests, g_strndup(from, len));
	}
}

static void add_folder(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	g_assert_nonnull(dir);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL);
		g_autofree char *text = NULL;

		if (!g_str_has_suffix(name, ".c") || strcmp(name, "test-coverage.c") == 0)
			continue;
		g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
		add_names(text);
	}
}

static void load(void)
{
	static const char *const folders[] = { "unit", "component", "differential" };
	const char *root = g_getenv("SOURCE_ROOT");
	g_autofree char *path = g_build_filename(root, "docs", "protocol-coverage.md", NULL);

	g_assert_true(g_file_get_contents(path, &document, NULL, NULL));
	tests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		g_autofree char *folder = g_build_filename(root, "tests", folders[i], NULL);

		add_folder(folder);
	}
}

static void unload(void)
{
	g_hash_table_unref(tests);
	g_free(document);
}

int main(int argc, char **argv)
{
	int result;

	g_test_init(&argc, &argv, NULL);
	load();
	g_test_add_func("/coverage/the document says what the program answers",
			the_document_says_what_the_program_answers);
	g_test_add_func("/coverage/every wrong row is found", every_wrong_row_is_found);
	result = g_test_run();
	unload();
	return result;
}
