# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: walks, reads and changes a tree of 12,000 files.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

# What the guest knows by then is far more than the daemon has descriptors.
sums_are_right() { sha256sum --quiet -c ../sums; }

names_come_and_go() {
	for dir in 3 50 97; do
		mv "$dir" "moved-$dir" && cat "moved-$dir"/* >/dev/null &&
			mv "moved-$dir" "$dir" || return
	done
}

open_file_outlives_its_name() {
	cp 7/file-7 7/copy && exec 7<7/copy && rm 7/copy &&
		find . -type f -size +1000k && cat [1-4]*/* >/dev/null &&
		cmp - 7/file-7 <&7 && exec 7<&-
}

cd tree || exit 1
check_equal "find finds every file" 12000 "$(find . -type f | wc -l)"
check "every file is whole" sums_are_right
check "folders are renamed with all that is below them" names_come_and_go
check "an open file outlives its name and a walk" open_file_outlives_its_name
check "every file is whole once more" sums_are_right
check_equal "find finds every file once more" 12000 \
	"$(find . -type f -newermt 2000-01-01 | wc -l)"
exit "$guest_failed"
