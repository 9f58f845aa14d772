/* SPDX-License-Identifier: Apache-2.0 */
/* A share full of baits, and a secret outside of it. */
#include "tests/component/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/lib/bounded.h"

#define SECRET_BYTES 4096

const char *const escape_links[] = {
	"to-secret", "up-secret", "to-dir", "to-root", "to-fds", NULL
};
const char *const escape_specials[] = { "fifo", "sock", "chr", NULL };

static const char *const outsiders[] = { "", "secret", "sign", "inner", "inner/secret" };

/* For populate(), which is told the share alone. */
static struct escape *being_made;
static void (*more_baits)(const struct escape *e, const struct share *share);

const char *escape_path(const struct escape *e, const char *name)
{
	static char *ring[8];
	static unsigned int next;
	char **slot = &ring[next++ % G_N_ELEMENTS(ring)];

	g_free(*slot);
	*slot = g_build_filename(e->outside, name, NULL);
	return *slot;
}

/* ---- Outside ---- */

static void choose_token(struct escape *e)
{
	uint8_t bytes[ESCAPE_TOKEN_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		test_die("getrandom: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(bytes); i++)
		e->token[i] = (char)('A' + bytes[i] % 58);
	for (size_t i = 0; i < sizeof(bytes); i++)
		if (strchr("[\\]^_`", e->token[i]))
			e->token[i] = '0';
}

static void write_secret(const char *path, const char *token)
{
	g_autoptr(GString) text = g_string_new(NULL);

	while (text->len < SECRET_BYTES)
		g_string_append(text, token);
	if (!g_file_set_contents(path, text->str, (gssize)text->len, NULL))
		test_die("write %s", path);
	/* Permissions are no wall here: everybody could read and write it. */
	if (chmod(path, 0666) || setxattr(path, "user.secret", token, strlen(token), 0))
		test_die("%s: %s", path, strerror(errno));
}

static void make_outside(struct escape *e)
{
	const char *root = getenv("TEST_SCRATCH");
	g_autofree char *named = NULL;

	e->outside = g_build_filename(root ? root : g_get_tmp_dir(), "outside-XXXXXX", NULL);
	if (!g_mkdtemp(e->outside) || chmod(e->outside, 0777))
		test_die("make %s: %s", e->outside, strerror(errno));
	if (mkdir(escape_path(e, "inner"), 0777) || chmod(escape_path(e, "inner"), 0777))
		test_die("mkdir: %s", strerror(errno));
	write_secret(escape_path(e, "secret"), e->token);
	write_secret(escape_path(e, "inner/secret"), e->token);
	named = g_build_filename(e->outside, "inner", e->token, NULL);
	write_secret(named, e->token);
	if (symlink(e->token, escape_path(e, "sign")))
		test_die("symlink: %s", strerror(errno));
}

static unsigned int n_names(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	unsigned int n = 0;

	while (dir && g_dir_read_name(dir))
		n++;
	return n;
}

/* All that a change of anything outside would show in, but what reading leaves behind. */
static char *describe_outside(const struct escape *e)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(outsiders); i++) {
		const char *path = escape_path(e, outsiders[i]);
		ssize_t n_attributes = llistxattr(path, NULL, 0);
		struct stat st;

		if (lstat(path, &st))
			test_die("lstat %s: %s", path, strerror(errno));
		g_string_append_printf(
			text,
			"%s: inode %lu mode %o owner %u:%u links %lu size %ld names %u "
			"attributes %zd changed %ld.%09ld\n",
			outsiders[i], (unsigned long)st.st_ino, st.st_mode, st.st_uid, st.st_gid,
			(unsigned long)st.st_nlink, (long)st.st_size, n_names(path), n_attributes,
			(long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	}
	return g_string_free(text, FALSE);
}

static void remove_outside(struct escape *e)
{
	g_autofree char *named = g_build_filename(e->outside, "inner", e->token, NULL);

	if (unlink(named))
		test_die("unlink %s: %s", named, strerror(errno));
	for (size_t i = G_N_ELEMENTS(outsiders); i-- > 0;)
		if (remove(escape_path(e, outsiders[i])))
			test_die("remove %s: %s", outsiders[i], strerror(errno));
}

/* ---- Baits ---- */

static void make_links(const struct share *share, const struct escape *e)
{
	g_autofree char *folder = g_path_get_basename(e->outside);
	g_autofree char *up = g_strdup_printf("../../%s/secret", folder);

	share_symlink(share, "to-secret", escape_path(e, "secret"));
	share_symlink(share, "up-secret", up);
	share_symlink(share, "to-dir", e->outside);
	share_symlink(share, "to-root", "/proc/self/root");
	share_symlink(share, "to-fds", "/proc/self/fd");
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
		test_die("%s is too long", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 5))
		test_die("listen at %s: %s", path, strerror(errno));
	return fd;
}

static void make_specials(const struct share *share, struct escape *e)
{
	share_mknod(share, "fifo", S_IFIFO | 0666, 0);
	share_mknod(share, "chr", S_IFCHR | 0666, makedev(1, 5));
	e->listener = listen_at(share_path(share, "sock"));
	e->fifo = open(share_path(share, "fifo"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (e->fifo < 0 || write(e->fifo, e->token, ESCAPE_TOKEN_BYTES) != ESCAPE_TOKEN_BYTES)
		test_die("the fifo: %s", strerror(errno));
}

static void populate(const struct share *share)
{
	make_links(share, being_made);
	make_specials(share, being_made);
	share_write_text(share, "file", "a file of the guest\n");
	share_mkdir(share, "dir", 0777);
	share_write_text(share, "dir/file", "another\n");
	if (more_baits)
		more_baits(being_made, share);
}

/* ---- Looking for it ---- */

/* Holes of the memory are left alone, or looking would fill them. */
static bool is_in_region(const struct escape *e, const struct guest_region *region)
{
	off_t at = (off_t)region->mmap_offset, end;

	while ((at = lseek(region->fd, at, SEEK_DATA)) >= 0) {
		const uint8_t *bytes = region->map + (at - (off_t)region->mmap_offset);

		end = lseek(region->fd, at, SEEK_HOLE);
		end = MIN(end, (off_t)(region->mmap_offset + region->size));
		if (end <= at)
			break;
		if (memmem(bytes, (size_t)(end - at), e->token, ESCAPE_TOKEN_BYTES))
			return true;
		at = end;
	}
	return false;
}

bool escape_has_arrived(const struct escape *e)
{
	for (unsigned int i = 0; i < e->f->vmm.mem.n_regions; i++)
		if (e->f->vmm.mem.regions[i].fd >= 0 && is_in_region(e, &e->f->vmm.mem.regions[i]))
			return true;
	return false;
}

static void check_specials(const struct escape *e)
{
	struct pollfd waiting = { .fd = e->listener, .events = POLLIN };
	char text[2 * ESCAPE_TOKEN_BYTES];

	g_assert_cmpint(poll(&waiting, 1, 0), ==, 0);
	/* Nobody has taken anything out or put anything in. */
	g_assert_cmpint(read(e->fifo, text, sizeof(text)), ==, ESCAPE_TOKEN_BYTES);
	g_assert_cmpmem(text, ESCAPE_TOKEN_BYTES, e->token, ESCAPE_TOKEN_BYTES);
	g_assert_cmpint(write(e->fifo, text, ESCAPE_TOKEN_BYTES), ==, ESCAPE_TOKEN_BYTES);
}

void escape_check(struct escape *e)
{
	g_autofree char *now = describe_outside(e);

	g_assert_false(escape_has_arrived(e));
	check_specials(e);
	g_assert_cmpstr(now, ==, e->before);
	fixture_check_alive(e->f);
}

void escape_start(struct escape *e, const char *const *args)
{
	escape_start_with(e, args, NULL);
}

void escape_start_with(struct escape *e, const char *const *args,
		       void (*more)(const struct escape *e, const struct share *share))
{
	struct fixture_config config = {
		.populate = populate,
		.args = args,
		.client = { .data_bytes = 1 << 17 },
	};

	*e = (struct escape){ .fifo = -1 };
	choose_token(e);
	make_outside(e);
	being_made = e;
	more_baits = more;
	e->f = fixture_start(&config);
	e->c = &e->f->client;
	raw_init(&e->raw, e->f, 1);
	e->before = describe_outside(e);
}

void escape_leave(struct escape *e)
{
	fixture_stop(e->f);
	remove_outside(e);
	close(e->fifo);
	close(e->listener);
	g_free(e->before);
	g_free(e->outside);
}

void escape_stop(struct escape *e)
{
	escape_check(e);
	escape_leave(e);
}

/* ---- Names ---- */

static void try_making(struct escape *e, uint64_t parent, const char *name)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	uint64_t file = fuse_node(e->c, "file");

	g_assert_cmpint(fuse_mkdir(e->c, parent, name, 0777, &entry), <, 0);
	g_assert_cmpint(fuse_mknod(e->c, parent, name, S_IFREG | 0666, 0, &entry), <, 0);
	g_assert_cmpint(fuse_mknod(e->c, parent, name, S_IFIFO | 0666, 0, &entry), <, 0);
	g_assert_cmpint(fuse_symlink(e->c, parent, name, "target", &entry), <, 0);
	g_assert_cmpint(fuse_link(e->c, file, parent, name, &entry), <, 0);
	g_assert_cmpint(fuse_create(e->c, parent, name, 0666, O_RDWR, &entry, &open), <, 0);
	g_assert_cmpint(fuse_create(e->c, parent, name, 0666, O_RDWR | O_EXCL, &entry, &open), <,
			0);
	g_assert_cmpint(fuse_create(e->c, parent, name, 0666, O_WRONLY | O_TRUNC, &entry, &open), <,
			0);
}

static void try_moving(struct escape *e, uint64_t parent, const char *name)
{
	static const uint32_t flags[] = { 0, 1, 2, 4 }; /* none, NOREPLACE, EXCHANGE, WHITEOUT */

	g_assert_cmpint(fuse_unlink(e->c, parent, name), <, 0);
	g_assert_cmpint(fuse_rmdir(e->c, parent, name), <, 0);
	g_assert_cmpint(fuse_rename(e->c, parent, name, FUSE_ROOT_ID, "taken"), <, 0);
	g_assert_cmpint(fuse_rename(e->c, FUSE_ROOT_ID, "file", parent, name), <, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
		g_assert_cmpint(fuse_rename2(e->c, parent, name, FUSE_ROOT_ID, "taken", flags[i]),
				<, 0);
		g_assert_cmpint(fuse_rename2(e->c, FUSE_ROOT_ID, "file", parent, name, flags[i]), <,
				0);
	}
}

void escape_try_changes(struct escape *e, uint64_t parent, const char *name)
{
	try_making(e, parent, name);
	try_moving(e, parent, name);
	escape_check(e);
}

void escape_try_name(struct escape *e, uint64_t parent, const char *name)
{
	struct fuse_entry_out entry;

	g_test_message("\"%s\"", name);
	g_assert_cmpint(fuse_lookup(e->c, parent, name, &entry), <, 0);
	escape_try_changes(e, parent, name);
}
