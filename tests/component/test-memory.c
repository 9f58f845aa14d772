/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory in one or many regions, with offsets, across region edges, and
 * regions that come and go while requests run.
 */
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

#define FILE_BYTES   (1 << 20)
#define REGION_BYTES (16 << 20)

static void populate(const struct share *share)
{
	share_write_pattern(share, "file", FILE_BYTES);
}

/* Reads the whole file over the client's data buffers and compares it. */
static void read_file(struct fixture *f)
{
	g_autofree uint8_t *bytes = g_malloc(FILE_BYTES);
	uint64_t nodeid = fuse_node(&f->client, "file");
	struct fuse_open_out open;
	int result = fuse_open(&f->client, nodeid, 0, &open);

	g_assert_cmpint(result, ==, 0);
	result = fuse_read(&f->client, nodeid, open.fh, 0, FILE_BYTES, bytes);
	g_assert_cmpint(result, ==, FILE_BYTES);
	g_assert_true(share_pattern_matches(bytes, FILE_BYTES, 0));
	g_assert_cmpint(fuse_release(&f->client, nodeid, open.fh), ==, 0);
	fuse_forget(&f->client, nodeid, 1);
}

static void run_with(const struct vmm_config *vmm)
{
	struct fixture_config config = { .populate = populate, .vmm = *vmm };
	struct fixture *f = fixture_start(&config);

	read_file(f);
	fixture_stop(f);
}

static void test_one_region(void)
{
	run_with(&(struct vmm_config){ .memory_bytes = REGION_BYTES });
}

static void test_eight_regions(void)
{
	run_with(&(struct vmm_config){ .memory_bytes = REGION_BYTES, .n_regions = 8 });
}

static void test_mmap_offset(void)
{
	run_with(&(struct vmm_config){
		.memory_bytes = REGION_BYTES, .n_regions = 2, .mmap_offset = 3 * 4096 });
}

static void test_added_regions(void)
{
	run_with(&(struct vmm_config){
		.memory_bytes = REGION_BYTES, .n_regions = 3, .add_mem_reg = true });
}

static void test_many_slots(void)
{
	/* 509 slots; small ones behind a big one that holds the rings. */
	struct fixture_config config = {
		.populate = populate,
		.vmm = { .memory_bytes = REGION_BYTES, .add_mem_reg = true },
	};
	struct fixture *f = fixture_start(&config);

	for (unsigned int i = 1; i < 509; i++) {
		guest_ram_add(&f->vmm.mem, 0, 8192, 0);
		fe_or_die(fe_add_mem_reg(&f->vmm.fe, &f->vmm.mem, i), "ADD_MEM_REG");
	}
	read_file(f);
	/* The 510th may be refused, not fatal. */
	guest_ram_add(&f->vmm.mem, 0, 8192, 0);
	(void)fe_add_mem_reg(&f->vmm.fe, &f->vmm.mem, 509);
	read_file(f);
	fixture_stop(f);
}

/*
 * A READ into a buffer that begins @before bytes before the end of region 0 and
 * goes on in region 1, in one descriptor.
 */
static void read_over_edge(struct fixture *f, struct raw *raw, uint32_t before)
{
	struct guest_region *first = &f->vmm.mem.regions[0];
	struct guest_region *second = &f->vmm.mem.regions[1];
	uint64_t nodeid = fuse_node(&f->client, "file");
	struct fuse_open_out open;
	struct fuse_read_in in = { .offset = 5, .size = 8192 };
	struct fuse_out_header out;
	struct raw_part parts[3] = {
		{ .gpa = raw->in_gpa },
		{ .gpa = raw->out_gpa, .len = sizeof(out), .writable = true },
		{ .gpa = first->gpa + first->size - before, .len = 8192, .writable = true },
	};

	g_assert_cmpint(fuse_open(&f->client, nodeid, 0, &open), ==, 0);
	in.fh = open.fh;
	parts[0].len = (uint32_t)raw_fill(raw, FUSE_READ, nodeid, &in, sizeof(in));
	raw_send(raw, parts, 3);
	g_assert_cmpint(raw_wait(raw, RAW_FIRST_DESC), ==, sizeof(out) + 8192);
	memcpy(&out, raw->out, sizeof(out));
	g_assert_cmpint(out.error, ==, 0);
	g_assert_true(share_pattern_matches(first->map + first->size - before, before, 5));
	g_assert_true(share_pattern_matches(second->map, 8192 - before, 5 + before));
	g_assert_cmpint(fuse_release(&f->client, nodeid, open.fh), ==, 0);
}

static void test_region_edge(void)
{
	struct fixture_config config = {
		.populate = populate,
		.vmm = { .memory_bytes = REGION_BYTES },
	};
	struct fixture *f = fixture_start(&config);
	struct raw raw;

	raw_init(&raw, f, 1);
	/* The second region holds nothing else, so that its start is free. */
	guest_ram_add(&f->vmm.mem, 0, REGION_BYTES, 0);
	fe_or_die(fe_set_mem_table(&f->vmm.fe, &f->vmm.mem), "SET_MEM_TABLE");
	read_over_edge(f, &raw, 4096);
	read_over_edge(f, &raw, 1);
	read_over_edge(f, &raw, 8191);
	fixture_stop(f);
}

static void submit_reads(struct fuse_client *client, uint64_t nodeid, uint64_t fh, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct fuse_slot *slot = fuse_slot_get(client);
		struct fuse_read_in in = { .fh = fh, .size = 65536 };

		fuse_slot_prepare(slot, FUSE_READ, nodeid);
		memcpy(slot->arg, &in, sizeof(in));
		slot->arg_len = sizeof(in);
		slot->data_in = 65536;
		fuse_submit(slot);
	}
	fuse_flush(client);
}

static void reap_all(struct fuse_client *client)
{
	struct fuse_slot *slots[16];

	while (client->n_in_flight) {
		int n = fuse_reap(client, slots, 16, deadline_default());

		if (n < 0)
			test_die("reads never came back: %s", strerror(-n));
		for (int i = 0; i < n; i++) {
			g_assert_cmpstr(fuse_slot_check(slots[i], 65536, false), ==, NULL);
			g_assert_true(share_pattern_matches(slots[i]->data, 65536, 0));
			fuse_slot_put(slots[i]);
		}
	}
}

static void test_regions_come_and_go(void)
{
	struct fixture_config config = {
		.populate = populate,
		.vmm = { .memory_bytes = 64 << 20, .add_mem_reg = true },
		.client = { .depth = 64, .data_bytes = 65536 },
	};
	struct fixture *f = fixture_start(&config);
	uint64_t nodeid = fuse_node(&f->client, "file");
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, nodeid, 0, &open), ==, 0);
	for (int round = 0; round < 20; round++) {
		unsigned int region = guest_ram_add(&f->vmm.mem, 0, 1 << 20, 0);

		submit_reads(&f->client, nodeid, open.fh, 64);
		fe_or_die(fe_add_mem_reg(&f->vmm.fe, &f->vmm.mem, region), "ADD_MEM_REG");
		reap_all(&f->client);
		submit_reads(&f->client, nodeid, open.fh, 64);
		fe_or_die(fe_rem_mem_reg(&f->vmm.fe, &f->vmm.mem, region), "REM_MEM_REG");
		reap_all(&f->client);
		guest_ram_remove(&f->vmm.mem, region);
		f->vmm.mem.n_regions--;
	}
	fixture_stop(f);
}

static void test_table_replaced_while_busy(void)
{
	struct fixture_config config = {
		.populate = populate,
		.client = { .depth = 64, .data_bytes = 65536 },
	};
	struct fixture *f = fixture_start(&config);
	uint64_t nodeid = fuse_node(&f->client, "file");
	unsigned int n_fds = daemon_n_fds(f->daemon);
	struct fuse_open_out open;

	g_assert_cmpint(fuse_open(&f->client, nodeid, 0, &open), ==, 0);
	for (int round = 0; round < 20; round++) {
		submit_reads(&f->client, nodeid, open.fh, 64);
		fe_or_die(fe_set_mem_table(&f->vmm.fe, &f->vmm.mem), "SET_MEM_TABLE");
		reap_all(&f->client);
	}
	g_assert_cmpuint(daemon_n_fds(f->daemon), <=, n_fds + 2);
	fixture_stop(f);
}

static void test_odd_segments(void)
{
	struct fixture_config config = {
		.populate = populate,
		.vmm = { .memory_bytes = 64 << 20, .ring_size = 4096 },
		.client = { .depth = 1, .data_bytes = 1 << 20, .segment_bytes = 1021 * 2 },
	};
	struct fixture *f = fixture_start(&config);

	/* 514 descriptors of odd size and alignment for one reply. */
	read_file(f);
	fixture_stop(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/memory/one-region", test_one_region);
	g_test_add_func("/memory/eight-regions-in-one-table", test_eight_regions);
	g_test_add_func("/memory/regions-may-begin-inside-their-fd", test_mmap_offset);
	g_test_add_func("/memory/regions-may-be-added-one-by-one", test_added_regions);
	g_test_add_func("/memory/509-slots-hold-regions", test_many_slots);
	g_test_add_func("/memory/a-buffer-may-cross-a-region-edge", test_region_edge);
	g_test_add_func("/memory/regions-come-and-go-while-requests-run", test_regions_come_and_go);
	g_test_add_func("/memory/the-table-may-be-replaced-while-requests-run",
			test_table_replaced_while_busy);
	g_test_add_func("/memory/replies-fill-odd-segments", test_odd_segments);
	return g_test_run();
}
