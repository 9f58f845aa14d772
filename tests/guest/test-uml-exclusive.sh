#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a guest on a share of its own, with --exclusive, works as on any other
# without opening and closing what it uses, and how many requests that saves.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require git gcc make sqlite3 mkfs.ext4 tar flock
require_assets uml

# Of the requests with handles, so many in a hundred may be left. What a guest's kernel
# sends by itself is a LOOKUP of each new name, a READ of each file that is not cached,
# and one request for each change; git looks up every name before it lists a directory.
most=(80 33 40 53 100 30 72)
phases=(untar "grep -r, nothing cached" "grep -r again" make
	"git status, nothing cached" "git status again" "git clone")

# Lines of "phase operation" for every request between two syncs.
requests() {
	awk '$0 ~ /fuse: [A-Z]/ {
		match($0, /fuse: [A-Z_0-9]+/)
		name = substr($0, RSTART + 6, RLENGTH - 6)
		if (name == "SYNCFS")
			n++
		else if (n % 2)
			print (n - 1) / 2, name
	}' "$work/daemon.log" >"$1"
}

# count FILE PHASE [REGEX]
count() { awk -v p="$2" -v re="^(${3:-.*})\$" '$1 == p && $2 ~ re' "$1" | wc -l; }

# work_in NAME OPTION...
work_in() {
	local name=$1 status=0
	shift

	note "$name"
	make_ext4_share 1G
	cp "$work/tree.tar" "$share"
	start_daemon --tag share --log-level debug "$@"
	run_guest uml guest-exclusive.sh --timeout 200 --mem 1G || status=$?
	check_equal "the guest ends well with $name" 0 "$status"
	check_daemon_ended "the daemon ends by itself with its guest with $name"
	requests "$work/$name"
	umount "$share"
	rmdir "$share"
}

"$guest_dir/make-tree.sh" "$work/tree"
tar cf "$work/tree.tar" -C "$work" tree
guest_args=(phases)
work_in handles --cache always
guest_args=()
work_in exclusive --exclusive

for i in "${!phases[@]}"; do
	before=$(count "$work/handles" "$i")
	after=$(count "$work/exclusive" "$i")
	note "${phases[i]}: $before requests with handles, $after without" \
		"($((after * 100 / (before ? before : 1)))%)"
	note "  with:    $(awk -v p="$i" '$1 == p { print $2 }' "$work/handles" | sort |
		uniq -c | sort -rn | awk '{ printf "%s %s, ", $2, $1 }')"
	note "  without: $(awk -v p="$i" '$1 == p { print $2 }' "$work/exclusive" | sort |
		uniq -c | sort -rn | awk '{ printf "%s %s, ", $2, $1 }')"
	opens=$(count "$work/exclusive" "$i" 'OPEN|RELEASE|FLUSH|OPENDIR|RELEASEDIR|[GS]ETLKW?')
	check_equal "no opening and closing: ${phases[i]}" 0 "$opens"
	check "not more than ${most[i]}% of the requests: ${phases[i]}" \
		test "$((after * 100))" -le "$((before * most[i]))"
done
finish
