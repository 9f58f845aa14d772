# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For the scripts that run inside a guest: results that lib.sh on the host counts.
#
# shellcheck disable=SC2034 # guest_failed is what the script exits with

guest_failed=0

# check SENTENCE COMMAND...: the sentence is true when the command succeeds. What
# the command prints is shown only if it fails.
check() {
	local sentence=$1 start=$SECONDS out
	shift

	if out=$("$@" 2>&1); then
		echo "CHECK ok: $sentence"
		((SECONDS - start < 2)) || echo "  this took $((SECONDS - start)) s"
	else
		echo "$out"
		echo "CHECK not ok: $sentence"
		guest_failed=1
	fi
}

check_equal() {
	check "$1" test "$2" = "$3"
	[[ $2 == "$3" ]] || echo "wanted: $2, got: $3"
}

# fails_with TEXT COMMAND...: the command fails and says TEXT.
fails_with() {
	local text=$1 out
	shift

	if out=$("$@" 2>&1); then
		echo "succeeded: $*"
		return 1
	fi
	[[ $out == *"$text"* ]] || { echo "$out"; return 1; }
}
