#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the share works in a guest in every cache mode and every sandbox,
# and that a read-only one cannot be written to, whatever the guest's mount says.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require chattr gcc setfattr
require_assets uml

# smoke NAME OPTION...
smoke() {
	local name=$1 status=0
	shift

	note "$name"
	make_plain_share
	start_daemon --tag share "$@"
	run_guest uml guest-smoke.sh --mem 256M || status=$?
	check_equal "the guest ends well with $name" 0 "$status"
	check_guest_file "the guest's file is whole on the host with $name"
	check_daemon_ended "the daemon ends with its guest with $name"
	rm -r "$share"
}

smoke "cache auto in a namespace" --cache auto --sandbox namespace
smoke "cache always in a chroot" --cache always --sandbox chroot
smoke "cache never without a sandbox" --cache never --sandbox none
smoke "cache metadata in a namespace" --cache metadata --sandbox namespace

make_plain_share
"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/guest-ops" "$guest_dir/guest-ops.c" ||
	bail "guest-ops does not build"
guest_args=("$work/guest-ops")
access_times() { (cd "$share" && stat -c '%n %x' . from-host from-host.sha256); }
before=$("$guest_dir/manifest.sh" "$share")
touch -a -d 2001-01-01 "$share" "$share"/*
accessed=$(access_times)
start_daemon --tag share --readonly --xattr
status=0
run_guest uml guest-readonly.sh --mem 256M || status=$?
check_equal "the guest ends well with a read-only share" 0 "$status"
check_daemon_ended "the daemon ends with its guest with a read-only share"
check_equal "nothing on a read-only share has been accessed" "$accessed" "$(access_times)"
check_equal "a read-only share has not changed" \
	"$before" "$("$guest_dir/manifest.sh" "$share")"
finish
