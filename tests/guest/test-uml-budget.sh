#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a guest reads a tree of 12,000 files whole, twice, with fewer descriptors and
# file handles, and with few descriptors and none.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require_assets uml

# 100 folders of 120 files of a few hundred bytes, and their sums.
make_large_share() {
	local dir file

	make_plain_share
	for ((dir = 0; dir < 100; dir++)); do
		mkdir -p "$share/tree/$dir"
		for ((file = 0; file < 120; file++)); do
			printf 'file %d of folder %d\n%*s' "$file" "$dir" "$((file + 1))" end \
				>"$share/tree/$dir/file-$file"
		done
	done
	(cd "$share/tree" && find . -type f -print0 | xargs -0 sha256sum >../sums)
}

# walk NAME OPTION...
walk() {
	local name=$1 status=0
	shift

	note "$name"
	start_daemon --tag share "$@"
	run_guest uml guest-budget.sh --mem 512M --timeout 120 || status=$?
	check_equal "the guest ends well $name" 0 "$status"
	check_daemon_ended "the daemon ends with its guest $name"
}

make_large_share
walk "with 4096 descriptors and file handles" --rlimit-nofile=4096
walk "with 1024 descriptors and no file handles" --rlimit-nofile=1024 \
	--inode-file-handles=never
check "nothing has changed on the host" \
	env --chdir "$share/tree" sha256sum --quiet -c ../sums
finish
