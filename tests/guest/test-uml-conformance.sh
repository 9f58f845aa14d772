#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that what a guest sees of ext4, XFS and btrfs through the daemon is what the
# host sees: the same program with hundreds of checks runs on both sides of the same
# file system, and each check must come to the same.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require mkfs.ext4 mkfs.xfs mkfs.btrfs awk
require_assets uml
: "${CONFORMANCE:?names the program with the checks}"

known=$guest_dir/../conformance/known-differences
compare=$guest_dir/../conformance/compare.awk

make_share() {
	share=$work/share
	mkdir "$share"
	truncate -s 512M "$work/image"
	case $1 in
	ext4) mkfs.ext4 -q -F "$work/image" ;;
	*) "mkfs.$1" -q "$work/image" >/dev/null ;;
	esac
	mount -o loop "$work/image" "$share"
}

drop_share() {
	umount "$share"
	rmdir "$share"
	rm "$work/image"
}

on_host() {
	local status=0

	"$CONFORMANCE" "$share/host" >"$work/host.tap" || status=$?
	check_equal "all checks hold on the host with $1" 0 "$status"
	check "there are hundreds of checks with $1" \
		test "$(grep -c '^ok' "$work/host.tap")" -ge 400
}

# in_guest RUN OPTION...
in_guest() {
	local run=$1 status=0 setting
	shift

	note "$run: $*"
	guest_args=("$CONFORMANCE")
	for setting in protected_{hardlinks,symlinks,regular,fifos}; do
		guest_args+=("$setting=$(<"/proc/sys/fs/$setting")")
	done
	start_daemon --tag share --xattr --posix-acl=always "$@"
	run_guest uml guest-conformance.sh --mem 512M --timeout 120 || status=$?
	check_equal "the guest ends well with $run" 0 "$status"
	check_daemon_ended "the daemon ends with its guest with $run"
	check_equal "the guest sees what the host sees with $run" "" \
		"$(awk -v run="$run" -f "$compare" "$known" "$work/host.tap" "$share/results" 2>&1)"
	rm -rf "$share/guest" "$share/results"
}

# compared KNOWN HOST GUEST: what the comparison says of lines of text.
compared() {
	awk -v run=self -f "$compare" <(echo "$1") <(echo "$2") <(echo "$3")
}

check_equal "a difference is noticed" "differs: a: b | ok | EIO" \
	"$(compared "" "ok 1 - a: b -> ok" "ok 1 - a: b -> EIO")"
check_equal "a known difference is none" "" \
	"$(compared "x,self | a: b | ok | EIO | why" "ok 1 - a: b -> ok" "ok 1 - a: b -> EIO")"
check_equal "a row that is not needed is noticed" "known, but not so: a: b | ok | EIO" \
	"$(compared "* | a: b | ok | EIO | why" "ok 1 - a: b -> ok" "ok 1 - a: b -> ok")"
check_equal "a check that fails alike is noticed" "fails on the host: a: b -> FAILED 1" \
	"$(compared "" "not ok 1 - a: b -> 1" "not ok 1 - a: b -> 1")"
check_equal "a check that is missing is noticed" "not seen in the guest: a: b" \
	"$(compared "" "ok 1 - a: b -> ok" "1..0")"

make_share ext4
on_host ext4
in_guest ext4
in_guest ext4-never --cache never --allow-mmap --posix-lock --flock
in_guest ext4-writeback --cache always --writeback
in_guest ext4-exclusive --exclusive
in_guest ext4-exclusive-writeback --exclusive --writeback
drop_share
make_share xfs
on_host xfs
in_guest xfs --killpriv-v2 --allow-direct-io
drop_share
make_share btrfs
on_host btrfs
in_guest btrfs --inode-file-handles never --rlimit-nofile 1024
drop_share
finish
