#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows in a guest, on ext4 and XFS: birth times, O_TMPFILE, flags, copies; that
# write-back loses nothing and the host sees all of it; and that a guest never
# gets stuck on a file that the host replaced, nor misses one longer than it was
# told it may.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require chattr fio gcc mkfs.ext4 mkfs.xfs
require_assets uml

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/guest-ops" "$guest_dir/guest-ops.c" ||
	bail "guest-ops does not build"
guest_args=("$work/guest-ops")

make_xfs_share() {
	share=$work/share
	mkdir "$share"
	truncate -s "$1" "$work/image"
	mkfs.xfs -q "$work/image"
	mount -o loop "$work/image" "$share"
}

drop_share() {
	umount "$share"
	rmdir "$share"
	rm "$work/image"
}

# serve NAME SCRIPT OPTION...: one guest.
serve() {
	local name=$1 script=$2 status=0
	shift 2

	note "$name"
	start_daemon --tag share "$@"
	run_guest uml "$script" --mem 512M --timeout 100 || status=$?
	check_equal "the guest ends well with $name" 0 "$status"
	check_daemon_ended "the daemon ends with its guest with $name"
}

check_host_sees_writes() {
	check "the host sees what was written to a page in part with $1" \
		test "$(tail -c +4999 "$share/partial" | head -c 7)" = AAxyzAA
	check "the host sees all appended lines with $1" \
		test "$(wc -l <"$share/lines") $(tail -n1 "$share/lines")" = "2000 line 1999"
	check "the host sees the end of the mapping with $1" \
		test "$(tail -c 10 "$share/odd")" = 0123456789
	find "$share" -mindepth 1 -delete
}

# What guest-absent.sh asks for, until the daemon is gone.
answer_guest() {
	while kill -0 "$1" 2>/dev/null; do
		if [[ -f $share/ask-replace ]]; then
			echo new >"$share/other" && mv "$share/other" "$share/replaced"
			mv "$share/moved" "$share/gone" && mv "$share/waiting" "$share/moved"
			rm "$share/ask-replace"
		fi
		if [[ -f $share/ask-create ]]; then
			: >"$share/absent"
			rm "$share/ask-create"
		fi
		sleep 0.02
	done
}

# absent NAME WHAT OPTION...
absent() {
	local name=$1 what=$2 answering status=0
	shift 2

	note "$name"
	mkdir "$work/share" "$work/share/moved" "$work/share/waiting"
	share=$work/share
	echo old | tee "$share/replaced" >"$share/moved/file"
	echo new >"$share/waiting/file"
	start_daemon --tag share "$@"
	answer_guest "$daemon_pid" &
	answering=$!
	guest_args=("$what")
	run_guest uml guest-absent.sh --mem 256M || status=$?
	check_equal "the guest ends well with $name" 0 "$status"
	check_daemon_ended "the daemon ends with its guest with $name"
	wait "$answering"
	rm -r "$share"
}

make_ext4_share 300M
mkdir "$share/sub"
mount -t tmpfs -o size=1m tmpfs "$share/sub"
: >"$share/sub/inner"
serve "ext4" guest-newer.sh
umount "$share/sub"
find "$share" -mindepth 1 -delete
serve "write-back" guest-writeback.sh --writeback
check_host_sees_writes "write-back"
serve "write-back, cache always and direct I/O" guest-writeback.sh --writeback \
	--cache always --allow-direct-io
check_host_sees_writes "write-back, cache always and direct I/O"
serve "cache never with mappings" guest-writeback.sh --cache never \
	--allow-direct-io
check_host_sees_writes "cache never with mappings"
drop_share
make_xfs_share 300M
serve "XFS" guest-newer.sh --cache always
drop_share
absent "cache auto" names --cache auto
absent "cache never" names --cache never
absent "cache auto and a negative timeout" absence --cache auto --negative-timeout 60
absent "cache always" absence --cache always
finish
