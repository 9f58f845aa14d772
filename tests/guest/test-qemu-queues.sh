#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that QEMU of the host's release serves a guest with two processors by two
# request queues, both of which do work, and that files cross both ways.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require qemu-system-x86_64 cpio
require_assets kernel-backports

queues=${GUEST_TEST_QUEUES:-2}
make_plain_share
# QEMU 7.1 to 8.0 fail with a back-end that offers a tag.
start_daemon --log-level info
status=0
guest_args=("$queues")
run_guest qemu guest-smoke.sh --queues "$queues" --timeout 120 || status=$?
check_equal "the guest ends well" 0 "$status"
check_guest_file "the guest's file is whole on the host"
check_daemon_ended "the daemon ends with its guest"
finish
