/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory tables: what they accept and translate, that regions outlive the tables they came
 * with exactly as long as needed, and that truncated memory harms nobody.
 */
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/util.h"
#include "tests/unit/vhost-unit.h"

/* Replaces *memory by itself plus a region. */
static int add(struct guest_memory **memory, const struct guest_region_desc *desc, int fd)
{
	struct guest_memory *next;
	int own = dup(fd);
	int r = guest_memory_add(*memory, desc, own, &next);

	if (r < 0) {
		close(own);
		return r;
	}
	guest_memory_put(*memory);
	*memory = next;
	return 0;
}

static void test_translate(void)
{
	struct guest_region_desc low = unit_region(0, 4), high = unit_region(8, 2);
	struct guest_memory *memory = guest_memory_new();
	struct unit_ram ram;
	uint64_t len;
	char *p;

	unit_ram_init(&ram);
	strcpy(ram.map + 100, "low");
	strcpy(ram.map + 8 * UNIT_PAGE, "high");
	g_assert_cmpint(add(&memory, &high, ram.fd), ==, 0);
	g_assert_cmpint(add(&memory, &low, ram.fd), ==, 0);
	p = guest_memory_from_gpa(memory, unit_gpa(100), 10, &len);
	g_assert_cmpstr(p, ==, "low");
	g_assert_cmpuint(len, ==, 10);
	p = guest_memory_from_gpa(memory, unit_gpa(8 * UNIT_PAGE), UINT64_MAX, &len);
	g_assert_cmpstr(p, ==, "high");
	g_assert_cmpuint(len, ==, 2 * UNIT_PAGE);
	g_assert_nonnull(guest_memory_from_gpa(memory, unit_gpa(4 * UNIT_PAGE - 1), 2, &len));
	g_assert_cmpuint(len, ==, 1);
	g_assert_null(guest_memory_from_gpa(memory, unit_gpa(4 * UNIT_PAGE), 1, &len));
	g_assert_null(guest_memory_from_gpa(memory, unit_gpa(10 * UNIT_PAGE), 1, &len));
	g_assert_null(guest_memory_from_gpa(memory, UNIT_GPA - 1, 1, &len));
	g_assert_null(guest_memory_from_gpa(memory, UINT64_MAX, 1, &len));
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_translate_uva(void)
{
	struct guest_memory *memory;
	struct unit_ram ram;

	unit_ram_init(&ram);
	memory = unit_memory(&ram);
	strcpy(ram.map + 4096, "here");
	g_assert_cmpstr(guest_memory_from_uva(memory, unit_uva(4096), 5), ==, "here");
	g_assert_nonnull(guest_memory_from_uva(memory, unit_uva(0), UNIT_RAM_SIZE));
	g_assert_null(guest_memory_from_uva(memory, unit_uva(1), UNIT_RAM_SIZE));
	g_assert_null(guest_memory_from_uva(memory, unit_uva(4096), UINT64_MAX - 10));
	g_assert_null(guest_memory_from_uva(memory, UNIT_UVA - 1, 1));
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_refusals(void)
{
	const struct guest_region_desc good = unit_region(4, 4);
	struct guest_memory *memory = guest_memory_new(), *next;
	struct guest_region_desc bad[8];
	struct unit_ram ram;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = unit_region(16, 4);
	bad[0].size_bytes = 0;
	bad[1].gpa = UINT64_MAX - UNIT_PAGE;
	bad[2].uva = UINT64_MAX - UNIT_PAGE;
	bad[3].mmap_offset = UINT64_MAX - UNIT_PAGE;
	bad[4].mmap_offset = UNIT_RAM_SIZE - UNIT_PAGE; /* file too short */
	bad[5] = unit_region(7, 2);			/* overlaps the end */
	bad[6] = unit_region(2, 3);			/* overlaps the start */
	bad[7] = good;
	unit_ram_init(&ram);
	g_assert_cmpint(add(&memory, &good, ram.fd), ==, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		g_assert_cmpint(guest_memory_add(memory, &bad[i], ram.fd, &next), ==, -EINVAL);
	bad[0] = unit_region(16, 4);
	g_assert_cmpint(guest_memory_add(memory, &bad[0], -1, &next), ==, -EBADF);
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_read_only_file(void)
{
	struct guest_region_desc desc = unit_region(0, 1);
	struct guest_memory *memory = guest_memory_new(), *next;
	g_autofree char *path = NULL;
	struct unit_ram ram;
	int fd;

	unit_ram_init(&ram);
	path = g_strdup_printf("/proc/self/fd/%d", ram.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(guest_memory_add(memory, &desc, fd, &next), ==, -EACCES);
	close(fd);
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_unaligned_offset(void)
{
	struct guest_region_desc desc = unit_region(1, 1);
	struct guest_memory *memory = guest_memory_new();
	struct unit_ram ram;
	uint64_t len;

	unit_ram_init(&ram);
	desc.mmap_offset = UNIT_PAGE + 128;
	strcpy(ram.map + UNIT_PAGE + 128, "odd");
	g_assert_cmpint(add(&memory, &desc, ram.fd), ==, 0);
	g_assert_cmpstr(guest_memory_from_gpa(memory, desc.gpa, 4, &len), ==, "odd");
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_remove(void)
{
	struct guest_region_desc a = unit_region(0, 1), b = unit_region(4, 1), wrong = a;
	struct guest_memory *memory = guest_memory_new(), *without;
	struct unit_ram ram;
	uint64_t len;
	char *kept;

	unit_ram_init(&ram);
	g_assert_cmpint(add(&memory, &a, ram.fd), ==, 0);
	g_assert_cmpint(add(&memory, &b, ram.fd), ==, 0);
	wrong.uva++;
	g_assert_cmpint(guest_memory_remove(memory, &wrong, &without), ==, -ENOENT);
	g_assert_cmpint(guest_memory_remove(memory, &b, &without), ==, 0);
	kept = guest_memory_from_gpa(memory, b.gpa, 1, &len);
	g_assert_null(guest_memory_from_gpa(without, b.gpa, 1, &len));
	g_assert_nonnull(guest_memory_from_gpa(without, a.gpa, 1, &len));
	*kept = 1; /* the old table still maps it */
	guest_memory_put(memory);
	*(char *)guest_memory_from_gpa(without, a.gpa, 1, &len) = 1;
	guest_memory_put(without);
	unit_ram_deinit(&ram);
}

static void test_limit(void)
{
	struct guest_region_desc desc = unit_region(0, 1);
	struct guest_memory *memory = guest_memory_new();
	struct unit_ram ram;
	uint64_t len;

	unit_ram_init(&ram);
	for (unsigned int i = 0; i < GUEST_MEMORY_MAX_REGIONS; i++) {
		g_assert_cmpint(add(&memory, &desc, ram.fd), ==, 0);
		desc.gpa += 2 * UNIT_PAGE;
		desc.uva += 2 * UNIT_PAGE;
	}
	g_assert_cmpint(add(&memory, &desc, ram.fd), ==, -ENOSPC);
	for (unsigned int i = 0; i < GUEST_MEMORY_MAX_REGIONS; i++) {
		uint64_t gpa = unit_gpa((uint64_t)i * 2 * UNIT_PAGE);

		g_assert_nonnull(guest_memory_from_gpa(memory, gpa, UINT64_MAX, &len));
		g_assert_cmpuint(len, ==, UNIT_PAGE);
		g_assert_null(guest_memory_from_gpa(memory, gpa + UNIT_PAGE, 1, &len));
	}
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void test_truncated(void)
{
	struct guest_memory *memory;
	volatile char *p;
	struct unit_ram ram;
	uint64_t len;

	unit_ram_init(&ram);
	memory = unit_memory(&ram);
	memset(ram.map, 'x', UNIT_RAM_SIZE);
	g_assert_cmpint(guest_memory_install_sigbus_handler(), ==, 0);
	g_assert_cmpint(ftruncate(ram.fd, UNIT_PAGE), ==, 0);
	p = guest_memory_from_gpa(memory, unit_gpa(0), UNIT_RAM_SIZE, &len);
	g_assert_cmpuint(len, ==, UNIT_RAM_SIZE);
	g_assert_cmpint(p[UNIT_PAGE - 1], ==, 'x');
	g_assert_cmpint(p[UNIT_PAGE], ==, 0);
	p[UNIT_RAM_SIZE - 1] = 'y';
	g_assert_cmpint(p[UNIT_RAM_SIZE - 1], ==, 'y');
	g_assert_cmpint(p[UNIT_PAGE - 1], ==, 'x');
	guest_memory_put(memory);
	unit_ram_deinit(&ram);
}

static void fault_outside(void)
{
	struct rlimit no_core = { 0 };
	struct unit_ram ram;

	setrlimit(RLIMIT_CORE, &no_core);
	unit_ram_init(&ram);
	guest_memory_install_sigbus_handler();
	g_assert_cmpint(ftruncate(ram.fd, 0), ==, 0);
	(void)*(volatile char *)ram.map; /* mapped, but not as guest memory */
}

static void test_other_sigbus(void)
{
	if (g_test_subprocess()) {
		fault_outside();
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
	g_test_trap_assert_failed();
}

static void sent_sigbus(void)
{
	struct rlimit no_core = { 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	guest_memory_install_sigbus_handler();
	raise(SIGBUS);
}

static void test_sent_sigbus(void)
{
	if (g_test_subprocess()) {
		sent_sigbus();
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
	g_test_trap_assert_failed();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/memory/guest-addresses-are-found-up-to-the-region-edge", test_translate);
	g_test_add_func("/memory/front-end-ranges-must-lie-in-one-region", test_translate_uva);
	g_test_add_func("/memory/impossible-regions-are-refused", test_refusals);
	g_test_add_func("/memory/a-file-that-cannot-be-written-is-refused", test_read_only_file);
	g_test_add_func("/memory/an-offset-may-lie-inside-a-page", test_unaligned_offset);
	g_test_add_func("/memory/a-removed-region-stays-in-older-tables", test_remove);
	g_test_add_func("/memory/there-is-room-for-509-regions", test_limit);
	g_test_add_func("/memory/truncated-memory-reads-as-zeroes", test_truncated);
	g_test_add_func("/memory/a-fault-elsewhere-still-kills", test_other_sigbus);
	g_test_add_func("/memory/a-signal-sent-by-somebody-still-kills", test_sent_sigbus);
	return g_test_run();
}
