#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that stress-ng's file system stressors and dbench run in a guest without
# an error, and leave a sound file system and a daemon that has as much as before:
# descriptors, threads and memory.
#
# GUEST_TEST_SECONDS=N runs each stressor alone for N seconds as well.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=sides.sh
. "$guest_dir/sides.sh"
require stress-ng dbench e2fsck mkfs.ext4
require_assets uml

long=${GUEST_TEST_SECONDS:-0}
short=$((long > 10 ? long : 10))

# What a peak of some 10,000 known files may leave with the daemon.
spare_kib=8192

at_most() { (($1 >= $("${@:2}"))); }

# measured NAME: the guest waits for it.
measured() {
	until_true $((long * 100 + 300)) test -e "$share/$1" || bail "the guest does not get there"
	server=$(server_of "$daemon_pid")
	note "$1: $(n_fds "$server") descriptors, $(n_threads "$server") threads," \
		"$(rss_kib "$server") KiB"
}

make_ext4_share 8G
head -c 2345678 /dev/urandom >"$share/from-host"
(cd "$share" && sha256sum from-host >from-host.sha256)
start_side s --xattr
guest_args=("$long" "$short")
boot_side s guest-stress.sh --mem 512M --timeout $((long * 100 + 200))
measured at-start
fds=$(n_fds "$server") threads=$(n_threads "$server") rss=$(rss_kib "$server")
rm "$share/at-start"
measured at-end
# What is idle ends after a while.
check "the daemon has no more descriptors than before" \
	until_true 30 at_most "$fds" n_fds "$server"
check "the daemon has no more threads than before" \
	until_true 30 at_most "$threads" n_threads "$server"
check "the daemon has hardly more memory than before" \
	at_most $((rss + spare_kib)) rss_kib "$server"
rm "$share/at-end"
end_side s
check_equal "the daemon had nothing to complain of" "" \
	"$(grep -v ' INFO ' "$work/daemon-s.log")"
umount "$share"
check "the file system is sound" e2fsck -f -n "$work/image"
finish
