/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon offers in the opening of a session, and that every answer has
 * the form the protocol asks for.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/component/fixture.h"
#include "tests/lib/bounded.h"

static const char *const tag_args[] = { "--tag", "shared-tree", NULL };

static struct fixture *start_bare(const char *const *args)
{
	struct fixture_config config = { .args = args, .no_vmm = true };
	struct fixture *f = fixture_start(&config);

	frontend_connect(&f->vmm.fe, daemon_socket_path(f->daemon));
	f->has_vmm = true;
	return f;
}

static uint64_t get_u64(struct fixture *f, uint32_t request)
{
	uint64_t value;

	fe_or_die(fe_get_u64(&f->vmm.fe, request, &value), "a u64 question");
	return value;
}

static void test_virtio_features(void)
{
	struct fixture *f = start_bare(NULL);
	uint64_t features = get_u64(f, FE_GET_FEATURES);

	g_assert_true(features & FE_F_VERSION_1);
	g_assert_true(features & FE_F_INDIRECT_DESC);
	g_assert_true(features & FE_F_EVENT_IDX);
	g_assert_true(features & FE_F_PROTOCOL_FEATURES);
	/* Layouts and notifications that are not implemented must not be offered. */
	g_assert_false(features & (FE_BIT(34) | FE_BIT(33) | FE_BIT(38) | FE_BIT(40)));
	g_assert_false(features & FE_BIT(0));
	fixture_stop(f);
}

static void test_protocol_features(void)
{
	struct fixture *f = start_bare(NULL);
	uint64_t wanted = FE_P_MQ | FE_P_REPLY_ACK | FE_P_BACKEND_REQ | FE_P_BACKEND_SEND_FD |
			  FE_P_CONFIGURE_MEM_SLOTS | FE_P_RESET_DEVICE | FE_P_STATUS;
	uint64_t protocol;

	get_u64(f, FE_GET_FEATURES);
	protocol = get_u64(f, FE_GET_PROTOCOL_FEATURES);
	g_assert_cmphex(protocol & wanted, ==, wanted);
	g_assert_false(protocol & FE_P_CONFIG);
	/* User-Mode Linux would choose them, and pay with a wake-up more per kick. */
	g_assert_false(protocol & FE_P_INBAND_NOTIFICATIONS);
	fixture_stop(f);
}

static void test_inband_feature_when_asked_for(void)
{
	static const char *const args[] = { "--inband-notifications", NULL };
	struct fixture *f = start_bare(args);

	get_u64(f, FE_GET_FEATURES);
	g_assert_true(get_u64(f, FE_GET_PROTOCOL_FEATURES) & FE_P_INBAND_NOTIFICATIONS);
	fixture_stop(f);
}

static void test_config_feature_with_tag(void)
{
	struct fixture *f = start_bare(tag_args);

	get_u64(f, FE_GET_FEATURES);
	g_assert_true(get_u64(f, FE_GET_PROTOCOL_FEATURES) & FE_P_CONFIG);
	fixture_stop(f);
}

static void test_queue_num(void)
{
	struct fixture *f = start_bare(NULL);

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_MQ), "handshake");
	g_assert_cmpuint(get_u64(f, FE_GET_QUEUE_NUM), ==, 65);
	fixture_stop(f);
}

static void test_mem_slots(void)
{
	struct fixture *f = start_bare(NULL);

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_CONFIGURE_MEM_SLOTS), "handshake");
	g_assert_cmpuint(get_u64(f, FE_GET_MAX_MEM_SLOTS), ==, 509);
	fixture_stop(f);
}

static void test_config_contents(void)
{
	struct fixture *f = start_bare(tag_args);
	struct fe_fs_config config;
	uint8_t all[256];

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_CONFIG), "handshake");
	memset(&config, 0xff, sizeof(config));
	fe_or_die(fe_get_config(&f->vmm.fe, 0, sizeof(config), &config), "GET_CONFIG");
	g_assert_cmpstr(config.tag, ==, "shared-tree");
	for (size_t i = strlen("shared-tree"); i < sizeof(config.tag); i++)
		g_assert_cmpint(config.tag[i], ==, 0);
	g_assert_cmpuint(config.n_request_queues, >=, 1);
	g_assert_cmpuint(config.n_request_queues, <=, 64);
	/* User-Mode Linux reads single fields. */
	fe_or_die(fe_get_config(&f->vmm.fe, 36, 4, all), "GET_CONFIG of a field");
	g_assert_cmpmem(all, 4, &config.n_request_queues, 4);
	fixture_stop(f);
}

static void test_config_out_of_range(void)
{
	static const uint32_t ranges[][2] = {
		{ 0, 256 }, { 40, 4 },	       { 39, 2 },
		{ 256, 4 }, { UINT32_MAX, 4 }, { UINT32_MAX - 3, 8 }
	};
	struct fixture *f = start_bare(tag_args);
	struct fe_fs_config config;
	uint8_t bytes[256];

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_CONFIG), "handshake");
	for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
		int result = fe_get_config(&f->vmm.fe, ranges[i][0], ranges[i][1], bytes);

		/* Refused or padded, but answered; and the session goes on. */
		g_assert_true(result == 0 || result == -EREMOTEIO);
		fe_or_die(fe_get_config(&f->vmm.fe, 0, sizeof(config), &config), "GET_CONFIG");
		g_assert_cmpstr(config.tag, ==, "shared-tree");
	}
	fixture_stop(f);
}

static void test_tag_of_36_bytes(void)
{
	const char *const args[] = { "--tag", "0123456789abcdefghijklmnopqrstuvwxyz", NULL };
	struct fixture *f = start_bare(args);
	struct fe_fs_config config;

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_CONFIG), "handshake");
	fe_or_die(fe_get_config(&f->vmm.fe, 0, sizeof(config), &config), "GET_CONFIG");
	g_assert_cmpmem(config.tag, sizeof(config.tag), args[1], strlen(args[1]));
	fixture_stop(f);
}

static void test_acknowledged_messages(void)
{
	struct fixture_config config = { 0 };
	struct fixture *f = fixture_start(&config);

	g_assert_true(f->vmm.fe.protocol & FE_P_REPLY_ACK);
	g_assert_cmpuint(f->vmm.fe.acks, >, 10);
	fixture_stop(f);
}

static void test_no_reply_ack(void)
{
	struct fixture_config config = { .vmm = { .no_reply_ack = true } };
	struct fixture *f = fixture_start(&config);

	fixture_check_alive(f);
	g_assert_cmpuint(f->vmm.fe.acks, ==, 0);
	fixture_stop(f);
}

static void test_status(void)
{
	struct fixture *f = start_bare(NULL);

	fe_or_die(fe_handshake(&f->vmm.fe, FE_F_VERSION_1, FE_P_STATUS | FE_P_REPLY_ACK),
		  "handshake");
	fe_or_die(fe_set_u64(&f->vmm.fe, FE_SET_STATUS, 0xb), "SET_STATUS");
	g_assert_cmpuint(get_u64(f, FE_GET_STATUS), ==, 0xb);
	fe_or_die(fe_set_u64(&f->vmm.fe, FE_SET_STATUS, 0), "SET_STATUS 0");
	g_assert_cmpuint(get_u64(f, FE_GET_STATUS), ==, 0);
	fixture_stop(f);
}

static void test_features_as_barrier(void)
{
	struct fixture *f = fixture_start(NULL);

	/* User-Mode Linux asks for the features again at any time to wait for earlier messages. */
	for (int i = 0; i < 3; i++) {
		g_assert_true(get_u64(f, FE_GET_FEATURES) & FE_F_VERSION_1);
		fixture_check_alive(f);
	}
	fixture_stop(f);
}

static void test_passed_fd(void)
{
	struct fixture_config config = { .pass_fd = true };
	struct fixture *f = fixture_start(&config);

	fixture_check_alive(f);
	fixture_stop(f);
}

static void test_disconnect_without_a_word(void)
{
	fixture_stop(start_bare(NULL));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/negotiation/needed-virtio-features-are-offered", test_virtio_features);
	g_test_add_func("/negotiation/needed-protocol-features-are-offered",
			test_protocol_features);
	g_test_add_func("/negotiation/config-is-offered-with-a-tag-only",
			test_config_feature_with_tag);
	g_test_add_func("/negotiation/in-band-notifications-are-offered-only-when-asked-for",
			test_inband_feature_when_asked_for);
	g_test_add_func("/negotiation/there-are-65-queues", test_queue_num);
	g_test_add_func("/negotiation/there-are-509-memory-slots", test_mem_slots);
	g_test_add_func("/negotiation/config-space-holds-tag-and-queue-count",
			test_config_contents);
	g_test_add_func("/negotiation/config-outside-its-space-does-no-harm",
			test_config_out_of_range);
	g_test_add_func("/negotiation/a-tag-may-fill-all-36-bytes", test_tag_of_36_bytes);
	g_test_add_func("/negotiation/every-message-is-acknowledged-when-agreed",
			test_acknowledged_messages);
	g_test_add_func("/negotiation/acknowledgements-are-optional", test_no_reply_ack);
	g_test_add_func("/negotiation/status-is-kept", test_status);
	g_test_add_func("/negotiation/features-may-be-asked-at-any-time", test_features_as_barrier);
	g_test_add_func("/negotiation/a-listening-fd-may-be-inherited", test_passed_fd);
	g_test_add_func("/negotiation/disconnect-at-once-ends-the-daemon-with-0",
			test_disconnect_without_a_word);
	return g_test_run();
}
