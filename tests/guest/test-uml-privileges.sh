#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows in a guest, on ext4, with users other than root: who may create, what
# becomes of set-id bits, O_NOATIME, shared mappings and id-mapped mounts.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require gcc mkfs.ext4 setpriv
require_assets uml

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/guest-privileges" \
	"$guest_dir/guest-privileges.c" || bail "guest-privileges does not build"

# serve NAME WHO OPTION...: one guest; WHO drops set-id bits.
serve() {
	local name=$1 status=0

	note "$name"
	guest_args=("$work/guest-privileges" "$2")
	shift 2
	start_daemon --tag share "$@"
	run_guest uml guest-privileges.sh --mem 256M || status=$?
	check_equal "the guest ends well with $name" 0 "$status"
	check_daemon_ended "the daemon ends with its guest with $name"
	find "$share" -mindepth 1 -delete
}

make_ext4_share 100M
serve "cache auto" guest --cache auto
serve "cache never" guest --cache never
serve "cache never and killpriv" daemon --cache never --killpriv-v2
serve "cache always, attributes and killpriv" daemon --cache always --killpriv-v2 --xattr
finish
