/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: what a write, another mapping and a change of size show in them. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "world.h"

#define PAGE 4096L

static char *map_file(int fd, int prot, int flags, size_t len)
{
	char *map = mmap(NULL, len, prot, flags, fd, 0);

	must(map == MAP_FAILED ? -1 : 0);
	return map;
}

static int new_file(off_t size)
{
	int fd = must(open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	must(ftruncate(fd, size));
	return fd;
}

static void check_coherence(void)
{
	char buf[16] = "";
	int fd = new_file(2 * PAGE), second;
	char *map = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 2 * PAGE);
	char *again;

	must(pwrite(fd, "written", 7, 100));
	holds("a mapping shows what was written", memcmp(map + 100, "written", 7) == 0);
	memcpy(map + 200, "mapped", 6);
	equals("a read sees what was mapped", 6, pread(fd, buf, 6, 200));
	holds("it is as mapped", memcmp(buf, "mapped", 6) == 0);
	second = must(open("file", O_RDWR | O_CLOEXEC));
	again = map_file(second, PROT_READ, MAP_SHARED, 2 * PAGE);
	memcpy(map + PAGE, "second", 6);
	holds("another mapping shows what was mapped", memcmp(again + PAGE, "second", 6) == 0);
	must(pread(second, buf, 6, PAGE));
	holds("another handle reads what was mapped", memcmp(buf, "second", 6) == 0);
	must(pwrite(second, "by two", 6, PAGE));
	holds("a mapping shows what another handle wrote", memcmp(map + PAGE, "by two", 6) == 0);
	works("a mapping is written back", msync(map, 2 * PAGE, MS_SYNC));
	works("a mapping is written back later", msync(map, 2 * PAGE, MS_ASYNC));
	works("a mapping is thrown away and read anew", msync(map, 2 * PAGE, MS_INVALIDATE));
	fails("a mapping is written back from a page's start", EINVAL, msync(map + 1, 1, MS_SYNC));
	close(fd);
	map[300] = 'z';
	works("a mapping stays after close", msync(map, 2 * PAGE, MS_SYNC));
	must(munmap(map, 2 * PAGE));
	must(pread(second, buf, 1, 300));
	equals("what was mapped after close is read", 'z', buf[0]);
	must(munmap(again, 2 * PAGE));
	close(second);
}

static void check_private(void)
{
	char byte;
	int fd = new_file(PAGE);
	char *map = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE);

	map[0] = 'p';
	must(pread(fd, &byte, 1, 0));
	equals("a private mapping changes nothing", 0, byte);
	must(pwrite(fd, "w", 1, 0));
	equals("a private page that changed stays", 'p', map[0]);
	must(munmap(map, PAGE));
	map = map_file(fd, PROT_READ, MAP_PRIVATE, PAGE);
	equals("a new private mapping shows the file", 'w', map[0]);
	must(munmap(map, PAGE));
	close(fd);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fails("a shared mapping to write needs write", EACCES, map == MAP_FAILED ? -1 : 0);
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	works("a private one needs read only", map == MAP_FAILED ? -1 : 0);
	must(munmap(map, PAGE));
	map = map_file(fd, PROT_READ, MAP_SHARED, PAGE);
	fails("a mapping to read does not become one to write", EACCES,
	      mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	must(munmap(map, PAGE));
	close(fd);
	fd = must(open("file", O_WRONLY | O_CLOEXEC));
	map = mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0);
	fails("a mapping needs read", EACCES, map == MAP_FAILED ? -1 : 0);
	close(fd);
	fd = must(open(".", O_RDONLY | O_CLOEXEC));
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	fails("a directory is not mapped", ENODEV, map == MAP_FAILED ? -1 : 0);
	close(fd);
}

static int touch(const void *arg)
{
	return *(const volatile char *)arg != 0;
}

static int dirty(const void *arg)
{
	*(volatile char *)(*(char *const *)arg) = 'd';
	return 0;
}

static void check_ends(void)
{
	char buf[16];
	int fd = new_file(100);
	char *map = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 3 * PAGE), *place;

	holds("behind the end is zero", all_bytes(map + 100, PAGE - 100, 0));
	equals("a page beyond the end is a bus error", 1000 + SIGBUS, in_child(touch, map + PAGE));
	place = map + 2 * PAGE;
	equals("so is one that is written", 1000 + SIGBUS, in_child(dirty, &place));
	map[200] = 'x';
	must(msync(map, PAGE, MS_SYNC));
	equals("what is mapped behind the end changes no size", 100, size_of("file"));
	must(ftruncate(fd, 300));
	must(pread(fd, buf, 1, 200));
	equals("it is zero when the file grows", 0, buf[0]);
	must(ftruncate(fd, 2 * PAGE));
	equals("a page within the new end is there", 0, in_child(touch, map + PAGE));
	map[PAGE] = 'n';
	must(pread(fd, buf, 1, PAGE));
	equals("a page within the new end is written", 'n', buf[0]);
	must(ftruncate(fd, 10));
	equals("a page that was cut off is a bus error", 1000 + SIGBUS,
	       in_child(touch, map + PAGE));
	equals("what was cut off within a page is zero", 0, map[100]);
	must(ftruncate(fd, 2 * PAGE));
	equals("a page that was cut off comes back as zero", 0, map[PAGE]);
	must(munmap(map, 3 * PAGE));
	close(fd);
}

static int write_in_child(const void *arg)
{
	char *map = *(char *const *)arg;

	memcpy(map + 50, "child", 5);
	return 0;
}

static void check_processes(void)
{
	int fd = new_file(PAGE);
	char *map = map_file(fd, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE), buf[8];
	char *own;

	must(in_child(write_in_child, &map));
	holds("a mapping shows what a child mapped", memcmp(map + 50, "child", 5) == 0);
	must(pread(fd, buf, 5, 50));
	holds("a read sees what a child mapped", memcmp(buf, "child", 5) == 0);
	must(unlink("file"));
	map[0] = 'u';
	must(pread(fd, buf, 1, 0));
	equals("a mapping of a file without a name lives on", 'u', buf[0]);
	own = map_file(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE);
	must(in_child(write_in_child, &own));
	holds("a child's private page is its own", memcmp(own + 50, "child", 5) == 0);
	equals("a read goes to a mapping of its own file", 16, pread(fd, map + 1000, 16, 0));
	equals("it is there", 'u', map[1000]);
	equals("a write comes from a mapping of its own file", 16, pwrite(fd, map, 16, 2000));
	equals("it is there too", 'u', map[2000]);
	works("a mapping is locked into memory", mlock(map, PAGE));
	works("a mapping is read ahead", madvise(map, PAGE, MADV_WILLNEED));
	works("a mapping's pages are dropped", madvise(own, PAGE, MADV_DONTNEED));
	must(munmap(map, PAGE));
	must(munmap(own, PAGE));
	close(fd);
}

const group_fn map_groups[] = { check_coherence, check_private, check_ends, check_processes, NULL };
