#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a newer QEMU, and the older kernel of Debian 12 in it, work with the
# share as well; by one request queue, which is QEMU's default.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require cpio
require_assets qemu-backports kernel-bookworm

export QEMU=$lab/qemu-backports/qemu-system-x86_64
note "$("$QEMU" --version | head -n1)"
make_plain_share
start_daemon --tag share
status=0
run_guest qemu guest-smoke.sh --kernel bookworm --queues 1 --timeout 120 || status=$?
check_equal "the guest ends well" 0 "$status"
check_guest_file "the guest's file is whole on the host"
check_daemon_ended "the daemon ends with its guest"
finish
