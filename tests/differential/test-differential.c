/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thousands of random operations give the same results through the daemon as on a plain
 * directory, with one client and with four at once; and a host process that edits the tree
 * meanwhile leaves nothing behind that a guest could stumble over.
 *
 * The seed is fixed; $DIFFERENTIAL_SEED and $DIFFERENTIAL_OPS choose others, and a failure prints
 * the seed and the operations that led to it.
 */
#include <errno.h>
#include <glib.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "tests/differential/compare.h"
#include "tests/differential/host-editor.h"
#include "tests/differential/ops.h"
#include "tests/differential/stress.h"
#include "tests/lib/bounded.h"

#define N_CLIENTS	  4
#define OPS_BETWEEN_TREES 2500

/* A group of the daemon's own must not open anything to a guest's users. */
#define DAEMON_GROUP	  2000

static uint64_t number_from_env(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? g_ascii_strtoull(text, NULL, 10) : fallback;
}

static unsigned long n_operations(void)
{
	return number_from_env("DIFFERENTIAL_OPS", 20000);
}

static uint64_t first_seed(void)
{
	return number_from_env("DIFFERENTIAL_SEED", 20240229);
}

static const char *const usual_args[] = { "--xattr", "--posix-lock", "--flock", NULL };

struct pair {
	struct fixture *f;
	struct share reference;
	struct fuse_client clients[N_CLIENTS]; /* beside the fixture's, on queues 2.. */
	unsigned int n_clients;
	unsigned int n_fds; /* of the daemon, with nothing open */
};

static void connect_clients(struct pair *p, uint64_t init_flags)
{
	int result = fuse_init(&p->f->client, 46, init_flags);

	if (result)
		test_die("INIT: %s", strerror(-result));
	for (unsigned int i = 1; i < p->n_clients; i++) {
		/* Other forms of the same requests: odd pieces of data, no indirect tables. */
		struct fuse_client_config config = {
			.queue = 1 + i,
			.data_bytes = 1 << 20,
			.depth = 2,
			.segment_bytes = i % 2 ? 3001 : 8192,
			.direct = i == 2,
		};

		fuse_client_init(&p->clients[i], &p->f->vmm, &config);
		p->clients[i].init = p->f->client.init;
		p->clients[i].init_flags = p->f->client.init_flags;
	}
}

static struct fuse_client *client_of(struct pair *p, unsigned int i)
{
	return i ? &p->clients[i] : &p->f->client;
}

static struct pair *pair_start(unsigned int n_clients, uint64_t init_flags, const char *const *args)
{
	struct fixture_config config = {
		.args = args,
		.vmm.n_request_queues = n_clients,
		.client = { .depth = 2 },
		.no_init = true,
	};
	struct pair *p = g_new0(struct pair, 1);
	const gid_t group = DAEMON_GROUP;

	p->n_clients = n_clients;
	umask(077);
	if (setgroups(1, &group))
		test_die("setgroups: %s; this test needs root", strerror(errno));
	p->f = fixture_start(&config);
	umask(0);
	if (setgroups(0, NULL))
		test_die("setgroups: %s", strerror(errno));
	share_init(&p->reference);
	connect_clients(p, init_flags);
	p->n_fds = daemon_n_fds(p->f->daemon);
	return p;
}

static void pair_stop(struct pair *p)
{
	unsigned int n_fds = daemon_n_fds(p->f->daemon);

	if (n_fds > p->n_fds + 2)
		test_die("the daemon had %u descriptors, and has %u after all was given back",
			 p->n_fds, n_fds);
	fixture_check_alive(p->f);
	for (unsigned int i = 1; i < p->n_clients; i++)
		fuse_client_deinit(&p->clients[i]);
	fixture_stop(p->f);
	share_check_canaries(&p->reference);
	share_deinit(&p->reference);
	g_free(p);
}

/* ---- One client ---- */

static void run_world(struct world *w, unsigned long n_ops)
{
	for (unsigned long i = 1; i <= n_ops; i++) {
		world_step(w);
		if (i % OPS_BETWEEN_TREES == 0)
			compare_trees(w);
	}
	compare_trees(w);
	compare_listing(w, w->nodes[0].nodeid, w->nodes[0].own_fd);
	/* Two sides that refuse everything are equal too. */
	if (w->n_succeeded < n_ops / 3)
		world_fail(w, "only %lu operations did anything", w->n_succeeded);
}

static void run_alone(const char *title, uint64_t init_flags, const char *const *args,
		      uint64_t seed, unsigned long n_ops)
{
	struct pair *p = pair_start(1, init_flags, args);
	struct world *w = g_new0(struct world, 1);

	g_test_message("DIFFERENTIAL_SEED=%" PRIu64 ", %lu operations", seed, n_ops);
	world_init(w, &p->f->client, "", p->f->share.dir, p->reference.dir, seed, title);
	w->forget_on_hiprio = true;
	run_world(w, n_ops);
	world_deinit(w);
	g_free(w);
	pair_stop(p);
}

static void test_one_client(void)
{
	run_alone("one client", FUSE_TEST_LINUX_FLAGS, usual_args, first_seed(), n_operations());
}

static void test_without_groups(void)
{
	run_alone("a guest that sends no groups", FUSE_TEST_LINUX_FLAGS & ~FUSE_CREATE_SUPP_GROUP,
		  usual_args, first_seed() + 1, n_operations() / 4);
}

static void test_with_acls(void)
{
	static const char *const args[] = { "--posix-acl=always", "--posix-lock", "--flock", NULL };

	run_alone("ACLs", FUSE_TEST_LINUX_FLAGS, args, first_seed() + 2, n_operations() / 2);
}

static void test_without_opens(void)
{
	/*
	 * So few descriptors that files are closed and opened again all the time. The reference
	 * drops set-id bits where a guest would.
	 */
	static const char *const args[] = { "--xattr", "--exclusive", "--no-killpriv-v2",
					    "--rlimit-nofile=160", NULL };

	run_alone("a guest that does not open", FUSE_TEST_LINUX_FLAGS, args, first_seed() + 3,
		  n_operations() / 2);
}

/* ---- Four clients ---- */

struct job {
	struct pair *pair;
	unsigned int index;
	char *name;
	struct world *world;   /* of its own, or */
	struct stress *stress; /* in the common tree */
	GThread *thread;
};

static void *run_job(void *arg)
{
	struct job *job = arg;

	run_world(job->world, n_operations() / N_CLIENTS);
	return NULL;
}

/* Each in its own directory, made on both sides alike. */
static void job_init(struct job *job, struct pair *p, unsigned int index)
{
	g_autofree char *own = NULL, *ref = NULL;

	job->pair = p;
	job->index = index;
	job->name = g_strdup_printf("client-%u", index);
	own = g_build_filename(p->f->share.dir, job->name, NULL);
	ref = g_build_filename(p->reference.dir, job->name, NULL);
	if (mkdir(own, 0755) || mkdir(ref, 0755))
		test_die("mkdir %s: %s", own, strerror(errno));
	job->world = g_new0(struct world, 1);
	world_init(job->world, client_of(p, index), job->name, own, ref, first_seed() + 10 + index,
		   job->name);
}

static void test_four_clients_apart(void)
{
	struct pair *p = pair_start(N_CLIENTS, FUSE_TEST_LINUX_FLAGS, usual_args);
	struct job jobs[N_CLIENTS];

	for (unsigned int i = 0; i < N_CLIENTS; i++)
		job_init(&jobs[i], p, i);
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		jobs[i].thread = g_thread_new(jobs[i].name, run_job, &jobs[i]);
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		g_thread_join(jobs[i].thread);
	for (unsigned int i = 0; i < N_CLIENTS; i++) {
		world_deinit(jobs[i].world);
		g_free(jobs[i].world);
		g_free(jobs[i].name);
	}
	pair_stop(p);
}

static void *run_stress_job(void *arg)
{
	struct job *job = arg;

	stress_run(job->stress, n_operations() / job->pair->n_clients);
	return NULL;
}

static void run_stress_jobs(struct pair *p, struct job *jobs, unsigned int flags)
{
	for (unsigned int i = 0; i < p->n_clients; i++) {
		jobs[i] = (struct job){ .pair = p, .index = i };
		jobs[i].stress = stress_new(client_of(p, i), first_seed() + 20 + i, flags);
		jobs[i].thread = g_thread_new("stress", run_stress_job, &jobs[i]);
	}
	for (unsigned int i = 0; i < p->n_clients; i++)
		g_thread_join(jobs[i].thread);
}

static void free_stress_jobs(struct pair *p, struct job *jobs)
{
	for (unsigned int i = 0; i < p->n_clients; i++)
		stress_free(jobs[i].stress);
}

/* The tree is whatever it is; the daemon must see it as the host does. */
static void compare_with_host(struct pair *p)
{
	struct world *w = g_new0(struct world, 1);

	world_init(w, &p->f->client, "", p->f->share.dir, p->f->share.dir, 0, "the shared tree");
	compare_lookups(w, FUSE_ROOT_ID, w->nodes[0].own_fd);
	compare_listing(w, FUSE_ROOT_ID, w->nodes[0].own_fd);
	world_deinit(w);
	g_free(w);
}

static void test_four_clients_together(void)
{
	struct pair *p = pair_start(N_CLIENTS, FUSE_TEST_LINUX_FLAGS, usual_args);
	struct job jobs[N_CLIENTS];

	run_stress_jobs(p, jobs, 0);
	compare_with_host(p);
	free_stress_jobs(p, jobs);
	pair_stop(p);
}

/* ---- And the host ---- */

/*
 * Clients still hold what they looked up when the host has come to rest: no node of before may
 * stand in the way of a name that is there now. @scarce: of files that were removed meanwhile
 * clients hold more than the daemon can keep open, so that it can serve all only without them.
 */
static void run_with_host(unsigned int n_clients, const char *const *args, bool scarce)
{
	struct pair *p = pair_start(n_clients, FUSE_TEST_LINUX_FLAGS, args);
	struct job jobs[N_CLIENTS];
	struct host_editor editor;
	unsigned long n_done = 0;
	uint64_t n_edits;

	host_editor_start(&editor, p->f->share.dir, first_seed() + 30);
	run_stress_jobs(p, jobs, scarce ? STRESS_HOSTED | STRESS_SCARCE : STRESS_HOSTED);
	n_edits = host_editor_stop(&editor);
	for (unsigned int i = 0; i < n_clients; i++)
		n_done += stress_n_done(jobs[i].stress);
	g_test_message("%lu operations did something, and %" PRIu64 " edits", n_done, n_edits);
	if (n_done < n_operations() / 10 || n_edits < 10)
		test_die("%lu operations and %" PRIu64 " edits did anything", n_done, n_edits);
	if (!scarce)
		compare_with_host(p);
	free_stress_jobs(p, jobs);
	compare_with_host(p);
	pair_stop(p);
}

static void test_host_and_one_client(void)
{
	run_with_host(1, usual_args, false);
}

static void test_host_and_four_clients(void)
{
	run_with_host(N_CLIENTS, usual_args, false);
}

/* Files that are not used for long are found again by their names, which the host changes. */
static void test_host_and_few_descriptors(void)
{
	static const char *const args[] = { "--inode-file-handles=never", "--rlimit-nofile=512",
					    NULL };

	run_with_host(N_CLIENTS, args, true);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/differential/one-client-gets-what-a-plain-directory-gives",
			test_one_client);
	g_test_add_func("/differential/so-does-a-guest-that-sends-no-groups", test_without_groups);
	g_test_add_func("/differential/and-one-that-uses-acls", test_with_acls);
	g_test_add_func("/differential/so-does-one-that-need-not-open", test_without_opens);
	g_test_add_func("/differential/four-clients-apart-do-not-disturb-each-other",
			test_four_clients_apart);
	g_test_add_func("/differential/four-clients-in-one-tree-leave-it-consistent",
			test_four_clients_together);
	g_test_add_func("/differential/a-host-that-edits-meanwhile-leaves-one-client-no-stale-name",
			test_host_and_one_client);
	g_test_add_func("/differential/nor-four-clients", test_host_and_four_clients);
	g_test_add_func("/differential/nor-with-fewer-descriptors-than-files",
			test_host_and_few_descriptors);
	return g_test_run();
}
