/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One daemon on a scratch share with a VMM stand-in connected: what every
 * component test starts from and checks at its end.
 *
 * $VIRTIOFSD names the daemon. $TEST_DAEMON_ARGS (blank-separated) is added to
 * every command line, which lets one suite run in several sandbox modes.
 */
#ifndef TESTS_COMPONENT_FIXTURE_H
#define TESTS_COMPONENT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/daemon-process.h"
#include "tests/lib/fuse-calls.h"
#include "tests/lib/fuse-client.h"
#include "tests/lib/share.h"
#include "tests/lib/vmm.h"

struct fixture_config {
	struct vmm_config vmm;
	struct fuse_client_config client;
	const char *const *args;
	const char *const *env;
	void (*populate)(const struct share *share);
	bool pass_fd;	/* --fd instead of --socket-path */
	bool no_init;	/* FUSE INIT is the test's business */
	bool no_client; /* so are the rings: only handshake and memory */
	bool no_vmm;	/* so is the whole connection */
	bool kills;	/* the test ends workers: they must not end by themselves */
};

struct fixture {
	struct share share;
	struct daemon_process *daemon;
	struct vmm vmm;
	struct fuse_client client;
	bool has_vmm;
	bool has_client;
	bool kills;
	int end_status; /* 0 unless the test sets it */
};

/* On the heap because of its size; dies on failure. config may be NULL. */
struct fixture *fixture_start(const struct fixture_config *config);
/* Hangs up; the daemon must exit with 0 and the canaries be as they were. */
void fixture_stop(struct fixture *f);
/* Only the last part: the connection is already closed. */
void fixture_expect_end(struct fixture *f);
/* When the test has ended the daemon itself, and the connection. */
void fixture_drop(struct fixture *f);
/* Opens another connection's worth of queues after no_client or no_vmm. */
void fixture_connect(struct fixture *f, const struct fixture_config *config);
/* GETATTR of the root is answered: the daemon still serves. */
void fixture_check_alive(struct fixture *f);

/*
 * After something hostile on the socket: the daemon either goes on (answers,
 * serves) or has closed the connection and ended by itself, never by a signal.
 * Replies to the hostile message are dropped. Ends the fixture.
 */
void fixture_stop_sane(struct fixture *f);
/* After the disconnect: it must end with 0 or 1 by itself. Ends the fixture. */
void fixture_expect_orderly_end(struct fixture *f);
/* True when the session still answers. */
bool fixture_session_answers(struct fixture *f);

/*
 * Single chains by hand, next to a client on the same ring: they use the
 * descriptors from RAW_FIRST_DESC on. Parts are descriptors without NEXT, which
 * raw_offer() sets.
 */
#define RAW_FIRST_DESC 512
#define RAW_BYTES      65536

struct raw {
	struct ring *ring;
	uint8_t *in; /* RAW_BYTES of guest memory each */
	uint8_t *out;
	uint64_t in_gpa, out_gpa;
};

struct raw_part {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

void raw_init(struct raw *raw, struct fixture *f, unsigned int queue);
/* Chains the parts and kicks. */
void raw_send(struct raw *raw, const struct raw_part *parts, unsigned int n_parts);
/* Kicks for descriptors that the test wrote itself. */
void raw_send_head(struct raw *raw, uint16_t head);
/* Bytes written by the device, or -ETIMEDOUT/-ECONNRESET; dies on another head. */
int raw_wait(struct raw *raw, uint16_t head);
/*
 * A request of raw->in[0..n) with out_room writable bytes behind it: returns the
 * error of the reply (0 or negative), or 1 when the chain came back without one.
 * Dies when the chain does not come back or the reply header is wrong.
 */
int raw_request(struct raw *raw, size_t n, size_t out_room);
/* Writes a FUSE header (len = whole size) and arguments to raw->in; the size. */
size_t raw_fill(struct raw *raw, uint32_t opcode, uint64_t nodeid, const void *arg, size_t n_arg);

/*
 * Pseudo-random numbers for the bounded fuzz tests: the same in every run, unless $TEST_SEED asks
 * for another series.
 */
struct test_random {
	uint64_t state;
};
struct test_random test_random_seeded(uint64_t seed);
uint64_t test_random_next(struct test_random *random);

#endif
