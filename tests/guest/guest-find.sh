# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: walks a tree of many files and keeps all of it in mind. $1:
# how many files. The host measures the daemon meanwhile.
#
# shellcheck disable=SC2154 # in-guest.sh stands before this text

measured() {
	: >"state/$1"
	until [[ ! -e state/$1 ]]; do
		sleep 0.02
	done
}

# find_all SENTENCE TEST...: says how long it took.
find_all() {
	local start=$SECONDS

	check_equal "$1" "$count" "$(find tree -type f "${@:2}" | wc -l)"
	echo "  this took $((SECONDS - start)) s"
}

count=$1
measured at-start
find_all "find finds all of $1 files"
find_all "find looks at all of $1 files" -size 0 -perm 644
measured at-end
sync
echo 3 >/proc/sys/vm/drop_caches
find_all "find finds all of $1 files anew"
measured at-last
exit "$guest_failed"
