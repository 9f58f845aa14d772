# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: birth times, files without a name, flags, copies and holes.
# $1: guest-ops.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

ops=$1

birth_time_is_told() { (($(stat -c %W file) > 0)) && stat -c %w file; }

file_without_name_gets_one() {
	"$ops" tmpfile named && [[ $(<named) == text && $(stat -c '%a %h' named) == '640 1' ]]
}

flags_change() {
	local wanted=$1 flag
	shift

	chattr "$@" || return
	for flag in "${@:2}"; do
		[[ $(lsattr -d "$flag" | cut -d' ' -f1) == *"$wanted"* ]] || return
	done
}

copy_is_equal() {
	"$ops" copy data copied && cmp data copied &&
		cp --reflink=auto data clone && cmp data clone
}

ranges_change() {
	fallocate -p -o 4096 -l 8192 copied && fallocate -n -l 4M copied &&
		fallocate -z -o 0 -l 100 copied &&
		[[ $(stat -c %s copied) == 3000000 ]] &&
		cmp <(head -c 100 /dev/zero) <(head -c 100 copied) &&
		cmp <(tail -c +12289 data) <(tail -c +12289 copied) &&
		cp --sparse=always copied sparse && cmp copied sparse
}

echo text >file
mkdir folder
head -c 3000000 /dev/urandom >data
check "the birth time of a file is told" birth_time_is_told
check "a file without a name can get one" file_without_name_gets_one
check "flags of a file and a folder change" flags_change d +d file folder
check "flags are taken back" chattr -d file folder
check "an unused flag is not there" test -z "$(lsattr -d file | cut -d' ' -f1 | tr -d 'e-')"
check "the immutable flag is not for guests" fails_with "" chattr +i file
check "project ids are told" lsattr -p file
check "project ids do not change" fails_with "" chattr -p 7 file
check "copies made on the host are equal" copy_is_equal
check "ranges are punched, zeroed and kept" ranges_change
[[ ! -d sub ]] || check "a mount of the host has a device number of its own" \
	test "$(stat -c %d sub/inner)" != "$(stat -c %d .)"
exit "$guest_failed"
