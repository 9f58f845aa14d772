/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the daemon say each sentence of the list in $SENTENCES that can be provoked from outside,
 * word by word, with the exit status that belongs to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/component/launch.h"
#include "tests/lib/bounded.h"
#include "tests/lib/frontend.h"

#define AT_LEAST 80 /* sentences with a test */
#define USER	 107
#define PAGE	 4096

struct sentence {
	char *text;
	char *how;
};

/* ---- The command line and the start ---- */

static void in_the_way(const char *socket_path, void *arg)
{
	g_autofree char *pid_file = g_strconcat(socket_path, ".pid", NULL);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *what = arg;
	int fd;

	/* What is opened here stays open until the test program ends. */
	if (strcmp(what, "locked") == 0) {
		fd = open(pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
		return;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_strlcpy(addr.sun_path, socket_path, sizeof(addr.sun_path));
	g_assert_cmpint(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
}

struct lists {
	GPtrArray *args, *env, *without;
};

static void add_set_up(struct launch_config *config, struct lists *lists, const char *word)
{
	if (strcmp(word, "user") == 0) {
		config->user = USER;
	} else if (strcmp(word, "busy") == 0 || strcmp(word, "locked") == 0) {
		config->prepare = in_the_way;
		config->arg = (void *)(uintptr_t)word;
	} else if (g_str_has_prefix(word, "env=")) {
		g_ptr_array_add(lists->env, (void *)(uintptr_t)(word + 4));
	} else if (g_str_has_prefix(word, "without=")) {
		g_ptr_array_add(lists->without, (void *)(uintptr_t)(word + 8));
	} else {
		test_die("the list has an unknown word: %s", word);
	}
}

static void add_arg(struct lists *lists, const char *word)
{
	if (strcmp(word, "USUAL") != 0) {
		g_ptr_array_add(lists->args, (void *)(uintptr_t)word);
		return;
	}
	g_ptr_array_add(lists->args, (void *)(uintptr_t) "--shared-dir=@SHARE");
	g_ptr_array_add(lists->args, (void *)(uintptr_t) "--socket-path=@SOCKET");
}

/* "run STATUS [SETUP...] -- ARGS" */
static void check_run(const struct sentence *sentence)
{
	g_auto(GStrv) words = g_strsplit(sentence->how, " ", -1);
	struct lists lists = { g_ptr_array_new(), g_ptr_array_new(), g_ptr_array_new() };
	struct launch_config config = { 0 };
	int status = atoi(words[1]);
	struct launch *launch;
	char **word = words + 2;

	for (; *word && strcmp(*word, "--") != 0; word++)
		add_set_up(&config, &lists, *word);
	while (*word && *++word)
		add_arg(&lists, *word);
	g_ptr_array_add(lists.args, NULL);
	g_ptr_array_add(lists.env, NULL);
	config.args = (const char *const *)lists.args->pdata;
	config.env = (const char *const *)lists.env->pdata;
	if (lists.without->len) {
		g_ptr_array_add(lists.without, NULL);
		config.without = (const char *const *)lists.without->pdata;
	}
	launch = launch_start(&config);
	if (status)
		g_assert_cmpint(launch_wait_end(launch, 0), ==, status);
	launch_wait_sentence(launch, sentence->text);
	launch_free(launch);
	g_ptr_array_unref(lists.args);
	g_ptr_array_unref(lists.env);
	g_ptr_array_unref(lists.without);
}

/* ---- Front-ends ---- */

static int memory(off_t bytes)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	g_assert_cmpint(ftruncate(fd, bytes), ==, 0);
	return fd;
}

static void set_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	(void)fe_send(fe, request, 0, &value, sizeof(value), NULL, 0);
}

static void set_vring(struct frontend *fe, uint32_t request, uint32_t num)
{
	const struct fe_vring_state state = { .index = 1, .num = num };

	(void)fe_send(fe, request, 0, &state, sizeof(state), NULL, 0);
}

static void set_vring_fd(struct frontend *fe, uint32_t request)
{
	const uint64_t index = 1;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)fe_send(fe, request, 0, &index, sizeof(index), &fd, 1);
	close(fd);
}

static void set_table(struct frontend *fe, uint64_t size, int fd, unsigned int n_fds)
{
	const struct fe_mem_table table = { .n_regions = 1,
					    .regions = { { .size = size, .uva = 1 << 20 } } };
	int fds[2] = { fd, fd };

	(void)fe_send(fe, FE_SET_MEM_TABLE, 0, &table, 8 + sizeof(table.regions[0]), fds, n_fds);
	if (fd >= 0)
		close(fd);
}

static void features(struct frontend *fe)
{
	set_u64(fe, FE_SET_FEATURES, FE_BIT(60));
}

static void protocol_features(struct frontend *fe)
{
	set_u64(fe, FE_SET_PROTOCOL_FEATURES, FE_BIT(60));
}

static void config_space(struct frontend *fe)
{
	const struct fe_config_space ask = { .offset = UINT32_MAX, .size = 4 };

	(void)fe_send(fe, FE_GET_CONFIG, 0, &ask, 12 + 4, NULL, 0);
}

static void channel(struct frontend *fe)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)fe_send(fe, FE_SET_BACKEND_REQ_FD, 0, NULL, 0, &fd, 1);
	close(fd);
}

static void ring_size(struct frontend *fe)
{
	set_vring(fe, FE_SET_VRING_NUM, 3);
}

static void ring_place(struct frontend *fe)
{
	const struct fe_vring_addr addr = { .index = 1, .desc = 1, .used = 1, .avail = 1 };

	(void)fe_send(fe, FE_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

static void ring_position(struct frontend *fe)
{
	set_vring(fe, FE_SET_VRING_BASE, 70000);
}

static void ring_half(struct frontend *fe)
{
	set_vring(fe, FE_SET_VRING_ENABLE, 2);
}

static void no_kick(struct frontend *fe)
{
	set_u64(fe, FE_SET_VRING_KICK, 1 | FE_VRING_NOFD);
}

static void kick(struct frontend *fe)
{
	set_vring_fd(fe, FE_SET_VRING_KICK);
}

static void call(struct frontend *fe)
{
	set_vring_fd(fe, FE_SET_VRING_CALL);
}

static void err(struct frontend *fe)
{
	set_vring_fd(fe, FE_SET_VRING_ERR);
}

static void table_size(struct frontend *fe)
{
	const struct fe_mem_table table = { .n_regions = 2 };

	(void)fe_send(fe, FE_SET_MEM_TABLE, 0, &table, 8 + sizeof(table.regions[0]), NULL, 0);
}

static void unshared(struct frontend *fe)
{
	set_table(fe, PAGE, -1, 0);
}

static void table_fds(struct frontend *fe)
{
	set_table(fe, PAGE, memory(PAGE), 2);
}

static void region_empty(struct frontend *fe)
{
	set_table(fe, 0, memory(PAGE), 1);
}

static void region_readonly(struct frontend *fe)
{
	int fd = memory(PAGE);
	g_autofree char *self = g_strdup_printf("/proc/self/fd/%d", fd);

	set_table(fe, PAGE, open(self, O_RDONLY | O_CLOEXEC), 1);
	close(fd);
}

static void region_unmappable(struct frontend *fe)
{
	set_table(fe, PAGE, eventfd(0, EFD_CLOEXEC), 1);
}

static void region_huge(struct frontend *fe)
{
	set_table(fe, UINT64_C(1) << 50, memory((off_t)1 << 50), 1);
}

static void remove_region(struct frontend *fe)
{
	const struct fe_mem_single single = { .region = { .size = PAGE } };

	(void)fe_send(fe, FE_REM_MEM_REG, 0, &single, sizeof(single), NULL, 0);
}

static void short_message(struct frontend *fe)
{
	(void)fe_send(fe, FE_SET_VRING_NUM, 0, "", 1, NULL, 0);
}

static void long_message(struct frontend *fe)
{
	const struct fe_header header = { FE_SET_VRING_NUM, FE_FLAG_VERSION, UINT32_MAX };

	(void)fe_send_raw(fe, &header, sizeof(header), NULL, 0);
}

static const struct peer {
	const char *name;
	void (*act)(struct frontend *fe);
} peers[] = {
	{ "features", features },
	{ "protocol-features", protocol_features },
	{ "config", config_space },
	{ "channel", channel },
	{ "ring-size", ring_size },
	{ "ring-place", ring_place },
	{ "ring-position", ring_position },
	{ "ring-enable", ring_half },
	{ "no-kick", no_kick },
	{ "kick", kick },
	{ "call", call },
	{ "err", err },
	{ "table-size", table_size },
	{ "unshared", unshared },
	{ "table-fds", table_fds },
	{ "region-empty", region_empty },
	{ "region-readonly", region_readonly },
	{ "region-unmappable", region_unmappable },
	{ "region-huge", region_huge },
	{ "remove", remove_region },
	{ "short", short_message },
	{ "long", long_message },
};

static struct launch *start_for_peer(const char *arg)
{
	const char *const args[] = { "--shared-dir=@SHARE", "--socket-path=@SOCKET", "--tag=share",
				     arg, NULL };
	const struct launch_config config = { .args = args };
	struct launch *launch = launch_start(&config);

	launch_wait_output(launch, "Waiting for vhost-user socket connection");
	return launch;
}

/* "peer NAME" */
static void check_peer(const struct sentence *sentence)
{
	const char *name = sentence->how + strlen("peer ");
	const struct peer *peer = peers;
	struct launch *launch = start_for_peer(NULL);
	struct frontend fe;

	while (strcmp(peer->name, name) != 0)
		if (++peer == peers + G_N_ELEMENTS(peers))
			test_die("there is no front-end '%s'", name);
	frontend_connect(&fe, launch->socket);
	fe_or_die(fe_handshake(&fe, FE_F_VERSION_1,
			       FE_P_MQ | FE_P_CONFIG | FE_P_BACKEND_REQ | FE_P_CONFIGURE_MEM_SLOTS),
		  "handshake");
	peer->act(&fe);
	launch_wait_sentence(launch, sentence->text);
	frontend_close(&fe);
	/* 0 when the session went on, 1 when this was the end of it. */
	g_assert_cmpint(launch_wait_end(launch, 0), <=, 1);
	launch_free(launch);
}

/* "guest ARG" */
static void check_guest(const struct sentence *sentence)
{
	const struct fuse_client_config client = { .queue = 1 };
	struct launch *launch = start_for_peer(sentence->how + strlen("guest "));

	vmm_start(&launch->vmm, launch->socket, -1, NULL);
	fuse_client_init(&launch->client, &launch->vmm, &client);
	g_assert_cmpint(fuse_init(&launch->client, 46, FUSE_INIT_EXT), <, 0);
	launch_wait_sentence(launch, sentence->text);
	launch_hang_up(launch);
	g_assert_cmpint(launch_wait_end(launch, 0), ==, 0);
	launch_free(launch);
}

static void check_sentence(gconstpointer data)
{
	const struct sentence *sentence = data;

	if (g_str_has_prefix(sentence->how, "run "))
		check_run(sentence);
	else if (g_str_has_prefix(sentence->how, "peer "))
		check_peer(sentence);
	else
		check_guest(sentence);
}

static unsigned int add_sentences(char **lines)
{
	unsigned int n = 0;

	for (; *lines; lines++) {
		struct sentence *sentence;
		g_autofree char *text = NULL, *name = NULL;

		if (!g_str_has_prefix(*lines, "> ") || !lines[1] ||
		    g_str_has_prefix(lines[1], "by ") || g_str_has_prefix(lines[1], "not "))
			continue;
		sentence = g_new(struct sentence, 1);
		*sentence = (struct sentence){ g_strdup(lines[0] + 2), g_strdup(lines[1]) };
		text = g_strdelimit(g_strndup(sentence->text, 60), "/", '|');
		name = g_strdup_printf("/sentences/%u: %s", ++n, text);
		g_test_add_data_func(name, sentence, check_sentence);
	}
	return n;
}

int main(int argc, char **argv)
{
	const char *path = g_getenv("SENTENCES");
	g_autofree char *list = NULL;
	g_auto(GStrv) lines = NULL;

	g_test_init(&argc, &argv, NULL);
	if (!path || !g_file_get_contents(path, &list, NULL, NULL))
		test_die("SENTENCES must name the list");
	lines = g_strsplit(list, "\n", -1);
	if (add_sentences(lines) < AT_LEAST)
		test_die("the list is short");
	return g_test_run();
}
