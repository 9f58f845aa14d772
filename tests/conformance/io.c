/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes: positions, vectors, appending by several, direct I/O, syncing. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "world.h"

/* What the compiler must not see through, as it knows better. */
static void *volatile nowhere = (void *)8;
static volatile int too_many = IOV_MAX + 1;

static void check_positions(void)
{
	char buf[16] = "";
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644)), copy;

	equals("all bytes are written", 10, write(fd, "0123456789", 10));
	equals("the position moves by a write", 10, lseek(fd, 0, SEEK_CUR));
	equals("nothing is read at the end", 0, read(fd, buf, 4));
	equals("a read at a position", 3, pread(fd, buf, 3, 4));
	holds("has what is there", memcmp(buf, "456", 3) == 0);
	equals("a read at the end is short", 2, pread(fd, buf, 10, 8));
	equals("a read beyond the end is empty", 0, pread(fd, buf, 10, 100));
	equals("neither moves the position", 10, lseek(fd, 0, SEEK_CUR));
	equals("a write at a position", 2, pwrite(fd, "xy", 2, 4));
	equals("does not move it either", 10, lseek(fd, 0, SEEK_CUR));
	must(lseek(fd, 3, SEEK_SET));
	equals("a read moves the position", 4, read(fd, buf, 4));
	equals("to behind what was read", 7, lseek(fd, 0, SEEK_CUR));
	holds("it read what was written", memcmp(buf, "3xy6", 4) == 0);
	copy = must(dup(fd));
	must(lseek(copy, 1, SEEK_SET));
	equals("a duplicate has the same position", 1, lseek(fd, 0, SEEK_CUR));
	close(copy);
	copy = must(open("file", O_RDONLY | O_CLOEXEC));
	equals("another handle has its own", 0, lseek(copy, 0, SEEK_CUR));
	close(copy);
	fails("a negative position is not read", EINVAL, pread(fd, buf, 1, -1));
	fails("a negative position is not written", EINVAL, pwrite(fd, buf, 1, -1));
	fails("memory that is not there is not read into", EFAULT, pread(fd, nowhere, 5, 0));
	fails("memory that is not there is not written", EFAULT, pwrite(fd, nowhere, 5, 0));
	equals("nothing at all is read", 0, pread(fd, buf, 0, 0));
	close(fd);
	fails("a closed descriptor is not read", EBADF, read(fd, buf, 1));
}

static void check_vectors(void)
{
	char a[4] = "", b[4] = "";
	struct iovec in[2] = { { a, 3 }, { b, 3 } };
	struct iovec out[3] = { { (char[]){ "abc" }, 3 }, { NULL, 0 }, { (char[]){ "def" }, 3 } };
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	equals("a vector is written", 6, writev(fd, out, 3));
	must(lseek(fd, 0, SEEK_SET));
	equals("a vector is read", 6, readv(fd, in, 2));
	holds("its parts are filled in their order",
	      memcmp(a, "abc", 3) == 0 && memcmp(b, "def", 3) == 0);
	equals("a vector is written at a position", 6, pwritev(fd, out, 3, 10));
	equals("a vector is read at a position", 6, preadv(fd, in, 2, 10));
	equals("a short read fills the first parts", 4, preadv(fd, in, 2, 12));
	fails("too many parts are refused", EINVAL, preadv(fd, in, too_many, 0));
	equals("no parts are nothing", 0, preadv(fd, in, 0, 0));
	fails("unknown flags are refused", EOPNOTSUPP, preadv2(fd, in, 2, 0, 0x40000000));
	equals("RWF_APPEND writes at the end", 6, pwritev2(fd, out, 3, 0, RWF_APPEND));
	equals("the file grew by it", 22, size_of("file"));
	equals("RWF_SYNC writes", 6, pwritev2(fd, out, 3, 0, RWF_SYNC));
	equals("RWF_DSYNC writes", 6, pwritev2(fd, out, 3, 0, RWF_DSYNC));
	equals("RWF_HIPRI reads", 6, preadv2(fd, in, 2, 0, RWF_HIPRI));
	observe("RWF_NOWAIT reads", preadv2(fd, in, 2, 0, RWF_NOWAIT));
	close(fd);
}

/* Memory as O_DIRECT wants it. */
static void *get_memory(size_t blocks)
{
	void *memory = aligned_alloc(4096, blocks * 4096);

	if (!memory)
		abort();
	return memory;
}

static void check_large(void)
{
	size_t size = (3 << 20) + 12345;
	unsigned char *data = get_memory(772), *copy = get_memory(772);
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));

	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 2654435761U >> 24);
	equals("some MiB are written at once", (long long)size, write(fd, data, size));
	equals("some MiB are read at once", (long long)size, pread(fd, copy, size, 0));
	holds("some MiB are equal", memcmp(data, copy, size) == 0);
	equals("an odd range is written over", 100001, pwrite(fd, data, 100001, 54321));
	memmove(data + 54321, data, 100001);
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	equals("all is read again", (long long)size, pread(fd, copy, size, 0));
	equals("all but the odd range is equal", 0, memcmp(data + 154322, copy + 154322, 100000));
	equals("bytes around a page's end are read", 2, pread(fd, copy, 2, 4095));
	holds("they are equal", memcmp(copy, data + 4095, 2) == 0);
	equals("bytes at 2^32 are written", 5, pwrite(fd, "large", 5, (1LL << 32) - 2));
	equals("the size is beyond 2^32", (1LL << 32) + 3, size_of("file"));
	equals("bytes at 2^32 are read", 5, pread(fd, copy, 9, (1LL << 32) - 2));
	holds("bytes at 2^32 are equal", memcmp(copy, "large", 5) == 0);
	equals("a position beyond 2^32", (1LL << 32) + 3, lseek(fd, 0, SEEK_END));
	close(fd);
	free(data);
	free(copy);
}

#define WRITERS 4
#define RECORDS 150

static void append_records(int writer)
{
	int fd = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);
	char record[32];

	for (int i = 0; i < RECORDS; i++) {
		int len = snprintf(record, sizeof(record), "writer %d record %03d\n", writer, i);

		if (write(fd, record, (size_t)len) != len)
			_exit(1);
	}
	_exit(0);
}

/* Each writer's records in their order, none torn: how many there are. */
static int count_records(void)
{
	int next[WRITERS] = { 0 }, writer, number, count = 0;
	FILE *log = fopen("log", "re");
	char line[64];

	while (log && fgets(line, sizeof(line), log)) {
		if (sscanf(line, "writer %d record %d\n", &writer, &number) != 2 || writer < 0 ||
		    writer >= WRITERS || strlen(line) != 20 || next[writer]++ != number)
			break;
		count++;
	}
	if (log)
		fclose(log);
	return count;
}

static void check_appending(void)
{
	int statuses = 0, status;

	put("log", "");
	fflush(NULL);
	for (int i = 0; i < WRITERS; i++)
		if (must(fork()) == 0)
			append_records(i);
	for (int i = 0; i < WRITERS; i++) {
		must(wait(&status));
		statuses |= status;
	}
	equals("several processes append", 0, statuses);
	equals("nothing of what they appended is lost", 20LL * WRITERS * RECORDS, size_of("log"));
	equals("all records are whole and in their order", WRITERS * RECORDS, count_records());
}

#define PART 4096

/* Larger than a guest sends at once. */
static void check_direct_appending(void)
{
	const int parts = 4096;
	char *all = get_memory((size_t)parts);
	int fd = must(open("big", O_RDWR | O_CREAT | O_APPEND | O_DIRECT | O_CLOEXEC, 0644));
	int number, in_order = 0;

	for (int i = 0; i < parts; i++)
		snprintf(all + (size_t)i * PART, PART, "%d", i);
	equals("many MiB are appended directly", (long long)parts * PART,
	       write(fd, all, (size_t)parts * PART));
	memset(all, 0, (size_t)parts * PART);
	equals("they are read directly", (long long)parts * PART,
	       pread(fd, all, (size_t)parts * PART, 0));
	for (int i = 0; i < parts; i++)
		in_order += sscanf(all + (size_t)i * PART, "%d", &number) == 1 && number == i;
	equals("their parts are in order", parts, in_order);
	close(fd);
	free(all);
}

static void check_two_handles(void)
{
	char buf[32] = "";
	int a = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	int b = must(open("file", O_RDWR | O_APPEND | O_CLOEXEC));

	must(write(a, "first", 5));
	must(write(b, "+more", 5));
	reads("an append goes behind what the other handle wrote", "first+more", get("file"));
	must(write(a, "-", 1));
	reads("a write goes to its own position", "first-more", get("file"));
	must(ftruncate(a, 3));
	must(write(b, "+end", 4));
	reads("an append goes to where the other handle cut", "fir+end", get("file"));
	equals("an append moves the position to the end", 7, lseek(b, 0, SEEK_CUR));
	must(pwrite(b, "!", 1, 0));
	equals("a write at a position of what is appended", 8, size_of("file"));
	equals("one handle reads what the other wrote", 8, pread(a, buf, 20, 0));
	reads("all of it", "fir+end!", buf);
	close(a);
	close(b);
}

static void check_direct(void)
{
	char *block = get_memory(2);
	int fd = open("file", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);

	works("O_DIRECT opens", fd);
	memset(block, 'd', 8192);
	equals("aligned blocks are written directly", 8192, pwrite(fd, block, 8192, 0));
	memset(block, 0, 8192);
	equals("aligned blocks are read directly", 8192, pread(fd, block, 8192, 0));
	holds("directly read blocks are equal", all_bytes(block, 8192, 'd'));
	equals("what was written directly is read the other way", 255, (long)strlen(get("file")));
	must(truncate("file", 4096 + 100));
	observe("a direct read to memory that is not aligned", pread(fd, block + 1, 512, 0));
	observe("a direct read from a place that is not aligned", pread(fd, block, 4096, 1));
	observe("a direct write of a length that is not aligned", pwrite(fd, block, 100, 0));
	equals("a direct read at the end is short", 100, pread(fd, block, 4096, 4096));
	equals("a direct read beyond the end is empty", 0, pread(fd, block, 4096, 8192));
	close(fd);
	fd = must(open("file", O_RDWR | O_CLOEXEC));
	must(pwrite(fd, "x", 1, 0));
	close(fd);
	fd = must(open("file", O_RDONLY | O_DIRECT | O_CLOEXEC));
	equals("what was written the other way", 4096, pread(fd, block, 4096, 0));
	equals("is read directly", 'x', block[0]);
	must(fcntl(fd, F_SETFL, 0));
	equals("O_DIRECT is switched off", 1, pread(fd, block + 1, 1, 0));
	works("O_DIRECT is switched on", fcntl(fd, F_SETFL, O_DIRECT));
	close(fd);
	free(block);
}

static void check_syncing(void)
{
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644)), dir;

	must(write(fd, "text", 4));
	works("a file is synced", fsync(fd));
	works("a file's data are synced", fdatasync(fd));
	works("a range is synced", sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE));
	works("the file system is synced", syncfs(fd));
	works("a file is read ahead", readahead(fd, 0, 4096));
	works("a file's use is told", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL) ? -1 : 0);
	close(fd);
	dir = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	works("a directory is synced", fsync(dir));
	works("a directory's data are synced", fdatasync(dir));
	close(dir);
	fd = must(open("file", O_RDONLY | O_CLOEXEC));
	works("what is open for reading is synced", fsync(fd));
	close(fd);
	reads("what was synced is there", "text", get("file"));
}

const group_fn io_groups[] = {
	check_positions,	check_vectors,	   check_large,
	check_appending,	check_two_handles, check_direct,
	check_direct_appending, check_syncing,	   NULL,
};
