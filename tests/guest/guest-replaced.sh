# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest while the host replaces files. $1: replaced-reader; $2: how many
# files to know besides, which makes the daemon close what it has.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

names=(edited backed-up sub/synced)
in_git=(repo/one repo/two)

# Knows all files of a large folder again and again, until the others have seen enough.
keep_busy() {
	while [[ ! -e stop ]]; do
		stat many/* >/dev/null || return
	done
}

reads() { "$1" "${names[@]}" -- "${in_git[@]}" >&3; }

# The host stands still with a number in all files. After the timeout of names and
# attributes everybody sees it.
last_is_seen() {
	until [[ -e stop ]]; do
		sleep 0.05
	done
	sleep 1.1
	"$1" --is "$(<stop)" "${names[@]}" "${in_git[@]}" &&
		[[ $(./program) == "$(<stop)" ]]
}

exec 3>&1
: >started
if (($2 > 0)); then
	keep_busy &
fi
check "nothing fails, and no file is read by halves, while the host replaces it" reads "$1"
check "the last state is seen after the timeout" last_is_seen "$1"
wait
exit "$guest_failed"
