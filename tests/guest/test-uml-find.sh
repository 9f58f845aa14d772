#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a guest walks 100,000 files of a daemon that may open 1,024, of root
# and of a plain user, and that the daemon stays below 256 bytes for each of them.
#
# GUEST_TEST_COUNT=N makes it N files.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=sides.sh
. "$guest_dir/sides.sh"
require gcc setpriv prlimit
require_assets uml

count=${GUEST_TEST_COUNT:-100000}
bytes_each=256
limit=1024
# What serving takes, whatever the guest knows.
spare_kib=2048

# measured NAME: the guest waits for it. Meanwhile the most descriptors are kept.
measured() {
	local server n end=$((SECONDS + count / 1000 + 100))

	server=$(server_of "$daemon_pid")
	until [[ -e $share/state/$1 ]]; do
		((SECONDS < end)) || bail "the guest does not get $1"
		n=$(n_fds "$server")
		((n <= most_fds)) || most_fds=$n
		sleep 0.05
	done
	rss=$(rss_kib "$server")
	rm "$share/state/$1"
}

# walk NAME OPTION...
walk() {
	local name=$1 at_start mem=$((256 + count * 2 / 1000))
	shift

	start_side s "--rlimit-nofile=$limit" "$@"
	most_fds=0
	guest_args=("$count")
	boot_side s guest-find.sh --mem "${mem}M" --timeout $((count / 1000 + 100))
	measured at-start
	at_start=$rss
	measured at-end
	note "$name: $((rss - at_start)) KiB for $count files," \
		"$(((rss - at_start) * 1024 / count)) bytes each, $rss KiB in all"
	check "$bytes_each bytes for each known file are enough $name" \
		test $((rss - at_start)) -le $((count * bytes_each / 1024 + spare_kib))
	measured at-last
	note "$name: $rss KiB after a second round, at most $most_fds descriptors"
	check "fewer than $limit descriptors are enough $name" test "$most_fds" -lt "$limit"
	end_side s
}

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/make-many" "$guest_dir/make-many.c" ||
	bail "make-many does not build"
share=$work/share
mkdir "$share"
mount -t tmpfs -o mode=755,nr_inodes=0 tmpfs "$share"
mkdir "$share/tree" "$share/state"
"$work/make-many" "$share/tree" "$count"
walk "as root" --inode-file-handles=mandatory

# A plain user has no file handles, and here a limit that it cannot raise.
chmod 711 "$work"
cp "$VIRTIOFSD" "$work/virtiofsd"
mkdir "$work/sockets"
chown -R 65534:65534 "$share/state" "$work/sockets"
daemon_prefix=(prlimit "--nofile=$limit:$limit"
	setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
VIRTIOFSD=$work/virtiofsd
socket_dir=$work/sockets
walk "as a plain user" --sandbox=none
finish
